import type { Row, Table } from '@fairlead/projection'
import { jsonText, valueText } from '../store/array-text.ts'
import { columnType } from '../store/column-type.ts'

/** Large enough that a chunk costs little, small enough to be let go of soon. */
const CHUNK_CHARACTERS = 65_536

type ColumnText = (value: unknown) => string

/** A COPY of what {@link copyText} gives. `name` is quoted where it has to be. */
export function copyStatement({ columns }: Table, name: string, options = ''): string {
  const quoted = Object.keys(columns).map((column) => `"${column}"`)
  return `copy ${name} (${quoted.join(', ')}) from stdin ${options}`
}

/** Rows as the text format of COPY (PostgreSQL, "COPY", "Text Format"), in chunks of many rows. */
export function* copyText(table: Table, rows: Iterable<Row>): Generator<string> {
  const columns = Object.keys(table.columns).map((name): [string, ColumnText] => [
    name,
    textOf(columnType(table, name)),
  ])
  let chunk = ''
  for (const row of rows) {
    let separator = ''
    for (const [name, text] of columns) {
      const value = row[name]
      chunk += separator + (value === null || value === undefined ? '\\N' : text(value))
      separator = '\t'
    }
    chunk += '\n'
    if (chunk.length >= CHUNK_CHARACTERS) {
      yield chunk
      chunk = ''
    }
  }
  if (chunk !== '') yield chunk
}

function textOf(sqlType: string): ColumnText {
  switch (sqlType) {
    case 'smallint':
    case 'integer':
    case 'bigint':
    case 'double precision':
      return (value) => (typeof value === 'number' ? String(value) : escaped(valueText(value)))
    case 'jsonb':
      return (value) => escaped(jsonText(value))
    default:
      // A value of another type than the column's, too, is what a live batch makes of it.
      return (value) => escaped(valueText(value))
  }
}

const SPECIAL = /[\\\t\n\r]/
const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\t': '\\t',
  '\n': '\\n',
  '\r': '\\r',
}

function escaped(text: string): string {
  if (!SPECIAL.test(text)) return text
  return text.replace(/[\\\t\n\r]/g, (character) => ESCAPES[character] ?? character)
}
