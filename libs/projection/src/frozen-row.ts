import type { Row, Table } from './table.ts'

const jsonColumns = new WeakMap<Table, readonly string[]>()

/**
 * The row as a handler gets it. What is within a `jsonb` is frozen as well: a handler that pushes into an array of
 * its row and then throws would leave what it pushed in the row of the event before, and push it again when the
 * event is tried again.
 */
export function frozenRow(table: Table, row: Row): Row {
  for (const column of jsonColumnsOf(table)) freezeWhole(row[column])
  return Object.freeze(row)
}

function jsonColumnsOf(table: Table): readonly string[] {
  const known = jsonColumns.get(table)
  if (known !== undefined) return known
  const columns = Object.keys(table.columns).filter((column) =>
    table.columns[column]?.startsWith('jsonb'),
  )
  jsonColumns.set(table, columns)
  return columns
}

/** What is frozen already is not looked into again: a row of a thousand elements costs those that are new. */
function freezeWhole(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return
  // A `Date` or a `Map` changes all the same, and bytes cannot be frozen.
  if (!Array.isArray(value) && !isPlain(value)) return
  Object.freeze(value)
  for (const member of Object.values(value)) freezeWhole(member)
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
