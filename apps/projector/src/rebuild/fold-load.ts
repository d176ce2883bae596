import {
  Attempts,
  BatchLedger,
  type ChangedRows,
  type FoldProjection,
  type Letter,
  type PreparedRecord,
  type Row,
  type RowKey,
  changesOf,
  classifyFailure,
  foldInto,
  isEventFault,
  rowKeysOf,
} from '@fairlead/projection'
import { type Transaction, sql } from 'kysely'
import { BlameNeeded } from '../apply-batch.ts'
import { type PartitionProgress, writeCheckpoints } from '../store/checkpoints.ts'
import { addKey } from '../store/columns.ts'
import { FoldTable } from '../store/fold-table.ts'
import type { LetterMirror } from '../store/mirror-letters.ts'
import type { RegisteredProjection } from '../store/registered-projection.ts'
import { expectBuilding } from '../store/versions.ts'
import type { BuildSession } from './build-session.ts'
import { type ParkedKeysByTopic, parkByPartition } from './parked-keys.ts'
import { copyStatement, copyText } from './row-text.ts'
import { estimatedBytes } from './row-size.ts'

/** Every so many folded events, one changed row is weighed. */
const WEIGH_EVERY = 64
const WEIGHT = 1 / 64
/** What V8 and two maps need for a row besides its values. */
const ROW_OVERHEAD_BYTES = 200
const LETTER_OVERHEAD_BYTES = 2_000

/**
 * Fills the table of a fold: folds in memory and copies the final rows into the table, which gets its
 * key afterwards.
 *
 * Rows that outgrow the memory are written in between, with the checkpoints behind them: the first
 * time by COPY, from then on by COPY into a stage and a merge. A row that was written is read again
 * when an event needs it. A rebuild that was killed goes on behind the last of these writes.
 */
export class FoldLoad {
  readonly #session: BuildSession
  readonly #registered: RegisteredProjection
  readonly #topicIds: Readonly<Record<string, string>>
  readonly #mirror: LetterMirror | undefined
  readonly #projection: FoldProjection
  readonly #table: FoldTable
  readonly #memoryBytesMax: number
  readonly #parkedKeys: Set<string>
  #isWritten: boolean
  #changed: ChangedRows = new Map()
  #loaded = new Map<RowKey, Row>()
  #known = new Set<RowKey>()
  #letters: Letter[] = []
  #letterBytes = 0
  #rowBytes = 100
  #weighing: Iterator<Row | undefined> = this.#changed.values()

  constructor(options: {
    readonly session: BuildSession
    readonly registered: RegisteredProjection
    /** By topic: of which one the positions are places. */
    readonly topicIds: Readonly<Record<string, string>>
    readonly mirror: LetterMirror | undefined
    readonly projection: FoldProjection
    readonly memoryBytesMax: number
    readonly parkedKeys: ParkedKeysByTopic
    /** Rows are in the table, and it has its key. */
    readonly isWritten: boolean
  }) {
    this.#session = options.session
    this.#registered = options.registered
    this.#topicIds = options.topicIds
    this.#mirror = options.mirror
    // A pure function that failed would fail again.
    const retry = { ...options.projection.retry, retries: 0 }
    this.#projection = { ...options.projection, retry }
    this.#table = new FoldTable(options.projection, options.registered.schemaName)
    this.#memoryBytesMax = options.memoryBytesMax
    // A fold reads one topic.
    this.#parkedKeys = new Set([...options.parkedKeys.values()].flatMap((keys) => [...keys]))
    this.#isWritten = options.isWritten
  }

  get parkedCount(): number {
    return this.#parkedKeys.size
  }

  /** Rows that wait to be written. */
  get rowCount(): number {
    return this.#changed.size
  }

