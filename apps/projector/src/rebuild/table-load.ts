import {
  type BatchLedger,
  type PreparedRecord,
  type Row,
  type RowKey,
  changesOf,
  classifyFailure,
  isEventFault,
  rowKeysOf,
} from '@fairlead/projection'
import { type Transaction, sql } from 'kysely'
import { BlameNeeded, refuseSpelledTwice } from '../blame-needed.ts'
import type { LookUps } from '../look-ups.ts'
import { FoldTable } from '../store/fold-table.ts'
import { enrichInSession } from './enrich-in-session.ts'
import { FoldedRows } from './folded-rows.ts'
import { copyStatement, copyText } from './row-text.ts'
import { type Filled, replaceRows } from './write-whole.ts'

const STAGE = 'pg_temp.rebuild_stage'

/**
 * The rows of one table that a rebuild folds in memory. They are written the first time by COPY, from then on by
 * COPY into a stage and a merge. A row that was written is read again when an event needs it.
 */
export class TableLoad {
  readonly #filled: Filled
  readonly #lookUps: LookUps
  readonly #table: FoldTable
  readonly #folded: FoldedRows
  #isWritten: boolean
  #loaded = new Map<RowKey, Row>()
  #known = new Set<RowKey>()

  constructor(
    filled: Filled,
    options: {
      readonly lookUps: LookUps
      readonly parkedKeys: Iterable<string>
      /** Rows are in the table, and it has its key. */
      readonly isWritten: boolean
    },
  ) {
    this.#filled = filled
    this.#lookUps = options.lookUps
    this.#table = new FoldTable(filled.projection, filled.registered.schemaName)
    this.#folded = new FoldedRows(filled.projection, options.parkedKeys)
    this.#isWritten = options.isWritten
  }

  get folded(): FoldedRows {
    return this.#folded
  }

  get isWritten(): boolean {
    return this.#isWritten
  }

  /** About what it holds in memory. */
  get bytes(): number {
    return this.#folded.bytesWith(this.#loaded.size)
  }

  async apply(records: readonly PreparedRecord[]): Promise<void> {
    const ledger = this.#folded.openLedger()
    if (this.#isWritten) await this.#load(records, ledger)
    const enriched = await this.#enrich(records, ledger)
    this.#folded.fold(records, ledger, { rows: this.#loaded, enriched })
  }

  /**
   * Before it writes what it holds.
   *
   * @throws {BlameNeeded} when it has a row under two keys.
   */
  async refuseSpelledTwice(): Promise<void> {
    const { session } = this.#filled
    await refuseSpelledTwice(session.db, this.#table, [...this.#folded.changed.keys()])
  }

  /** Writes what it holds. Those to come are merged with these, by the key of the table. */
  async write(trx: Transaction<unknown>): Promise<void> {
    if (this.#isWritten) await this.#merge(trx)
    else await replaceRows(trx, this.#filled, this.texts(this.#folded.rows()))
  }

  /** What it held is committed. */
  written(): void {
    this.#isWritten = true
    this.#folded.clear()
    this.#loaded = new Map()
    this.#known = new Set()
  }

  texts(rows: Iterable<Row>): Iterable<string> {
    return copyText(this.#filled.projection.table, rows)
  }

  async #enrich(records: readonly PreparedRecord[], ledger: BatchLedger): Promise<unknown> {
    const { projection, session } = this.#filled
    const { enrich } = projection
    if (enrich === undefined) return this.#lookUps.of(records, ({ key }) => ledger.isParked(key))
    const events = records.flatMap(({ key, content }) =>
      content.kind === 'event' && !ledger.isParked(key) ? [content.event] : [],
    )
    try {
      return events.length === 0 ? undefined : await enrichInSession(session, enrich, events)
    } catch (error) {
      throw isEventFault(classifyFailure(error, 'handler')) ? new BlameNeeded(error) : error
    }
  }

  async #load(records: readonly PreparedRecord[], ledger: BatchLedger): Promise<void> {
    const { projection, session } = this.#filled
    const keys = rowKeysOf(projection, records, ledger).filter((key) => !this.#known.has(key))
    for (const [key, row] of await this.#table.load(session.db, keys)) {
      this.#loaded.set(key, row)
    }
    for (const key of keys) this.#known.add(key)
  }

  async #merge(trx: Transaction<unknown>): Promise<void> {
    const { projection, session } = this.#filled
    const { upserts, deletes } = changesOf(this.#folded.changed, this.#loaded)
    if (upserts.length + deletes.length === 0) return
    await this.#table.delete(trx, deletes)
    await sql`create temporary table if not exists rebuild_stage
      (like ${sql.raw(this.#table.qualifiedName)}) on commit delete rows`.execute(trx)
    // Of the tenant before.
    await sql`truncate ${sql.raw(STAGE)}`.execute(trx)
    await session.copy(copyStatement(projection.table, STAGE), this.texts(upserts))
    await this.#table.mergeFrom(trx, sql.raw(STAGE))
  }
}
