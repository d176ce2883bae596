import { DecodeError } from '@fairlead/base'
import { type Datum, parseSchema } from '@fairlead/avro'
import { describe, expect, test } from 'vitest'
import { DatumDecoder } from './datum-decoder.ts'
import { DatumEncoder } from './datum-encoder.ts'

const schemaOf = (json: unknown) => parseSchema(JSON.stringify(json), { mode: 'strict' }).root
const record = (name: string, ...fields: readonly object[]) => ({ type: 'record', name, fields })
const encoded = (schema: unknown, value: Datum) => new DatumEncoder(schemaOf(schema)).encode(value)
const decoded = (schema: unknown, bytes: Iterable<number>) =>
  new DatumDecoder(schemaOf(schema)).decode(Uint8Array.from(bytes))

describe('a time', () => {
  const millis = { type: 'long', logicalType: 'timestamp-millis' }
  const micros = { type: 'long', logicalType: 'timestamp-micros' }
  const DATE_MILLIS_MAX = 8_640_000_000_000_000n

  test.for([
    ['the first millisecond of a Date', millis, -DATE_MILLIS_MAX, -DATE_MILLIS_MAX],
    ['the last one', millis, DATE_MILLIS_MAX, DATE_MILLIS_MAX],
    ['the last microsecond', micros, DATE_MILLIS_MAX * 1_000n, DATE_MILLIS_MAX],
    ['a microsecond before 1970', micros, -1n, -1n],
  ] as const)('%s', ([, schema, long, time]) => {
    expect(decoded(schema, encoded('long', long))).toEqual(new Date(Number(time)))
  })

  test.for([
    ['a millisecond more', millis, DATE_MILLIS_MAX + 1n],
    ['a microsecond less', micros, -DATE_MILLIS_MAX * 1_000n - 1n],
    ['what Postgres has for infinity', micros, 2n ** 63n - 1n],
  ] as const)('that no Date has is a DecodeError, and no invalid Date: %s', ([, schema, long]) => {
    expect(() => decoded(schema, encoded('long', long))).toThrow(DecodeError)
  })
})

test('what has no value is named with its place', () => {
  const line = record('Line', { name: 'count', type: { type: 'long', js: 'number' } })
  const writer = record('Order', {
    name: 'lines',
    type: { type: 'map', values: { type: 'array', items: ['null', line] } },
  })
  const bytes = encoded(writer, { lines: { a: [null, { count: 2n ** 60n }] } })
  expect(() => new DatumDecoder(schemaOf(writer)).decode(Uint8Array.of(9, ...bytes), 1)).toThrow(
    '.lines.a[1].count: a long with "js": "number" is beyond 2^53 - 1 (at position 1)',
  )
})

test('the default of a float is the float that would have been written', () => {
  const reader = record('R', { name: 'rate', type: 'float', default: 0.1 })
  const given = new DatumDecoder(schemaOf(record('R')), schemaOf(reader)).decode(new Uint8Array())
  expect(given).toEqual(decoded(reader, encoded(reader, {})))
})

describe('a union of records', () => {
  const paid = (name: string, kind: string, ...fields: readonly object[]) =>
    record(
      name,
      { name: 'kind', type: { type: 'enum', name: `${name}Kind`, symbols: [kind] } },
      ...fields,
    )
  const payment = [
    'null',
    paid('Card', 'CARD', { name: 'by', type: 'string' }),
    paid('Cash', 'CASH', { name: 'by', type: 'string' }),
    paid('Bank', 'CARD', { name: 'by', type: ['null', 'long'] }),
    { type: 'map', values: 'int' },
  ]

  test.for([
    ['a symbol that tells which', { kind: 'CASH', by: 'a' }, 2],
    ['the type of another field', { kind: 'CARD', by: 7n }, 3],
    ['a map that has names of fields', { kind: 1, by: 2 }, 4],
    ['the first of those that fit', { kind: 'CARD', by: 'a' }, 1],
  ] as const)('takes the one that fits inside: %s', ([, value, branch]) => {
    const bytes = encoded(payment, value)
    expect(bytes[0]).toBe(2 * branch)
    expect(decoded(payment, bytes)).toEqual(value)
  })

  test('names the place where no record fits', () => {
    const value = { kind: 'CARD', by: 1.5 }
    expect(() => encoded(payment, value)).toThrow('.by: a number is no string')
  })
})

test('a number that is no integer for its sign stays what it is', () => {
  for (const union of [
    ['int', 'double'],
    [{ type: 'long', js: 'number' }, 'float'],
  ]) {
    expect(decoded(union, encoded(union, -0))).toBe(-0)
  }
})

test.for([new Map([['a', 1]]), new Set(['a'])])('%s is no map of Avro', (value) => {
  const map = { type: 'map', values: 'int' }
  expect(() => encoded(map, value)).toThrow('of JavaScript is no map')
})

describe('a long of ten bytes', () => {
  const bytes = (last: number) => [...new Uint8Array(9).fill(0xff), last]

  test('has 64 bits', () => {
    expect(decoded('long', bytes(1))).toBe(-(2n ** 63n))
    expect([...encoded('long', -(2n ** 63n))]).toEqual(bytes(1))
  })

  test.for([[bytes(2)], [bytes(0x80)], [[...bytes(0x81), 0]], [[...bytes(0xff), 0x7f]]])(
    'and loses none of more: %s',
    ([input = []]) => {
      expect(() => decoded('long', input)).toThrow(DecodeError)
      const item = record('Item', { name: 'at', type: 'long' })
      const list = record('List', { name: 'items', type: { type: 'array', items: item } })
      expect(() => decoded(list, [2, ...input, 0])).toThrow('beyond 64 bits')
    },
  )
})

test('a union of records that have one another in them is compiled in a moment', () => {
  const union = (leaf: string) =>
    Array.from({ length: 80 }, (_, index) => {
      const inside = index === 0 ? leaf : `R${index - 1}`
      return record(`R${index}`, { name: 'left', type: inside }, { name: 'right', type: inside })
    })
  const [writer, reader] = [schemaOf(union('int')), schemaOf(union('long'))]
  const bytes = new DatumEncoder(writer).encode({ left: 1, right: 2 })
  const startedAtMs = performance.now()
  expect(new DatumDecoder(writer, reader).decode(bytes)).toEqual({ left: 1n, right: 2n })
  expect(performance.now() - startedAtMs).toBeLessThan(2_000)
})
