import { pauseFor } from './pause.ts'

const INTERVAL_MS = 60_000

/** Does one round after the other, a minute apart, until `signal` fires. One that fails does not end them. */
export async function inRounds(
  round: () => Promise<void>,
  options: { readonly signal: AbortSignal; readonly failed: (error: unknown) => void },
): Promise<void> {
  const { signal, failed } = options
  while (!signal.aborted) {
    await round().catch(failed)
    await pauseFor(INTERVAL_MS, signal)
  }
}
