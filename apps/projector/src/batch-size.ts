/** Farther behind than so many batches, a partition takes larger ones. */
const FAR_BEHIND_BATCHES = 10
/**
 * Larger batches fold more events into one row, and commit less often; readers see their rows later, and
 * a row is locked for longer. Nobody waits for the rows of a partition that is far behind.
 */
const CATCH_UP_FACTOR = 4

/**
 * Handlers in SQL make a statement for each event, and a database that is far away takes its time for each: what took
 * longer has fewer records the next time. Its rows are seen no sooner, and whoever is to stop, or to hand the partition
 * over, which waits for 4 s, would give up all of it.
 */
const TOOK_MAX_MS = 2_000

/** Below one record there is nothing to halve, and 2 ** 1024 is no number. */
const HALVINGS_MAX = 32

/**
 * How many records one transaction applies, and how much one fetch reads: more while the partition is far
 * behind, fewer once transactions have lost against others, were too much for the server, or took long.
 */
export class BatchSize {
  readonly #recordsMax: number
  readonly #projectionRecordsMax: number
  readonly #fetchBytesMax: number
  #isFarBehind = false
  #halvings = 0
  #inTimeMax = Number.POSITIVE_INFINITY
  #triedLength = Number.POSITIVE_INFINITY

  constructor(options: {
    readonly recordsMax: number
    /** What the projection says, which no batch of it goes beyond. */
    readonly projectionRecordsMax?: number | undefined
    readonly fetchBytesMax: number
  }) {
    this.#recordsMax = options.recordsMax
    this.#projectionRecordsMax = options.projectionRecordsMax ?? Infinity
    this.#fetchBytesMax = options.fetchBytesMax
  }

  get recordsMax(): number {
    const records = Math.min(
      this.#recordsMax * (this.#isFarBehind ? CATCH_UP_FACTOR : 1),
      this.#projectionRecordsMax,
      this.#inTimeMax,
    )
    return Math.max(1, Math.ceil(records / 2 ** this.#halvings))
  }

  get fetchBytesMax(): number {
    return this.#fetchBytesMax * (this.#isFarBehind ? CATCH_UP_FACTOR : 1)
  }

  /** A fetch has come; so many records are behind it. */
  fetched(recordsLeft: number): void {
    this.#isFarBehind = recordsLeft > FAR_BEHIND_BATCHES * this.#recordsMax
  }

  /**
   * A transaction of so many records begins, with those that it passes over: sizes count these, too, so that half
   * of a batch is half of it whatever share of the topic its projection handles.
   */
  tried(length: number): void {
    this.#triedLength = length
  }

  /** The last one was too large. It may have had fewer records than it might. */
  halve(): void {
    this.#halveTo(Math.ceil(this.#triedLength / 2))
  }

  /** The last one went too far along the log. False when it was of one record. */
  shorten(): boolean {
    if (this.#triedLength <= 1) return false
    this.#halveTo(Math.ceil(this.#triedLength / 2))
    return true
  }

  #halveTo(recordsMax: number): void {
    do this.#halvings = Math.min(this.#halvings + 1, HALVINGS_MAX)
    while (this.recordsMax > recordsMax && this.#halvings < HALVINGS_MAX)
  }

  committed({ tookMs }: { readonly tookMs: number }): void {
    this.#halvings = 0
    if (tookMs > TOOK_MAX_MS) this.#inTimeMax = (this.#triedLength * TOOK_MAX_MS) / tookMs
    // One that had as many as it might, and had time for as many again.
    else if (this.#triedLength >= this.#inTimeMax && tookMs < TOOK_MAX_MS / 2) this.#inTimeMax *= 2
  }
}
