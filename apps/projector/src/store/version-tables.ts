import { type Transaction, sql } from 'kysely'
import { fillSchema } from './fill-schema.ts'
import { type RegisteredProjection, isVersion, versionOf } from './registered-projection.ts'
import { dropTenantSchemas, tenantSchemas } from './tenant-schemas.ts'

/**
 * Creates the tables of a version in its schema, in the place of all that is in it and known of it.
 * With `isBulk`, the table of a fold is left without its key, and any without its indexes, which are made once
 * it is full. Where each tenant has a schema, those of all known tenants are made.
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
  if (projection.tenants !== 'schema') {
    await fillSchema(trx, projection, { schemaName, isBulk, isIndexed: !isBulk })
    return
  }
  await dropTenantSchemas(trx, versionOf(registered))
  const { rows } = await sql<{ name: string }>`select name from evt.tenant`.execute(trx)
  const names = rows.map(({ name }) => name)
  await tenantSchemas(trx, registered, names)
}
