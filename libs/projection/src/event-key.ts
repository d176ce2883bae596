import type { AnyEvent } from './definition.ts'
import type { RowKey, Table } from './table.ts'

type Parser = (text: string) => number | bigint

/** By the type of a column of numbers. */
const PARSERS: ReadonlyMap<string, Parser> = new Map<string, Parser>([
  ['bigint', BigInt],
  ['smallint', Number],
  ['integer', Number],
  ['double precision', Number],
])

/** Whether the keys of rows are texts, as those of events are. */
export function hasTextKeys({ columns, keyColumn }: Table): boolean {
  return !PARSERS.has(columns[keyColumn] ?? '')
}

/**
 * The key of an event as that of its row, where a projection has no `key`: in a column of numbers the number that
 * it is the text of.
 */
export function eventKeyOf(table: Table): (event: AnyEvent) => RowKey {
  const parse = PARSERS.get(table.columns[table.keyColumn] ?? '')
  if (parse === undefined) return (event: AnyEvent) => event.key
  return (event: AnyEvent) => numericKey(table, event.key, parse)
}

/**
 * Two keys of one number would be two keys of the log, whose events are in no order.
 *
 * @throws {TypeError}
 */
function numericKey(
  { name, keyColumn, columns }: Table,
  text: string,
  parse: Parser,
): number | bigint {
  const key = tryParse(text, parse)
  if (key !== undefined && String(key) === text) return key
  throw new TypeError(
    `${name}.${keyColumn} is ${columns[keyColumn]}, and the key of an event is "${text}", which is no text of such a number: give the projection a key`,
  )
}

/** Undefined for a text that `BigInt` throws at. */
function tryParse(text: string, parse: Parser): number | bigint | undefined {
  try {
    return parse(text)
  } catch {
    return undefined
  }
}
