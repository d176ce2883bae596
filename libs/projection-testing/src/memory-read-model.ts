import { inspect } from 'node:util'
import {
  type AnyEvent,
  type BatchLedger,
  type ChangeHandler,
  type CommutativeProjection,
  type FoldHandler,
  type FoldProjection,
  type Letter,
  type PreparedRecord,
  type Row,
  type RowKey,
  addChanges,
  addUpBatch,
  foldBatch,
  refusedColumn,
  rowKeysOf,
} from '@fairlead/projection'
import { ProgressBook, eventsOf } from './progress-book.ts'
import { type ReadModel, type RecordBatch, Statements, type Tables } from './read-model.ts'

type LookUp = (events: readonly AnyEvent[]) => Promise<unknown>

type RowsProjection = FoldProjection | CommutativeProjection

/** The engine over a table in memory: the same fold, the same ledger, no Postgres. */
export class MemoryReadModel implements ReadModel {
  /** Checkpoint, rows read, rows written, commit. */
  readonly statementsMax = 4
  readonly #projection: RowsProjection
  readonly #lookUp: LookUp
  readonly #book: ProgressBook
  readonly #jsonColumns: readonly string[]
  /** As a database has them: of a `jsonb` its text, so that nobody holds a part of a row. */
  #rows: ReadonlyMap<RowKey, Row> = new Map()

  constructor(projection: RowsProjection, lookUp: LookUp) {
    this.#projection = refusingValues(projection)
    this.#lookUp = lookUp
    this.#book = new ProgressBook(projection)
    this.#jsonColumns = Object.entries(projection.table.columns).flatMap(([column, type]) =>
      type.startsWith('jsonb') ? [column] : [],
    )
  }

  get letters(): readonly Letter[] {
    return this.#book.letters
  }

  nextOffset(topic: string): number {
    return this.#book.nextOffset(topic)
  }

  async apply(batch: RecordBatch, crashAfter?: number): Promise<void> {
    const statements = new Statements(crashAfter)
    const admitted = this.#book.begin(batch)
    const ledger = this.#book.openLedger(batch.topic)
    statements.ran()
    const rows = await this.#changed(admitted.records, ledger, statements)
    statements.ran()
    this.#rows = rows
    this.#book.commit(batch.topic, admitted, ledger)
    // The commit has happened, and its answer is lost.
    statements.ran()
  }

  async rows(): Promise<Tables> {
    const { name, keyColumn } = this.#projection.table
    const keyOf = (row: Row) => row[keyColumn] as RowKey
    const rows = [...this.#rows.values()].sort((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1))
    return { [name]: rows.map((row) => this.#read(row)) }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  async #changed(
    records: readonly PreparedRecord[],
    ledger: BatchLedger,
    statements: Statements,
  ): Promise<ReadonlyMap<RowKey, Row>> {
    const projection = this.#projection
    const enriched = await this.#lookUp(eventsOf(records, ledger))
    const next = new Map(this.#rows)
    if (projection.kind === 'commutative') {
      const { table } = projection
      for (const change of addUpBatch(projection, { records, ledger, enriched })) {
        const key = change[table.keyColumn] as RowKey
        const row = next.get(key)
        next.set(key, row === undefined ? change : addChanges(projection, row, change))
      }
      return next
    }
    const keys = rowKeysOf(projection, records, ledger)
    const rows = new Map(keys.flatMap((key) => this.#entryOf(key)))
    statements.ran()
    const { upserts, deletes } = foldBatch(projection, { records, rows, ledger, enriched })
    for (const row of upserts)
      next.set(row[projection.table.keyColumn] as RowKey, this.#stored(row))
    for (const key of deletes) next.delete(key)
    return next
  }

  #entryOf(key: RowKey): readonly [RowKey, Row][] {
    const row = this.#rows.get(key)
    return row === undefined ? [] : [[key, this.#read(row)]]
  }

  #stored(row: Row): Row {
    return this.#withJson(row, (value) => JSON.stringify(value))
  }

  #read(row: Row): Row {
    return this.#withJson(row, (text) => JSON.parse(String(text)))
  }

  #withJson(row: Row, convert: (value: unknown) => unknown): Row {
    if (this.#jsonColumns.length === 0) return row
    const values = this.#jsonColumns.map((column) => {
      const value = row[column]
      return [column, value === null ? null : convert(value)] as const
    })
    return { ...row, ...Object.fromEntries(values) }
  }
}

/**
 * A database refuses a value that its column cannot hold, and the event is to blame. Here, each event is, whatever
 * later ones of its batch would have made of the row.
 */
function refusingValues(projection: RowsProjection): RowsProjection {
  const { table } = projection
  const checked = <Result>(result: Result): Result => {
    const refused = isRow(result) ? refusedColumn(table, result) : undefined
    if (refused === undefined) return result
    const value = shown((result as Row)[refused.column])
    throw new RangeError(`${refused.reason}, and cannot hold ${value}`)
  }
  if (projection.kind === 'commutative') {
    const on = mapValues(
      projection.on,
      (handler): ChangeHandler =>
        (...given) =>
          checked(handler(...given)),
    )
    return { ...projection, on }
  }
  const on = mapValues(
    projection.on,
    (handler): FoldHandler =>
      (...given) =>
        checked(handler(...given)),
  )
  return { ...projection, on }
}

function mapValues<Value>(
  record: Readonly<Record<string, Value>>,
  change: (value: Value) => Value,
): Readonly<Record<string, Value>> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]))
}

function isRow(result: unknown): result is Row {
  return typeof result === 'object' && result !== null
}

const SHOWN_LENGTH_MAX = 100

function shown(value: unknown): string {
  return inspect(value, { depth: 1, breakLength: Infinity }).slice(0, SHOWN_LENGTH_MAX)
}
