import { DecodeError } from '@fairlead/base'
import { Writer } from '@platformatic/kafka'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ByteReader } from './byte-reader.ts'
import { varlong } from './varlong.test-fixture.ts'

test('reads what the package writes', () => {
  const safe = fc.maxSafeInteger()
  const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
  const text = fc.option(fc.string({ unit: 'grapheme' }))
  fc.assert(
    fc.property(safe, int32, text, (long, int, string) => {
      const written = Writer.create()
        .appendInt64(BigInt(long))
        .appendInt32(int)
        .appendVarInt(int)
        .appendString(string)
      const reader = new ByteReader(written.buffer)
      expect(reader.int64()).toBe(long)
      expect(reader.int32()).toBe(int)
      expect(reader.varint()).toBe(int)
      expect(reader.nullableString()).toBe(string)
      expect(reader.remaining).toBe(0)
    }),
  )
})

test('numbers outside the safe integers are read with all their digits', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (long) => {
      const written = Writer.create().appendInt64(long).buffer
      const reader = new ByteReader(Buffer.concat([written, varlong(long)]))
      expect([BigInt(reader.wideInt64()), BigInt(reader.wideVarlong())]).toEqual([long, long])
      expect(reader.remaining).toBe(0)
    }),
  )
})

test.for([
  ['an int64 beyond the safe integers', [0x7f, 0, 0, 0, 0, 0, 0, 0], 'int64'],
  ['an int32 that is cut off', [1, 2, 3], 'int32'],
  ['a varint that does not end', Array.from({ length: 11 }, () => 0xff), 'unsignedVarint'],
  ['a string longer than the rest', [200, 1, 65], 'nullableString'],
  ['a tagged field longer than the rest', [1, 0, 9], 'skipTaggedFields'],
] as const)('%s is a DecodeError', ([, bytes, method]) => {
  expect(() => new ByteReader(Uint8Array.from(bytes))[method]()).toThrow(DecodeError)
})
