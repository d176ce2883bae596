import { LETTERS_PER_DRAIN_MAX } from './store/letter-queue.ts'

/** What takes longer than this is followed by less: the events of other keys wait for it. */
const TRY_TIME_MAX_MS = 1_000

/**
 * How many letters are applied again in one transaction, as somebody asked for it or by themselves: more while
 * they pass, fewer while they take long, and one alone once a try came to nothing, which shows the key that it
 * was for.
 */
export class TrySize {
  readonly #first: number
  #lettersMax: number

  /** `first`: how many are before it is known whether any passes. */
  constructor(first: number) {
    this.#first = first
    this.#lettersMax = first
  }

  get lettersMax(): number {
    return this.#lettersMax
  }

  /** A try is committed. Behind a letter that failed again others were prepared in vain. */
  committed({
    failedCount,
    tookMs,
  }: {
    readonly failedCount: number
    readonly tookMs: number
  }): void {
    const isSlow = tookMs > TRY_TIME_MAX_MS
    const next = isSlow ? Math.ceil(this.#lettersMax / 2) : this.#lettersMax * 2
    this.#lettersMax = Math.min(next, failedCount > 0 ? this.#first : LETTERS_PER_DRAIN_MAX)
  }

  /** A try changed nothing, and blames no letter. */
  failed(): void {
    this.#lettersMax = 1
  }
}
