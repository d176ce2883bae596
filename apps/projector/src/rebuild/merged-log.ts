import { InvariantViolation, OperationalError, errorMessage, invariant } from '@fairlead/base'
import {
  type Admitted,
  INFRA_BACKOFF,
  type LogRecord,
  type PreparedRecord,
  type Progress,
  admit,
  comesBefore,
} from '@fairlead/projection'
import type { EventLog, Fetched, TopicPartition } from '../log/event-log.ts'
import type { RecordReader } from '../log/prepare-records.ts'
import { pause } from '../pause.ts'
import type { PartitionProgress } from '../store/checkpoints.ts'
import { RebuildFailed } from './rebuild-failed.ts'

const FETCH_WAIT_MAX_MS = 500
/** Few enough that they are done with before the young generation is collected. */
const SLICE_RECORDS = 500

/**
 * A new leader may not know for a moment how far records are committed. Thereafter a log that ends
 * before the end that it had was cut.
 */
const SHORT_FETCHES_MAX = 10

/** What is to be read of a partition. */
export type LogSection = TopicPartition & {
  readonly start: Progress
  /** Offset of the first record that is not read. */
  readonly end: number
}

type MergedLogOptions = {
  readonly log: Pick<EventLog, 'read'>
  /** Makes records ready. */
  readonly prepare: RecordReader['prepare']
  readonly partitions: readonly LogSection[]
  readonly fetchBytesMax: number
  /** A peer is away; the read goes on by itself. */
  readonly onTrouble: (reason: string) => void
  readonly signal: AbortSignal
}

/** All of the log from `startOffset` up to `nextOffset`, which is no further than the end that is to be reached. */
type Fetch = {
  readonly startOffset: number
  readonly records: readonly LogRecord[]
  readonly nextOffset: number
}

type Slice = Omit<Fetch, 'records'> & { readonly records: readonly PreparedRecord[] }

/**
 * All partitions of a topic as one stream, in the order of the source: so that a key whose partition
 * changed, when the topic got more of them, has its events in order. Two fetches of each partition are
 * in memory at most.
 */
export class MergedLog {
  readonly #cursors: readonly Cursor[]

  constructor(options: MergedLogOptions) {
    this.#cursors = options.partitions.map((section) => new Cursor(options, section))
  }

  /** What of the log is behind the stream. */
  get readCount(): number {
    return this.#cursors.reduce((sum, { nextOffset }) => sum + nextOffset, 0)
  }

  /** Where each partition stands behind the records that `next` has given. */
  positions(): readonly PartitionProgress[] {
    return this.#cursors.map((cursor) => cursor.position())
  }

  /**
   * Up to `recordsMax` events that are to be applied; empty at the end.
   *
   * @throws {OperationalError} OFFSET_OUT_OF_RANGE when the log has lost what comes next,
   *   {RebuildFailed} its end; what ends the wait when `signal` fires.
   */
  async next(recordsMax: number): Promise<readonly PreparedRecord[]> {
    const records: PreparedRecord[] = []
    for (;;) {
      // Which one is first can be told only when each has shown what it has.
      for (const cursor of this.#cursors) if (cursor.isEmpty) await cursor.fill()
      const left = this.#cursors.filter((cursor) => !cursor.isEmpty)
      if (left.length === 0) return records
      if (!this.#take(left, records, recordsMax)) return records
    }
  }

  /** Until a cursor is empty: true; or enough is taken: false. */
  #take(left: readonly Cursor[], records: PreparedRecord[], recordsMax: number): boolean {
    const [only] = left
    while (records.length < recordsMax) {
      let first = only
      for (const cursor of left) {
        if (first !== undefined && cursor !== first && comesBefore(cursor.head, first.head)) {
          first = cursor
        }
      }
      invariant(first !== undefined, 'some cursor has a record')
      records.push(first.take())
      if (first.isEmpty) return true
    }
    return false
  }
}

/**
 * One partition, a slice at a time: what is fetched lies there as bytes, as events take several times the
 * memory of their records. While a fetch is worked off, the next one is under way.
 */
class Cursor {
  readonly #options: MergedLogOptions
  readonly #section: LogSection
  #fetched: Fetch
  #preparedCount = 0
  #fetching: Promise<Fetch> | undefined
  /** Behind the slice before the current one. */
  #before: Progress
  #slice: Slice | undefined
  #admitted: Admitted | undefined
  #taken = 0

  constructor(options: MergedLogOptions, section: LogSection) {
    const { start, end } = section
    this.#options = options
    this.#section = section
    this.#before = start
    const startOffset = start.nextOffset
    this.#fetched = { startOffset, records: [], nextOffset: startOffset }
    if (start.nextOffset < end) this.#fetching = this.#fetchAhead(start.nextOffset)
  }

