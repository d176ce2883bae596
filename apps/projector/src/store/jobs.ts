import { type Kysely, type Transaction, sql } from 'kysely'
import type { Database } from './database.ts'
import type { SwapOptions } from './promote.ts'
import type { RegisteredProjection } from './registered-projection.ts'
import { VersionError, type VersionState } from './versions.ts'

/** `rebuild` fills a version; `keys` folds some rows of one anew; `verify` compares some with the log. */
export type JobKind = 'rebuild' | 'keys' | 'verify'

export type JobRequest = {
  /** Row keys, of `keys`. */
  readonly keys?: readonly string[]
  /** Whose rows, of `keys`, where each tenant has rows of its own. */
  readonly tenant?: string
  /** Milliseconds since the Unix epoch: events up to and with this time, of a throw-away version. */
  readonly untilMs?: number
  /** In Postgres' text form: events of transactions that committed up to and with it. */
  readonly untilLsn?: string
  /** How many keys to compare, of `verify`. */
  readonly sample?: number
  /** Of `verify`: shows the version to readers, unless rows differ. */
  readonly promote?: SwapOptions
  /** Builds from what the log still has. */
  readonly acceptMissingHistory?: boolean
}

export type JobPhase =
  | 'preparing'
  | 'loading'
  | 'copying'
  | 'indexing'
  | 'reading'
  | 'writing'
  | 'catching-up'
  | 'ready'
  | 'live'

export type Job = {
  readonly id: bigint
  readonly projectionId: number
  readonly version: number
  readonly kind: JobKind
  readonly request: JobRequest
  readonly state: 'requested' | 'running' | 'done' | 'failed'
  readonly phase: JobPhase
  readonly done: bigint
  readonly total: bigint
  readonly perSecond: number
  readonly eta: Date | null
  readonly parked: bigint
  readonly result: unknown
  /** Of a job that failed; null in jobs of before there were codes. */
  readonly code: string | null
  readonly reason: string | null
  readonly updatedAt: Date
}

export type JobProgress = Pick<Job, 'phase' | 'perSecond' | 'eta'> & {
  readonly done: number
  readonly total: number
  readonly parked: number
}

const COLUMNS = sql`id, projection_id as "projectionId", version, kind, request, state, phase, done,
  total, per_second as "perSecond", eta, parked, result, code, reason, updated_at as "updatedAt"`

/** @throws {VersionError} BUSY while the version has a job of the kind that is not over. */
export async function requestJob(
  db: Kysely<unknown>,
  job: Pick<Job, 'projectionId' | 'version' | 'kind' | 'request'>,
): Promise<bigint> {
  const { rows } = await sql<{ id: bigint }>`
    insert into evt.projection_job (projection_id, version, kind, request)
    values (${job.projectionId}, ${job.version}, ${job.kind}, ${JSON.stringify(job.request)})
    on conflict (projection_id, version, kind) where state in ('requested', 'running') do nothing
    returning id`.execute(db)
  const [row] = rows
  if (row !== undefined) return row.id
  throw new VersionError('BUSY', `version ${job.version} has a job (${job.kind}) that is under way`)
}

/** "proj" in ASCII: class of the advisory locks of jobs; the second key is the job's. */
export const JOB_LOCK_CLASS = 0x70726f6a
export const JOB_LOCK_KEYS: bigint = 2n ** 31n

export function jobLockKey(id: bigint): number {
  return Number(id % JOB_LOCK_KEYS)
}

/** It is not over. */
export function isOpen({ state }: Pick<Job, 'state'>): boolean {
  return state === 'requested' || state === 'running'
}

/**
 * For a transaction that writes what a rebuild fills: who orders the next rebuild of the version waits for its end.
 *
 * An order that was ended may have a successor: the session of one that was aborted lives on for as long as nobody
 * could end it.
 *
 * @throws {VersionError} RETIRED when the version is not being built any more; SUPERSEDED when another order is, or may be,
 *   what it is built for.
 */
export async function expectBuilding(
  trx: Transaction<unknown>,
  { projection, projectionId }: RegisteredProjection,
  jobId: bigint,
): Promise<void> {
  const { rows } = await sql<{ state: VersionState }>`
    select state from evt.projection_version
    where projection_id = ${projectionId} and version = ${projection.version} for share`.execute(
    trx,
  )
  const state = rows[0]?.state ?? 'retired'
  if (state !== 'building') {
    throw new VersionError('RETIRED', `the version is ${state}, and not built any more`)
  }
  await expectOpen(trx, jobId)
}

