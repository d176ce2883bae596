import { KeyLanes } from '@fairlead/projection'

/**
 * Runs something for each item: of one key one after the other, in their order, of several keys at the
 * same time, in so many lanes. One lane takes all of them in their order. Ends when all have ended, whatever they ended with.
 *
 * @throws what `run` throws first; nothing is begun after it.
 */
export async function runInLanes<T>(
  items: Iterable<T>,
  options: {
    readonly lanesMax: number
    readonly keyOf: (item: T) => string
    readonly run: (item: T) => Promise<void>
  },
): Promise<void> {
  const { lanesMax, keyOf, run } = options
  if (lanesMax === 1) {
    for (const item of items) await run(item)
    return
  }
  const lanes = new KeyLanes<T>({ lanesMax })
  for (const item of items) lanes.add(keyOf(item), item)
  let failure: { readonly error: unknown } | undefined

  const runLane = async (): Promise<void> => {
    while (failure === undefined) {
      const taken = lanes.take()
      // Whoever runs a key goes on with what is behind it: none waits without a lane.
      if (taken === undefined) return
      try {
        await run(taken.item)
        lanes.done(taken.key)
      } catch (error) {
        failure ??= { error }
      }
    }
  }
  await Promise.all(Array.from({ length: lanesMax }, runLane))
  if (failure !== undefined) throw failure.error
}
