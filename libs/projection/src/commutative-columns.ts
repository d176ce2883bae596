import type { Row, RowKey, Table } from './table.ts'

/** How changes of a column add up. All three commute with themselves, and need no row to be read. */
export type Operation = 'inc' | 'max' | 'min'

/** An operation for each column but the key; `inc` is for numbers. */
export type OperationsOf<R, K extends keyof R> = {
  readonly [C in Exclude<keyof R, K>]: NonNullable<R[C]> extends number | bigint
    ? Operation
    : NonNullable<R[C]> extends string | Date
      ? 'max' | 'min'
      : never
}

/** What an event adds. A column that is not null has to be there, unless it counts up from 0. */
export type ChangeOf<R, K extends keyof R, O> = Flat<
  {
    readonly [C in Exclude<keyof R, K> as IsOptional<R, C, O> extends true
      ? C
      : never]?: NonNullable<R[C]>
  } & {
    readonly [C in Exclude<keyof R, K> as IsOptional<R, C, O> extends true ? never : C]: R[C]
  }
>

/** One object of it: of an intersection the compiler does not tell that a change has none of its columns. */
type Flat<T> = { [C in keyof T]: T[C] }

type IsOptional<R, C extends keyof R, O> = C extends keyof O
  ? O[C] extends 'inc'
    ? true
    : null extends R[C]
      ? true
      : false
  : false

const OPERATIONS: ReadonlySet<string> = new Set(['inc', 'max', 'min'])
const COUNTED = /^(smallint|integer|bigint|double precision)( null)?$/
/** Of other types, JavaScript and Postgres have different orders. */
const ORDERED = /^(smallint|integer|bigint|double precision|timestamptz|date|text)( null)?$/

/** @throws {TypeError} when a column has no operation, or one that its SQL type does not have. */
export function checkedOperations(
  table: Table,
  operations: Readonly<Record<string, Operation>>,
): Readonly<Record<string, Operation>> {
  for (const [column, type] of Object.entries(table.columns)) {
    if (column === table.keyColumn) continue
    const operation = operations[column]
    const fitting = operation === 'inc' ? COUNTED : ORDERED
    if (operation === undefined) throw new TypeError(`${table.name}: ${column} has no operation`)
    if (!OPERATIONS.has(operation)) {
      throw new TypeError(`${table.name}: ${column} is inc, max or min, not ${operation}`)
    }
    if (!fitting.test(type)) {
      throw new TypeError(`${table.name}: ${column} is ${type}, which has no ${operation}`)
    }
  }
  for (const column of Object.keys(operations)) {
    if (column === table.keyColumn || !Object.hasOwn(table.columns, column)) {
      throw new TypeError(`${table.name} has no column "${column}" to change`)
    }
  }
  return operations
}

/** What changes are of. */
type Changed = {
  readonly table: Table
  readonly operations: Readonly<Record<string, Operation>>
}

/**
 * The row that an event alone would make: its change, with what it leaves out at 0 or null.
 *
 * @throws {TypeError} when the change names a column that the table does not have, or leaves one out
 *   that cannot be null.
 */
export function changeRow(target: Changed, rowKey: RowKey, change: Row): Row {
  const { table, operations } = target
  const row: Record<string, unknown> = { [table.keyColumn]: rowKey }
  for (const column in change) {
    if (!Object.hasOwn(operations, column)) {
      throw new TypeError(`${table.name} has no column "${column}" to change`)
    }
  }
  for (const column in operations) {
    const type = table.columns[column] ?? ''
    const given = Object.hasOwn(change, column) ? change[column] : undefined
    const value = given ?? (operations[column] === 'inc' ? zeroOf(type) : null)
    if (value === null && !type.endsWith(' null')) {
      throw new TypeError(`the change of ${table.name} lacks ${column}, which is not nullable`)
    }
    row[column] = value
  }
  return row
}

/** Two changes of one row, as one. Which comes first does not matter. */
export function addChanges({ table, operations }: Changed, one: Row, other: Row): Row {
  const sum: Record<string, unknown> = { ...one }
  for (const [column, operation] of Object.entries(operations)) {
    const isBefore = table.columns[column]?.startsWith('date') ? isEarlier : isLess
    sum[column] = combined(operation, one[column], other[column], isBefore)
  }
  return sum
}

function combined(
  operation: Operation,
  one: unknown,
  other: unknown,
  isBefore: (one: unknown, other: unknown) => boolean,
): unknown {
  if (one === null) return other
  if (other === null) return one
  switch (operation) {
    case 'inc':
      return sumOf(one, other)
    case 'max':
      return isBefore(one, other) ? other : one
    case 'min':
      return isBefore(other, one) ? other : one
  }
}

/** Years of more than four digits, and those before Christ, have another order as texts. */
const DATE = /^(\d{4,7})-(\d{1,2})-(\d{1,2})( BC)?$/
const DAYS_MAX = 100
const MONTHS_MAX = 100

/** Other spellings of a date have the order of texts. */
function isEarlier(one: unknown, other: unknown): boolean {
  const [first, second] = [dateOrder(one), dateOrder(other)]
  return first === undefined || second === undefined ? isLess(one, other) : first < second
}

/** A number in the order of dates. */
function dateOrder(value: unknown): number | undefined {
  if (value === 'infinity') return Number.POSITIVE_INFINITY
  if (value === '-infinity') return Number.NEGATIVE_INFINITY
  const [, yearText, month, day, era] = DATE.exec(String(value)) ?? []
  if (yearText === undefined) return undefined
  const year = era === undefined ? Number(yearText) : -Number(yearText)
  return (year * MONTHS_MAX + Number(month)) * DAYS_MAX + Number(day)
}

function sumOf(one: unknown, other: unknown): unknown {
  if (typeof one === 'number' && typeof other === 'number') return one + other
  if (typeof one === 'bigint' && typeof other === 'bigint') return one + other
  // Types keep them apart; without types, which events share a batch would decide whether they may be added.
  if (isInteger(one) && isInteger(other)) return BigInt(one) + BigInt(other)
  throw new TypeError(`cannot add a ${typeof other} to a ${typeof one}`)
}

function isInteger(value: unknown): value is number | bigint {
  return typeof value === 'bigint' || Number.isInteger(value)
}

/** As Postgres orders them: text by code points, for which UTF-16 is not in order, and NaN above all other numbers. */
function isLess(one: unknown, other: unknown): boolean {
  if (typeof one === 'string' && typeof other === 'string') {
    return compareCodePoints(one, other) < 0
  }
  if (Number.isNaN(other)) return !Number.isNaN(one)
  // Numbers, bigints and dates compare as they are; types have made sure that both are the same.
  return (one as number) < (other as number)
}

function compareCodePoints(one: string, other: string): number {
  const length = Math.min(one.length, other.length)
  for (let index = 0; index < length; index += 1) {
    const difference = one.charCodeAt(index) - other.charCodeAt(index)
    if (difference === 0) continue
    // A difference in the second half of a pair is one of the code points that the pairs stand for.
    return (one.codePointAt(index) ?? 0) - (other.codePointAt(index) ?? 0)
  }
  return one.length - other.length
}

function zeroOf(type: string): number | bigint {
  return type.startsWith('bigint') ? 0n : 0
}