/** @throws {VersionError} SUPERSEDED when somebody has ended the job, and what it knows may be void. */
export async function expectOpen(db: Kysely<unknown>, id: bigint): Promise<void> {
  const job = await readJob(db, id)
  if (job !== undefined && isOpen(job)) return
  throw new VersionError('SUPERSEDED', `the order was ended: ${job?.reason ?? 'it is gone'}`)
}

/** Jobs that are not over and that no session has, oldest first. */
export async function openJobs(
  db: Database,
  projectionIds: readonly number[],
): Promise<readonly Job[]> {
  const { rows } = await sql<Job>`
    select ${COLUMNS} from evt.projection_job
    where projection_id = any(${projectionIds}::int[]) and state in ('requested', 'running')
      and not exists (select from pg_locks l where l.locktype = 'advisory' and l.granted
        and l.database = (select oid from pg_database where datname = current_database())
        and l.classid = ${JOB_LOCK_CLASS} and l.objid = (id % ${JOB_LOCK_KEYS}::bigint)::int)
    order by id`.execute(db)
  return rows
}

export async function readJob(db: Kysely<unknown>, id: bigint): Promise<Job | undefined> {
  const { rows } = await sql<Job>`
    select ${COLUMNS} from evt.projection_job where id = ${id}`.execute(db)
  return rows[0]
}

/** The latest job of a kind that a version has had. */
export async function latestJob(
  db: Kysely<unknown>,
  of: Pick<Job, 'projectionId' | 'version' | 'kind'>,
): Promise<Job | undefined> {
  const { rows } = await sql<Job>`
    select ${COLUMNS} from evt.projection_job
    where projection_id = ${of.projectionId} and version = ${of.version} and kind = ${of.kind}
    order by id desc limit 1`.execute(db)
  return rows[0]
}

/** Which events a version of a moment has, as it was ordered; no bound for any other version. */
export async function boundOf(
  db: Kysely<unknown>,
  of: Pick<Job, 'projectionId' | 'version'>,
): Promise<Pick<JobRequest, 'untilMs' | 'untilLsn'>> {
  if (of.version > 0) return {}
  const { untilMs, untilLsn } = (await latestJob(db, { ...of, kind: 'rebuild' }))?.request ?? {}
  return {
    ...(untilMs === undefined ? {} : { untilMs }),
    ...(untilLsn === undefined ? {} : { untilLsn }),
  }
}

export async function saveProgress(db: Database, id: bigint, at: JobProgress): Promise<void> {
  await sql`
    update evt.projection_job set state = 'running', phase = ${at.phase},
      done = ${Math.round(at.done)}, total = ${Math.round(at.total)}, per_second = ${at.perSecond},
      eta = ${at.eta}, parked = ${at.parked}, updated_at = clock_timestamp()
    where id = ${id} and state in ('requested', 'running')`.execute(db)
}

/** `result` is what a job found out. */
export async function finishJob(db: Kysely<unknown>, id: bigint, result: unknown): Promise<void> {
  await sql`
    update evt.projection_job set state = 'done', done = greatest(done, total), eta = null,
      result = ${result === null ? null : JSON.stringify(result)}, updated_at = clock_timestamp()
    where id = ${id} and state in ('requested', 'running')`.execute(db)
}

/** What an open job has found out so far: it stays if the rest of the job fails. */
export async function noteResult(db: Kysely<unknown>, id: bigint, result: unknown): Promise<void> {
  await sql`
    update evt.projection_job set result = ${JSON.stringify(result)}, updated_at = clock_timestamp()
    where id = ${id} and state in ('requested', 'running')`.execute(db)
}

/** Why a job failed: `code` for programs, `reason` for people. */
export type JobFailure = { readonly code: string; readonly reason: string }

/** All of a version that are not over. */
export async function failOpenJobs(
  db: Kysely<unknown>,
  { projectionId, version }: Pick<Job, 'projectionId' | 'version'>,
  { code, reason }: JobFailure,
): Promise<void> {
  await sql`
    update evt.projection_job set state = 'failed', code = ${code}, reason = ${reason}, eta = null,
      updated_at = clock_timestamp()
    where projection_id = ${projectionId} and version = ${version}
      and state in ('requested', 'running')`.execute(db)
}

/** False when it was over already. */
export async function failJob(
  db: Kysely<unknown>,
  id: bigint,
  { code, reason }: JobFailure,
): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update evt.projection_job set state = 'failed', code = ${code}, reason = ${reason}, eta = null,
      updated_at = clock_timestamp()
    where id = ${id} and state in ('requested', 'running')`.execute(db)
  return numAffectedRows === 1n
}
