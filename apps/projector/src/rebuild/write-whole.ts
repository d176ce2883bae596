import type { FoldProjection, Letter } from '@fairlead/projection'
import { type Transaction, sql } from 'kysely'
import { type PartitionProgress, writeCheckpoints } from '../store/checkpoints.ts'
import { FoldTable } from '../store/fold-table.ts'
import { expectBuilding } from '../store/jobs.ts'
import type { LetterMirror } from '../store/mirror-letters.ts'
import type { RegisteredProjection } from '../store/registered-projection.ts'
import type { BuildSession } from './build-session.ts'
import { parkByTopic } from './parked-keys.ts'
import { copyStatement } from './row-text.ts'

/** Text of COPY, cut anywhere. */
export type RowChunks = Iterable<string> | AsyncIterable<Uint8Array>

/** The version that is filled. */
export type Filled = {
  readonly session: BuildSession
  readonly registered: RegisteredProjection
  /** The order that it is filled for. */
  readonly jobId: bigint
  readonly projection: FoldProjection
  /** By topic: of which one the positions are places. */
  readonly topicIds: Readonly<Record<string, string>>
  readonly mirror: LetterMirror | undefined
}

/**
 * Writes all rows of a fold, what was set aside, and the checkpoints behind both, in one transaction.
 *
 * @throws {VersionError} when the version is not being built any more. What the database says of rows
 *   that it refuses (SQLSTATE class 22 or 23), and what `chunks` throws.
 */
export async function writeWhole(
  filled: Filled,
  whole: {
    readonly chunks: RowChunks
    readonly letters: readonly Letter[]
    readonly positions: readonly PartitionProgress[]
  },
): Promise<void> {
  const { session, registered, jobId, topicIds, mirror } = filled
  await session.db.transaction().execute(async (trx) => {
    await expectBuilding(trx, registered, jobId)
    await replaceRows(trx, filled, whole.chunks)
    await parkByTopic(trx, registered, whole.letters, mirror)
    await writeCheckpoints(trx, registered, whole.positions, topicIds)
  })
}

/** Puts rows in the place of what an attempt that was killed has left; the table has no key yet. */
export async function replaceRows(
  trx: Transaction<unknown>,
  { session, registered, projection }: Pick<Filled, 'session' | 'registered' | 'projection'>,
  chunks: RowChunks,
): Promise<void> {
  const { qualifiedName } = new FoldTable(projection, registered.schemaName)
  await sql`truncate ${sql.raw(qualifiedName)}`.execute(trx)
  // In one transaction with that, rows may be frozen.
  await session.copy(copyStatement(projection.table, qualifiedName, '(freeze)'), chunks)
}
