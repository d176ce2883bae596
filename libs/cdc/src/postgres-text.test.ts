import { DecodeError } from '@fairlead/base'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { jsonObjectEntries } from './json-object-entries.ts'
import { parseBytea, parseTimestampMs } from './postgres-text.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

test('bytes keep their value through the hex form of bytea', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (value) => {
      const hex = [...value].map((byte) => byte.toString(16).padStart(2, '0')).join('')
      expect(parseBytea(bytes(`\\x${hex}`))).toEqual(Uint8Array.from(value))
    }),
  )
})

test.for(['', 'x00', '\\x0', '\\xzz', '\\000'])('"%s" is no bytea in hex form', (text) => {
  expect(() => parseBytea(bytes(text))).toThrow(DecodeError)
})

test('a timestamp keeps its milliseconds through Postgres’ ISO form', () => {
  const max = Date.UTC(9999, 11, 31)
  fc.assert(
    fc.property(fc.integer({ min: 0, max }), (timestampMs) => {
      const iso = new Date(timestampMs).toISOString().replace('T', ' ').replace('Z', '+00')
      expect(parseTimestampMs(bytes(iso))).toBe(timestampMs)
    }),
  )
})

test.for([
  ['2026-11-21 05:38:47.5+05:30', Date.UTC(2026, 10, 21, 0, 8, 47, 500)],
  ['2026-11-20 19:08:47-05', Date.UTC(2026, 10, 21, 0, 8, 47)],
  ['2024-02-29 12:00:00', Date.UTC(2024, 1, 29, 12)],
] as const)('%s is %d', ([text, timestampMs]) => {
  expect(parseTimestampMs(bytes(text))).toBe(timestampMs)
})

test.for([
  'infinity',
  '10000-01-01 00:00:00+00',
  '-infinity',
  '0044-03-15 12:00:00+00 BC',
  '1969-12-31 23:59:59+00',
  'x',
])('%s is no time that a record can have', (text) => {
  expect(parseTimestampMs(bytes(text))).toBeUndefined()
})

test('the entries of a JSON object give back the object', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.boolean(), (object, isSpaced) => {
      const text = JSON.stringify(object, undefined, isSpaced ? 2 : undefined)
      const entries = jsonObjectEntries(text) ?? []
      const parsed = entries.map(([name, json]) => [name, JSON.parse(json) as unknown])
      expect(parsed).toEqual(Object.entries(JSON.parse(text) as object))
    }),
  )
})
