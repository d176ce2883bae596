import { type Kysely, type Transaction, sql } from 'kysely'
import { fillSchema } from './fill-schema.ts'
import { type RegisteredProjection, isVersion } from './registered-projection.ts'
import type { VersionState } from './versions.ts'
import { showTables } from './views.ts'

/**
 * Tenants whose tables are made or dropped in one transaction, with some ten locks for each: those of hundreds of them
 * are more than a server has room for (`max_locks_per_transaction`).
 */
export const TENANTS_AT_A_TIME = 20

/** Where one tenant's tables of a version are. */
export type TenantSchema = {
  readonly tenant: string
  /** Holds the tables. */
  readonly schemaName: string
  /** Holds the views that show them while the version is live. */
  readonly viewSchema: string
}

const COLUMNS = sql`t.name as tenant, s.schema_name as "schemaName", t.schema_name as "viewSchema"`

/** Of a version that keeps tenants in schemas; none of any other. In the order of their names. */
export async function listTenantSchemas(
  db: Kysely<unknown>,
  { projectionId, version }: { readonly projectionId: number; readonly version: number },
): Promise<readonly TenantSchema[]> {
  const { rows } = await sql<TenantSchema>`
    select ${COLUMNS} from evt.tenant_schema s join evt.tenant t on t.id = s.tenant_id
    where s.projection_id = ${projectionId} and s.version = ${version}
    order by t.name`.execute(db)
  return rows
}

/**
 * The schemas of tenants, by tenant, for a transaction that holds the lock of a checkpoint of the version,
 * or of its row. What is not there yet is made, and shown if the version is live: all of it becomes
 * known with the commit. A tenant that nobody has registered is left out with `unknownTenants: 'park'`,
 * and when there are as many as `tenantsMax`: a producer may put anything into a header.
 */
export async function tenantSchemas(
  trx: Transaction<unknown>,
  registered: RegisteredProjection,
  tenants: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const known = await knownSchemas(trx, registered, tenants)
  const missing = tenants.filter((tenant) => !known.has(tenant))
  if (missing.length === 0 || !(await mayBeMade(trx, registered, missing))) return known
  // Of all projections: they would make the schema of one tenant's views at the same time.
  await sql`select pg_advisory_xact_lock(hashtextextended('fairlead tenants', 0))`.execute(trx)
  if (registered.unknownTenants !== 'park') {
    const room = await roomFor(trx, registered)
    if (room > 0) await registerTenants(trx, missing.slice(0, room))
  }
  const { rows } = await sql<{ id: number; name: string; view_schema: string }>`
    select id, name, schema_name as view_schema from evt.tenant
    where name = any(${missing}::text[]) and not exists (
      select from evt.tenant_schema where tenant_id = id and ${isVersion(registered)})
    order by name`.execute(trx)
  for (const { id, view_schema } of rows) await createSchema(trx, registered, { id, view_schema })
  return knownSchemas(trx, registered, tenants)
}

/**
 * Whether the lock is worth taking, which all who make schemas wait for: not for tenants whose events are
 * parked anyway.
 */
async function mayBeMade(
  trx: Transaction<unknown>,
  registered: RegisteredProjection,
  tenants: readonly string[],
): Promise<boolean> {
  const { rows } = await sql`
    select from evt.tenant where name = any(${tenants}::text[]) limit 1`.execute(trx)
  if (rows.length > 0) return true
  return registered.unknownTenants !== 'park' && (await roomFor(trx, registered)) > 0
}

async function roomFor(
  trx: Transaction<unknown>,
  { tenantsMax }: RegisteredProjection,
): Promise<number> {
  if (tenantsMax === undefined) return Number.POSITIVE_INFINITY
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from evt.tenant`.execute(trx)
  return tenantsMax - (rows[0]?.count ?? 0)
}

export async function registerTenants(
  db: Kysely<unknown>,
  names: readonly string[],
): Promise<void> {
  await sql`
    insert into evt.tenant (name) select name from unnest(${names}::text[]) as new (name)
    where not exists (select from evt.tenant t where t.name = new.name)
    on conflict (name) do nothing`.execute(db)
}

async function knownSchemas(
  trx: Transaction<unknown>,
  registered: RegisteredProjection,
  tenants: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const { rows } = await sql<{ tenant: string; schema_name: string }>`
    select t.name as tenant, s.schema_name
    from evt.tenant_schema s join evt.tenant t on t.id = s.tenant_id
    where ${isVersion(registered)} and t.name = any(${tenants}::text[])`.execute(trx)
  return new Map(rows.map(({ tenant, schema_name }) => [tenant, schema_name]))
}

async function createSchema(
  trx: Transaction<unknown>,
  registered: RegisteredProjection,
  tenant: { readonly id: number; readonly view_schema: string },
): Promise<void> {
  const schemaName = `${registered.schemaName}_t${tenant.id}`
  const { projectionId, projection } = registered
  const { rows } = await sql<{ state: VersionState | null }>`
    insert into evt.tenant_schema (projection_id, version, tenant_id, schema_name)
    values (${projectionId}, ${projection.version}, ${tenant.id}, ${schemaName})
    returning (select state from evt.projection_version v
      where v.projection_id = tenant_schema.projection_id
        and v.version = tenant_schema.version) as state`.execute(trx)
  const state = rows[0]?.state
  // One that is being built gets its indexes at the end.
  const isIndexed = state !== 'building'
  await fillSchema(trx, projection, { schemaName, isBulk: false, isIndexed })
  if (state === 'live') {
    await showTables(trx, { from: schemaName, into: tenant.view_schema }, null)
  }
}

/** Drops the tables of some tenants of a version; answers of how many. */
export async function dropTenantSchemas(
  trx: Transaction<unknown>,
  version: { readonly projectionId: number; readonly version: number },
): Promise<number> {
  const dropped = (await listTenantSchemas(trx, version)).slice(0, TENANTS_AT_A_TIME)
  for (const { schemaName } of dropped) await dropTenantSchema(trx, schemaName)
  return dropped.length
}

/** Whoever else drops it, too, waits for the end of the transaction, and finds nothing then. */
export async function dropTenantSchema(
  trx: Transaction<unknown>,
  schemaName: string,
): Promise<void> {
  await sql`drop schema if exists ${sql.id(schemaName)} cascade`.execute(trx)
  await sql`delete from evt.tenant_schema where schema_name = ${schemaName}`.execute(trx)
}
