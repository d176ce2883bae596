import type { PreparedRecord } from '@fairlead/projection'
import { LookUps } from '../look-ups.ts'
import { type PartitionProgress, writeCheckpoints } from '../store/checkpoints.ts'
import { addKey } from '../store/columns.ts'
import { expectBuilding } from '../store/jobs.ts'
import { type ParkedKeysByTopic, parkByTopic } from './parked-keys.ts'
import { TableLoad } from './table-load.ts'
import { type Filled, writeWhole } from './write-whole.ts'

export type FoldLoadOptions = {
  readonly memoryBytesMax: number
  readonly parkedKeys: ParkedKeysByTopic
  /** Rows are in the table, and it has its key. */
  readonly isWritten: boolean
  readonly signal: AbortSignal
}

/**
 * Fills the table of a fold: folds in memory and copies the final rows into the table, which gets its
 * key afterwards.
 *
 * Rows that outgrow the memory are written in between, with the checkpoints behind them. A rebuild that was
 * killed goes on behind the last of these writes.
 */
export class FoldLoad {
  readonly #filled: Filled
  readonly #memoryBytesMax: number
  readonly #table: TableLoad

  constructor(filled: Filled, options: FoldLoadOptions) {
    this.#filled = filled
    this.#memoryBytesMax = options.memoryBytesMax
    this.#table = new TableLoad(filled, {
      lookUps: new LookUps(filled.projection, options.signal),
      // A fold reads one topic.
      parkedKeys: [...options.parkedKeys.values()].flatMap((keys) => [...keys]),
      isWritten: options.isWritten,
    })
  }

  get parkedCount(): number {
    return this.#table.folded.parkedKeys.size
  }

  /** Rows that wait to be written. */
  get rowCount(): number {
    return this.#table.folded.changed.size
  }

  async apply(records: readonly PreparedRecord[]): Promise<void> {
    await this.#table.apply(records)
  }

  /** Whether what it holds is to be written before more is applied. */
  get isFull(): boolean {
    return this.#table.bytes > this.#memoryBytesMax
  }

  /**
   * Writes what it holds, and the checkpoints behind it, in one transaction.
   *
   * @throws {VersionError} when the version is not being built any more. {BlameNeeded} when two keys are of one row.
   *   What the database says of rows that it refuses (SQLSTATE class 22 or 23).
   */
  async write(
    positions: readonly PartitionProgress[],
    { isLast }: { readonly isLast: boolean },
  ): Promise<void> {
    await this.#table.refuseSpelledTwice()
    const { folded, isWritten } = this.#table
    if (isLast && !isWritten) {
      const chunks = this.#table.texts(folded.rows())
      await writeWhole(this.#filled, { chunks, letters: folded.letters, positions })
    } else await this.#writeSome(positions)
    this.#table.written()
  }

  async #writeSome(positions: readonly PartitionProgress[]): Promise<void> {
    const { session, registered, jobId, projection, topicIds, mirror } = this.#filled
    const { folded, isWritten } = this.#table
    await session.db.transaction().execute(async (trx) => {
      await expectBuilding(trx, registered, jobId)
      await this.#table.write(trx)
      if (!isWritten) await addKey(trx, projection.table, registered.schemaName)
      await parkByTopic(trx, registered, folded.letters, mirror)
      await writeCheckpoints(trx, registered, positions, topicIds)
    })
  }
}
