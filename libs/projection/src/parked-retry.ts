import { type Random, backoffDelayMs } from '@fairlead/base'
import type { Projection } from './definition.ts'
import type { RetryPolicy } from './error-rules.ts'

/** Keys of a version that nothing follows the log for. */
export const NEVER_RETRIED: RetryPolicy = { retries: 0, baseMs: 1, maxMs: 1 }

/** How often a parked key of a projection is tried again by itself, and after how long. */
export function parkedRetryOf({ retryParked }: Pick<Projection, 'retryParked'>): RetryPolicy {
  return { ...NEVER_RETRIED, ...retryParked }
}

/** A parked key whose head has failed. */
export type ParkedFailure = {
  /** See `Letter`. */
  readonly mayPass: boolean
  /** Tries of its head that nobody asked for, and that failed. */
  readonly timedTries: number
}

/** How long until the key is tried again by itself; null: not before somebody asks for it. */
export function nextTryDelayMs(
  policy: RetryPolicy,
  { mayPass, timedTries }: ParkedFailure,
  random: Pick<Random, 'int'>,
): number | null {
  if (!mayPass || timedTries >= policy.retries) return null
  return backoffDelayMs(timedTries + 1, policy, random)
}
