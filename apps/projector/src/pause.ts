import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BackoffPolicy, backoffDelayMs } from '@fairlead/base'

/** Waits out the back-off of a failure; returns early, and silently, when `signal` fires. */
export async function pause(
  attempt: number,
  policy: BackoffPolicy,
  signal: AbortSignal,
): Promise<void> {
  await pauseFor(backoffDelayMs(attempt, policy, { int: (bound) => randomInt(bound) }), signal)
}

/** Waits `delayMs`; returns early, and silently, when `signal` fires. */
export async function pauseFor(delayMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(delayMs, undefined, { signal })
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
