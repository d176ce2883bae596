import { type Transaction, sql } from 'kysely'
import { addKey, createTable } from './columns.ts'
import type { RegisteredProjection } from './registered-projection.ts'

/**
 * Creates the tables of a version in its schema, in the place of all that is in it and known of it.
 * With `isBulk`, the table of a fold is left without its key, which is made once it is full.
 */
export async function createTables(
  trx: Transaction<unknown>,
  { projection, projectionId, schemaName }: RegisteredProjection,
  { isBulk }: { readonly isBulk: boolean },
): Promise<void> {
  for (const table of ['checkpoint', 'parked_key', 'dead_letter']) {
    await sql`delete from ${sql.id('evt', table)}
      where projection_id = ${projectionId} and version = ${projection.version}`.execute(trx)
  }
  await sql`drop schema if exists ${sql.id(schemaName)} cascade`.execute(trx)
  await sql`create schema ${sql.id(schemaName)}`.execute(trx)
  // For statements of `migrate` that Kysely does not write, and that name no schema.
  await sql`set local search_path to ${sql.id(schemaName)}, public`.execute(trx)
  switch (projection.kind) {
    case 'fold':
    case 'commutative':
      await createTable(trx, projection.table, schemaName)
      if (projection.kind === 'commutative' || !isBulk) {
        await addKey(trx, projection.table, schemaName)
      }
      break
    case 'sql':
      await projection.migrate(trx.withSchema(schemaName))
      break
  }
}
