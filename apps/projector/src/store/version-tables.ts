import { type Kysely, type Transaction, sql } from 'kysely'
import { fillSchema } from './fill-schema.ts'
import { type RegisteredProjection, isVersion } from './registered-projection.ts'
import { TENANTS_AT_A_TIME, tenantSchemas } from './tenant-schemas.ts'

/**
 * Creates the tables of a version in its schema, in the place of all that is in it and known of it.
 * With `isBulk`, the table of a fold is left without its key, and any without its indexes, which are made once
 * it is full. Where each tenant has a schema, those of tenants are left to {@link createTenants}.
 */
export async function createTables(
  trx: Transaction<unknown>,
  registered: RegisteredProjection,
  { isBulk }: { readonly isBulk: boolean },
): Promise<void> {
  const { projection, schemaName } = registered
  for (const table of ['checkpoint', 'parked_key', 'dead_letter']) {
    await sql`delete from ${sql.id('evt', table)} where ${isVersion(registered)}`.execute(trx)
  }
  if (projection.tenants === 'schema') return
  await fillSchema(trx, projection, { schemaName, isBulk, isIndexed: !isBulk })
}

/**
 * Makes the tables of all known tenants that have none in the version, some at a time. `hold` keeps others from the
 * version, in each transaction. What is not made, as the process dies, comes with the first event of the tenant.
 */
export async function createTenants(
  db: Kysely<unknown>,
  registered: RegisteredProjection,
  hold: (trx: Transaction<unknown>) => Promise<unknown>,
): Promise<void> {
  if (registered.projection.tenants !== 'schema') return
  for (let madeCount = TENANTS_AT_A_TIME; madeCount === TENANTS_AT_A_TIME; ) {
    madeCount = await db.transaction().execute(async (trx) => {
      await hold(trx)
      const { rows } = await sql<{ name: string }>`
        select name from evt.tenant
        where not exists (select from evt.tenant_schema where tenant_id = id and ${isVersion(registered)})
        order by name limit ${TENANTS_AT_A_TIME}`.execute(trx)
      const names = rows.map(({ name }) => name)
      await tenantSchemas(trx, registered, names)
      return names.length
    })
  }
}
