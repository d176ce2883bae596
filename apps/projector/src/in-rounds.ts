import { pauseFor } from './pause.ts'

type RoundOptions = {
  readonly signal: AbortSignal
  readonly failed: (error: unknown) => void
  /** Between the end of a round and the next; default: a minute. */
  readonly intervalMs?: number
}

const INTERVAL_MS = 60_000

/** Does one round after the other until `signal` fires. One that fails does not end them. */
export async function inRounds(
  round: () => Promise<void>,
  { signal, failed, intervalMs = INTERVAL_MS }: RoundOptions,
): Promise<void> {
  while (!signal.aborted) {
    await round().catch(failed)
    await pauseFor(intervalMs, signal)
  }
}
