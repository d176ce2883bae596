import type { LetterQueue } from './store/letter-queue.ts'

/** When each replay that has a rate goes on; others do not wait for it. */
export class DrainPace {
  readonly #restUntilMs = new Map<string, number>()

  /** Replays that have had all that they may have up to now. */
  resting(nowMs: number): readonly string[] {
    for (const [request, untilMs] of this.#restUntilMs) {
      if (untilMs <= nowMs) this.#restUntilMs.delete(request)
    }
    return [...this.#restUntilMs.keys()]
  }

  /** So many letters of a replay were applied, or failed again, in a transaction that began at `startMs`. */
  tried(
    { request, lettersPerSecond }: Pick<LetterQueue, 'request' | 'lettersPerSecond'>,
    { count, startMs }: { readonly count: number; readonly startMs: number },
  ): void {
    if (request === undefined || lettersPerSecond === undefined || lettersPerSecond === null) return
    this.#restUntilMs.set(request, startMs + (count / lettersPerSecond) * 1_000)
  }
}
