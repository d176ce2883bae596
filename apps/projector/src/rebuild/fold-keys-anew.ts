import type { FoldProjection, Row } from '@fairlead/projection'
import { type Transaction, sql } from 'kysely'
import { type PartitionProgress, readCheckpoints } from '../store/checkpoints.ts'
import { columnType } from '../store/columns.ts'
import { FoldTable } from '../store/fold-table.ts'
import { finishJob } from '../store/jobs.ts'
import { type RegisteredProjection, versionOf } from '../store/registered-projection.ts'
import { VersionError } from '../store/versions.ts'
import { JobReporter } from './job-progress.ts'
import { KeyFold } from './key-fold.ts'
import { type RebuildOptions, RebuildFailed } from './rebuild-version.ts'

/** Records that may be read while the checkpoints are locked: the live batches wait meanwhile. */
const LOCKED_RECORDS_MAX = 5_000
/** Passes over what came in meanwhile, before the log is said to grow too fast. */
const PASSES_MAX = 20

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
export async function foldKeysAnew(options: RebuildOptions): Promise<void> {
  const { registered, db, job, nowMs, session } = options
  const { projection } = registered
  if (projection.kind !== 'fold') throw notAFold(projection.name)
  const keys = spelledAsStored(projection, job.request.keys ?? [])
  const wanted = new Set(keys)
  const fold = new KeyFold({ ...options, projection, wants: (key) => wanted.has(String(key)) })
  await refuseMissingHistory(options)
  const reporter = new JobReporter({ db, jobId: job.id, nowMs, parked: () => 0 })
  try {
    let total = 0
    await reporter.enter('reading', () => Promise.resolve({ done: fold.readCount, total }))
    for (let pass = 0; pass < PASSES_MAX; pass += 1) {
      const ends = await readCheckpoints(session.db, versionOf(registered))
      total = sum(ends)
      await fold.readTo(ends)
      refuseFailures(fold)
      if (await session.db.transaction().execute((trx) => swapRows(trx, options, fold, keys))) {
        return
      }
    }
    throw new RebuildFailed(
      `events come in faster than they are read: try again when ${projection.name} is quieter`,
    )
  } finally {
    await reporter.stop()
  }
}

function notAFold(name: string): VersionError {
  return new VersionError(
    'NOT_A_FOLD',
    `${name} has handlers in SQL: which rows a key changes is not known. Rebuild it as a new version.`,
  )
}

/** False, and nothing is done, when too much came in since the last pass. */
async function swapRows(
  trx: Transaction<unknown>,
  { registered, job }: RebuildOptions,
  fold: KeyFold,
  keys: readonly string[],
): Promise<boolean> {
  const { projection, schemaName } = registered
  if (projection.kind !== 'fold') throw notAFold(projection.name)
  await sql`
    select from evt.checkpoint where projection_id = ${registered.projectionId}
      and version = ${projection.version} order by topic, part for update`.execute(trx)
  const ends = await readCheckpoints(trx, versionOf(registered))
  if (sum(ends) - fold.readCount > LOCKED_RECORDS_MAX) return false
  await fold.readTo(ends)
  refuseFailures(fold)
  const table = new FoldTable(projection, schemaName)
  await table.delete(trx, keys)
  const upserts = [...fold.rows.values()].filter((row): row is Row => row !== undefined)
  await table.write(trx, { upserts, deletes: [] })
  await releaseKeys(trx, registered, fold)
  await finishJob(trx, job.id, { keys: keys.length, rows: upserts.length })
  return true
}

/**
 * Letters of the events that are in the rows now go, and a key that has no more of them is free. Its
 * owner finds that out with the key's next event, which it may not set aside then.
 */
async function releaseKeys(
  trx: Transaction<unknown>,
  { projection, projectionId }: RegisteredProjection,
  { folded }: KeyFold,
): Promise<void> {
  const ofVersion = sql`projection_id = ${projectionId} and version = ${projection.version}`
  const { rows } = await sql<{ key: string }>`
    delete from evt.dead_letter l
    using unnest(${folded.map(({ topic }) => topic)}::text[],
      ${folded.map(({ partition }) => partition)}::int[],
      ${folded.map(({ offset }) => offset)}::bigint[]) as f(topic, part, log_offset)
    where ${ofVersion} and l.topic = f.topic and l.part = f.part and l.log_offset = f.log_offset
    returning l.key`.execute(trx)
  if (rows.length === 0) return
  await sql`
    delete from evt.parked_key k where ${ofVersion}
      and k.key = any(${rows.map(({ key }) => key)}::text[])
      and not exists (select from evt.dead_letter l where l.projection_id = k.projection_id
        and l.version = k.version and l.topic = k.topic and l.key = k.key)`.execute(trx)
}

function refuseFailures({ letters }: KeyFold): void {
  const [first] = letters
  if (first === undefined || first.cause.kind === 'blocked') return
  const { record, cause, key } = first
  throw new RebuildFailed(
    `the event of key ${key} at ${record.topic}-${record.partition}, offset ${record.offset}, fails: ${cause.errorMessage}. Nothing was changed; the key's dead letters can be edited, replayed or discarded.`,
  )
}

async function refuseMissingHistory({
  log,
  session,
  registered,
  job,
}: RebuildOptions): Promise<void> {
  if (job.request.acceptMissingHistory === true) return
  const checkpoints = await readCheckpoints(session.db, versionOf(registered))
  for (const { topic, partition } of checkpoints) {
    const earliest = await log.earliestOffset(topic, partition)
    if (earliest === 0) continue
    throw new RebuildFailed(
      `${topic}-${partition} begins at offset ${earliest}: the events before it were removed by its retention, and the rows would lack them. Nothing was changed.`,
    )
  }
}

function sum(ends: readonly PartitionProgress[]): number {
  return ends.reduce((total, { progress }) => total + progress.nextOffset, 0)
}

/** As events spell them: a uuid in lower case. */
function spelledAsStored({ table }: FoldProjection, keys: readonly string[]): readonly string[] {
  const isUuid = columnType(table, table.keyColumn) === 'uuid'
  return [...new Set(isUuid ? keys.map((key) => key.toLowerCase()) : keys)]
}
