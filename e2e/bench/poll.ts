import { setTimeout as delay } from 'node:timers/promises'

/** Far more than any benchmark takes: what is not there by then will not come. */
const DEADLINE_MS = 120_000

/** Asks every `intervalMs` until there is an answer. */
export async function poll<Answer>(
  what: string,
  intervalMs: number,
  ask: () => Promise<Answer | undefined>,
): Promise<Answer> {
  const deadlineMs = performance.now() + DEADLINE_MS
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (performance.now() > deadlineMs) throw new Error(`waited ${DEADLINE_MS} ms for ${what}`)
    await delay(intervalMs)
  }
}
