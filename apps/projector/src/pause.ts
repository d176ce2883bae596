import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BackoffPolicy, type Random, backoffDelayMs } from '@fairlead/base'

export const RANDOM: Pick<Random, 'int'> = { int: (bound) => randomInt(bound) }

/** Waits out the back-off of a failure; returns early, and silently, when `signal` fires. */
export async function pause(
  attempt: number,
  policy: BackoffPolicy,
  signal: AbortSignal,
): Promise<void> {
  await pauseFor(backoffDelayMs(attempt, policy, RANDOM), signal)
}

/** Waits `delayMs`; returns early, and silently, when `signal` fires. */
export async function pauseFor(delayMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(delayMs, undefined, { signal })
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
