import { type Transaction, sql } from 'kysely'

type TableColumns = { readonly table: string; readonly columns: readonly string[] }

/**
 * Creates a view in `public` for each table of the schema. Columns are named: a view of `*` would
 * keep the columns that the table had on the day it was created.
 */
export async function showTables(trx: Transaction<unknown>, schemaName: string): Promise<void> {
  for (const { table, columns } of await tablesOf(trx, schemaName)) {
    const selected = sql.join(columns.map((column) => sql.id(column)))
    await sql`create view ${sql.id('public', table)} as
      select ${selected} from ${sql.id(schemaName, table)}`.execute(trx)
  }
}

/**
 * Drops the views of the schema's tables. `create or replace` could not change their columns.
 * A view that depends on one of them, and is not ours, stops it.
 */
export async function hideTables(trx: Transaction<unknown>, schemaName: string): Promise<void> {
  for (const { table } of await tablesOf(trx, schemaName)) {
    await sql`drop view if exists ${sql.id('public', table)}`.execute(trx)
  }
}

async function tablesOf(
  trx: Transaction<unknown>,
  schemaName: string,
): Promise<readonly TableColumns[]> {
  const { rows } = await sql<TableColumns>`
    select c.relname as table, array_agg(a.attname::text order by a.attnum) as columns
    from pg_class c join pg_attribute a on a.attrelid = c.oid
    where c.relnamespace = ${schemaName}::regnamespace and c.relkind in ('r', 'p')
      and a.attnum > 0 and not a.attisdropped
    group by c.relname order by c.relname`.execute(trx)
  return rows
}
