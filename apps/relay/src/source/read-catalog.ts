import type { ColumnFacts, SourceCatalog, TableFacts, UserType } from '@fairlead/cdc'
import type pg from 'pg'
import { quotedTable } from './source-options.ts'

type ColumnRow = {
  table: string
  column: string
  is_not_null: boolean
  default_expression: string | null
  /** Place in the primary key, from 1. */
  key_position: number | null
}

type TypeRow = {
  oid: string
  name: string
  kind: string
  base_oid: string
  base_modifier: number
  element_oid: string
  labels: string[] | null
}

/** What the log does not tell of the tables. */
export async function readCatalog(
  client: pg.Client,
  tables: readonly string[],
): Promise<SourceCatalog> {
  const database = await client.query<{ name: string }>('select current_database() as name')
  return {
    database: database.rows[0]?.name ?? '',
    tables: await readTables(client, tables),
    types: await readTypes(client),
  }
}

async function readTables(
  client: pg.Client,
  tables: readonly string[],
): Promise<ReadonlyMap<string, TableFacts>> {
  const { rows } = await client.query<ColumnRow>(
    `select "table", attname as "column", attnotnull as is_not_null,
       pg_get_expr(adbin, adrelid) as default_expression,
       array_position(indkey::int2[], attnum) + 1 as key_position
     from unnest($1::text[], $2::text[]) as t(name, "table")
     join pg_attribute on attrelid = to_regclass(name) and attnum > 0 and not attisdropped
     left join pg_attrdef on adrelid = attrelid and adnum = attnum and attgenerated = ''
     left join pg_index on indrelid = attrelid and indisprimary
     order by "table", attnum`,
    [tables.map(quotedTable), tables],
  )
  const byTable = new Map<string, ColumnRow[]>()
  for (const row of rows) byTable.set(row.table, [...(byTable.get(row.table) ?? []), row])
  return new Map([...byTable].map(([table, columns]) => [table, tableFacts(columns)]))
}

function tableFacts(rows: readonly ColumnRow[]): TableFacts {
  const columns = new Map<string, ColumnFacts>(
    rows.map((row) => [
      row.column,
      { isNotNull: row.is_not_null, defaultExpression: row.default_expression },
    ]),
  )
  const primaryKey = rows
    .filter(({ key_position: position }) => position !== null)
    .sort((left, right) => (left.key_position ?? 0) - (right.key_position ?? 0))
    .map(({ column }) => column)
  return { columns, primaryKey }
}

/** Those that are not built in: object ids from 16384 on are given to users. */
async function readTypes(client: pg.Client): Promise<ReadonlyMap<number, UserType>> {
  const { rows } = await client.query<TypeRow>(
    `select t.oid::text as oid, typname as name, typtype as kind, typbasetype::text as base_oid,
       typtypmod as base_modifier,
       case when typcategory = 'A' then typelem else 0 end::text as element_oid,
       (select array_agg(enumlabel::text order by enumsortorder) from pg_enum where enumtypid = t.oid)
         as labels
     from pg_type t left join pg_class c on c.oid = typrelid
     where t.oid >= 16384 and (typrelid = 0 or c.relkind = 'c')`,
  )
  return new Map(rows.map((row) => [Number(row.oid), userType(row)]))
}

function userType(row: TypeRow): UserType {
  if (row.kind === 'e') return { kind: 'enum', labels: row.labels ?? [] }
  if (row.kind === 'd') {
    return { kind: 'domain', baseOid: Number(row.base_oid), baseModifier: row.base_modifier }
  }
  const elementOid = Number(row.element_oid)
  return elementOid === 0 ? { kind: 'other', name: row.name } : { kind: 'array', elementOid }
}
