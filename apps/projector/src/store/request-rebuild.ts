import { type Transaction, sql } from 'kysely'
import { refuseShown, releaseTables } from './bridge-views.ts'
import type { Database } from './database.ts'
import { endSessionsIfPossible } from './job-sessions.ts'
import { type JobRequest, boundOf, failOpenJobs, requestJob } from './jobs.ts'
import { orderTransaction } from './order-transaction.ts'
import { VersionError, lockVersion } from './versions.ts'

/** Longer than an attempt of a promotion takes, which holds the row of the projection. */
const LOCK_TIMEOUT_MS = 10_000

/**
 * Orders that a version be filled anew from the beginning of the log, that of a moment up to it. It stops following the log until
 * that is done, and what was ordered of its rows has failed.
 *
 * @throws {VersionError} LIVE for a version that is or was shown; RETIRED, BUSY, LOCKED, UNKNOWN_VERSION.
 */
export async function requestRebuild(
  db: Database,
  target: { readonly name: string; readonly version: number },
  request: JobRequest,
): Promise<bigint> {
  await releaseTables(db, target.name)
  const label = `${target.name} v${target.version}`
  const about = {
    held: label,
    again:
      'order the rebuild again. Where it is the session of a rebuild that was ended, abort that once more, or end the session',
  }
  const ordered = await orderTransaction(
    db,
    { lockTimeoutMs: LOCK_TIMEOUT_MS, about },
    async (trx) => {
      const found = await lockVersion(trx, target)
      const { projectionId, state, version } = found
      if (state === 'live' || state === 'standby') {
        throw new VersionError(
          'LIVE',
          `${label} is ${state}: a rebuild fills a version beside it. Give the projection version ${await nextVersion(trx, projectionId)}, with the same code if need be, or name the keys whose rows are to be folded anew`,
        )
      }
      if (state === 'catching_up') {
        throw new VersionError(
          'BUSY',
          `${label} is filled, and catches up with the log: abort that to have it filled anew`,
        )
      }
      if (state === 'retired') {
        throw new VersionError('RETIRED', `${label} is retired: its number is not used again`)
      }
      await refuseShown(trx, found)
      if (state === 'ready') {
        const failure = { code: 'NOT_BUILT', reason: `${label} is filled anew` }
        await failOpenJobs(trx, found, failure)
      }
      const bounded = { ...request, ...(await boundOf(trx, found)) }
      const order = { projectionId, version, kind: 'rebuild', request: bounded } as const
      const jobId = await requestJob(trx, order)
      await sql`
      update evt.projection_version
      set state = 'building', reason = null, target = null, ready_at = null
      where projection_id = ${projectionId} and version = ${version}`.execute(trx)
      return { jobId, found }
    },
  )
  // What was ordered of its rows reads the log for nothing, and keeps a process from the rebuild.
  await endSessionsIfPossible(db, ordered.found)
  return ordered.jobId
}

/** A number that no version has had. */
async function nextVersion(trx: Transaction<unknown>, projectionId: number): Promise<number> {
  const { rows } = await sql<{ next: number }>`
    select max(version) + 1 as next from evt.projection_version
    where projection_id = ${projectionId}`.execute(trx)
  return rows[0]?.next ?? 1
}
