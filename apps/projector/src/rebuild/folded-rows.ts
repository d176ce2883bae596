import {
  Attempts,
  BatchLedger,
  type ChangedRows,
  type FoldProjection,
  type Letter,
  type LogRecord,
  type PreparedRecord,
  type Row,
  type RowKey,
  foldInto,
} from '@fairlead/projection'
import { estimatedBytes } from './row-size.ts'

/** Every so many folded events, one changed row is weighed. */
const WEIGH_EVERY = 64
const WEIGHT = 1 / 64
const ROW_BYTES_AT_FIRST = 100
/** What V8 and two maps need for a row besides its values. */
const ROW_OVERHEAD_BYTES = 200
const LETTER_OVERHEAD_BYTES = 2_000

const NO_ROWS: ReadonlyMap<RowKey, Row> = new Map()

/** What a rebuild holds in memory: the rows that its events have led to, and the events set aside. */
export class FoldedRows {
  readonly #projection: FoldProjection
  readonly #parkedKeys: Set<string>
  #changed: ChangedRows = new Map()
  #letters: Letter[] = []
  #letterBytes = 0
  #rowBytes = ROW_BYTES_AT_FIRST
  #weighing: Iterator<Row | undefined> = this.#changed.values()

  constructor(projection: FoldProjection, parkedKeys: Iterable<string>) {
    // A pure function that failed would fail again.
    this.#projection = { ...projection, retry: { ...projection.retry, retries: 0 } }
    this.#parkedKeys = new Set(parkedKeys)
  }

  /** By key; undefined where the events end in a deletion. */
  get changed(): ChangedRows {
    return this.#changed
  }

  get letters(): readonly Letter[] {
    return this.#letters
  }

  /** Keys that were parked before, and those that were since. */
  get parkedKeys(): ReadonlySet<string> {
    return this.#parkedKeys
  }

  /** Those that are there in the end. */
  *rows(): Generator<Row> {
    for (const row of this.#changed.values()) if (row !== undefined) yield row
  }

  /** What tells of some records which are to be folded; see `fold`. */
  openLedger(): BatchLedger {
    return new BatchLedger({
      projection: this.#projection,
      parkedKeys: this.#parkedKeys,
      attempts: Attempts.none,
    })
  }

  /**
   * Folds records, of which `ledger` has seen none.
   *
   * @throws {EventFailure} when an event stops the projection.
   */
  fold(
    records: readonly PreparedRecord[],
    ledger: BatchLedger,
    beside: { readonly rows?: ReadonlyMap<RowKey, Row>; readonly enriched?: unknown } = {},
  ): void {
    const { rows = NO_ROWS, enriched } = beside
    foldInto(this.#projection, { records, rows, changed: this.#changed, ledger, enriched })
    this.keep(ledger)
    this.#weigh(records.length)
  }

  /** Takes over what a ledger has set aside. */
  keep(ledger: BatchLedger): void {
    for (const key of ledger.parkedKeys) this.#parkedKeys.add(key)
    for (const letter of ledger.letters) this.#keep(letter)
  }

  /** About what it takes in memory, with so many more rows of the same kind. */
  bytesWith(rowCount: number): number {
    const rows = this.#changed.size + rowCount
    return rows * (this.#rowBytes + ROW_OVERHEAD_BYTES) + this.#letterBytes
  }

  /** What it held is written. */
  clear(): void {
    this.#changed = new Map()
    this.#weighing = this.#changed.values()
    this.#letters = []
    this.#letterBytes = 0
  }

  #keep(letter: Letter): void {
    const record = copyOf(letter.record)
    this.#letters.push({ ...letter, record })
    const { key, value } = record
    this.#letterBytes += (key?.length ?? 0) + (value?.length ?? 0) + LETTER_OVERHEAD_BYTES
  }

  /** Goes round among the rows, and keeps an average that follows them. */
  #weigh(eventCount: number): void {
    for (let left = Math.ceil(eventCount / WEIGH_EVERY); left > 0; left -= 1) {
      const next = this.#weighing.next()
      if (next.done === true) {
        this.#weighing = this.#changed.values()
        return
      }
      if (next.value === undefined) continue
      this.#rowBytes += (estimatedBytes(next.value) - this.#rowBytes) * WEIGHT
    }
  }
}

/** A record as it was fetched holds on to all that was fetched with it. */
function copyOf({
  topic,
  partition,
  offset,
  timestampMs,
  key,
  value,
  headers,
}: LogRecord): LogRecord {
  return {
    topic,
    partition,
    offset,
    timestampMs,
    key: key && Uint8Array.from(key),
    value: value && Uint8Array.from(value),
    headers: headers.map(([name, bytes]) => [name, bytes && Uint8Array.from(bytes)]),
  }
}
