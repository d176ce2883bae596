import type { LogRecord, PreparedRecord } from '@fairlead/projection'
import type { Fetched } from './event-log.ts'
import type { RecordReader } from './prepare-records.ts'

/** Where a batch ends, and the next one begins. */
export type BatchEnd = {
  readonly nextOffset: number
  /** Of the record before `nextOffset`, or of one behind it that was fetched with it; -1 before both. */
  readonly leaderEpoch: number
}

/** All that the log has from `startOffset` up to `nextOffset`. */
export type Batch = BatchEnd & {
  readonly startOffset: number
  readonly records: readonly PreparedRecord[]
}

/** How long a fetch waits for a record; a revoked partition waits for it at most. */
const FETCH_WAIT_MAX_MS = 500

type BatchSourceOptions = {
  readonly reader: Pick<RecordReader, 'prepareLazily'>
  /** Fetches what is behind a place; empty when there is nothing for so long. */
  readonly fetch: (from: BatchEnd, maxWaitMs: number) => Promise<Fetched>
  /** Waits for more records to come in, where a batch is not full; undefined: each is taken as it comes. */
  readonly linger?: (() => Promise<void>) | undefined
  /** How many records a batch has at most, asked for each. */
  readonly recordsMax: () => number
  readonly from: BatchEnd
}

/**
 * One partition in batches: what is fetched lies there as bytes, as events take several times the memory of
 * their records, and only its headers are read before a batch is applied. While a fetch is worked off, the
 * next one is under way, but for the end of the log: two of them are in memory at most,
 * and a third where a batch lingers.
 */
export class BatchSource {
  readonly #options: BatchSourceOptions
  #records: readonly LogRecord[] = []
  #takenCount = 0
  /** Where the next batch begins. */
  #startOffset: number
  /** Where the current fetch ends. */
  #end: BatchEnd
  #ahead: Promise<Fetched> | undefined
  /** The log had more than the current fetch. */
  #isCut = false

  constructor(options: BatchSourceOptions) {
    this.#options = options
    this.#end = options.from
    this.#startOffset = options.from.nextOffset
  }

  /** There is more to take already: `next` waits for nobody to write anything. */
  get hasMore(): boolean {
    return this.#isCut || this.#takenCount < this.#records.length
  }

  /** May be called again after it has thrown: it goes on where it was. */
  async next(): Promise<Batch> {
    if (this.#takenCount >= this.#records.length) await this.#advance()
    const restCount = this.#records.length - this.#takenCount
    // Batches of one size: a small rest would cost a transaction of its own.
    const batchCount = Math.max(1, Math.ceil(restCount / this.#options.recordsMax()))
    const first = this.#takenCount
    const behind = first + Math.ceil(restCount / batchCount)
    const records = await this.#options.reader.prepareLazily(this.#records.slice(first, behind))
    this.#takenCount = behind
    const { leaderEpoch } = this.#end
    const startOffset = this.#startOffset
    this.#startOffset = this.#records[behind]?.offset ?? this.#end.nextOffset
    return { startOffset, records, leaderEpoch, nextOffset: this.#startOffset }
  }

  /** Waits for the fetch that is under way, if any; nobody wants it any more. */
  async close(): Promise<void> {
    await this.#ahead?.catch(() => undefined)
  }

  async #advance(): Promise<void> {
    this.#ahead ??= this.#fetchAhead()
    let fetched: Fetched
    try {
      fetched = await this.#ahead
    } finally {
      this.#ahead = undefined
    }
    this.#records = fetched.records
    this.#takenCount = 0
    this.#reached(fetched)
    await this.#linger()
    // At the end of the log it would be answered with the first record that comes in, and no other.
    if (this.#isCut && fetched.records.length > 0) this.#ahead = this.#fetchAhead()
  }

  #reached({ nextOffset, highWatermark, leaderEpoch = this.#end.leaderEpoch }: Fetched): void {
    this.#end = { nextOffset, leaderEpoch }
    this.#isCut = nextOffset < highWatermark
  }

  /** Where it fails, the next batch is what was fetched before. */
  async #linger(): Promise<void> {
    const { linger, recordsMax, fetch } = this.#options
    const { length } = this.#records
    if (linger === undefined || this.#isCut || length === 0 || length >= recordsMax()) return
    await linger()
    const more = await fetch(this.#end, 0)
    this.#records = [...this.#records, ...more.records]
    this.#reached(more)
  }

  #fetchAhead(): Promise<Fetched> {
    const fetching = this.#options.fetch(this.#end, FETCH_WAIT_MAX_MS)
    // Whoever awaits it sees the failure; nobody does when the source is given up.
    fetching.catch(() => undefined)
    return fetching
  }
}
