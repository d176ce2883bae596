/** The window in which parked keys are counted, and for which a tripped breaker stays open. */
const WINDOW_MS = 60_000

/** A flood is also this share of the keys that were seen; a large topic has some bad keys. */
const PARKED_SHARE_MAX = 0.05

/**
 * Tells a few poison events from a broken projection. When many keys fail within a minute, parking
 * them all would turn one bug into a table full of letters; the partition waits instead.
 *
 * Counts start anew with each window, so that the memory is constant.
 */
export class FloodBreaker {
  readonly #parkedKeysMax: number
  #windowStartMs = 0
  #parkedCount = 0
  #keyCount = 0

  /** More than `parkedKeysMax` keys in a window trip it. */
  constructor(options: { readonly parkedKeysMax: number }) {
    this.#parkedKeysMax = options.parkedKeysMax
  }

  /** Whether a batch that handles `keyCount` keys and parks `parkedCount` of them may commit. */
  permits(
    batch: { readonly parkedCount: number; readonly keyCount: number },
    nowMs: number,
  ): boolean {
    this.#roll(nowMs)
    const parked = this.#parkedCount + batch.parkedCount
    const keys = this.#keyCount + batch.keyCount
    return (
      batch.parkedCount === 0 || parked <= this.#parkedKeysMax || parked <= keys * PARKED_SHARE_MAX
    )
  }

  committed(
    batch: { readonly parkedCount: number; readonly keyCount: number },
    nowMs: number,
  ): void {
    this.#roll(nowMs)
    this.#parkedCount += batch.parkedCount
    this.#keyCount += batch.keyCount
  }

  /** When a refused batch is worth another try. */
  retryAtMs(nowMs: number): number {
    this.#roll(nowMs)
    return this.#windowStartMs + WINDOW_MS
  }

  #roll(nowMs: number): void {
    if (nowMs - this.#windowStartMs < WINDOW_MS) return
    this.#windowStartMs = nowMs
    this.#parkedCount = 0
    this.#keyCount = 0
  }
}
