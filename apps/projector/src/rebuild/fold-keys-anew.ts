import type { BackoffPolicy } from '@fairlead/base'
import { postgresErrorCode } from '@fairlead/postgres'
import { type FoldProjection, type Projection, type Row, foldOfChanges } from '@fairlead/projection'
import type { Transaction } from 'kysely'
import { pause } from '../pause.ts'
import { type PartitionProgress, readCheckpoints } from '../store/checkpoints.ts'
import { columnType } from '../store/column-type.ts'
import { inTransaction } from '../store/database.ts'
import { FoldTable } from '../store/fold-table.ts'
import { LOCK_NOT_AVAILABLE } from '../store/held-locks.ts'
import { expectOpen, finishJob } from '../store/jobs.ts'
import { versionOf } from '../store/registered-projection.ts'
import { lockCheckpoints } from '../store/swap-offsets.ts'
import { VersionError, expectRunning } from '../store/versions.ts'
import { waitLimit } from '../store/wait-limit.ts'
import { JobReporter } from './job-progress.ts'
import { KeyFold } from './key-fold.ts'
import { LogReading } from './log-reading.ts'
import { KeyTexts } from './key-texts.ts'
import { refuseOtherHistory } from './history.ts'
import { releaseLetters } from './parked-keys.ts'
import { RebuildFailed } from './rebuild-failed.ts'
import type { RebuildOptions } from './rebuild-version.ts'
import { refuseHiddenRows } from './row-security.ts'
import { rowsOfOrder } from './tenant-rows.ts'

/** Records that may be read while the checkpoints are locked: the live batches wait meanwhile. */
const LOCKED_RECORDS_MAX = 5_000
/** And how long reading them may take: broker and registry may be away, or slow. */
const LOCKED_READ_MAX_MS = 3_000
/** For batches that are under way: all others queue behind the swap. */
const BATCHES_TIMEOUT_MS = 5_000
/** Passes over what came in meanwhile, before the log is said to grow too fast. */
const PASSES_MAX = 20
/** Batches that have waited, for others or for what a swap read, go on between two passes. */
export const SWAP_BACKOFF: BackoffPolicy = { baseMs: 500, maxMs: 5_000 }

/**
 * Folds the rows of some keys from the beginning of the log, and puts them in the place of what is
 * there, while the version follows the log.
 *
 * Live batches of any partition and the swap of the rows exclude each other by the locks of the
 * checkpoints: a batch that commits before it is read from the log, too, and one that commits after it
 * loads the new rows. Nothing is changed until then, so that a job that was killed is done anew.
 *
 * @throws {RebuildFailed} when an event of a key fails; then nothing is changed.
 */
export async function foldKeysAnew(order: RebuildOptions): Promise<void> {
  const projection = foldOf(order.registered.projection)
  const options = await rowsOfOrder(order)
  const { registered, db, job, nowMs, session, signal } = options
  const { schemaName: schema } = registered
  const { name } = projection.table
  await refuseHiddenRows(
    session.db,
    { schema, name },
    'rows could not be replaced. Nothing was changed',
  )
  const keys = await spelledAsStored(projection, options)
  const wanted = new Set(keys)
  const fold = new KeyFold({ ...options, projection, wants: (keyText) => wanted.has(keyText) })
  const reading = new LogReading(options, (...taken) => fold.take(...taken))
  await refuseOtherHistory(options, 'the rows would lack them. Nothing was changed')
  const reporter = new JobReporter({ db, jobId: job.id, nowMs, parked: () => 0 })
  try {
    let total = 0
    let heldUpCount = 0
    await reporter.enter('reading', () => Promise.resolve({ done: reading.readCount, total }))
    for (let pass = 0; pass < PASSES_MAX; pass += 1) {
      const ends = await readCheckpoints(session.db, versionOf(registered))
      total = sum(ends)
      await reading.readTo(ends)
      refuseFailures(fold)
      const outcome = await swapRows(options, { reading, fold, keys })
      if (outcome === 'done') return
      if (outcome === 'held-up') await pause((heldUpCount += 1), SWAP_BACKOFF, signal)
    }
    throw new RebuildFailed(
      `events come in faster than they are read, or batches take too long: try again when ${projection.name} is quieter`,
    )
  } finally {
    await reporter.stop()
  }
}

