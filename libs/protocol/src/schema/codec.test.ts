import { DecodeError, InvariantViolation } from '@fairlead/base'
import { describe, expect, test } from 'vitest'
import { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import { compileCodec } from './codec.ts'

const FIELDS = {
  name: { type: 'string', nullable: '1+' },
  early: { type: 'int8', versions: '0', default: 5 },
  ids: { array: 'int32' },
  first: { type: 'int8', versions: '2+', tag: 0, default: -1 },
  leader: {
    versions: '2+',
    tag: 1,
    struct: { id: { type: 'int32', default: -1 }, epoch: { type: 'int32', default: -1 } },
  },
  replicas: { array: 'int32', versions: '2+', tag: 2, nullable: '2+', default: null },
} as const

const FLEXIBLE = compileCodec(FIELDS, { version: 2, isFlexible: true })
const PLAIN = compileCodec(FIELDS, { version: 0, isFlexible: false })

type Value = Parameters<typeof FLEXIBLE.encode>[1]

const compact = (hex: string): string => hex.replaceAll(' ', '')

const encoded = (codec: typeof FLEXIBLE, value: Value): string => {
  const writer = new ByteWriter()
  codec.encode(writer, value)
  return Buffer.concat(writer.finish()).toString('hex')
}

const decoded = (codec: typeof FLEXIBLE, hex: string): unknown =>
  codec.decode(new ByteReader(new Uint8Array(Buffer.from(compact(hex), 'hex'))))

describe('tagged fields', () => {
  const EMPTY = '02 61 01'

  test('with their default are left out, also when it is given', () => {
    const bare = { name: 'a', ids: [] }
    expect(encoded(FLEXIBLE, bare)).toBe(compact(`${EMPTY}00`))
    const given = { ...bare, first: -1, leader: { id: -1, epoch: -1 }, replicas: null }
    expect(encoded(FLEXIBLE, given)).toBe(compact(`${EMPTY}00`))
  })

  test('keep an empty array apart from null, when null is the default', () => {
    const hex = encoded(FLEXIBLE, { name: 'a', ids: [], replicas: [] })
    expect(hex).toBe(compact(`${EMPTY}01 02 01 01`))
    expect(decoded(FLEXIBLE, hex)).toMatchObject({ replicas: [] })
  })

  test('that nobody knows are passed over', () => {
    const hex = `${EMPTY}02 00 01 07 09 02 ffff`
    expect(decoded(FLEXIBLE, hex)).toMatchObject({ first: 7, leader: { id: -1, epoch: -1 } })
  })

  test.for([
    { what: 'twice the same', hex: `${EMPTY}02 000107 000108` },
    { what: 'in descending order', hex: `${EMPTY}02 090100 000107` },
    { what: 'longer than their value', hex: `${EMPTY}01 00020707` },
    { what: 'shorter than their value', hex: `${EMPTY}01 0000` },
    { what: 'longer than the frame', hex: `${EMPTY}01 097f00` },
    { what: 'more than there are', hex: `${EMPTY}ffffffff0f` },
  ])('$what are an error', ({ hex }) => {
    expect(() => decoded(FLEXIBLE, hex)).toThrow(DecodeError)
  })
})

describe('lengths', () => {
  test.for([
    { what: 'a null string where null is not allowed', hex: 'ffff' },
    { what: 'a string of length -2', hex: 'fffe' },
    { what: 'a null array where null is not allowed', hex: '0000 05 ffffffff' },
    { what: 'an array of 2^31 - 1 elements', hex: '0000 05 7fffffff 00' },
  ])('$what is an error', ({ hex }) => {
    expect(() => decoded(PLAIN, hex)).toThrow(DecodeError)
  })

  test('null is written as empty in a version that has no null', () => {
    expect(encoded(PLAIN, { name: null, ids: [] })).toBe(compact('0000 05 00000000'))
  })

  test('a string has at most 32767 bytes, also where its length is compact', () => {
    const hexOf = (bytes: number): string => `${'78'.repeat(bytes)}0100`
    expect(decoded(FLEXIBLE, `808002${hexOf(32_767)}`)).toMatchObject({ name: 'x'.repeat(32_767) })
    expect(() => decoded(FLEXIBLE, `818002${hexOf(32_768)}`)).toThrow(DecodeError)
    for (const codec of [PLAIN, FLEXIBLE]) {
      expect(() => encoded(codec, { name: 'x'.repeat(32_768), ids: [] })).toThrow(
        InvariantViolation,
      )
    }
  })
})

test('a field that the version lacks is not written, and read as its default', () => {
  const hex = encoded(PLAIN, { name: '', ids: [1], first: 9 })
  expect(hex).toBe(compact('0000 05 00000001 00000001'))
  expect(decoded(PLAIN, hex)).toMatchObject({ early: 5, first: -1, replicas: null })
  expect(decoded(FLEXIBLE, '01 01 00')).toMatchObject({ early: 5 })
})
