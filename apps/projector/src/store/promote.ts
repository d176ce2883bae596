import { OperationalError } from '@fairlead/base'
import { type Transaction, sql } from 'kysely'
import type { Database } from './database.ts'
import { hideTables, showTables } from './views.ts'

/** Readers of the views wait for the swap no longer than this; then it gives up instead. */
const LOCK_TIMEOUT_MS = 500

/** A version cannot be promoted now. `code` says why. */
export class PromotionError extends OperationalError {
  override readonly name = 'PromotionError'

  constructor(code: 'UNKNOWN_VERSION' | 'LAGS_BEHIND', message: string) {
    super(message, { code, retryable: code === 'LAGS_BEHIND' })
  }
}

type Version = { readonly id: number; readonly live: number | null; readonly schemaName: string }

/**
 * Lets the views in `public` show another version, in one transaction. The version that was live
 * stays as it is and may be promoted again.
 *
 * @throws {PromotionError} for a version that was never registered, or that is more than
 *   `lagRecordsMax` records behind the live one. A lock that is not to be had is SQLSTATE 55P03.
 */
export async function promote(
  db: Database,
  target: { readonly name: string; readonly version: number; readonly lagRecordsMax: number },
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await sql`set local lock_timeout = ${sql.lit(LOCK_TIMEOUT_MS)}`.execute(trx)
    const found = await findVersion(trx, target)
    if (found === undefined) {
      throw new PromotionError('UNKNOWN_VERSION', `there is no ${target.name} v${target.version}`)
    }
    const { id, live, schemaName } = found
    if (live === target.version) return
    const lag = live === null ? 0 : await lagBehind(trx, { id, live, version: target.version })
    if (lag > target.lagRecordsMax) {
      throw new PromotionError(
        'LAGS_BEHIND',
        `${target.name} v${target.version} is ${lag} records behind version ${live}`,
      )
    }
    if (live !== null) await hideTables(trx, await setState(trx, id, live, 'standby'))
    await setState(trx, id, target.version, 'live')
    await showTables(trx, schemaName)
    await sql`
      update evt.projection set live_version = ${target.version}, promoted_at = clock_timestamp()
      where id = ${id}`.execute(trx)
  })
}

async function findVersion(
  trx: Transaction<unknown>,
  { name, version }: { readonly name: string; readonly version: number },
): Promise<Version | undefined> {
  const { rows } = await sql<Version>`
    select p.id, p.live_version as live, v.schema_name as "schemaName"
    from evt.projection p join evt.projection_version v on v.projection_id = p.id
    where p.name = ${name} and v.version = ${version} for update of p`.execute(trx)
  return rows[0]
}

/** Records that the live version has applied and the other has not. */
async function lagBehind(
  trx: Transaction<unknown>,
  pair: { readonly id: number; readonly live: number; readonly version: number },
): Promise<number> {
  const { rows } = await sql<{ lag: number }>`
    select coalesce(sum(greatest(0, l.next_offset - coalesce(c.next_offset, 0))), 0)::float8 as lag
    from evt.checkpoint l
    left join evt.checkpoint c on c.projection_id = l.projection_id and c.version = ${pair.version}
      and c.topic = l.topic and c.part = l.part
    where l.projection_id = ${pair.id} and l.version = ${pair.live}`.execute(trx)
  return rows[0]?.lag ?? 0
}

/** Returns the schema of the version. */
async function setState(
  trx: Transaction<unknown>,
  projectionId: number,
  version: number,
  state: 'live' | 'standby',
): Promise<string> {
  const { rows } = await sql<{ schema_name: string }>`
    update evt.projection_version set state = ${state}
    where projection_id = ${projectionId} and version = ${version}
    returning schema_name`.execute(trx)
  return rows[0]?.schema_name ?? ''
}
