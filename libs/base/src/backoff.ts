import type { Random } from './ports.ts'
import { invariant } from './invariant.ts'

export type BackoffPolicy = {
  /** Delay before the first retry. */
  readonly baseMs: number
  /** No delay is longer than this. */
  readonly maxMs: number
}

/**
 * Delay before retry number `attempt` (from 1): doubles each time up to `maxMs`, then takes a random
 * half off, so that clients that failed together do not come back together.
 */
export function backoffDelayMs(
  attempt: number,
  policy: BackoffPolicy,
  random: Pick<Random, 'int'>,
): number {
  invariant(attempt >= 1, 'attempts count from 1')
  const ceilingMs = Math.min(policy.maxMs, policy.baseMs * 2 ** Math.min(attempt - 1, 30))
  return ceilingMs / 2 + random.int(Math.ceil(ceilingMs / 2) + 1)
}
