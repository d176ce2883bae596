import type { Projection } from './definition.ts'
import { type PreparedRecord, keyText } from './log-record.ts'
import type { RowKey, Table } from './table.ts'

/** Whether Postgres writes a value of the type so. Texts of numbers in binary are checked by `eventKeyOf`. */
const SPELLINGS: ReadonlyMap<string, (key: string) => boolean> = new Map([
  ['uuid', isUuid],
  ['date', (key) => /^\d{4}-\d\d-\d\d$/.test(key)],
  ['numeric', (key) => /^(?!-0$)-?(?:0|[1-9]\d*)(?:\.\d*[1-9])?$/.test(key)],
])

const UUID_LENGTH = 36
const UUID_HYPHENS = [8, 13, 18, 23]

/** Of the texts that Postgres takes; a pattern takes six times as long, for each event. */
function isUuid(key: string): boolean {
  if (key.length !== UUID_LENGTH || key !== key.toLowerCase()) return false
  return UUID_HYPHENS.every((index) => key[index] === '-')
}

/**
 * Whether a record may change a row of which another partition has events, too: its key is a value that
 * Postgres also reads from other texts, such as a uuid in capitals, and those are keys of their own to the log.
 */
export function mayMeetOtherSpellings(
  projection: Projection,
  records: readonly PreparedRecord[],
): boolean {
  if (projection.kind !== 'fold' || projection.mayShareRows) return false
  const { columns, keyColumn } = projection.table
  const isSpelled = SPELLINGS.get(columns[keyColumn] ?? '')
  if (isSpelled === undefined) return false
  return records.some(({ eventKey, record }) => !isSpelled(eventKey ?? keyText(record)))
}

/** Whether one of the keys is a text that Postgres writes otherwise: the row of another one, too, maybe. */
export function mayBeSpelledTwice(
  { columns, keyColumn }: Table,
  rowKeys: Iterable<RowKey>,
): boolean {
  const isSpelled = SPELLINGS.get(columns[keyColumn] ?? '')
  if (isSpelled === undefined) return false
  for (const key of rowKeys) if (!isSpelled(String(key))) return true
  return false
}
