import type { FoldProjection, Projection } from '@fairlead/projection'
import { type Transaction, sql } from 'kysely'
import { addKey, createTable } from './columns.ts'
import { addIndexes } from './table-indexes.ts'

/**
 * Makes a schema anew, with the tables of the projection. Loading many rows and sorting them afterwards is
 * quicker: with `isBulk`, a table that is copied is left without its key, and without `isIndexed` any is without
 * its indexes.
 */
export async function fillSchema(
  trx: Transaction<unknown>,
  projection: Projection,
  options: {
    readonly schemaName: string
    readonly isBulk: boolean
    readonly isIndexed: boolean
  },
): Promise<void> {
  const { schemaName, isBulk, isIndexed } = options
  await sql`drop schema if exists ${sql.id(schemaName)} cascade`.execute(trx)
  await sql`create schema ${sql.id(schemaName)}`.execute(trx)
  switch (projection.kind) {
    case 'fold':
    case 'commutative':
      await createTable(trx, projection.table, schemaName)
      if (!isBulk || !isCopied(projection)) await addKey(trx, projection.table, schemaName)
      if (isIndexed) await addIndexes(trx, projection.table, schemaName)
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

/**
 * Whether a rebuild folds in memory and copies the rows. Policies of row-level security are for statements: COPY
 * obeys none.
 */
export function isCopied(projection: Projection): projection is FoldProjection {
  return projection.kind === 'fold' && projection.tenants !== 'row'
}
