import fc from 'fast-check'
import { expect, test } from 'vitest'
import { arrayParameter } from './array-parameter.ts'
import { arrayText } from './array-text.ts'

/** Elements of a one-dimensional array in Postgres' binary form; null for null. */
function elementsOf(bytes: Buffer): readonly (Buffer | null)[] {
  const elements: (Buffer | null)[] = []
  let position = 20
  while (position < bytes.length) {
    const lengthBytes = bytes.readInt32BE(position)
    position += 4
    if (lengthBytes < 0) elements.push(null)
    else {
      elements.push(bytes.subarray(position, position + lengthBytes))
      position += lengthBytes
    }
  }
  return elements
}

function binary(values: readonly unknown[], type: string): Buffer {
  const parameter = arrayParameter(values, type)
  if (typeof parameter === 'string') throw new TypeError('it is in the text form')
  return parameter
}

test('the header tells dimensions, nulls, the type of the elements, their number and the first index', () => {
  const header = (values: readonly unknown[]) => {
    const bytes = binary(values, 'integer')
    return [0, 4, 8, 12, 16].map((position) => bytes.readInt32BE(position))
  }
  expect(header([5, 6])).toEqual([1, 0, 23, 2, 1])
  expect(header([5, null, 6])).toEqual([1, 1, 23, 3, 1])
  expect(binary([], 'integer')).toEqual(Buffer.from('000000000000000000000017', 'hex'))
})

test('a uuid is its digits, in whichever case', () => {
  const uuids = fc.tuple(fc.uuid(), fc.boolean())
  fc.assert(
    fc.property(fc.array(fc.option(uuids)), (some) => {
      const values = some.map((one) => one && (one[1] ? one[0].toUpperCase() : one[0]))
      const elements = elementsOf(binary(values, 'uuid'))
      expect(elements.map((element) => element?.toString('hex') ?? null)).toEqual(
        some.map((one) => one && one[0].replaceAll('-', '')),
      )
    }),
  )
})

test('a uuid with another character anywhere is left to the text form, with all of its column', () => {
  const others = fc.constantFrom(
    'g',
    'G',
    '@',
    '`',
    ':',
    '/',
    ' ',
    '\0',
    '\u0161',
    '\u0130',
    '\uff11',
  )
  fc.assert(
    fc.property(fc.uuid(), fc.nat({ max: 35 }), others, (uuid, place, other) => {
      const changed = uuid.slice(0, place) + other + uuid.slice(place + 1)
      const values = [uuid, changed, uuid]
      expect(arrayParameter(values, 'uuid')).toBe(arrayText(values))
    }),
  )
})

test('longs, times and texts are what they are', () => {
  const longs = fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }))
  fc.assert(
    fc.property(longs, (values) => {
      const elements = elementsOf(binary(values, 'bigint'))
      expect(elements.map((element) => element?.readBigInt64BE())).toEqual(values)
    }),
  )
  const dates = fc.date({ min: new Date(-8e12), max: new Date(9e12), noInvalidDate: true })
  fc.assert(
    fc.property(fc.array(dates), (values) => {
      const micros = elementsOf(binary(values, 'timestamptz')).map((element) =>
        Number(element?.readBigInt64BE()),
      )
      expect(micros.map((each) => each / 1_000 + Date.UTC(2000, 0, 1))).toEqual(
        values.map((value) => value.getTime()),
      )
    }),
  )
  const texts = fc.array(fc.string({ unit: 'grapheme', maxLength: 80 }))
  fc.assert(
    fc.property(texts, (values) => {
      const elements = elementsOf(binary(values, 'text'))
      expect(elements.map((element) => element?.toString())).toEqual(values)
    }),
  )
})
