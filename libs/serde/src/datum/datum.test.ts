import { DecodeError } from '@fairlead/base'
import { type AvroSchema, parseSchema } from '@fairlead/avro'
import avsc from 'avsc'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DatumDecoder } from './datum-decoder.ts'
import { DatumEncoder, EncodeError } from './datum-encoder.ts'

const schemaOf = (schema: unknown): AvroSchema =>
  parseSchema(JSON.stringify(schema), { mode: 'strict' }).root
const encodeDatum = (schema: AvroSchema, value: unknown): Uint8Array =>
  new DatumEncoder(schema).encode(value)
const record = (name: string, ...fields: readonly object[]) => ({ type: 'record', name, fields })

const EVERYTHING = schemaOf(
  record(
    'Everything',
    { name: 'nothing', type: 'null' },
    { name: 'flag', type: 'boolean' },
    { name: 'int', type: 'int' },
    { name: 'long', type: 'long' },
    { name: 'float', type: 'float' },
    { name: 'double', type: 'double' },
    { name: 'bytes', type: 'bytes' },
    { name: 'text', type: 'string' },
    { name: 'color', type: { type: 'enum', name: 'Color', symbols: ['RED', 'GREEN'] } },
    { name: 'hash', type: { type: 'fixed', name: 'Hash', size: 3 } },
    { name: 'list', type: { type: 'array', items: ['null', 'long', 'string'] } },
    { name: 'map', type: { type: 'map', values: 'Color' } },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'atMicros', type: ['null', { type: 'long', logicalType: 'timestamp-micros' }] },
    { name: 'next', type: ['null', 'Everything'] },
  ),
)

/** Reads every field of `Everything` in another place, some in a wider type. */
const WIDER = schemaOf(
  record(
    'other.Everything',
    { name: 'next', type: ['Everything', 'null'] },
    { name: 'list', type: { type: 'array', items: ['string', 'long', 'null'] } },
    {
      name: 'map',
      type: {
        type: 'map',
        values: { type: 'enum', name: 'Color', symbols: ['RED'], default: 'RED' },
      },
    },
    { name: 'int', type: 'double' },
    { name: 'text', type: 'bytes' },
    { name: 'added', type: { type: 'array', items: 'string' }, default: ['x'] },
  ),
)

const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const date = fc.date({ min: new Date(-8.64e13), max: new Date(8.64e13), noInvalidDate: true })
const bytes = (length?: number) =>
  fc.uint8Array(
    length === undefined ? { maxLength: 300 } : { minLength: length, maxLength: length },
  )
const color = fc.constantFrom('RED', 'GREEN')
const everything = fc.letrec((tie) => ({
  value: fc.record({
    nothing: fc.constant(null),
    flag: fc.boolean(),
    int: fc.integer(),
    long,
    float: fc.float(),
    double: fc.double(),
    bytes: bytes(),
    text: fc.string({ unit: 'grapheme' }),
    color,
    hash: bytes(3),
    list: fc.array(fc.oneof(fc.constant(null), long, fc.string())),
    map: fc.dictionary(fc.oneof(fc.string(), fc.constant('__proto__')), color),
    at: date,
    atMicros: fc.option(date),
    next: fc.option(tie('value'), { maxDepth: 3 }),
  }),
})).value

test('what is encoded is decoded as the same value', () => {
  const decoder = new DatumDecoder(EVERYTHING)
  fc.assert(
    fc.property(everything, (value) => {
      expect(decoder.decode(encodeDatum(EVERYTHING, value))).toEqual(value)
    }),
  )
})

test('a value is read where it lies among other bytes, and ends where it is said to end', () => {
  const decoder = new DatumDecoder(EVERYTHING)
  fc.assert(
    fc.property(everything, bytes(), bytes(), (value, before, behind) => {
      const encoded = encodeDatum(EVERYTHING, value)
      const among = Buffer.concat([before, encoded, Buffer.from([0]), behind])
      const start = before.length
      const end = start + encoded.length
      expect(decoder.decode(among, start, end)).toEqual(value)
      expect(() => decoder.decode(among, start, end - 1)).toThrow(DecodeError)
      expect(() => decoder.decode(among, start, end + 1)).toThrow('left over behind the value')
    }),
  )
})