/** @throws {VersionError} NOT_A_FOLD */
function foldOf(projection: Projection): FoldProjection {
  if (projection.kind === 'fold') return projection
  if (projection.kind === 'commutative') return foldOfChanges(projection)
  throw new VersionError(
    'NOT_A_FOLD',
    `${projection.name} has handlers in SQL: which rows a key changes is not known. Rebuild it as a new version.`,
  )
}

type Read = {
  readonly reading: LogReading
  readonly fold: KeyFold
  readonly keys: readonly string[]
}

/**
 * Nothing is done when too much came in since the last pass (`behind`), or when live batches would wait too long, or
 * have (`held-up`).
 */
type Outcome = 'done' | 'behind' | 'held-up'

async function swapRows(options: RebuildOptions, read: Read): Promise<Outcome> {
  const { session, db } = options
  try {
    // Before anything is locked: batches that wait for the swap may have all other connections.
    return await db.connection().execute(async (reserved) => {
      read.fold.spellBy(reserved)
      return session.lend(() => inTransaction(session.db, (trx) => swapLocked(trx, options, read)))
    })
  } catch (error) {
    if (postgresErrorCode(error) === LOCK_NOT_AVAILABLE) return 'held-up'
    throw error
  } finally {
    read.fold.spellBy(db)
  }
}

async function swapLocked(
  trx: Transaction<unknown>,
  { registered, job }: RebuildOptions,
  { reading, fold, keys }: Read,
): Promise<Outcome> {
  const { schemaName } = registered
  const projection = foldOf(registered.projection)
  await lockCheckpoints(trx, versionOf(registered), waitLimit(trx, BATCHES_TIMEOUT_MS))
  // A rebuild that was ordered meanwhile reads these events, too; from here on none is.
  await expectRunning(trx, registered)
  await expectOpen(trx, job.id)
  const ends = await readCheckpoints(trx, versionOf(registered))
  if (sum(ends) - reading.readCount > LOCKED_RECORDS_MAX) return 'behind'
  if (!(await reading.readTo(ends, AbortSignal.timeout(LOCKED_READ_MAX_MS)))) return 'held-up'
  refuseFailures(fold)
  const table = new FoldTable(projection, schemaName)
  await table.delete(trx, keys)
  const upserts = [...fold.rows()].flatMap(([, row]): Row[] => (row === undefined ? [] : [row]))
  await table.write(trx, { upserts, deletes: [] })
  await releaseLetters(trx, registered, fold.letters)
  await finishJob(trx, job.id, { keys: keys.length, rows: upserts.length })
  return 'done'
}

function refuseFailures({ firstFailure }: KeyFold): void {
  if (firstFailure === undefined) return
  const { record, cause } = firstFailure
  const what =
    cause.kind === 'failed'
      ? `fails: ${cause.errorMessage}`
      : 'comes behind one that cannot be decoded'
  throw new RebuildFailed(
    `the event at ${record.topic}-${record.partition}, offset ${record.offset}, ${what}. Nothing was changed. The log is read as it is, without edits and discards of dead letters: have the handler take the event or pass over it, or leave the rows as they are.`,
  )
}

function sum(ends: readonly PartitionProgress[]): number {
  return ends.reduce((total, { progress }) => total + progress.nextOffset, 0)
}

/** As the database spells them. */
async function spelledAsStored(
  { table }: FoldProjection,
  { db, job }: RebuildOptions,
): Promise<readonly string[]> {
  const keys = job.request.keys ?? []
  const texts = await new KeyTexts(db, table).of(keys)
  const foreign = keys.find((key) => !texts.has(key))
  if (foreign === undefined) return [...new Set(texts.values())]
  throw new RebuildFailed(
    `"${foreign}" is no key of ${table.name}: ${table.keyColumn} is of type ${columnType(table, table.keyColumn)}`,
  )
}
