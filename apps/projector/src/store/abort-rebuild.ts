import { sql } from 'kysely'
import type { Database } from './database.ts'
import { JOB_LOCK_CLASS, failJob, failOpenJobs, jobLockKey, latestJob } from './jobs.ts'
import { type VersionState, VersionError, lockVersion, readVersion } from './versions.ts'

/** For a session to roll back what it has not committed. */
const TERMINATION_TIMEOUT_MS = 10_000

/** In which a version is that is aborted in one of them. */
const STATES: Readonly<Partial<Record<VersionState, readonly VersionState[]>>> = {
  building: ['building', 'failed'],
  // It may never get there: its worker stands still where the log has lost what comes next.
  catching_up: ['catching_up'],
}

/**
 * Ends the rebuild of a version, which has failed then: it can be ordered again, or retired. No projector has to
 * agree, or to run.
 *
 * All writes of a job go through one session. Once its job has failed no other session takes it up, and once the
 * session is gone nothing of it can be written any more: a rebuild that is ordered at once begins alone.
 *
 * @throws {VersionError} NOT_BUILDING unless there is such a rebuild; LOCKED, UNKNOWN_VERSION.
 */
export async function abortRebuild(
  db: Database,
  target: { readonly name: string; readonly version: number; readonly abortedBy: string },
): Promise<void> {
  const { name, version, abortedBy } = target
  const label = `${name} v${version}`
  const found = await readVersion(db, target)
  const states = STATES[found.state]
  if (states === undefined) {
    throw new VersionError('NOT_BUILDING', `${label} is ${found.state}: no rebuild is under way`)
  }
  const reason = `aborted by ${abortedBy}`
  const failure = { code: 'ABORTED', reason }
  const job = await latestJob(db, { ...found, kind: 'rebuild' })
  // That of a version that catches up is over: one that is not is the next one, which somebody has ordered since.
  if (job !== undefined && found.state === 'building') {
    await failJob(db, job.id, failure)
    await endSession(db, job.id, label)
  }
  await db.transaction().execute(async (trx) => {
    const { projectionId, state } = await lockVersion(trx, target)
    if (!states.includes(state)) {
      throw new VersionError(
        'NOT_BUILDING',
        `${label} is ${state}: its rebuild had ended before it could be aborted`,
      )
    }
    if (state === 'catching_up') await failOpenJobs(trx, found, failure)
    // Somebody may have ordered the next rebuild meanwhile.
    await sql`
      update evt.projection_version set state = 'failed', reason = ${reason}
      where (projection_id, version, state) = (${projectionId}, ${version}, ${found.state})
        and not exists (select from evt.projection_job j
          where (j.projection_id, j.version, j.kind) = (${projectionId}, ${version}, 'rebuild')
            and j.state in ('requested', 'running'))`.execute(trx)
  })
}

/** All projectors of a read model connect as one role, which may end sessions of its own. */
async function endSession(db: Database, jobId: bigint, label: string): Promise<void> {
  const { rows } = await sql<{ isGone: boolean }>`
    select pg_terminate_backend(pid, ${TERMINATION_TIMEOUT_MS}) as "isGone" from pg_locks
    where locktype = 'advisory' and granted
      and database = (select oid from pg_database where datname = current_database())
      and classid = ${JOB_LOCK_CLASS} and objid = ${jobLockKey(jobId)}`.execute(db)
  if (rows.every(({ isGone }) => isGone)) return
  throw new VersionError(
    'LOCKED',
    `the session that fills ${label} does not end within ${TERMINATION_TIMEOUT_MS} ms: abort it again`,
  )
}
