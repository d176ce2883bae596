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
import { BlameNeeded } from '../apply-batch.ts'
import { LookUps } from '../look-ups.ts'
import { type PartitionProgress, writeCheckpoints } from '../store/checkpoints.ts'
import { addKey } from '../store/columns.ts'
import { FoldTable } from '../store/fold-table.ts'
import { expectBuilding } from '../store/versions.ts'
import { FoldedRows } from './folded-rows.ts'
import { type ParkedKeysByTopic, parkByPartition } from './parked-keys.ts'
import { copyStatement, copyText } from './row-text.ts'
import { type Filled, replaceRows, writeWhole } from './write-whole.ts'

/**
 * Fills the table of a fold: folds in memory and copies the final rows into the table, which gets its
 * key afterwards.
 *
 * Rows that outgrow the memory are written in between, with the checkpoints behind them: the first
 * time by COPY, from then on by COPY into a stage and a merge. A row that was written is read again
 * when an event needs it. A rebuild that was killed goes on behind the last of these writes.
 */
export class FoldLoad {
  readonly #lookUps: LookUps
  readonly #filled: Filled
  readonly #table: FoldTable
  readonly #memoryBytesMax: number
  readonly #folded: FoldedRows
  #isWritten: boolean
  #loaded = new Map<RowKey, Row>()
  #known = new Set<RowKey>()

  constructor(
    filled: Filled,
    options: {
      readonly memoryBytesMax: number
      readonly parkedKeys: ParkedKeysByTopic
      /** Rows are in the table, and it has its key. */
      readonly isWritten: boolean
      readonly signal: AbortSignal
    },
  ) {
    const { projection, registered } = filled
    this.#filled = filled
    this.#lookUps = new LookUps(projection, options.signal)
    this.#table = new FoldTable(projection, registered.schemaName)
    this.#memoryBytesMax = options.memoryBytesMax
    // A fold reads one topic.
    const parkedKeys = [...options.parkedKeys.values()].flatMap((keys) => [...keys])
    this.#folded = new FoldedRows(projection, parkedKeys)
    this.#isWritten = options.isWritten
  }

  get parkedCount(): number {
    return this.#folded.parkedKeys.size
  }

  /** Rows that wait to be written. */
  get rowCount(): number {
    return this.#folded.changed.size
  }

  async apply(records: readonly PreparedRecord[]): Promise<void> {
    const ledger = this.#folded.openLedger()
    if (this.#isWritten) await this.#load(records, ledger)
    const enriched = await this.#enrich(records, ledger)
    this.#folded.fold(records, ledger, { rows: this.#loaded, enriched })
  }

  /** Whether what it holds is to be written before more is applied. */
  get isFull(): boolean {
    return this.#folded.bytesWith(this.#loaded.size) > this.#memoryBytesMax
  }

  /**
   * Writes what it holds, and the checkpoints behind it, in one transaction.
   *
   * @throws {VersionError} when the version is not being built any more. What the database says of
   *   rows that it refuses (SQLSTATE class 22 or 23).
   */
  async write(
    positions: readonly PartitionProgress[],
    { isLast }: { readonly isLast: boolean },
  ): Promise<void> {
    const { letters } = this.#folded
    if (isLast && !this.#isWritten) {
      await writeWhole(this.#filled, {
        chunks: this.#texts(this.#folded.rows()),
        letters,
        positions,
      })
    } else await this.#writeSome(positions)
    this.#isWritten ||= !isLast
    this.#folded.clear()
    this.#loaded = new Map()
    this.#known = new Set()
  }

  async #writeSome(positions: readonly PartitionProgress[]): Promise<void> {
    const { session, registered, topicIds, mirror } = this.#filled
    await session.db.transaction().execute(async (trx) => {
      await expectBuilding(trx, registered)
      if (this.#isWritten) await this.#merge(trx)
      else await this.#copyFirst(trx)
      await parkByPartition(trx, registered, this.#folded.letters, mirror)
      await writeCheckpoints(trx, registered, positions, topicIds)
    })
  }

  async #enrich(records: readonly PreparedRecord[], ledger: BatchLedger): Promise<unknown> {
    const { projection, session } = this.#filled
    const { enrich } = projection
    if (enrich === undefined) return this.#lookUps.of(records, ({ key }) => ledger.isParked(key))
    const events = records.flatMap(({ key, content }) =>
      content.kind === 'event' && !ledger.isParked(key) ? [content.event] : [],
    )
    try {
      return events.length === 0 ? undefined : await enrich(events, { db: session.db })
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

  /** Those to come are merged with these, by their key. */
  async #copyFirst(trx: Transaction<unknown>): Promise<void> {
    const { registered, projection } = this.#filled
    await replaceRows(trx, this.#filled, this.#texts(this.#folded.rows()))
    await addKey(trx, projection.table, registered.schemaName)
  }

  async #merge(trx: Transaction<unknown>): Promise<void> {
    const { projection, session } = this.#filled
    const { upserts, deletes } = changesOf(this.#folded.changed, this.#loaded)
    await this.#table.delete(trx, deletes)
    const stage = 'pg_temp.rebuild_stage'
    await sql`create temporary table if not exists rebuild_stage
      (like ${sql.raw(this.#table.qualifiedName)}) on commit delete rows`.execute(trx)
    await session.copy(copyStatement(projection.table, stage), this.#texts(upserts))
    await this.#table.mergeFrom(trx, sql.raw(stage))
  }

  #texts(rows: Iterable<Row>): Iterable<string> {
    return copyText(this.#filled.projection.table, rows)
  }
}