describe('a long whose schema says that it is a number', () => {
  const counted = (type: unknown) =>
    schemaOf(record('Counted', { name: 'count', type }, { name: 'rank', type, default: 7 }))
  const COUNTED = counted({ type: 'long', js: 'number' })
  const decoder = new DatumDecoder(COUNTED)

  test('is one, as far as a number has all digits', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (count) => {
        expect(decoder.decode(encodeDatum(COUNTED, { count }))).toEqual({ count, rank: 7 })
      }),
    )
    for (const count of [2n ** 53n, -(2n ** 63n)]) {
      const encoded = encodeDatum(COUNTED, { count })
      expect(() => decoder.decode(encoded)).toThrow(/beyond 2\^53/)
    }
  })

  test.each(['int', 'long'])('is one where it was written as %s', (type) => {
    const writer = schemaOf(record('Counted', { name: 'count', type }))
    const encoded = encodeDatum(writer, { count: 3 })
    expect(new DatumDecoder(writer, COUNTED).decode(encoded)).toEqual({ count: 3, rank: 7 })
  })

  test('comes back from a union with what was put in', () => {
    const union = counted([{ type: 'long', js: 'number' }, 'double'])
    const values = { count: 3, rank: 0.5 }
    expect(new DatumDecoder(union).decode(encodeDatum(union, values))).toEqual(values)
  })
})

test('bytes are equal to those of avsc', () => {
  const schema = record(
    'R',
    { name: 'int', type: 'int' },
    { name: 'double', type: 'double' },
    { name: 'text', type: 'string' },
    { name: 'list', type: { type: 'array', items: ['null', 'int'] } },
    { name: 'map', type: { type: 'map', values: 'string' } },
  )
  const reference = avsc.Type.forSchema(schema as avsc.Schema)
  const values = fc.record({
    int: fc.integer(),
    double: fc.double(),
    text: fc.string({ unit: 'grapheme' }),
    list: fc.array(fc.option(fc.integer())),
    map: fc.dictionary(fc.stringMatching(/^[a-z]+$/), fc.string()),
  })
  fc.assert(
    fc.property(values, (value) => {
      expect(Buffer.from(encodeDatum(schemaOf(schema), value))).toEqual(reference.toBuffer(value))
    }),
  )
})

test('mutated bytes give a value or a DecodeError, never another failure', () => {
  const decoders = [
    new DatumDecoder(EVERYTHING),
    new DatumDecoder(EVERYTHING, schemaOf(record('Everything'))),
    new DatumDecoder(EVERYTHING, WIDER),
  ]
  const failureOf = (input: Uint8Array): string => {
    const failures = decoders.map((decoder) => {
      try {
        decoder.decode(input)
        return 'none'
      } catch (error) {
        return error instanceof Error ? error.name : 'not an error'
      }
    })
    return failures.find((failure) => failure !== 'none') ?? 'none'
  }
  fc.assert(
    fc.property(everything, fc.nat(), fc.nat({ max: 255 }), (value, at, byte) => {
      const encoded = encodeDatum(EVERYTHING, value)
      encoded[at % encoded.length] = byte
      expect(['none', 'DecodeError']).toContain(failureOf(encoded))
      expect(['none', 'DecodeError']).toContain(failureOf(encoded.subarray(0, at % encoded.length)))
    }),
  )
})

