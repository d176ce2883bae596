import type { Relation } from '@fairlead/cdc'
import pg from 'pg'
import { partsOfTable, quotedTable } from '../source/source-options.ts'

/** A row in Postgres' text form, as the log would bring it. */
export type TableRow = readonly (Uint8Array | null)[]

/** What the log would tell of a table that rows are read from by SQL. */
export type TableShape = {
  readonly relation: Relation
  /** Of the SELECT, one expression per column of the relation. */
  readonly selectList: string
  /**
   * Places in the relation's columns of those that tell rows apart, in the order of their index: the
   * replica identity where that is an index of its own, so that a delete in the log has them; else the
   * primary key. Empty when the table has neither.
   */
  readonly keyIndexes: readonly number[]
}

/** What of a table the log has: columns and rows, where a publication leaves some out. */
export type PublishedPart = {
  /** Null for all columns. */
  readonly columns: readonly string[] | null
  /** An SQL expression; null for all rows. */
  readonly rowFilter: string | null
}

/** The text forms of the log do not depend on the settings of role or database. */
export const TEXT_SETTINGS = `set bytea_output = hex; set timezone = 'UTC'; set datestyle = 'ISO';
  set intervalstyle = postgres; set extra_float_digits = 1`

type ColumnRow = {
  oid: string
  identity: string
  name: string
  type_oid: string
  type_modifier: number
  /** Place in the key, from 0. */
  key_position: number | null
}

/** Undefined when there is no such table. */
export async function readShape(
  client: pg.ClientBase,
  table: string,
  part?: PublishedPart,
): Promise<TableShape | undefined> {
  const { rows } = await client.query<ColumnRow>(
    `select c.oid::text, c.relreplident as identity, a.attname as name, a.atttypid::text as type_oid,
       a.atttypmod as type_modifier, array_position(i.indkey::int2[], a.attnum) as key_position
     from pg_class as c
       join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
         and case when $2::text[] is null then a.attgenerated = '' else a.attname = any($2) end
       left join pg_index as i on i.indrelid = c.oid
         and case c.relreplident when 'i' then i.indisreplident else i.indisprimary end
     where c.oid = to_regclass($1) order by a.attnum`,
    [quotedTable(table), part?.columns ?? null],
  )
  const [first] = rows
  if (first === undefined) return undefined
  const [schema, name] = partsOfTable(table)
  return {
    relation: {
      relationOid: Number(first.oid),
      schema,
      table: name,
      replicaIdentity: first.identity,
      columns: rows.map((row) => ({
        name: row.name,
        isKey: row.key_position !== null,
        typeOid: Number(row.type_oid),
        typeModifier: row.type_modifier,
      })),
    },
    selectList: rows.map((row) => pg.escapeIdentifier(row.name)).join(', '),
    keyIndexes: rows
      .flatMap(({ key_position: position }, index) =>
        position === null ? [] : [{ position, index }],
      )
      .sort((left, right) => left.position - right.position)
      .map(({ index }) => index),
  }
}

/**
 * As the output function of the type has it, which is what the log has: a cast to text is not that
 * for boolean and for char(n).
 */
const OUTPUT_TEXT = { getTypeParser: () => (text: string) => text }

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
    types: OUTPUT_TEXT,
  })
  return rows.map((row) => row.map((value) => (value === null ? null : Buffer.from(value))))
}

/** Of what one fetch brings, as far as the rows before it tell. */
const FETCH_BYTES = 1_048_576

/**
 * Fetches the rows of a cursor. How large they are is seen by those that came: first comes one alone, then as
 * many as fit, up to twice as many as before. Hundreds of large ones at once would not fit into memory.
 */
export class CursorReader {
  readonly #client: pg.ClientBase
  readonly #cursor: string
  #rowCount = 1
  #isAtEnd = false

  constructor(client: pg.ClientBase, cursor: string) {
    this.#client = client
    this.#cursor = cursor
  }

  /** There is nothing behind what was fetched. */
  get isAtEnd(): boolean {
    return this.#isAtEnd
  }

  async next(rowsMax: number): Promise<readonly TableRow[]> {
    const count = Math.min(this.#rowCount, rowsMax)
    const rows = await selectRows(this.#client, `fetch ${count} from ${this.#cursor}`, [])
    this.#isAtEnd = rows.length < count
    const largestBytes = Math.max(1, ...rows.map(sizeOfRow))
    this.#rowCount = Math.max(1, Math.min(2 * count, Math.floor(FETCH_BYTES / largestBytes)))
    return rows
  }
}

export function sizeOfRow(row: TableRow): number {
  return row.reduce((sum, value) => sum + (value?.length ?? 0), 0)
}
