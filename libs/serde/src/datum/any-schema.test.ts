import { type Datum, canonicalText, incompatibilities, parseSchema } from '@fairlead/avro'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DatumDecoder } from './datum-decoder.ts'
import { DatumEncoder } from './datum-encoder.ts'

/** A value, its bytes by the specification, and what a reader makes of it. */
type Sample = { readonly written: Datum; readonly bytes: readonly number[]; readonly read: Datum }

/** A writer's type and a reader's that can read it. */
type Pair = {
  readonly writer: unknown
  readonly reader: unknown
  readonly samples: fc.Arbitrary<Sample>
}

/** Avro 1.12, "Primitive Types": zigzag, seven bits to a byte, the lowest first. */
function longBytes(value: bigint | number): number[] {
  const long = BigInt(value)
  let rest = BigInt.asUintN(64, (long << 1n) ^ (long >> 63n))
  const bytes: number[] = []
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80)
    rest >>= 7n
  }
  return [...bytes, Number(rest)]
}

const counted = (bytes: Iterable<number>): number[] => {
  const all = [...bytes]
  return [...longBytes(all.length), ...all]
}
const utf8 = (text: string) => new TextEncoder().encode(text)
const float32 = (value: number) => new Uint8Array(Float32Array.of(value).buffer)
const float64 = (value: number) => new Uint8Array(Float64Array.of(value).buffer)

let nameCount = 0
/** Each type of a schema has its own. */
const newName = (): string => `T${(nameCount += 1)}`

type Reading<Value> = readonly [reader: unknown, read: (value: Value) => Datum]

function primitive<Value>(
  writer: unknown,
  values: fc.Arbitrary<Value>,
  toBytes: (value: Value) => Iterable<number>,
  readings: readonly Reading<Value>[] = [],
): fc.Arbitrary<Pair> {
  const same: Reading<Value> = [writer, (value) => value]
  return fc.constantFrom(same, same, ...readings).map(([reader, read]) => ({
    writer,
    reader,
    samples: values.map((written) => ({
      written,
      bytes: [...toBytes(written)],
      read: read(written),
    })),
  }))
}

const long = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(-(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n + 1n, 1n - 2n ** 52n, -64n, -65n),
)
const millis = { type: 'long', logicalType: 'timestamp-millis' }
const date = fc.date({ min: new Date(-8.64e15), max: new Date(8.64e15), noInvalidDate: true })
const bytes = fc.uint8Array({ maxLength: 5 })
const string = fc.string({ unit: 'grapheme', maxLength: 5 })
const enumOf = (symbols: readonly string[], more: object = {}) => ({
  type: 'enum',
  name: 'Symbols',
  symbols,
  ...more,
})

const leaf = fc.oneof(
  primitive('null', fc.constant(null), () => []),
  primitive('boolean', fc.boolean(), (value) => [Number(value)]),
  primitive('int', fc.integer(), longBytes, [
    ['long', BigInt],
    ['float', Math.fround],
    ['double', Number],
    [{ type: 'long', js: 'number' }, Number],
  ]),
  primitive('long', long, longBytes, [['double', Number]]),
  primitive(millis, date, (value) => longBytes(value.getTime()), [
    ['long', (value) => BigInt(value.getTime())],
  ]),
  primitive('float', fc.float(), float32, [['double', Number]]),
  primitive('double', fc.double(), float64),
  primitive('string', string, (value) => counted(utf8(value)), [['bytes', utf8]]),
  primitive('bytes', bytes, counted),
)

const fixed = bytes.map(({ length: size }): Pair => {
  const schema = { type: 'fixed', name: newName(), size }
  const samples = fc.uint8Array({ minLength: size, maxLength: size })
  return {
    writer: schema,
    reader: schema,
    samples: samples.map((value) => ({ written: value, bytes: [...value], read: value })),
  }
})

const readersSymbols = [
  ['A', 'B', 'C'],
  ['C', 'A'],
  ['A', 'Z', 'C'],
]
const symbols = fc.constantFrom(...readersSymbols).map((known): Pair => {
  const name = newName()
  const all = ['A', 'B', 'C']
  return {
    writer: enumOf(all, { name }),
    reader: enumOf(known, { name, default: 'A' }),
    samples: fc.constantFrom(...all).map((symbol) => ({
      written: symbol,
      bytes: longBytes(all.indexOf(symbol)),
      read: known.includes(symbol) ? symbol : 'A',
    })),
  }
})

/** In one block, or each item in a block of its own that has its size before it. */
function blocks(items: readonly (readonly number[])[], isSized: boolean): number[] {
  if (items.length === 0) return [0]
  if (!isSized) return [...longBytes(items.length), ...items.flat(), 0]
  return [...items.flatMap((item) => [...longBytes(-1), ...counted(item)]), 0]
}

const array = ({ writer, reader, samples }: Pair): Pair => ({
  writer: { type: 'array', items: writer },
  reader: { type: 'array', items: reader },
  samples: fc.tuple(fc.array(samples, { maxLength: 3 }), fc.boolean()).map(([items, isSized]) => ({
    written: items.map(({ written }) => written),
    bytes: blocks(
      items.map((item) => item.bytes),
      isSized,
    ),
    read: items.map(({ read }) => read),
  })),
})