  async apply(records: readonly PreparedRecord[]): Promise<void> {
    const ledger = new BatchLedger({
      projection: this.#projection,
      parkedKeys: this.#parkedKeys,
      attempts: Attempts.none,
    })
    if (this.#isWritten) await this.#load(records, ledger)
    const enriched = await this.#enrich(records, ledger)
    const batch = { records, rows: this.#loaded, changed: this.#changed, ledger, enriched }
    foldInto(this.#projection, batch)
    for (const key of ledger.parkedKeys) this.#parkedKeys.add(key)
    for (const letter of ledger.letters) this.#keepLetter(letter)
    this.#weigh(records.length)
  }

  /** Whether what it holds is to be written before more is applied. */
  get isFull(): boolean {
    const rows = this.#changed.size + this.#loaded.size
    return rows * (this.#rowBytes + ROW_OVERHEAD_BYTES) + this.#letterBytes > this.#memoryBytesMax
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
    await this.#session.db.transaction().execute(async (trx) => {
      await expectBuilding(trx, this.#registered)
      if (this.#isWritten) await this.#merge(trx)
      else await this.#copyFirst(trx, { isLast })
      await parkByPartition(trx, this.#registered, this.#letters, this.#mirror)
      await writeCheckpoints(trx, this.#registered, positions, this.#topicIds)
    })
    this.#isWritten ||= !isLast
    this.#changed = new Map()
    this.#weighing = this.#changed.values()
    this.#loaded = new Map()
    this.#known = new Set()
    this.#letters = []
    this.#letterBytes = 0
  }

  async #enrich(records: readonly PreparedRecord[], ledger: BatchLedger): Promise<unknown> {
    const { enrich } = this.#projection
    if (enrich === undefined) return undefined
    const events = records.flatMap(({ key, content }) =>
      content.kind === 'event' && !ledger.isParked(key) ? [content.event] : [],
    )
    try {
      return events.length === 0 ? undefined : await enrich(events, { db: this.#session.db })
    } catch (error) {
      throw isEventFault(classifyFailure(error, 'handler')) ? new BlameNeeded(error) : error
    }
  }

  async #load(records: readonly PreparedRecord[], ledger: BatchLedger): Promise<void> {
    const keys = rowKeysOf(this.#projection, records, ledger).filter((key) => !this.#known.has(key))
    for (const [key, row] of await this.#table.load(this.#session.db, keys)) {
      this.#loaded.set(key, row)
    }
    for (const key of keys) this.#known.add(key)
  }

  #keepLetter(letter: Letter): void {
    this.#letters.push(letter)
    const { key, value } = letter.record
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

  async #copyFirst(
    trx: Transaction<unknown>,
    { isLast }: { readonly isLast: boolean },
  ): Promise<void> {
    // What an attempt that was killed has left; and in one transaction with it, rows may be frozen.
    await sql`truncate ${sql.raw(this.#table.qualifiedName)}`.execute(trx)
    await this.#copy(this.#table.qualifiedName, '(freeze)')
    const { schemaName } = this.#registered
    if (!isLast) await addKey(trx, this.#projection.table, schemaName)
  }

  async #merge(trx: Transaction<unknown>): Promise<void> {
    const { upserts, deletes } = changesOf(this.#changed, this.#loaded)
    await this.#table.delete(trx, deletes)
    const stage = 'pg_temp.rebuild_stage'
    await sql`create temporary table if not exists rebuild_stage
      (like ${sql.raw(this.#table.qualifiedName)}) on commit delete rows`.execute(trx)
    await this.#session.copy(copyStatement(this.#projection.table, stage, ''), this.#texts(upserts))
    await this.#table.mergeFrom(trx, sql.raw(stage))
  }

  async #copy(table: string, options: string): Promise<void> {
    const rows = this.#changedRows()
    await this.#session.copy(
      copyStatement(this.#projection.table, table, options),
      this.#texts(rows),
    )
  }

  #texts(rows: Iterable<Row>): Iterable<string> {
    return copyText(this.#projection.table, rows)
  }

  *#changedRows(): Generator<Row> {
    for (const row of this.#changed.values()) if (row !== undefined) yield row
  }
}
