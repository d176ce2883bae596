import { OperationalError } from '@fairlead/base'
import { inTime } from './in-time.ts'
import { runInLanes } from './run-in-lanes.ts'

/** The partition waits for its effects: one that never ends would hold it for ever. */
export const EFFECT_TIMEOUT_MS = 30_000

/** What a handler wants to have done once its transaction has committed. */
export type Effect = {
  /** Of its event: the unit of order. */
  readonly key: string
  readonly run: (context: { readonly signal: AbortSignal }) => Promise<void>
}

/** An effect was not had, or not waited for, as the partition goes to another worker. */
export class EffectsGivenUp extends OperationalError {
  constructor(what: string) {
    super(`${what} before the partition was given up`, { code: 'REVOKED', retryable: false })
  }
}

/**
 * Their transaction has committed: what becomes of them changes nothing about it. One that does not end
 * in time is told as failed, and goes on beside the others. Once `signal` fires none is begun or waited for any
 * more: those of the next worker would happen beside them.
 */
export async function haveEffects(
  effects: readonly Effect[],
  options: {
    /** Keys of which effects happen at the same time. */
    readonly lanesMax: number
    readonly codeFailed: (error: unknown) => void
    readonly signal: AbortSignal
  },
): Promise<void> {
  const { signal } = options
  const limit = { timeoutMs: EFFECT_TIMEOUT_MS, what: 'an effect', signal }
  let leftCount = 0
  await runInLanes(effects, {
    lanesMax: options.lanesMax,
    keyOf: ({ key }) => key,
    run: async (effect) => {
      if (signal.aborted) leftCount += 1
      else await inTime((ended) => effect.run({ signal: ended }), limit).catch(options.codeFailed)
    },
  })
  if (leftCount > 0) options.codeFailed(new EffectsGivenUp(`${leftCount} effects were not begun`))
}
