import { describe, expect, test } from 'vitest'
import { decompressSnappy } from './snappy.ts'

const text = (value: string): number[] => [...new TextEncoder().encode(value)]
const XERIAL = [0x82, ...text('SNAPPY'), 0, 0, 0, 0, 1, 0, 0, 0, 1]

describe('snappy', () => {
  test.for([
    { what: 'nothing', bytes: [0], made: '' },
    { what: 'a literal', bytes: [3, 2 << 2, ...text('abc')], made: 'abc' },
    {
      what: 'a literal with its length behind the tag',
      bytes: [61, 60 << 2, 60, ...text('x'.repeat(61))],
      made: 'x'.repeat(61),
    },
    {
      what: 'a copy with an offset of 11 bits',
      bytes: [7, 2 << 2, ...text('abc'), 1, 3],
      made: 'abcabca',
    },
    {
      what: 'a copy with an offset of 16 bits',
      bytes: [8, 1 << 2, ...text('ab'), (5 << 2) | 2, 2, 0],
      made: 'abababab',
    },
    {
      what: 'a copy with an offset of 32 bits',
      bytes: [6, 0, ...text('z'), (4 << 2) | 3, 1, 0, 0, 0],
      made: 'zzzzzz',
    },
    {
      what: 'the frame of snappy-java',
      bytes: [...XERIAL, 0, 0, 0, 3, 1, 0, ...text('a'), 0, 0, 0, 4, 2, 1 << 2, ...text('bc')],
      made: 'abc',
    },
  ])('$what', ({ bytes, made }) => {
    expect(new TextDecoder().decode(decompressSnappy(Uint8Array.from(bytes), 100))).toBe(made)
  })

  test.for([
    { what: 'no length', bytes: [], reason: 'no length' },
    { what: 'a length without an end', bytes: [0xff, 0xff, 0xff, 0xff, 0xff], reason: 'no length' },
    { what: 'a length that no copies can make', bytes: [0xff, 0xff, 3, 0, 97], reason: '65535' },
    { what: 'less than its length', bytes: [4, 2 << 2, ...text('abc')], reason: 'not 4' },
    { what: 'more than its length', bytes: [2, 2 << 2, ...text('abc')], reason: 'not 2' },
    { what: 'a literal that passes the end', bytes: [9, 8 << 2, 97], reason: 'passes the end' },
    { what: 'a literal length that is cut', bytes: [9, 61 << 2, 1], reason: 'cut short' },
    { what: 'a copy that is cut', bytes: [9, 0, 97, 2, 1], reason: 'cut short' },
    { what: 'a copy from before the block', bytes: [9, 0, 97, 1, 2], reason: 'before its block' },
    { what: 'a copy at distance zero', bytes: [9, 0, 97, 1, 0], reason: '0 bytes back' },
    { what: 'a block that passes the end', bytes: [...XERIAL, 0, 0, 1, 0, 1], reason: 'passes' },
    { what: 'a block size that is cut', bytes: [...XERIAL, 0, 0], reason: 'cut short' },
    {
      what: 'a copy out of the block before',
      bytes: [...XERIAL, 0, 0, 0, 3, 1, 0, 97, 0, 0, 0, 3, 4, 1, 1],
      reason: 'before its block',
    },
  ])('$what is refused', ({ bytes, reason }) => {
    expect(() => decompressSnappy(Uint8Array.from(bytes), 100_000)).toThrow(reason)
  })

  test('more than the limit is refused', () => {
    const bytes = Uint8Array.from([8, 1 << 2, ...text('ab'), (5 << 2) | 2, 2, 0])
    expect(() => decompressSnappy(bytes, 7)).toThrow('larger than 7')
  })
})
