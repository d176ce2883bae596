/**
 * An array in the text form that Postgres reads (`{1,2,NULL}`), of numbers, texts, dates, booleans and
 * bytes. `pg` writes the same, with quotes around and two replacements in every element: for batches
 * of thousands of rows that is a good part of all work.
 */
export function arrayText(values: readonly unknown[]): string {
  let text = '{'
  for (let index = 0; index < values.length; index += 1) {
    if (index > 0) text += ','
    text += elementText(values[index])
  }
  return `${text}}`
}

/** Needs no quotes, and is not the word NULL. */
const PLAIN = /^(?!null$)[\w:.+-]+$/i

function elementText(value: unknown): string {
  if (typeof value === 'string') return PLAIN.test(value) ? value : quoted(value)
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') {
    return String(value)
  }
  if (value === null || value === undefined) return 'NULL'
  if (value instanceof Date) {
    const text = timestampText(value)
    return text.endsWith(' BC') ? quoted(text) : text
  }
  if (value instanceof Uint8Array) return `"\\\\x${hexOf(value)}"`
  return quoted(jsonText(value))
}

/** A value that is not null, in the text form that it has in such an array, where quotes and backslashes are escaped besides. */
export function valueText(value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') {
    return String(value)
  }
  if (value instanceof Date) return timestampText(value)
  return value instanceof Uint8Array ? `\\x${hexOf(value)}` : jsonText(value)
}

/** @throws {TypeError} for what has none: a function, a symbol, what JSON leaves out by its `toJSON`. */
export function jsonText(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined
  if (text !== undefined) return text
  throw new TypeError(`a ${typeof value} without a form in JSON is no value of a column`)
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

const YEAR_MS_9999_MAX = Date.UTC(9_999, 11, 31, 23, 59, 59, 999)
const YEAR_1_MS = Date.parse('0001-01-01T00:00:00Z')

/** A timestamptz in Postgres' text form. @throws {RangeError} for an invalid date. */
function timestampText(date: Date): string {
  const iso = date.toISOString()
  const timeMs = date.getTime()
  if (timeMs >= YEAR_1_MS && timeMs <= YEAR_MS_9999_MAX) return iso
  // ISO has a sign and six digits then, and a year 0; Postgres has neither.
  const year = date.getUTCFullYear()
  const rest = iso.slice(iso.indexOf('-', 1))
  return year > 0 ? `${year}${rest}` : `${String(1 - year).padStart(4, '0')}${rest} BC`
}
