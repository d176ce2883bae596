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
    '.lines[0][1].count: a long with "js": "number" is beyond 2^53 - 1 (at position 1)',
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

  test('takes one that keeps all digits before one that rounds them', () => {
    const floats = { type: 'map', values: 'float' }
    const union = [floats, record('Share', { name: 'of', type: 'double' })]
    for (const value of [{ of: 0.1 }, { of: 0.5 }, { of: 0.5, more: 0.25 }]) {
      expect(decoded(union, encoded(union, value))).toEqual(value)
    }
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
  const before = process.cpuUsage()
  expect(new DatumDecoder(writer, reader).decode(bytes)).toEqual({ left: 1n, right: 2n })
  expect(process.cpuUsage(before).user).toBeLessThan(2_000_000)
})

test('many unions of many records are compiled in a moment', () => {
  const fields = Array.from({ length: 120 }, (_, index) => {
    const before = Array.from({ length: Math.min(index, 50) }, (_of, ago) => `R${index - ago - 1}`)
    const type = record(`R${index}`, { name: 'u', type: ['null', ...before] })
    return { name: `f${index}`, type }
  })
  const [writer, reader] = [
    schemaOf(record('All', ...fields)),
    schemaOf(record('All', ...fields, { name: 'added', type: 'int', default: 1 })),
  ]
  const value = Object.fromEntries(fields.map(({ name }) => [name, { u: null }]))
  const before = process.cpuUsage()
  const bytes = new DatumEncoder(writer).encode(value)
  expect(new DatumDecoder(writer, reader).decode(bytes)).toEqual({ ...value, added: 1 })
  expect(process.cpuUsage(before).user).toBeLessThan(6_000_000)
})

describe('bytes that are no value are an error with its place', () => {
  const color = { type: 'enum', name: 'Color', symbols: ['RED'] }
  const order = record(
    'Order',
    { name: 'id', type: 'int' },
    {
      name: 'lines',
      type: { type: 'array', items: ['null', record('L', { name: 'c', type: color })] },
    },
    { name: 'notes', type: { type: 'map', values: 'string' } },
  )
  const whole = [2, 4, 0, 2, 0, 0, 2, 2, 0x6e, 2, 0x78, 0]

  test.for([
    [
      'a symbol',
      [...whole.slice(0, 4), 8],
      '.lines[1].c: there is no symbol of Color with index 4',
      4,
    ],
    ['a branch', [2, 2, 4], '.lines[0]: there is no branch of a union with index 2', 2],
    ['an int', [0xff, 0xff, 0xff, 0xff, 0x7f], '.id: an int is beyond 32 bits', 0],
    ['a length', [...whole.slice(0, 9), 1], '.notes[0]: a length is -1', 9],
    ['what is not there', whole.slice(0, 10), '.notes[0]: the bytes end within a value', 10],
    [
      'a number without end',
      Array.from({ length: 11 }, () => 0xff),
      '.id: a number is beyond 64 bits',
      0,
    ],
  ] as const)('%s', ([, input, message, position]) => {
    expect(decoded(order, whole)).toMatchObject({ id: 1, notes: { n: 'x' } })
    const reader = new DatumDecoder(schemaOf(order), schemaOf(record('Order')))
    const among = Uint8Array.of(0, 0, 0, ...input, 0)
    const end = 3 + input.length
    for (const decoder of [new DatumDecoder(schemaOf(order)), reader]) {
      expect(() => decoder.decode(among, 3, end)).toThrow(
        `${message} (at position ${3 + position})`,
      )
    }
  })

  test('the place of what nests without end has one', () => {
    const node = record('Node', { name: 'next', type: ['null', 'Node'] })
    for (const depth of [200, 1_000_000]) {
      const thrown = () => decoded(node, new Uint8Array(depth).fill(2))
      expect(thrown).toThrow(DecodeError)
      expect(thrown).toThrow(/^.{0,300}$/)
    }
  })
})

test('a member without a name is told as one', () => {
  const schema = record('R', { name: 'id', type: 'int' })
  expect(() => encoded(schema, { '': 1 })).toThrow('an object with the members "" is no record R')
})
