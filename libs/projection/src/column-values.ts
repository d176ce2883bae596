import type { Row, Table } from './table.ts'

const INTEGER_BOUNDS: ReadonlyMap<string, readonly [bigint, bigint]> = new Map(
  [
    ['smallint', 15n],
    ['integer', 31n],
    ['bigint', 63n],
  ].map(([type, bits]) => [
    String(type),
    [-(2n ** BigInt(bits ?? 0)), 2n ** BigInt(bits ?? 0) - 1n],
  ]),
)
/** Noon of the first day that Postgres has, 4714-11-24 BC. */
const FIRST_TIME_MS = -210_866_803_200_000
/**
 * In JSON: an escape of NUL or, as only these are escaped, of half a surrogate pair; and not one of a backslash with
 * `u0000` behind it.
 */
const REFUSED_IN_JSON = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/

/**
 * The first column whose value Postgres is sure to refuse, with the reason; undefined where none is. What
 * it makes of text, such as a date of a hundred spellings, is for it to say: such a value is let pass, and so is
 * a uuid that a test has made short.
 */
export function refusedColumn(
  table: Table,
  row: Row,
): { readonly column: string; readonly reason: string } | undefined {
  for (const [column, declared] of Object.entries(table.columns)) {
    const value = row[column]
    if (value === undefined) continue
    const type = declared.replace(/ null$/, '')
    const isRefused = value === null ? type === declared : !mayHold(type, value)
    if (isRefused) return { column, reason: `${table.name}.${column} is ${declared}` }
  }
  return undefined
}

function mayHold(type: string, value: unknown): boolean {
  if (typeof value === 'function' || typeof value === 'symbol') return false
  switch (type) {
    case 'smallint':
    case 'integer':
    case 'bigint':
      return mayBeInteger(type, value)
    case 'text':
      return typeof value !== 'string' || !value.includes('\0')
    case 'numeric':
      return typeof value !== 'string' || /\d|nan|inf/i.test(value)
    case 'date':
    case 'timestamptz':
      return !isDate(value) || Number(value) >= FIRST_TIME_MS
    case 'jsonb':
      return mayBeJson(value)
    default:
      return true
  }
}

function isDate(value: unknown): boolean {
  return Object.prototype.toString.call(value) === '[object Date]'
}

function mayBeInteger(type: string, value: unknown): boolean {
  if (typeof value === 'number' && !Number.isInteger(value)) return false
  if (typeof value !== 'number' && typeof value !== 'bigint') return typeof value === 'string'
  const [least, most] = INTEGER_BOUNDS.get(type) ?? [0n, 0n]
  const integer = BigInt(value)
  return integer >= least && integer <= most
}

function mayBeJson(value: unknown): boolean {
  try {
    const text = JSON.stringify(value) as string | undefined
    return text !== undefined && !REFUSED_IN_JSON.test(text)
  } catch {
    // A circle, or a bigint.
    return false
  }
}
