import type { Projection } from './definition.ts'
import { type PreparedRecord, keyText } from './log-record.ts'

/** Texts of a type of which no two are one value. Those of numbers in binary are checked by `eventKeyOf`. */
const SPELLINGS: ReadonlyMap<string, RegExp> = new Map([
  ['uuid', /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/],
  ['date', /^\d{4}-\d\d-\d\d$/],
  ['numeric', /^(?!-0$)-?(?:0|[1-9]\d*)(?:\.\d*[1-9])?$/],
])

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
  const spelling = SPELLINGS.get(columns[keyColumn] ?? '')
  if (spelling === undefined) return false
  return records.some(({ eventKey, record }) => !spelling.test(eventKey ?? keyText(record)))
}
