const DELAY_MIN_MS = 60_000
/** Long enough for somebody to make room on a disk that each try fills, and that live batches need, too. */
const DELAY_MAX_MS = 3_600_000

type Failed = { readonly failedCount: number; readonly dueMs: number }

/** When indexes that could not be made are tried again: each by itself, ever less often. */
export class IndexTries {
  readonly #nowMs: () => number
  readonly #failed = new Map<string, Failed>()

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  isDue(index: string): boolean {
    return this.#nowMs() >= (this.#failed.get(index)?.dueMs ?? Number.NEGATIVE_INFINITY)
  }

  /** Returns how long it is left alone. */
  failed(index: string): number {
    const failedCount = (this.#failed.get(index)?.failedCount ?? 0) + 1
    const delayMs = Math.min(DELAY_MAX_MS, DELAY_MIN_MS * 2 ** (failedCount - 1))
    this.#failed.set(index, { failedCount, dueMs: this.#nowMs() + delayMs })
    return delayMs
  }

  /** Another try would not make it either. */
  refused(index: string): void {
    this.#failed.set(index, { failedCount: 1, dueMs: Number.POSITIVE_INFINITY })
  }

  made(index: string): void {
    this.#failed.delete(index)
  }
}
