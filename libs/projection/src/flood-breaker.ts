/** The window in which parked keys are counted, and for which a tripped breaker stays open. */
const WINDOW_MS = 60_000

/** A flood is also this share of the keys that were seen; a large topic has some bad keys. */
const PARKED_SHARE_MAX = 0.05

/** What a batch would do: how many keys it handles, and those it parks, by cause. */
export type KeyCounts = {
  readonly keyCount: number
  /** Keys by the fingerprint of what parks them. */
  readonly parkedByCause: ReadonlyMap<string, number>
}

/**
 * Tells a few poison events from a broken projection. When many keys fail for one cause within a
 * minute, parking them all would turn one bug into a table full of letters; the partition waits
 * instead.
 *
 * Counts start anew with each window, so that memory is bounded by the keys that a window parks.
 */
export class FloodBreaker {
  readonly #parkedKeysMax: number
  #windowStartMs = 0
  #keyCount = 0
  readonly #parkedByCause = new Map<string, number>()

  /** More than `parkedKeysMax` keys of one cause, and over 5 % of all keys, trip it. */
  constructor(options: { readonly parkedKeysMax: number }) {
    this.#parkedKeysMax = options.parkedKeysMax
  }

  /** The cause of which a batch would park too many keys; undefined when it may commit. */
  floodOf(batch: KeyCounts, nowMs: number): string | undefined {
    this.#roll(nowMs)
    const keys = this.#keyCount + batch.keyCount
    for (const [cause, count] of batch.parkedByCause) {
      const parked = count + (this.#parkedByCause.get(cause) ?? 0)
      if (parked > this.#parkedKeysMax && parked > keys * PARKED_SHARE_MAX) return cause
    }
    return undefined
  }

  committed(batch: KeyCounts, nowMs: number): void {
    this.#roll(nowMs)
    this.#keyCount += batch.keyCount
    for (const [cause, count] of batch.parkedByCause) {
      this.#parkedByCause.set(cause, count + (this.#parkedByCause.get(cause) ?? 0))
    }
  }

  /** When a refused batch is worth another try. */
  retryAtMs(nowMs: number): number {
    this.#roll(nowMs)
    return this.#windowStartMs + WINDOW_MS
  }

  #roll(nowMs: number): void {
    if (nowMs - this.#windowStartMs < WINDOW_MS) return
    this.#windowStartMs = nowMs
    this.#keyCount = 0
    this.#parkedByCause.clear()
  }
}