describe('bytes that were made up', () => {
  const varint = (value: bigint) => encodeDatum(schemaOf('long'), value)
  const skipping = (items: unknown) =>
    new DatumDecoder(
      schemaOf(record('R', { name: 'list', type: { type: 'array', items } })),
      schemaOf(record('R')),
    )
  const node = record('Node', { name: 'next', type: ['null', 'Node'] })

  test.for([
    ['items without bytes', { type: 'array', items: 'null' }, [...varint(2n ** 40n), 0]],
    ['items that are not there', { type: 'array', items: 'int' }, varint(2n ** 62n)],
    ['entries that are not there', { type: 'map', values: 'null' }, varint(2n ** 62n)],
    ['a block of a negative count', { type: 'array', items: 'int' }, varint(-(2n ** 62n))],
    ['the length of a string', 'string', varint(2n ** 62n)],
    ['a negative length of bytes', 'bytes', varint(-1n)],
    ['an int of 40 bits', 'int', varint(2n ** 40n)],
    ['a branch that is not there', ['null', 'int'], varint(7n)],
    ['a negative branch', ['null', 'int'], varint(-1n)],
    ['a symbol that is not there', { type: 'enum', name: 'E', symbols: ['A'] }, varint(5n)],
    ['a varint without end', 'long', new Uint8Array(1_000_000).fill(0xff)],
    [
      'a length beyond all numbers',
      { type: 'array', items: 'string' },
      [...varint(2n ** 50n), ...new Uint8Array(200).fill(0x80), 0],
    ],
    [
      'a count beyond all numbers',
      { type: 'array', items: 'null' },
      [...new Uint8Array(200).fill(0x80), 0, 0],
    ],
    ['nesting without end', node, new Uint8Array(1_000_000).fill(2)],
  ] as const)('%s: a DecodeError', ([, schema, input]) => {
    const decoder = new DatumDecoder(schemaOf(schema))
    expect(() => decoder.decode(Uint8Array.from(input))).toThrow(DecodeError)
  })

  test('lists of empty items share one bound', () => {
    const lists = { type: 'array', items: { type: 'array', items: 'null' } }
    const list = [...varint(1_000n), 0]
    const input = [...varint(2_000n), ...Array.from({ length: 2_000 }, () => list).flat(), 0]
    expect(() => new DatumDecoder(schemaOf(lists)).decode(Uint8Array.from(input))).toThrow(
      'more than 1000000 items without bytes',
    )
  })

  test.for([
    ['a block that ends before it begins', 'int', [...varint(-1n), ...varint(-2n)]],
    ['items without bytes', 'null', varint(2n ** 40n)],
    ['a branch that is not there', ['null', 'int'], [...varint(1n), ...varint(7n)]],
  ] as const)('%s, in a field that is left out: a DecodeError', ([, items, input]) => {
    expect(() => skipping(items).decode(Uint8Array.from(input))).toThrow(DecodeError)
  })
})

/** Half way between two floats, of which the lower one ends in an even digit. */
const TIE = 2n ** 62n + 2n ** 38n

