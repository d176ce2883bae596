import {
  type AnyEvent,
  type BatchLedger,
  type CommutativeProjection,
  type FoldProjection,
  type Letter,
  type PreparedRecord,
  type Row,
  type RowKey,
  addChanges,
  addUpBatch,
  foldBatch,
  rowKeysOf,
} from '@fairlead/projection'
import { ProgressBook } from './progress-book.ts'
import { type ReadModel, type RecordBatch, Statements, type Tables } from './read-model.ts'

/** What `enrich` returns for these events. */
export type LookUp = (events: readonly AnyEvent[]) => unknown

type RowsProjection = FoldProjection | CommutativeProjection

/** The engine over a table in memory: the same fold, the same ledger, no Postgres. */
export class MemoryReadModel implements ReadModel {
  /** Checkpoint, rows read, rows written, commit. */
  readonly statementsMax = 4
  readonly #projection: RowsProjection
  readonly #lookUp: LookUp
  readonly #book: ProgressBook
  #rows: ReadonlyMap<RowKey, Row> = new Map()

  constructor(projection: RowsProjection, lookUp: LookUp) {
    this.#projection = projection
    this.#lookUp = lookUp
    this.#book = new ProgressBook(projection)
  }

  get letters(): readonly Letter[] {
    return this.#book.letters
  }

  nextOffset(topic: string): number {
    return this.#book.nextOffset(topic)
  }

  async apply(batch: RecordBatch, crashAfter?: number): Promise<void> {
    const statements = new Statements(crashAfter)
    const { admitted, ledger } = this.#book.begin(batch)
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
    return { [name]: rows }
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
    const enriched = await this.#enrich(records, ledger)
    const next = new Map(this.#rows)
    if (projection.kind === 'commutative') {
      const { operations, table } = projection
      for (const change of addUpBatch(projection, { records, ledger, enriched })) {
        const key = change[table.keyColumn] as RowKey
        const row = next.get(key)
        next.set(key, row === undefined ? change : addChanges(operations, row, change))
      }
      return next
    }
    const keys = rowKeysOf(projection, records, ledger)
    const rows = new Map(keys.flatMap((key) => entryOf(this.#rows, key)))
    statements.ran()
    const { upserts, deletes } = foldBatch(projection, { records, rows, ledger, enriched })
    for (const row of upserts) next.set(row[projection.table.keyColumn] as RowKey, row)
    for (const key of deletes) next.delete(key)
    return next
  }

  async #enrich(records: readonly PreparedRecord[], ledger: BatchLedger): Promise<unknown> {
    const { enrich, enrichEach } = this.#projection
    if (enrich === undefined && enrichEach === undefined) return undefined
    const events = records.flatMap(({ key, content }) =>
      content.kind === 'event' && !ledger.isParked(key) ? [content.event] : [],
    )
    return events.length === 0 ? undefined : await this.#lookUp(events)
  }
}

function entryOf(rows: ReadonlyMap<RowKey, Row>, key: RowKey): readonly [RowKey, Row][] {
  const row = rows.get(key)
  return row === undefined ? [] : [[key, row]]
}
