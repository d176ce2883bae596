import { inTime } from './in-time.ts'
import { runInLanes } from './run-in-lanes.ts'

/** The partition waits for its effects: one that never ends would hold it for ever. */
export const EFFECT_TIMEOUT_MS = 30_000

/** What a handler wants to have done once its transaction has committed. */
export type Effect = {
  /** Of its event: the unit of order. */
  readonly key: string
  readonly run: () => Promise<void>
}

/**
 * Their transaction has committed: what becomes of them changes nothing about it. One that does not end
 * in time is told as failed, and goes on beside the others.
 */
export async function haveEffects(
  effects: readonly Effect[],
  options: {
    /** Keys of which effects happen at the same time. */
    readonly lanesMax: number
    readonly codeFailed: (error: unknown) => void
  },
): Promise<void> {
  const limit = { timeoutMs: EFFECT_TIMEOUT_MS, what: 'an effect' }
  await runInLanes(effects, {
    lanesMax: options.lanesMax,
    keyOf: ({ key }) => key,
    run: ({ run }) => inTime(run, limit).catch(options.codeFailed),
  })
}