describe('resolution', () => {
  const resolved = (writer: unknown, reader: unknown, value: unknown): unknown =>
    new DatumDecoder(schemaOf(writer), schemaOf(reader)).decode(
      encodeDatum(schemaOf(writer), value),
    )

  test.for([
    ['int widens to long', 'int', 'long', 5, 5n],
    ['int widens to double', 'int', 'double', 5, 5],
    ['long widens to float', 'long', 'float', 5n, 5],
    ['a long beyond all doubles keeps its sign', 'long', 'double', -(2n ** 63n), -(2 ** 63)],
    ['and as float', 'long', ['null', 'float'], 1n - 2n ** 53n, -(2 ** 53)],
    ['int is rounded to a float', 'int', 'float', 2 ** 24 + 1, 2 ** 24],
    ['long is rounded once: behind a tie', 'long', 'float', TIE + 1n, 2 ** 62 + 2 ** 39],
    ['at it, to the even one', 'long', 'float', TIE, 2 ** 62],
    ['before the next', 'long', 'float', TIE + 2n ** 39n - 1n, 2 ** 62 + 2 ** 39],
    ['at that', 'long', 'float', TIE + 2n ** 39n, 2 ** 62 + 2 ** 40],
    ['below 0', 'long', 'float', -TIE - 1n, -(2 ** 62) - 2 ** 39],
    ['below 0, before the next', 'long', 'float', 1n - TIE - 2n ** 39n, -(2 ** 62) - 2 ** 39],
    ['the largest', 'long', 'float', 2n ** 63n - 1n, 2 ** 63],
    ['the smallest', 'long', 'float', -(2n ** 63n), -(2 ** 63)],
    ['string is read as bytes', 'string', 'bytes', 'a', new Uint8Array([97])],
    ['bytes are read as string', 'bytes', 'string', new Uint8Array([97]), 'a'],
    ['a value is read as a union', 'int', ['null', 'long'], 5, 5n],
    ['a union is read as its branch', ['null', 'int'], 'int', 5, 5],
  ] as const)('%s', ([, writer, reader, value, expected]) => {
    expect(resolved(writer, reader, value)).toEqual(expected)
  })

  test('fields are matched by name and alias, filled with defaults, and left out', () => {
    const writer = record('a.R', { name: 'old', type: 'int' }, { name: 'gone', type: 'string' })
    const reader = record(
      'b.R',
      { name: 'added', type: ['null', 'string'], default: 'x' },
      { name: 'list', type: { type: 'array', items: 'long' }, default: [1, 2] },
      { name: 'renamed', aliases: ['old'], type: 'long' },
    )
    const value = resolved(writer, reader, { old: 7, gone: 'y' })
    expect(value).toEqual({ added: 'x', list: [1n, 2n], renamed: 7n })
    expect(Object.keys(value as object)).toEqual(['added', 'list', 'renamed'])
  })

  test('a default keeps all digits of a long', () => {
    const reader =
      '{"type":"record","name":"R","fields":[{"name":"a","type":"long","default":9223372036854775807}]}'
    const decoder = new DatumDecoder(
      schemaOf(record('R')),
      parseSchema(reader, { mode: 'strict' }).root,
    )
    expect(decoder.decode(new Uint8Array())).toEqual({ a: 9223372036854775807n })
  })

  test('an unknown symbol becomes the default of the enum', () => {
    const writer = { type: 'enum', name: 'E', symbols: ['A', 'B'] }
    const reader = { type: 'enum', name: 'E', symbols: ['A', 'Z'], default: 'Z' }
    expect(resolved(writer, reader, 'B')).toBe('Z')
  })

  test('a branch is read as its own type, not as the first one that may do', () => {
    const writer = record('a.R', { name: 'x', type: ['null', 'bytes', 'string', 'long', 'int'] })
    const reader = record('b.R', { name: 'x', type: ['int', 'string', 'null', 'bytes', 'long'] })
    for (const x of [null, new Uint8Array([200]), 'a', 2n ** 40n]) {
      expect(resolved(writer, reader, { x })).toEqual({ x })
    }
  })

  test('one type is read as two', () => {
    const point = record('Point', { name: 'x', type: 'int' })
    const writer = record('R', { name: 'a', type: point }, { name: 'b', type: 'Point' })
    const aliased = (name: string, type: string) => ({
      ...record(name, { name: 'x', type }),
      aliases: ['Point'],
    })
    const reader = record(
      'R',
      { name: 'b', type: aliased('B', 'long') },
      { name: 'a', type: aliased('A', 'double') },
    )
    expect(resolved(writer, reader, { a: { x: 1 }, b: { x: 2 } })).toEqual({
      a: { x: 1 },
      b: { x: 2n },
    })
  })

  test('a branch or a symbol that the reader lacks fails only when it comes', () => {
    const writer = record('R', { name: 'x', type: ['null', 'string'] })
    const reader = record('R', { name: 'x', type: 'string' })
    expect(resolved(writer, reader, { x: 'a' })).toEqual({ x: 'a' })
    expect(() => resolved(writer, reader, { x: null })).toThrow(DecodeError)
    const [ab, a] = [['A', 'B'], ['A']].map((symbols) => ({ type: 'enum', name: 'E', symbols }))
    expect(resolved(ab, a, 'A')).toBe('A')
    expect(() => resolved(ab, a, 'B')).toThrow(DecodeError)
  })

  test('a recursive type is read with other names and wider types', () => {
    const tree = (name: string, type: string) =>
      record(
        name,
        { name: 'left', type: ['null', name] },
        { name: 'value', type },
        { name: 'right', type: ['null', name] },
      )
    const leaf = (value: unknown) => ({ left: null, value, right: null })
    expect(
      resolved(tree('old.Tree', 'int'), tree('new.Tree', 'long'), {
        left: leaf(1),
        value: 2,
        right: leaf(3),
      }),
    ).toEqual({ left: leaf(1n), value: 2n, right: leaf(3n) })
  })

  test('names that every object has are names like others', () => {
    const symbols = ['constructor', 'toString']
    const schema = record(
      'constructor',
      { name: '__proto__', type: 'int' },
      { name: 'hasOwnProperty', type: { type: 'enum', name: 'valueOf', symbols } },
    )
    const value = JSON.parse('{"__proto__":5,"hasOwnProperty":"toString"}') as object
    const wider = JSON.parse(JSON.stringify(schema).replace('"int"', '"long"')) as unknown
    expect(resolved(schema, schema, value)).toEqual(value)
    expect(Object.entries(resolved(schema, wider, value) as object)).toEqual([
      ['__proto__', 5n],
      ['hasOwnProperty', 'toString'],
    ])
  })

  test('a reader that cannot read the writer is a DecodeError', () => {
    expect(() => resolved('string', 'int', 'x')).toThrow(DecodeError)
    expect(() => resolved(record('R'), record('R', { name: 'a', type: 'int' }), {})).toThrow(
      'READER_FIELD_MISSING_DEFAULT_VALUE at /fields/0 (a)',
    )
  })
})

