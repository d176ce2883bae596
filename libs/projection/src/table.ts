import type { Selectable } from 'kysely'
import { type TableIndex, type TableOptions, checkedOptions } from './table-indexes.ts'

/** A row of a read model: column name to value. */
export type Row = Readonly<Record<string, unknown>>

/** Value of the column that identifies a row. */
export type RowKey = string | number | bigint

/** The table that a fold writes: enough to create it, and to read and write whole rows. */
export type Table = {
  readonly name: string
  readonly keyColumn: string
  /** Column name to SQL type; a type that ends in ` null` is nullable. In the order of creation. */
  readonly columns: Readonly<Record<string, string>>
  /** Beside that of the key; undefined: none. */
  readonly indexes?: readonly TableIndex[]
  /** Undefined: that of Postgres, 100. */
  readonly fillfactor?: number
}

/** Named by the compiler where a type of a column is given for one that may be left out. */
type NoOptionalColumn = 'a row has all of its columns: in place of "?" or undefined, let it be null'

/** The SQL types that hold a value of TypeScript type `V`. */
export type SqlTypeOf<V> = null extends V
  ? `${SqlTypeOfValue<NonNullable<V>>} null`
  : undefined extends V
    ? NoOptionalColumn
    : SqlTypeOfValue<V>

type SqlTypeOfValue<V> = [V] extends [string]
  ? 'text' | 'uuid' | 'date' | 'numeric'
  : [V] extends [number]
    ? 'smallint' | 'integer' | 'double precision'
    : [V] extends [bigint]
      ? 'bigint'
      : [V] extends [boolean]
        ? 'boolean'
        : [V] extends [Date]
          ? 'timestamptz'
          : [V] extends [Uint8Array]
            ? 'bytea'
            : 'jsonb'

/** A table together with the type of its rows, and of the database that it is in. */
export type TableOf<R, K extends keyof R, DB> = Table & {
  readonly keyColumn: K
  /** Carry types; never set. */
  readonly rowType?: R
  readonly database?: DB
}

type RowOf<T> = { [C in keyof Selectable<T>]: Selectable<T>[C] } & {}

/** Columns that can identify a row. */
type KeyColumns<R> = { [C in keyof R]: R[C] extends RowKey ? C : never }[keyof R]

/** See {@link tables}. */
export interface TablesOf<DB> {
  <T extends keyof DB & string, const K extends KeyColumns<RowOf<DB[T]>> & string>(
    name: T,
    keyColumn: K,
    columns: { readonly [C in keyof RowOf<DB[T]>]: SqlTypeOf<RowOf<DB[T]>[C]> },
    options?: TableOptions<keyof RowOf<DB[T]> & string>,
  ): TableOf<RowOf<DB[T]>, K, DB>
  /** Carries the type of the database; never set. */
  readonly database?: DB
}

const IDENTIFIER = /^[a-z_][a-z0-9_]{0,62}$/
/** Every table of Postgres has these. */
const SYSTEM_COLUMNS: ReadonlySet<string> = new Set([
  'tableoid',
  'xmin',
  'cmin',
  'xmax',
  'cmax',
  'ctid',
])
const KEY_TYPES = [
  'text',
  'uuid',
  'date',
  'numeric',
  'smallint',
  'integer',
  'double precision',
  'bigint',
]
const TYPES: ReadonlySet<string> = new Set([
  ...KEY_TYPES,
  'boolean',
  'timestamptz',
  'bytea',
  'jsonb',
])

/**
 * Names the tables of a Kysely database type, so that a projection is checked against them:
 *
 *     const t = tables<DB>()
 *     t('order_summary', 'order_id', { order_id: 'uuid', total: 'bigint', note: 'text null' }, {
 *       indexes: [{ columns: ['total'] }],
 *     })
 */
export function tables<DB>(): TablesOf<DB> {
  return (name, keyColumn, columns, options = {}) => {
    for (const identifier of [name, ...Object.keys(columns)]) {
      if (!IDENTIFIER.test(identifier)) {
        throw new TypeError(
          `"${identifier}" is not a lower-case SQL identifier: a letter or underscore, and up to 62 letters, digits and underscores behind it`,
        )
      }
    }
    checkTypes(name, keyColumn, columns)
    return { name, keyColumn, columns, ...checkedOptions(name, columns, options) }
  }
}

/** Types say so, too; a definition in JavaScript, or with a cast, may have anything. */
function checkTypes(
  table: string,
  keyColumn: string,
  columns: Readonly<Record<string, string>>,
): void {
  for (const [column, type] of Object.entries(columns)) {
    if (SYSTEM_COLUMNS.has(column)) {
      throw new TypeError(`${table}.${column}: Postgres has a column of this name in every table`)
    }
    if (column === '__proto__') {
      throw new TypeError(`${table}.${column}: JavaScript has no column of this name in a row`)
    }
    if (!TYPES.has(type.replace(/ null$/, ''))) {
      throw new TypeError(
        `${table}.${column}: a column is ${[...TYPES].join(', ')}, or one of these and " null", not "${type}"; handlers in SQL may have any type`,
      )
    }
  }
  const keyType = columns[keyColumn]
  if (keyType === undefined) throw new TypeError(`${table} has no column ${keyColumn} for its key`)
  if (!KEY_TYPES.includes(keyType)) {
    throw new TypeError(`${table}.${keyColumn}: a key is ${KEY_TYPES.join(', ')}, not "${keyType}"`)
  }
}
