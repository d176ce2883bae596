import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ByteArena } from './byte-arena.ts'

test('what was put into an arena stays as it was, whatever comes after it', () => {
  const value = fc.oneof(
    fc.uint8Array({ maxLength: 5_000 }),
    fc.string({ unit: 'binary', maxLength: 2_000 }),
    fc.string({ maxLength: 50 }),
  )
  fc.assert(
    fc.property(fc.array(value, { maxLength: 200 }), (values) => {
      const arena = new ByteArena()
      const kept = values.map((item) =>
        typeof item === 'string' ? arena.text(item) : arena.copy(item),
      )
      const expected = values.map((item) =>
        typeof item === 'string' ? new TextEncoder().encode(item) : item,
      )
      expect(kept.map((bytes) => [...bytes])).toEqual(expected.map((bytes) => [...bytes]))
    }),
  )
})

test('a copy is no view of what it was made of', () => {
  const arena = new ByteArena()
  for (const length of [3, 100, 10_000]) {
    const source = new Uint8Array(length).fill(1)
    const copy = arena.copy(source)
    source.fill(2)
    expect(new Set(copy)).toEqual(new Set([1]))
  }
})

test('a text that is no well-formed UTF-16 is written as TextEncoder would', () => {
  expect([...new ByteArena().text('a\ud800b')]).toEqual([...new TextEncoder().encode('a\ud800b')])
})