  get isEmpty(): boolean {
    return this.#taken >= (this.#admitted?.records.length ?? 0)
  }

  get head(): PreparedRecord {
    const head = this.#admitted?.records[this.#taken]
    invariant(head !== undefined, 'a cursor that is not empty has a head')
    return head
  }

  take(): PreparedRecord {
    const { head } = this
    this.#taken += 1
    return head
  }

  get nextOffset(): number {
    if (this.#admitted === undefined) return this.#before.nextOffset
    if (this.isEmpty) return this.#admitted.to.nextOffset
    return this.head.record.offset
  }

  /** Takes the next slice that has a record to apply; empty when the end is reached. */
  async fill(): Promise<void> {
    while (this.isEmpty) {
      const slice = await this.#nextSlice()
      if (slice === undefined) return
      if (this.#admitted !== undefined) this.#before = this.#admitted.to
      this.#slice = slice
      this.#admitted = admit(this.#before, slice)
      this.#taken = 0
    }
  }

  /** Where it would be had the last fetch ended with the record that was taken last. */
  position(): PartitionProgress {
    const { topic, partition } = this.#section
    return { topic, partition, progress: this.#progress() }
  }

  #progress(): Progress {
    if (this.#admitted === undefined || this.#slice === undefined) return this.#before
    if (this.isEmpty) return this.#admitted.to
    const last = this.#admitted.records[this.#taken - 1]
    if (last === undefined) return this.#before
    const { offset } = last.record
    const { startOffset } = this.#slice
    const records = this.#slice.records.filter(({ record }) => record.offset <= offset)
    return admit(this.#before, { startOffset, records, nextOffset: offset + 1 }).to
  }

  /** Undefined at the end. */
  async #nextSlice(): Promise<Slice | undefined> {
    if (this.#preparedCount >= this.#fetched.records.length) {
      if (this.#fetching === undefined) return undefined
      this.#fetched = await this.#fetching
      this.#preparedCount = 0
      const { nextOffset } = this.#fetched
      this.#fetching = nextOffset < this.#section.end ? this.#fetchAhead(nextOffset) : undefined
    }
    const { records: fetched, nextOffset } = this.#fetched
    const first = fetched[this.#preparedCount]
    const startOffset = this.#preparedCount === 0 ? this.#fetched.startOffset : first?.offset
    invariant(startOffset !== undefined, 'a slice that is not the first has records')
    const slice = fetched.slice(this.#preparedCount, this.#preparedCount + SLICE_RECORDS)
    const records = await this.#untilDone(() => this.#options.prepare(slice))
    this.#preparedCount += slice.length
    return { startOffset, records, nextOffset: fetched[this.#preparedCount]?.offset ?? nextOffset }
  }

  #fetchAhead(fromOffset: number): Promise<Fetch> {
    const fetching = this.#fetch(fromOffset)
    // Whoever awaits it sees the failure; nobody does when the stream is given up.
    fetching.catch(() => undefined)
    return fetching
  }

  async #fetch(fromOffset: number): Promise<Fetch> {
    const { log, fetchBytesMax: maxBytes, signal } = this.#options
    const { topic, partition, end } = this.#section
    const at = { topic, partition, fromOffset }
    for (let shortCount = 0; ; ) {
      const fetched = await this.#untilDone(() =>
        log.read({ ...at, maxBytes, maxWaitMs: FETCH_WAIT_MAX_MS, signal }),
      )
      if (fetched.nextOffset > fromOffset) {
        const records = fetched.records.filter(({ offset }) => offset < end)
        const nextOffset = Math.min(fetched.nextOffset, end)
        return { startOffset: fromOffset, records, nextOffset }
      }
      shortCount = fetched.highWatermark < end ? shortCount + 1 : 0
      if (shortCount >= SHORT_FETCHES_MAX) throw logWasCut(this.#section, fetched)
    }
  }

  /** Waits for peers that are away. */
  async #untilDone<T>(attemptOnce: () => Promise<T>): Promise<T> {
    const { onTrouble, signal } = this.#options
    for (let attempt = 1; ; attempt += 1) {
      signal.throwIfAborted()
      try {
        return await attemptOnce()
      } catch (error) {
        if (signal.aborted || isLasting(error)) throw error
        onTrouble(errorMessage(error))
        await pause(attempt, INFRA_BACKOFF, signal)
      }
    }
  }
}

function logWasCut(
  { topic, partition, end }: LogSection,
  { highWatermark }: Fetched,
): RebuildFailed {
  return new RebuildFailed(
    `${topic}-${partition} ends at offset ${highWatermark}, and ended at ${end} when this began: it lost its tail, or was created anew`,
  )
}

function isLasting(error: unknown): boolean {
  if (error instanceof InvariantViolation) return true
  return error instanceof OperationalError ? !error.retryable : true
}
