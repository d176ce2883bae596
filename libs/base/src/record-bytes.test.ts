import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  copyBytes,
  nullableBytesSize,
  readVarint,
  varintSize,
  writeNullableBytes,
  writeVarint,
} from './record-bytes.ts'

test('a varint is read as it was written, and takes as many bytes as was said', () => {
  const value = fc.oneof(
    fc.integer(),
    fc.maxSafeInteger().map((number) => Math.floor(number / 2)),
  )
  fc.assert(
    fc.property(value, fc.nat(5), (number, position) => {
      const target = new Uint8Array(20)
      expect(writeVarint(target, position, number)).toBe(position + varintSize(number))
      expect(readVarint(target, position)).toBe(number)
    }),
  )
})

test.for([
  [0, [0]],
  [-1, [1]],
  [1, [2]],
  [-64, [127]],
  [64, [128, 1]],
  [300, [216, 4]],
] as const)('%d is written as Protocol Buffers write a sint32', ([value, bytes]) => {
  const target = new Uint8Array(bytes.length)
  writeVarint(target, 0, value)
  expect([...target]).toEqual(bytes)
})

test('bytes are copied from anywhere to anywhere, and stand behind their length', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(20), (source, position) => {
      const target = new Uint8Array(250)
      const end = writeNullableBytes(target, position, source)
      expect(end - position).toBe(nullableBytesSize(source))
      expect(target.subarray(end - source.length, end)).toEqual(source)
      const start = Math.floor(source.length / 3)
      expect(copyBytes(source, start, source.length, target, 7)).toBe(7 + source.length - start)
      expect(target.subarray(7, 7 + source.length - start)).toEqual(source.subarray(start))
    }),
  )
  const target = new Uint8Array(1)
  expect([writeNullableBytes(target, 0, null), nullableBytesSize(null), target[0]]).toEqual([
    1, 1, 1,
  ])
})
