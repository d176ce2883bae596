import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hashKey } from './key-hash.ts'
import { BYTES_PER_ENTRY, OffsetMap } from './offset-map.ts'

const encode = (text: string) => new TextEncoder().encode(text)

function hash(bytes: Uint8Array, start = 0, length = bytes.length): string {
  const words = new Uint32Array(4)
  hashKey(bytes, start, length, words)
  return [...words].map((word) => word.toString(16).padStart(8, '0')).join('')
}

test.for([
  ['', '00000000000000000000000000000000'],
  ['a', 'a794933c5556b01b5556b01b5556b01b'],
  ['hello world, 17 by', '80ecfd676b646ab13693440f51ce3669'],
  ['I will not buy this record, it is scratched.', 'a0a9683b25ac5e40d9af2895890dddf5'],
])('MurmurHash3 of "%s"', ([text = '', expected]) => {
  expect(hash(encode(text))).toBe(expected)
})

test('the hash of a key is that of its bytes, wherever they stand', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), fc.nat({ max: 20 }), (key, start) => {
      const around = new Uint8Array(start + key.length + 5).fill(0xaa)
      around.set(key, start)
      expect(hash(around, start, key.length)).toBe(hash(key))
    }),
  )
})

test('every bit of a key counts', () => {
  const hashes = new Set<string>()
  for (let length = 1; length < 34; length += 1) {
    for (let bit = 0; bit < length * 8; bit += 1) {
      const key = new Uint8Array(length)
      key[bit >> 3] = 1 << (bit & 7)
      hashes.add(hash(key))
    }
  }
  expect(hashes.size).toBe((33 * 34 * 8) / 2)
})

test('the map equals a map, up to its capacity', () => {
  const puts = fc.array(fc.tuple(fc.string({ maxLength: 3 }), fc.integer({ min: 1, max: 2 ** 40 })))
  fc.assert(
    fc.property(puts, fc.integer({ min: 2, max: 40 }), (entries, slots) => {
      const map = new OffsetMap({
        bufferBytes: slots * BYTES_PER_ENTRY,
        loadFactor: 0.9,
        keysMax: 1e6,
      })
      const model = new Map<string, number>()
      let offset = 0
      for (const [key, step] of entries) {
        const bytes = encode(key)
        const fits = model.has(key) || model.size < map.capacity
        expect(map.put(bytes, 0, bytes.length, offset)).toBe(fits)
        if (fits) model.set(key, offset)
        offset += step
      }
      for (const [key] of entries) {
        const bytes = encode(key)
        expect(map.get(bytes, 0, bytes.length)).toBe(model.get(key) ?? -1)
      }
      expect(map.size).toBe(model.size)
      expect(map.digest({ fromOffset: 0, endOffset: offset + 1 }).count).toBe(model.size)
    }),
  )
})

test('the map is no larger than its keys need, nor than its buffer', () => {
  const memory = { bufferBytes: 240, loadFactor: 0.9 }
  expect(new OffsetMap({ ...memory, keysMax: 1e9 }).capacity).toBe(9)
  expect(new OffsetMap({ ...memory, keysMax: 3 }).capacity).toBe(3 + 1)
  expect(() => new OffsetMap({ ...memory, bufferBytes: 30, keysMax: 5 })).toThrow(/room/)
})

test('a digest tells sets of offsets apart, whatever their order', () => {
  const digestOf = (offsets: readonly number[]) => {
    const map = new OffsetMap({ bufferBytes: 2400, loadFactor: 0.9, keysMax: 50 })
    for (const offset of offsets) map.put(encode(String(offset)), 0, String(offset).length, offset)
    return map.digest({ fromOffset: 0, endOffset: 2 ** 50 })
  }
  expect(digestOf([1, 2, 2 ** 33]).equals(digestOf([2 ** 33, 1, 2]))).toBe(true)
  expect(digestOf([1, 2, 3]).equals(digestOf([1, 2, 4]))).toBe(false)
  expect(digestOf([1, 2]).equals(digestOf([1, 2, 3]))).toBe(false)
  expect(digestOf([2 ** 33]).equals(digestOf([2 ** 34]))).toBe(false)
})
