import { type Kysely, type RawBuilder, sql } from 'kysely'
import { finishAbort } from './abort-rebuild.ts'
import type { Database } from './database.ts'
import { dropLeftTenants } from './retire.ts'
import type { Version } from './versions.ts'

type Order = {
  readonly version: Pick<Version, 'projectionId' | 'name' | 'version'>
  /** False when it is to be tried again, without anything having gone wrong. */
  readonly finish: () => Promise<boolean>
}

/** What orders have begun to do with versions, and not ended: their process has died, or another one is still at it. */
export async function unfinishedOrders(
  db: Database,
  projectionIds: readonly number[],
): Promise<readonly Order[]> {
  const aborted = await versionsWhere(IS_ABORTED, db, projectionIds)
  const retired = await versionsWhere(IS_RETIRED_WITH_TENANTS, db, projectionIds)
  return [
    ...aborted.map((version) => ({ version, finish: () => finishAbort(db, version) })),
    ...retired.map((version) => ({
      version,
      finish: async () => (await dropLeftTenants(db, version)) === 0,
    })),
  ]
}

/** Whose rebuild has ended, and which do not say so. */
const IS_ABORTED: RawBuilder<unknown> = sql`
  v.state = 'building' and not exists (select from evt.projection_job j
    where (j.projection_id, j.version, j.kind) = (v.projection_id, v.version, 'rebuild')
      and j.state in ('requested', 'running'))`

const IS_RETIRED_WITH_TENANTS: RawBuilder<unknown> = sql`
  v.state = 'retired' and exists (select from evt.tenant_schema s
    where (s.projection_id, s.version) = (v.projection_id, v.version))`

async function versionsWhere(
  condition: RawBuilder<unknown>,
  db: Kysely<unknown>,
  projectionIds: readonly number[],
): Promise<readonly Order['version'][]> {
  const { rows } = await sql<Order['version']>`
    select v.projection_id as "projectionId", p.name, v.version
    from evt.projection_version v join evt.projection p on p.id = v.projection_id
    where p.id = any(${projectionIds}::int[]) and ${condition}`.execute(db)
  return rows
}
