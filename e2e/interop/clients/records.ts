import type { WireRecord } from './operations.ts'

export function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

/** A record without headers whose key is its value. */
export function plain(text: string): WireRecord {
  return { key: base64(text), value: base64(text), headers: [] }
}

/** Records with the keys `0`, `1`, …, which tell their number in the value, too. */
export function numbered(count: number, text: string, first = 0): WireRecord[] {
  return Array.from({ length: count }, (_, index) => ({
    key: base64(`${first + index}`),
    value: base64(`${first + index} ${text}`),
    headers: [],
  }))
}

/** The number in a value of `numbered`. */
export function numberOf({ value }: WireRecord): number {
  return Number.parseInt(Buffer.from(value ?? '', 'base64').toString(), 10)
}
