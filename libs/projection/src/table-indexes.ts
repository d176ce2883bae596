import { md5 } from '@fairlead/avro'

/** How the rows of a table are stored and found. It changes no row, and is no part of the code of a version. */
export type TableOptions<C extends string = string> = {
  /** Beside that of the key. */
  readonly indexes?: readonly IndexOptions<C>[]
  /**
   * Per cent of a page that are filled at first, from 10 to 100: an update that finds room in its page, and changes no
   * column of an index, leaves the indexes alone.
   */
  readonly fillfactor?: number
}

type IndexOptions<C extends string> = {
  readonly columns: readonly [C, ...C[]]
  /** Default: `btree`. `gin` is for columns of type `jsonb`. */
  readonly using?: IndexMethod
  /** Condition in SQL, over columns of the row, of the rows that are in it. */
  readonly where?: string
}

const METHODS = ['btree', 'hash', 'gin', 'brin'] as const
type IndexMethod = (typeof METHODS)[number]

export type TableIndex = {
  /** Tells indexes with another definition apart. */
  readonly name: string
  readonly columns: readonly string[]
  readonly using: IndexMethod
  readonly where?: string
}

/** Postgres cuts longer ones. */
const NAME_LENGTH_MAX = 63
/** `INDEX_MAX_KEYS` of Postgres. */
const COLUMNS_MAX = 32
const FILLFACTOR_MIN = 10
const FILLFACTOR_MAX = 100
const HASH_BYTES = 4
const FIELDS: ReadonlySet<string> = new Set(['columns', 'using', 'where'])
const utf8 = new TextEncoder()

/** What is not given is not there. @throws {TypeError} */
export function checkedOptions(
  table: string,
  columns: Readonly<Record<string, string>>,
  { indexes = [], fillfactor, ...others }: TableOptions,
): { readonly indexes?: readonly TableIndex[]; readonly fillfactor?: number } {
  const [other] = Object.keys(others)
  if (other !== undefined) {
    throw new TypeError(`${table}: a table has indexes and a fillfactor, and no "${other}"`)
  }
  if (!Array.isArray(indexes)) {
    throw new TypeError(`${table}: indexes is an array, as in [{ columns: ['a', 'b'] }]`)
  }
  const checked = (indexes as readonly IndexOptions<string>[]).map((index) =>
    checkedIndex(table, columns, index),
  )
  const names = checked.map(({ name }) => name)
  const twice = checked.find(({ name }, at) => names.indexOf(name) !== at)
  if (twice !== undefined) throw new TypeError(`${table}: ${shownIndex(twice)} is there twice`)
  return {
    ...(checked.length === 0 ? {} : { indexes: checked }),
    ...(fillfactor === undefined ? {} : { fillfactor: checkedFillfactor(table, fillfactor) }),
  }
}

/** As in `the index on (status, placed_at) where open`. */
export function shownIndex({
  columns,
  using,
  where,
}: Pick<TableIndex, 'columns' | 'using' | 'where'>): string {
  const method = using === 'btree' ? '' : ` using ${using}`
  return `the index on (${columns.join(', ')})${method}${where === undefined ? '' : ` where ${where}`}`
}

function checkedIndex(
  table: string,
  types: Readonly<Record<string, string>>,
  index: IndexOptions<string>,
): TableIndex {
  if (typeof index !== 'object' || index === null) {
    throw new TypeError(`${table}: an index is an object, as { columns: ['a', 'b'] }`)
  }
  for (const field of Object.keys(index)) {
    if (field === 'unique') {
      throw new TypeError(
        `${table}: an index cannot be unique: which of two rows it lets in would depend on which of their events comes first, and events of two keys come in no certain order`,
      )
    }
    if (!FIELDS.has(field)) throw new TypeError(`${table}: an index has no "${field}"`)
  }
  const { columns, using = 'btree', where } = index
  checkColumns(table, types, columns)
  const what = { columns, using, ...(where === undefined ? {} : { where }) }
  checkMethod(table, types, what)
  if (where !== undefined && (typeof where !== 'string' || where.trim() === '')) {
    throw new TypeError(`${table}: where of an index is a condition in SQL, not "${where}"`)
  }
  return { name: nameOf(table, what), ...what }
}

function checkColumns(
  table: string,
  types: Readonly<Record<string, string>>,
  columns: unknown,
): void {
  if (!Array.isArray(columns) || columns.length === 0 || columns.length > COLUMNS_MAX) {
    throw new TypeError(`${table}: an index has from 1 to ${COLUMNS_MAX} columns`)
  }
  for (const column of columns as readonly unknown[]) {
    if (typeof column !== 'string' || !Object.hasOwn(types, column)) {
      throw new TypeError(
        `${table} has no column ${String(column)} for an index: its columns are ${Object.keys(types).join(', ')}`,
      )
    }
  }
  const twice = columns.find((column, at) => columns.indexOf(column) !== at)
  if (twice !== undefined) {
    throw new TypeError(`${table}: an index has the column ${String(twice)} twice`)
  }
}

/** Postgres has no operators for all methods and types; it would say so when the version is made. */
function checkMethod(
  table: string,
  types: Readonly<Record<string, string>>,
  index: Omit<TableIndex, 'name'>,
): void {
  const { columns, using } = index
  if (!METHODS.some((method) => method === using)) {
    throw new TypeError(`${table}: an index is ${METHODS.join(', ')}, not ${using}`)
  }
  if (using === 'hash' && columns.length > 1) {
    throw new TypeError(`${table}: an index using hash has one column`)
  }
  for (const column of columns) {
    const type = types[column]?.replace(/ null$/, '') ?? ''
    const isFitting =
      using === 'gin'
        ? type === 'jsonb'
        : using !== 'brin' || (type !== 'jsonb' && type !== 'boolean')
    if (isFitting) continue
    throw new TypeError(`${table}.${column} is ${type}, of which there is no index using ${using}`)
  }
}

/** `<table>_<columns>_<hash>`, cut where it is too long. */
function nameOf(table: string, index: Omit<TableIndex, 'name'>): string {
  const { columns, using, where } = index
  const digest = md5(utf8.encode(JSON.stringify([columns, using, where ?? null])))
  const hash = Array.from(digest.subarray(0, HASH_BYTES), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('')
  const readable = [table, ...columns].join('_')
  return `${readable.slice(0, NAME_LENGTH_MAX - hash.length - 1)}_${hash}`
}

function checkedFillfactor(table: string, fillfactor: number): number {
  const isWithin = fillfactor >= FILLFACTOR_MIN && fillfactor <= FILLFACTOR_MAX
  if (Number.isInteger(fillfactor) && isWithin) return fillfactor
  throw new TypeError(
    `${table}: a fillfactor is from ${FILLFACTOR_MIN} to ${FILLFACTOR_MAX}, not ${fillfactor}`,
  )
}