describe('values that do not fit', () => {
  const order = schemaOf(
    record(
      'Order',
      { name: 'id', type: 'string' },
      {
        name: 'lines',
        type: { type: 'array', items: record('Line', { name: 'price', type: 'long' }) },
      },
      { name: 'note', type: ['null', 'string'], default: null },
    ),
  )

  test('an error names the place and no value', () => {
    const value = { id: 'o', lines: [{ price: 1n }, { price: 'secret' }] }
    expect(() => encodeDatum(order, value)).toThrow('.lines[1].price: a string is no long')
  })

  test('a field with a default may be left out, any other may not', () => {
    const decoder = new DatumDecoder(order)
    expect(decoder.decode(encodeDatum(order, { id: 'o', lines: [] }))).toEqual({
      id: 'o',
      lines: [],
      note: null,
    })
    expect(() => encodeDatum(order, { lines: [] })).toThrow(EncodeError)
    expect(() => encodeDatum(order, {})).toThrow('an empty object is no record')
  })

  test.for([
    ['int', 1.5],
    ['int', 2 ** 31],
    ['long', 2n ** 63n],
    ['long', 1.5],
    ['float', 2 ** 128],
    ['string', null],
    ['bytes', 'x'],
  ] as const)('%s does not take %s', ([type, value]) => {
    expect(() => encodeDatum(schemaOf(type), value)).toThrow(EncodeError)
  })

  test('a number in a union keeps its digits', () => {
    const schema = schemaOf(['float', 'long', 'int', 'double'])
    const decoder = new DatumDecoder(schema)
    for (const value of [0.5, 0.1, 2 ** 24 + 1, -1, 2 ** 40 + 1, NaN, 5n]) {
      expect(decoder.decode(encodeDatum(schema, value))).toBe(value)
    }
  })

  test('a value that holds itself ends with an error', () => {
    const node = schemaOf(record('Node', { name: 'next', type: ['null', 'Node'] }))
    const value: { next: unknown } = { next: null }
    value.next = value
    expect(() => encodeDatum(node, value)).toThrow('nests deeper')
  })
})
