import type { Projection } from '@fairlead/projection'
import { type Transaction, sql } from 'kysely'
import { addKey, createTable } from './columns.ts'

/** Makes a schema anew, with the tables of the projection. */
export async function fillSchema(
  trx: Transaction<unknown>,
  projection: Projection,
  { schemaName, isBulk }: { readonly schemaName: string; readonly isBulk: boolean },
): Promise<void> {
  await sql`drop schema if exists ${sql.id(schemaName)} cascade`.execute(trx)
  await sql`create schema ${sql.id(schemaName)}`.execute(trx)
  switch (projection.kind) {
    case 'fold':
    case 'commutative':
      await createTable(trx, projection.table, schemaName)
      if (projection.kind === 'commutative' || !isBulk) {
        await addKey(trx, projection.table, schemaName)
      }
      break
    case 'sql':
      // For statements of `migrate` that Kysely does not write, and that name no schema.
      await sql`set local search_path to ${sql.id(schemaName)}, public`.execute(trx)
      await projection.migrate(trx.withSchema(schemaName))
      // A batch that meets a new tenant goes on in the same transaction.
      await sql`set local search_path to default`.execute(trx)
      break
  }
}
