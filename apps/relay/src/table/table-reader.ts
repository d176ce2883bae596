import type { Relation } from '@fairlead/cdc'
import pg from 'pg'
import { quotedTable } from '../source/source-options.ts'

/** A row in Postgres' text form, as the log would bring it. */
export type TableRow = readonly (Uint8Array | null)[]

/** What the log would tell of a table that rows are read from by SQL. */
export type TableShape = {
  readonly relation: Relation
  /** Of the SELECT, one text per column of the relation. */
  readonly selectList: string
}

/** The text forms of the log do not depend on the settings of role or database. */
export const TEXT_SETTINGS = `set bytea_output = hex; set timezone = 'UTC'; set datestyle = 'ISO';
  set intervalstyle = postgres; set extra_float_digits = 1`

/** Undefined when there is no such table. */
export async function readShape(
  client: pg.ClientBase,
  table: string,
): Promise<TableShape | undefined> {
  const { rows } = await client.query<{
    oid: string
    identity: string
    name: string
    type_oid: string
    type_modifier: number
    is_key: boolean
  }>(
    `select c.oid::text, c.relreplident as identity, a.attname as name, a.atttypid::text as type_oid,
       a.atttypmod as type_modifier,
       coalesce(a.attnum = any(i.indkey::int2[]), false) as is_key
     from pg_class as c
       join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
         and a.attgenerated = ''
       left join pg_index as i on i.indrelid = c.oid and i.indisprimary
     where c.oid = to_regclass($1) order by a.attnum`,
    [quotedTable(table)],
  )
  const [first] = rows
  if (first === undefined) return undefined
  const [schema = '', name = ''] = table.split('.')
  return {
    relation: {
      relationOid: Number(first.oid),
      schema,
      table: name,
      replicaIdentity: first.identity,
      columns: rows.map((row) => ({
        name: row.name,
        isKey: row.is_key,
        typeOid: Number(row.type_oid),
        typeModifier: row.type_modifier,
      })),
    },
    selectList: rows.map((row) => `${pg.escapeIdentifier(row.name)}::text`).join(', '),
  }
}

/** Runs a SELECT of the columns of a shape. */
export async function selectRows(
  client: pg.ClientBase,
  text: string,
  values: readonly unknown[],
): Promise<readonly TableRow[]> {
  const { rows } = await client.query<(string | null)[]>({
    text,
    values: [...values],
    rowMode: 'array',
  })
  return rows.map((row) => row.map((value) => (value === null ? null : Buffer.from(value))))
}
