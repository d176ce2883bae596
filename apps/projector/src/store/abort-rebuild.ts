import { type Transaction, sql } from 'kysely'
import type { Database } from './database.ts'
import { endSessions, endSessionsIfPossible } from './job-sessions.ts'
import { failJob, failOpenJobs, latestJob } from './jobs.ts'
import { orderTransaction } from './order-transaction.ts'
import {
  type Version,
  type VersionState,
  VersionError,
  lockVersion,
  readVersion,
} from './versions.ts'

/** Longer than an attempt of a promotion takes, which holds the row of the projection. */
const LOCK_TIMEOUT_MS = 10_000

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
    await endSessions(db, found)
  }
  await inTime(db, target, async (trx) => {
    const { state } = await lockVersion(trx, target)
    if (!states.includes(state)) {
      throw new VersionError(
        'NOT_BUILDING',
        `${label} is ${state}: its rebuild had ended before it could be aborted`,
      )
    }
    if (state === 'catching_up') await failOpenJobs(trx, found, failure)
    const isMarked = await markFailed(trx, found, reason)
    // Whoever notes that it has caught up does so without the lock.
    if (state === 'catching_up' && !isMarked) {
      throw new VersionError('NOT_BUILDING', `${label} has caught up: no rebuild is under way`)
    }
  })
  await endSessionsIfPossible(db, found)
}

/**
 * Does the rest of an abort of which only the job says that there was one: its process died then. False when the
 * version is being built, or not any more.
 *
 * @throws {VersionError} LOCKED
 */
export async function finishAbort(
  db: Database,
  target: Pick<Version, 'projectionId' | 'name' | 'version'>,
): Promise<boolean> {
  const job = await latestJob(db, { ...target, kind: 'rebuild' })
  if (job === undefined || job.state !== 'failed') return false
  await endSessions(db, target)
  return inTime(db, target, async (trx) => {
    await lockVersion(trx, target)
    return markFailed(trx, { ...target, state: 'building' }, job.reason)
  })
}

/**
 * False when the version has another state by now, or somebody has ordered its next rebuild. The row of the
 * projection is locked, so that none is ordered meanwhile.
 */
async function markFailed(
  trx: Transaction<unknown>,
  { projectionId, version, state }: Pick<Version, 'projectionId' | 'version' | 'state'>,
  reason: string | null,
): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update evt.projection_version set state = 'failed', reason = ${reason}
    where (projection_id, version, state) = (${projectionId}, ${version}, ${state})
      and not exists (select from evt.projection_job j
        where (j.projection_id, j.version, j.kind) = (${projectionId}, ${version}, 'rebuild')
          and j.state in ('requested', 'running'))`.execute(trx)
  return numAffectedRows === 1n
}

function inTime<Result>(
  db: Database,
  { name, version }: Pick<Version, 'name' | 'version'>,
  work: (trx: Transaction<unknown>) => Promise<Result>,
): Promise<Result> {
  const about = { held: `${name} v${version}`, again: 'abort the rebuild again' }
  return orderTransaction(db, { lockTimeoutMs: LOCK_TIMEOUT_MS, about }, work)
}
