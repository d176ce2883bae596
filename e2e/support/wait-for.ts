import { setTimeout as delay } from 'node:timers/promises'

const POLL_MS = 50

/**
 * Waits until `condition` holds. Throws when it does not within `timeoutMs`, with what it waited for.
 * An error of the condition ends the wait at once.
 */
export async function waitFor(
  what: string,
  timeoutMs: number,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error(`waited ${timeoutMs} ms for ${what}`)
    await delay(POLL_MS)
  }
}
