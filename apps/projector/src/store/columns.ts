import type { Row, Table } from '@fairlead/projection'
import { type Kysely, type RawBuilder, sql } from 'kysely'
import { arrayParameter } from './array-parameter.ts'
import { jsonText } from './array-text.ts'
import { columnType, isNullable } from './column-type.ts'

/** One parameter per column, whatever the number of rows. */
export function columnArrays(table: Table, rows: readonly Row[]): RawBuilder<unknown> {
  const columns = Object.keys(table.columns).map((name) => ({
    name,
    type: columnType(table, name),
    values: [] as unknown[],
  }))
  // Row by row: thousands of them have left the caches of the processor by the next column.
  for (const row of rows) {
    for (const { name, type, values } of columns) values.push(parameter(row[name], type))
  }
  return sql.join(
    columns.map(({ type, values }) => sql`${arrayParameter(values, type)}::${sql.raw(type)}[]`),
  )
}

/** A table without its key: loading many rows and sorting their keys afterwards is quicker. */
export async function createTable(
  db: Kysely<unknown>,
  table: Table,
  schemaName: string,
): Promise<void> {
  const columns = Object.entries(table.columns).map(([column, type]) => {
    const constraint = isNullable(type) ? '' : ' not null'
    return sql`${sql.ref(column)} ${sql.raw(columnType(table, column) + constraint)}`
  })
  const { fillfactor } = table
  const storage = fillfactor === undefined ? sql`` : sql`with (fillfactor = ${sql.lit(fillfactor)})`
  await sql`create table ${sql.table(`${schemaName}.${table.name}`)}
    (${sql.join(columns)}) ${storage}`.execute(db)
}

export async function addKey(db: Kysely<unknown>, table: Table, schemaName: string): Promise<void> {
  await sql`alter table ${sql.table(`${schemaName}.${table.name}`)}
    add primary key (${sql.ref(table.keyColumn)})`.execute(db)
}

export async function hasKey(
  db: Kysely<unknown>,
  table: Table,
  schemaName: string,
): Promise<boolean> {
  const { rows } = await sql<{ exists: boolean }>`
    select exists(select from pg_constraint where contype = 'p'
      and conrelid = ${`${schemaName}.${table.name}`}::regclass) as exists`.execute(db)
  return rows[0]?.exists === true
}

type StoredColumn = { readonly name: string; readonly type: string; readonly nullable: boolean }

/** How the table in the database differs from its definition; null when it does not. */
export async function tableMismatch(
  db: Kysely<unknown>,
  table: Table,
  schemaName: string,
): Promise<string | null> {
  const { rows } = await sql<StoredColumn>`
    select column_name::text as name, data_type::text as type, is_nullable = 'YES' as nullable
    from information_schema.columns
    where table_schema = ${schemaName} and table_name = ${table.name}`.execute(db)
  const stored = new Map(
    rows.map(({ name, type, nullable }) => [name, nullable ? `${type} null` : type]),
  )
  const relation = `${schemaName}.${table.name}`
  for (const [column, declared] of Object.entries(table.columns)) {
    const there = stored.get(column)
    if (there === undefined) return `${relation} has no column ${column}`
    if (there !== declared.replace('timestamptz', 'timestamp with time zone')) {
      return `${relation}.${column} is ${there}, and defined as ${declared}`
    }
    stored.delete(column)
  }
  const [extra] = stored.keys()
  return extra === undefined ? null : `${relation} has a column ${extra} that is not defined`
}

/** Any value of JavaScript may be in a jsonb column, a text or a date included. */
function parameter(value: unknown, type: string): unknown {
  if (type !== 'jsonb' || value === null || value === undefined) return value
  return jsonText(value)
}
