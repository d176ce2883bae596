import { postgresErrorCode } from '@fairlead/postgres'
import { sql } from 'kysely'
import type { Database } from './database.ts'
import { JOB_LOCK_CLASS, JOB_LOCK_KEYS } from './jobs.ts'
import { INDEX_LOCK_CLASS } from './table-indexes.ts'
import { type Version, VersionError } from './versions.ts'

/** For a session to roll back what it has not committed. */
const TERMINATION_TIMEOUT_MS = 10_000
const INSUFFICIENT_PRIVILEGE = '42501'

/**
 * Ends the sessions that still have jobs of a version which have failed: what they are in the middle of is rolled back,
 * and nothing of it is written any more. Nobody takes such a job up again. The session that
 * makes an index of the version is ended, too: it holds the table for as long as any transaction is older than it.
 *
 * @throws {VersionError} LOCKED when one does not end in time, or is another role's.
 */
export async function endSessions(
  db: Database,
  { projectionId, name, version }: Pick<Version, 'projectionId' | 'name' | 'version'>,
): Promise<void> {
  const ended = sql<{ isGone: boolean }>`
    select pg_terminate_backend(l.pid, ${TERMINATION_TIMEOUT_MS}) as "isGone"
    from pg_locks l
    where l.locktype = 'advisory' and l.granted
      and l.database = (select oid from pg_database where datname = current_database())
      and (l.classid = ${JOB_LOCK_CLASS} and exists (
          select from evt.projection_job j
          where (j.projection_id, j.version, j.state) = (${projectionId}, ${version}, 'failed')
            and l.objid = (j.id % ${JOB_LOCK_KEYS}::bigint)::int)
        or l.classid = ${INDEX_LOCK_CLASS} and l.objid = ${projectionId} and exists (
          select from pg_locks t join pg_class c on c.oid = t.relation
          where t.pid = l.pid and t.database = l.database and c.relnamespace in (
            select to_regnamespace(quote_ident(schema_name)) from (
              select projection_id, version, schema_name from evt.projection_version
              union all select projection_id, version, schema_name from evt.tenant_schema) s
            where (projection_id, version) = (${projectionId}, ${version}))))`
  const { rows } = await ended.execute(db).catch((error: unknown) => {
    if (postgresErrorCode(error) !== INSUFFICIENT_PRIVILEGE) throw error
    throw new VersionError(
      'LOCKED',
      `a session at work on ${name} v${version} is of a role that this projector may not end sessions of: end it (application_name fairlead-projector-rebuild in pg_stat_activity), and try again`,
    )
  })
  if (rows.every(({ isGone }) => isGone)) return
  throw new VersionError(
    'LOCKED',
    `a session at work on ${name} v${version} does not end within ${TERMINATION_TIMEOUT_MS} ms: try again`,
  )
}

/** As {@link endSessions}, for an order that stands whether they end or not. */
export async function endSessionsIfPossible(
  db: Database,
  version: Pick<Version, 'projectionId' | 'name' | 'version'>,
): Promise<void> {
  try {
    await endSessions(db, version)
  } catch (error) {
    if (!(error instanceof VersionError)) throw error
  }
}
