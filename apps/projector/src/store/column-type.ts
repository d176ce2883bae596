import type { Table } from '@fairlead/projection'

const NULLABLE = / null$/

/** The SQL type of a column, without whether it is nullable. */
export function columnType(table: Table, column: string): string {
  const type = table.columns[column]
  if (type === undefined) throw new TypeError(`${table.name} has no column ${column}`)
  return type.replace(NULLABLE, '')
}

/** Whether the type of a definition says so. */
export function isNullable(type: string): boolean {
  return NULLABLE.test(type)
}
