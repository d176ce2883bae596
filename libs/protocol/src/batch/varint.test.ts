import { DecodeError } from '@fairlead/base'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { VarintReader, varintSizeBytes, writeVarint } from './varint.ts'

/** Zigzag doubles a number: one bit less than a number holds. */
const VARINT_MAX = 2 ** 52 - 1

test('a varint of up to 52 bits is read as it was written', () => {
  fc.assert(
    fc.property(fc.integer({ min: -VARINT_MAX, max: VARINT_MAX }), (value) => {
      const bytes = new Uint8Array(varintSizeBytes(value))
      expect(writeVarint(bytes, 0, value)).toBe(bytes.length)
      expect(new VarintReader(bytes).varint()).toBe(value)
    }),
  )
})

test.for([
  { what: '2^53, zigzag', bytes: [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10] },
  { what: 'more than ten bytes', bytes: Array.from({ length: 11 }, () => 0x80) },
  { what: 'no last byte', bytes: [0x80] },
])('$what is an error', ({ bytes }) => {
  expect(() => new VarintReader(Uint8Array.from(bytes)).varint()).toThrow(DecodeError)
})
