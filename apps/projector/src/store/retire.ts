import { postgresErrorCode } from '@fairlead/postgres'
import { EffectRanges } from '@fairlead/projection'
import { type Transaction, sql } from 'kysely'
import { refuseShown, releaseTables } from './bridge-views.ts'
import { readCheckpoints } from './checkpoints.ts'
import type { Database } from './database.ts'
import { failOpenJobs } from './jobs.ts'
import { dropTenantSchemas, listTenantSchemas } from './tenant-schemas.ts'
import { type Version, VersionError, hasEffects, lockVersion, readVersion } from './versions.ts'

/** Readers of a table that goes are rare; they are not to wait long for those that stay. */
const LOCK_TIMEOUT_MS = 5_000
const LOCK_NOT_AVAILABLE = '55P03'

/**
 * Drops what a version has: its schema, checkpoints, parked keys and dead letters. Its row stays, so
 * that its number is not used for other code. What builds it or follows the log for it stops.
 *
 * @throws {VersionError} LIVE for the version that readers see; EFFECTS_PENDING for one that is still to
 *   have side effects of before its end, unless their loss is accepted; UNKNOWN_VERSION, LOCKED. With
 *   `sincePromotionMinMs` also when the last promotion is not as long ago, and DEPENDENT when somebody's view
 *   reads a table of the version, which would go with it.
 */
export async function retire(
  db: Database,
  target: {
    readonly name: string
    readonly version: number
    readonly acceptLostEffects?: boolean
    /** Of a retirement that nobody has asked for; by the clock of the database, which all processes share. */
    readonly sincePromotionMinMs?: number
  },
): Promise<void> {
  await releaseTables(db, target.name)
  await inTime(target, db, async (trx) => {
    await sql`set local lock_timeout = ${sql.lit(LOCK_TIMEOUT_MS)}`.execute(trx)
    const found = await lockVersion(trx, target)
    const { projectionId, state, schemaName, version } = found
    if (state === 'live') {
      throw new VersionError(
        'LIVE',
        `${target.name} v${version} is live: promote another version before it is retired`,
      )
    }
    const { sincePromotionMinMs } = target
    if (sincePromotionMinMs !== undefined) await refuseUsed(trx, found, sincePromotionMinMs)
    if (target.acceptLostEffects !== true) await refusePending(trx, found)
    await refuseShown(trx, found)
    const ofVersion = sql`projection_id = ${projectionId} and version = ${version}`
    await sql`
      update evt.projection_version
      set state = 'retired', retired_at = coalesce(retired_at, clock_timestamp())
      where ${ofVersion}`.execute(trx)
    await sql`
      update evt.projection set previous_version = null
      where id = ${projectionId} and previous_version = ${version}`.execute(trx)
    await failOpenJobs(trx, found, { code: 'RETIRED', reason: 'the version was retired' })
    for (const table of ['checkpoint', 'parked_key', 'dead_letter', 'inbox_consumer']) {
      await sql`delete from ${sql.id('evt', table)} where ${ofVersion}`.execute(trx)
    }
    await sql`drop schema if exists ${sql.id(schemaName)} cascade`.execute(trx)
    await dropTenantSchemas(trx, found)
  })
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

async function inTime(
  { name, version }: { readonly name: string; readonly version: number },
  db: Database,
  work: (trx: Transaction<unknown>) => Promise<void>,
): Promise<void> {
  try {
    await db.transaction().execute(work)
  } catch (error) {
    if (postgresErrorCode(error) !== LOCK_NOT_AVAILABLE) throw error
    const { state } = await readVersion(db, { name, version })
    if (state === 'building') {
      throw new VersionError(
        'LOCKED',
        `the rebuild of ${name} v${version} holds its tables: abort it, and retire the version then`,
      )
    }
    throw new VersionError(
      'LOCKED',
      `a transaction holds tables of ${name} v${version} for longer than ${LOCK_TIMEOUT_MS} ms: look for it in pg_stat_activity, and retire the version again`,
    )
  }
}
