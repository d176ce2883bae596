import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DecodeError, formatLsn, lsn, parseLsn } from './index.ts'

test('an LSN keeps its value through its text form', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }), (value) => {
      expect(parseLsn(formatLsn(lsn(value)))).toBe(value)
    }),
  )
})

test.for(['', '0', '0/', '/1', '0/123456789', 'x/1', '0/1 '])('"%s" is not an LSN', (text) => {
  expect(() => parseLsn(text)).toThrow(DecodeError)
})

test('an LSN orders across the boundary of its halves', () => {
  expect(parseLsn('1/0') > parseLsn('0/FFFFFFFF')).toBe(true)
})
