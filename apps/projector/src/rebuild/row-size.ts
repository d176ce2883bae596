import type { Row } from '@fairlead/projection'

const NUMBER_BYTES = 16
const DATE_BYTES = 40
const TWO_BYTES = /[\u0100-\uffff]/

/** Whether V8 takes two bytes for each character of a text: one beyond U+00FF is enough. */
export function isTwoByte(text: string): boolean {
  return TWO_BYTES.test(text)
}

/** About what a row takes in memory: enough to keep a bound. */
export function estimatedBytes(row: Row): number {
  let bytes = 0
  for (const name in row) bytes += bytesOf(row[name])
  return bytes
}

function bytesOf(value: unknown): number {
  if (typeof value === 'string') return value.length * (isTwoByte(value) ? 2 : 1) + DATE_BYTES
  if (typeof value !== 'object') return NUMBER_BYTES
  if (value === null) return 0
  if (value instanceof Date) return DATE_BYTES
  if (value instanceof Uint8Array) return value.length + DATE_BYTES
  try {
    return JSON.stringify(value).length * 4
  } catch {
    // It is refused when it is written.
    return NUMBER_BYTES
  }
}
