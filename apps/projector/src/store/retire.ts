import { EffectRanges } from '@fairlead/projection'
import { type Transaction, sql } from 'kysely'
import { refuseShown, releaseTables } from './bridge-views.ts'
import { readCheckpoints } from './checkpoints.ts'
import type { Database } from './database.ts'
import { endSessions } from './job-sessions.ts'
import { failOpenJobs } from './jobs.ts'
import { isHeld } from './held-locks.ts'
import { orderTransaction } from './order-transaction.ts'
import { dropTenantSchema, listTenantSchemas } from './tenant-schemas.ts'
import { type Version, VersionError, hasEffects, lockVersion, readVersion } from './versions.ts'

/** Readers of a table that goes are rare; they are not to wait long for those that stay. */
const LOCK_TIMEOUT_MS = 5_000
/** For a table of a tenant, once others have taken all of the time. */
const FREE_TIMEOUT_MS = 20

const RETIRED = { code: 'RETIRED', reason: 'the version was retired' }

export type RetireTarget = {
  readonly name: string
  readonly version: number
  readonly acceptLostEffects?: boolean
  /** Of a retirement that nobody has asked for; by the clock of the database, which all processes share. */
  readonly sincePromotionMinMs?: number
}

export type Retired = {
  /** Whose tables somebody held. They are dropped by the projectors of the projection once they are free. */
  readonly tenantsLeft: number
}

/**
 * Drops what a version has: its schema, checkpoints, parked keys and dead letters. Its row stays, so
 * that its number is not used for other code. What builds it or follows the log for it stops.
 *
 * The tables of tenants may be any number. They go behind the commit that retires the version: from then on nobody
 * uses them, or makes others, and whoever drops them next goes on with what a process leaves that dies meanwhile.
 *
 * @throws {VersionError} LIVE for the version that readers see; EFFECTS_PENDING for one that is still to
 *   have side effects of before its end, unless their loss is accepted; UNKNOWN_VERSION, LOCKED. With
 *   `sincePromotionMinMs` also when the last promotion is not as long ago, and DEPENDENT when somebody's view
 *   reads a table of the version, which would go with it.
 */
export async function retire(db: Database, target: RetireTarget): Promise<Retired> {
  const found = await readVersion(db, target)
  if (found.state !== 'retired') {
    await releaseTables(db, target.name)
    await endJobs(db, target)
    await retireRow(db, target)
  }
  return { tenantsLeft: await dropLeftTenants(db, found) }
}

/** A session that fills the version, or compares its rows, may hold them for as long as it likes. */
async function endJobs(db: Database, target: RetireTarget): Promise<void> {
  const found = await inTime(db, target, async (trx) => {
    const version = await lockVersion(trx, target)
    await refuse(trx, version, target)
    await failOpenJobs(trx, version, RETIRED)
    return version
  })
  await endSessions(db, found)
}

async function retireRow(db: Database, target: RetireTarget): Promise<void> {
  await inTime(db, target, async (trx) => {
    const found = await lockVersion(trx, target)
    const { projectionId, schemaName, version } = found
    await refuse(trx, found, target)
    // Somebody else was first.
    if (found.state === 'retired') return
    const ofVersion = sql`projection_id = ${projectionId} and version = ${version}`
    await sql`
      update evt.projection_version
      set state = 'retired', retired_at = coalesce(retired_at, clock_timestamp()),
        reason = null, paused_at = null, paused_by = null
      where ${ofVersion}`.execute(trx)
    await sql`
      update evt.projection set previous_version = null
      where id = ${projectionId} and previous_version = ${version}`.execute(trx)
    for (const table of ['checkpoint', 'parked_key', 'dead_letter', 'inbox_consumer']) {
      await sql`delete from ${sql.id('evt', table)} where ${ofVersion}`.execute(trx)
    }
    // What was ordered meanwhile. A job that folds rows anew has its checkpoints first, too.
    await failOpenJobs(trx, found, RETIRED)
    await sql`drop schema if exists ${sql.id(schemaName)} cascade`.execute(trx)
  })
}

/**
 * Drops the tables of tenants that a retired version has left, each in a transaction of its own: all in one would take more
 * locks than a server has room for (`max_locks_per_transaction`). Answers of how many tenants they stay, as somebody
 * holds them.
 */
