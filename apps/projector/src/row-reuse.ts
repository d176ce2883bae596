/** Rows that are counted together: many enough for their shares to say something. */
const WINDOW_ROWS_MIN = 1_000
/**
 * Of rows that are in the table already. Where many are new, most keys do not come again for long, or not at all; and
 * what a batch saves by the rows that do is what its two kinds of statements cost.
 */
const EXISTING_SHARE_MIN = 0.9
/** Of rows that need not be read: below it, keeping rows takes what they save. */
const HIT_SHARE_MIN = 0.75
/** So many rows may go by before the first come again; more of them do not fit into the memory of most. */
const TRIAL_ROWS_MAX = 50_000
/** A pause behind a trial that was in vain, in rows: what trials cost is a part of this. */
const PAUSE_ROWS_MIN = 8 * TRIAL_ROWS_MAX
const PAUSE_ROWS_MAX = 64 * TRIAL_ROWS_MAX

/** Rows of a batch that has committed. */
export type BatchUse = {
  readonly rowCount: number
  /** Were in the table before. */
  readonly existingCount: number
  /** Of these, were taken from memory, and not read. */
  readonly hitCount: number
}

/**
 * Whether rows of a partition are worth being kept in memory, as seen by those of its last batches. A pure
 * function of these.
 *
 * - Nearly all rows have to be there already. That is seen without keeping any.
 * - Then rows are kept on trial, until most of a window were in memory. A trial in vain is followed by
 *   a pause, each time twice as long.
 */
export class RowReuse {
  #state: 'off' | 'trial' | 'proven' = 'trial'
  #rowCount = 0
  #existingCount = 0
  #hitCount = 0
  /** On trial since rows were worth it, or since the last pause. */
  #trialRowCount = 0
  #pausedRowCount = 0
  #nextPauseRowCount = PAUSE_ROWS_MIN

  get isKeeping(): boolean {
    return this.#state !== 'off'
  }

  committed({ rowCount, existingCount, hitCount }: BatchUse): void {
    this.#rowCount += rowCount
    this.#existingCount += existingCount
    this.#hitCount += hitCount
    if (this.#rowCount < WINDOW_ROWS_MIN) return
    this.#judge()
    this.#rowCount = 0
    this.#existingCount = 0
    this.#hitCount = 0
  }

  #judge(): void {
    this.#pausedRowCount = Math.max(0, this.#pausedRowCount - this.#rowCount)
    if (this.#hitCount >= HIT_SHARE_MIN * this.#rowCount) {
      this.#state = 'proven'
      this.#trialRowCount = 0
      this.#nextPauseRowCount = PAUSE_ROWS_MIN
      return
    }
    if (this.#state === 'trial') this.#countTrial()
    const doExist = this.#existingCount >= EXISTING_SHARE_MIN * this.#rowCount
    this.#state = doExist && this.#pausedRowCount === 0 ? 'trial' : 'off'
  }

  #countTrial(): void {
    this.#trialRowCount += this.#rowCount
    if (this.#trialRowCount < TRIAL_ROWS_MAX) return
    this.#trialRowCount = 0
    this.#pausedRowCount = this.#nextPauseRowCount
    this.#nextPauseRowCount = Math.min(2 * this.#nextPauseRowCount, PAUSE_ROWS_MAX)
  }
}
