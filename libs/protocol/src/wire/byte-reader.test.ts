import { DecodeError } from '@fairlead/base'
import { describe, expect, test } from 'vitest'
import { ByteReader, ELEMENTS_MAX } from './byte-reader.ts'

const reader = (...bytes: readonly number[]): ByteReader => new ByteReader(Uint8Array.from(bytes))
const readerOf = (text: string): ByteReader => new ByteReader(new TextEncoder().encode(text))

describe('int64', () => {
  test.for([
    { value: Number.MAX_SAFE_INTEGER, bytes: [0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff] },
    { value: Number.MIN_SAFE_INTEGER, bytes: [0xff, 0xe0, 0, 0, 0, 0, 0, 1] },
    { value: -1, bytes: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff] },
    { value: 2 ** 32, bytes: [0, 0, 0, 1, 0, 0, 0, 0] },
  ])('$value is read', ({ value, bytes }) => {
    expect(reader(...bytes).int64()).toBe(value)
  })

  test.for([
    { what: '2^53', bytes: [0, 0x20, 0, 0, 0, 0, 0, 0] },
    { what: '2^53 + 1, which would be rounded', bytes: [0, 0x20, 0, 0, 0, 0, 0, 1] },
    { what: '-2^53', bytes: [0xff, 0xe0, 0, 0, 0, 0, 0, 0] },
    { what: 'the largest int64', bytes: [0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff] },
    { what: 'the smallest int64', bytes: [0x80, 0, 0, 0, 0, 0, 0, 0] },
  ])('$what is an error', ({ bytes }) => {
    expect(() => reader(...bytes).int64()).toThrow(DecodeError)
  })
})

test('views of a Buffer are no Buffers: their `slice` copies', () => {
  const frame = Buffer.from([1, 2, 3, 4])
  const copy = new ByteReader(frame.subarray(1)).bytes(2).slice()
  frame.fill(0)
  expect(copy).toEqual(Uint8Array.of(2, 3))
})

describe('uvarint', () => {
  test.for([
    { value: 0, bytes: [0] },
    { value: 300, bytes: [0xac, 0x02] },
    { value: 0xffff_ffff, bytes: [0xff, 0xff, 0xff, 0xff, 0x0f] },
    { value: 0, bytes: [0x80, 0x00] },
  ])('$bytes is $value', ({ value, bytes }) => {
    expect(reader(...bytes).uvarint()).toBe(value)
  })

  test.for([
    { what: 'more than 32 bits', bytes: [0xff, 0xff, 0xff, 0xff, 0x10] },
    { what: 'more than five bytes', bytes: [0x80, 0x80, 0x80, 0x80, 0x80, 0x00] },
    { what: 'no last byte', bytes: [0x80] },
    { what: 'no byte', bytes: [] },
  ])('$what is an error', ({ bytes }) => {
    expect(() => reader(...bytes).uvarint()).toThrow(DecodeError)
  })
})

describe('text', () => {
  test.for(['', 'short', 'ü€😀', 'long '.repeat(30), '\ufeffmark', `\ufeff${'long '.repeat(30)}`])(
    '%j is read as it is, with its byte order mark',
    (text) => {
      const source = readerOf(text)
      expect(source.text(source.remaining)).toBe(text)
    },
  )

  test.for([
    { what: 'a lone continuation byte', bytes: [0x80] },
    { what: 'an overlong form', bytes: [0xc0, 0xaf] },
    { what: 'a surrogate', bytes: [0xed, 0xa0, 0x80] },
    { what: 'a code point above U+10FFFF', bytes: [0xf4, 0x90, 0x80, 0x80] },
    { what: 'a character that is cut off', bytes: [0xe2, 0x82] },
  ])('$what is an error', ({ bytes }) => {
    expect(() => reader(...bytes).text(bytes.length)).toThrow(DecodeError)
  })
})

test('nothing is read behind the end of the frame, though the buffer goes on', () => {
  const buffer = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8])
  const frame = new ByteReader(buffer.subarray(0, 3))
  expect(frame.int16()).toBe(0x0102)
  expect(() => frame.int16()).toThrow(DecodeError)
  expect(() => frame.bytes(2)).toThrow(DecodeError)
  expect(frame.int8()).toBe(3)
})

test('bytes are a view, not a copy', () => {
  const buffer = Uint8Array.from([1, 2, 3])
  const view = new ByteReader(buffer).bytes(2)
  buffer[0] = 9
  expect(view).toEqual(Uint8Array.of(9, 2))
})

test('a negative length is an error', () => {
  expect(() => reader(1, 2).bytes(-1)).toThrow(DecodeError)
})

describe('array elements', () => {
  test('more of them than bytes are an error', () => {
    expect(() => reader(1, 2, 3).countElements(4, 1)).toThrow(DecodeError)
    expect(() => reader(1, 2, 3).countElements(3, 1)).not.toThrow()
    expect(() => reader(1, 2, 3, 4, 5).countElements(2, 3)).toThrow(DecodeError)
    expect(() => reader(1, 2, 3, 4, 5, 6).countElements(2, 3)).not.toThrow()
  })

  test('of one message have a limit, whatever the size of the frame', () => {
    const large = new ByteReader(new Uint8Array(1_200_000))
    large.countElements(ELEMENTS_MAX, 1)
    expect(large.elementCount).toBe(ELEMENTS_MAX)
    expect(() => large.countElements(1, 1)).toThrow(DecodeError)
  })
})