export async function dropLeftTenants(
  db: Database,
  version: Pick<Version, 'projectionId' | 'version'>,
): Promise<number> {
  const deadlineMs = performance.now() + LOCK_TIMEOUT_MS
  let leftCount = 0
  for (const { schemaName } of await listTenantSchemas(db, version)) {
    const leftMs = Math.round(deadlineMs - performance.now())
    const isDropped = await dropIfFree(db, schemaName, Math.max(FREE_TIMEOUT_MS, leftMs))
    if (!isDropped) leftCount += 1
  }
  return leftCount
}

async function dropIfFree(db: Database, schemaName: string, timeoutMs: number): Promise<boolean> {
  try {
    await db.transaction().execute(async (trx) => {
      await sql`set local lock_timeout = ${sql.lit(timeoutMs)}`.execute(trx)
      await dropTenantSchema(trx, schemaName)
    })
    return true
  } catch (error) {
    if (isHeld(error)) return false
    throw error
  }
}

async function refuse(
  trx: Transaction<unknown>,
  version: Version,
  { acceptLostEffects, sincePromotionMinMs }: RetireTarget,
): Promise<void> {
  if (version.state === 'retired') return
  if (version.state === 'live') {
    const label = `${version.name} v${version.version}`
    throw new VersionError('LIVE', `${label} is live: promote another version before it is retired`)
  }
  if (sincePromotionMinMs !== undefined) await refuseUsed(trx, version, sincePromotionMinMs)
  if (acceptLostEffects !== true) await refusePending(trx, version)
  await refuseShown(trx, version)
}

async function refuseUsed(
  trx: Transaction<unknown>,
  version: Version,
  sincePromotionMinMs: number,
): Promise<void> {
  const label = `${version.name} v${version.version}`
  const { rows: recent } = await sql`
    select from evt.projection
    where id = ${version.projectionId} and promoted_at
      >= clock_timestamp() - make_interval(secs => ${sincePromotionMinMs / 1_000})`.execute(trx)
  if (recent.length > 0) {
    throw new VersionError('LIVE', `${label} may be the way back from a promotion of just now`)
  }
  const ofTenants = await listTenantSchemas(trx, version)
  const schemas = [version.schemaName, ...ofTenants.map(({ schemaName }) => schemaName)]
  const { rows } = await sql<{ name: string }>`
    select distinct format('%I.%I', r.nspname, v.relname) as name
    from pg_namespace n join pg_class c on c.relnamespace = n.oid
    join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid
      and d.classid = 'pg_rewrite'::regclass
    join pg_rewrite w on w.oid = d.objid
    join pg_class v on v.oid = w.ev_class join pg_namespace r on r.oid = v.relnamespace
    where n.nspname = any(${schemas}::text[]) and r.nspname <> all(${schemas}::text[])
    order by 1`.execute(trx)
  const [reader] = rows
  if (reader === undefined) return
  throw new VersionError(
    'DEPENDENT',
    `the view ${reader.name} reads a table of ${label}, and would go with it: drop the view, or retire the version yourself`,
  )
}

/** The version before it has handed over what comes later; up to there, nobody else has the effects. */
async function refusePending(trx: Transaction<unknown>, version: Version): Promise<void> {
  if (!hasEffects(version)) return
  const checkpoints = await readCheckpoints(trx, version)
  const nextOffsets = new Map(
    checkpoints.map(({ partition, progress }) => [partition, progress.nextOffset]),
  )
  const ranges = new EffectRanges({ stored: version.effects, isLive: false })
  const pending = ranges.pendingCount(nextOffsets)
  if (pending === 0) return
  throw new VersionError(
    'EFFECTS_PENDING',
    `${version.name} v${version.version} is still to have the side effects of ${pending} records: run it until it has, or accept that they are lost (acceptLostEffects)`,
  )
}

function inTime<Result>(
  db: Database,
  { name, version }: Pick<RetireTarget, 'name' | 'version'>,
  work: (trx: Transaction<unknown>) => Promise<Result>,
): Promise<Result> {
  const about = { held: `tables of ${name} v${version}`, again: 'retire the version again' }
  return orderTransaction(db, { lockTimeoutMs: LOCK_TIMEOUT_MS, about }, work)
}
