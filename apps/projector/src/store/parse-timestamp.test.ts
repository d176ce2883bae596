import fc from 'fast-check'
import pg from 'pg'
import { expect, test } from 'vitest'
import { TIMESTAMPTZ, parseTimestamp } from './parse-timestamp.ts'

const parserOf: (oid: number) => unknown = pg.types.getTypeParser
const byDriver = parserOf(TIMESTAMPTZ) as (text: string) => unknown

test('a timestamp of a server in UTC is what the driver makes of it', () => {
  const dates = fc.date({ min: new Date(-6e13), max: new Date(2.5e14), noInvalidDate: true })
  const fractions = fc.stringMatching(/^(\.\d{1,6})?$/)
  fc.assert(
    fc.property(dates, fractions, (date, fraction) => {
      const text = `${date.toISOString().slice(0, 19).replace('T', ' ')}${fraction}+00`
      expect(parseTimestamp(text)).toEqual(byDriver(text))
    }),
  )
})

test.for([
  '2026-01-31 23:59:59.123+02',
  '2026-01-31 23:59:59+05:30',
  '2026-01-31 23:59:59.5-08',
  '0044-03-15 12:00:00+00 BC',
  '0001-01-01 00:00:00+00',
  '0099-12-31 23:59:59.999+00',
  '12026-05-05 01:02:03.004+00',
  'infinity',
  '-infinity',
])('%s is read as the driver reads it', (text) => {
  expect(parseTimestamp(text)).toEqual(byDriver(text))
})

test('what is finer than a millisecond is cut off', () => {
  expect(parseTimestamp('2026-01-31 23:59:59.999999+00')).toEqual(
    new Date('2026-01-31T23:59:59.999Z'),
  )
})