const map = ({ writer, reader, samples }: Pair): Pair => ({
  writer: { type: 'map', values: writer },
  reader: { type: 'map', values: reader },
  samples: fc
    .tuple(fc.array(fc.tuple(fc.constantFrom('a', '__proto__', 'é'), samples)), fc.boolean())
    .map(([pairs, isSized]) => {
      const entries = [...new Map(pairs)]
      return {
        written: Object.fromEntries(entries.map(([key, { written }]) => [key, written])),
        bytes: blocks(
          entries.map(([key, item]) => [...counted(utf8(key)), ...item.bytes]),
          isSized,
        ),
        read: Object.fromEntries(entries.map(([key, { read }]) => [key, read])),
      }
    }),
})

/** Nothing or a value, in either order, read in the other one, or with a branch more. */
const nullable = ([{ writer, reader, samples }, index, more]: [Pair, number, readonly string[]]) =>
  ({
    writer: index === 1 ? ['null', writer] : [writer, 'null'],
    reader: [reader, ...more, 'null'],
    samples: fc.option(samples).map((sample) => ({
      written: sample?.written ?? null,
      bytes: [...longBytes(sample === null ? 1 - index : index), ...(sample?.bytes ?? [])],
      read: sample?.read ?? null,
    })),
  }) satisfies Pair

type Fate = 'kept' | 'renamed' | 'removed'

/** Fields in the reverse order, under another name, left out, and one that was not written. */
function record(fields: readonly (readonly [Pair, Fate])[]): Pair {
  const name = newName()
  const names = (_: unknown, index: number) => `f${index}`
  const kept = fields.flatMap(([pair, fate], index) =>
    fate === 'removed' ? [] : [{ pair, index, name: fate === 'kept' ? `f${index}` : `g${index}` }],
  )
  const added = { name: 'added', type: ['null', 'float'], default: null }
  return {
    writer: {
      type: 'record',
      name,
      namespace: 'old',
      fields: fields.map(([{ writer }], index) => ({ name: names('', index), type: writer })),
    },
    reader: {
      type: 'record',
      name,
      namespace: 'new',
      fields: [
        added,
        ...kept
          .map((field) => ({
            name: field.name,
            type: field.pair.reader,
            aliases: field.name.startsWith('g') ? [`f${field.index}`] : [],
          }))
          .reverse(),
      ],
    },
    samples: fc.tuple(...fields.map(([{ samples }]) => samples)).map((values) => ({
      written: Object.fromEntries(values.map(({ written }, index) => [`f${index}`, written])),
      bytes: values.flatMap((value) => value.bytes),
      read: {
        added: null,
        ...Object.fromEntries(kept.map((field) => [field.name, values[field.index]?.read])),
      },
    })),
  }
}

const isUnion = (schema: unknown): boolean => schema === 'null' || Array.isArray(schema)
const fate = fc.constantFrom<Fate>('kept', 'kept', 'renamed', 'removed')
const { pair } = fc.letrec<{ pair: Pair }>((tie) => ({
  pair: fc.oneof(
    { maxDepth: 4, depthSize: 'medium' },
    leaf,
    fixed,
    symbols,
    tie('pair').map(array),
    tie('pair').map(map),
    fc
      .tuple(
        tie('pair').filter(({ writer, reader }) => !isUnion(writer) && !isUnion(reader)),
        fc.nat({ max: 1 }),
        fc.constantFrom<readonly string[]>([], ['boolean']),
      )
      .filter(([{ reader }, , more]) => !more.includes(String(reader)))
      .map(nullable),
    fc.array(fc.tuple(tie('pair'), fate), { maxLength: 4 }).map(record),
  ),
}))

const pairAndSample = pair.chain((of) => of.samples.map((sample) => ({ ...of, sample })))
const parsed = (schema: unknown) => parseSchema(JSON.stringify(schema), { mode: 'strict' })

test('any value of any schema comes back, and is what the specification says to any reader', () => {
  fc.assert(
    fc.property(pairAndSample, ({ writer, reader, sample }) => {
      const [written, read] = [parsed(writer), parsed(reader)]
      const input = Uint8Array.from(sample.bytes)
      expect(incompatibilities(read.root, written.root)).toEqual([])
      expect(new DatumDecoder(written.root, read.root).decode(input)).toEqual(sample.read)

      const decoder = new DatumDecoder(written.root)
      expect(decoder.decode(input)).toEqual(sample.written)
      const again = new DatumEncoder(written.root).encode(sample.written)
      expect(decoder.decode(again)).toEqual(sample.written)
    }),
    { numRuns: 300 },
  )
})

test('bytes that end too early are an error that names a place within them', () => {
  fc.assert(
    fc.property(pairAndSample, fc.nat(), ({ writer, sample }, nat) => {
      fc.pre(sample.bytes.length > 0)
      const end = nat % sample.bytes.length
      const decoder = new DatumDecoder(parsed(writer).root)
      const decode = () => decoder.decode(Uint8Array.from(sample.bytes.slice(0, end)))
      expect(decode).toThrow(`the bytes end within a value (at position ${end})`)
    }),
  )
})

test('the text that a registry stores of any schema stays as it is', () => {
  fc.assert(
    fc.property(pair, ({ writer }) => {
      for (const form of ['stored', 'normalized'] as const) {
        const text = canonicalText(parsed(writer), form)
        expect(canonicalText(parseSchema(text, { mode: 'strict' }), form)).toBe(text)
      }
    }),
  )
})
