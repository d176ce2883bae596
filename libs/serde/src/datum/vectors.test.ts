import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type AvroSchema, fits, incompatibilities, parseSchema, timestampOf } from '@fairlead/avro'
import { describe, expect, test } from 'vitest'
import { DatumDecoder } from './datum-decoder.ts'
import { DatumEncoder } from './datum-encoder.ts'

/** The vectors of the compatibility check: what it accepts must be decoded. */

type VectorSchema =
  | { readonly schemaText: unknown; readonly references?: readonly VectorReference[] }
  | string
  | object
type VectorReference = { readonly name: string; readonly schema: unknown }
type Vector = {
  readonly id: string
  readonly schema: VectorSchema
  readonly previous: readonly VectorSchema[]
}

const testdata = (name: string): string =>
  readFileSync(join(import.meta.dirname, '../../../avro/testdata', name), 'utf8')
const textOf = (schema: unknown): string =>
  typeof schema === 'string' ? schema : JSON.stringify(schema)

const parsed = (vector: VectorSchema): AvroSchema => {
  if (typeof vector === 'object' && 'schemaText' in vector) {
    const references = (vector.references ?? []).map(({ name, schema }) => ({
      name,
      text: textOf(schema),
    }))
    return parseSchema(textOf(vector.schemaText), { mode: 'lenient', references }).root
  }
  return parseSchema(JSON.stringify(vector), { mode: 'lenient' }).root
}

const VALUES_PER_PAIR = 5
const DEPTH_MAX = 6

/** Values of a schema, from a sequence of numbers; undefined where one would have to be endless. */
const valueOf = (schema: AvroSchema, next: (bound: number) => number, depth = 0): unknown => {
  const inner = (type: AvroSchema) => valueOf(type, next, depth + 1)
  if (depth > DEPTH_MAX) return undefined
  switch (schema.kind) {
    case 'null':
      return null
    case 'boolean':
      return next(2) === 1
    case 'int':
      return next(2 ** 31) - 2 ** 30
    case 'long':
      return timestampOf(schema) === undefined ? BigInt(next(2 ** 31)) << 20n : new Date(next(1e9))
    case 'float':
    case 'double':
      return next(1_000) / 8
    case 'string':
      return `ä${next(1_000)}`
    case 'bytes':
      return Uint8Array.from({ length: next(5) }, () => next(128))
    case 'fixed':
      return new Uint8Array(schema.sizeBytes).fill(next(256))
    case 'enum':
      return schema.symbols[next(schema.symbols.length)]
    case 'array': {
      const items = Array.from({ length: next(3) }, () => inner(schema.items))
      return items.includes(undefined) ? [] : items
    }
    case 'map': {
      const value = inner(schema.values)
      return value === undefined ? {} : { key: value }
    }
    case 'union': {
      const start = next(schema.branches.length)
      const branches = [...schema.branches.slice(start), ...schema.branches.slice(0, start)]
      return branches.map(inner).find((value) => value !== undefined)
    }
    case 'record': {
      const members = schema.fields.map(({ name, type }) => [name, inner(type)] as const)
      if (members.some(([, value]) => value === undefined)) return undefined
      return Object.fromEntries(members)
    }
  }
}

const sequence = (seed: number) => {
  let state = seed
  return (bound: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * bound)
  }
}

/** Every ordered pair of schemas of a vector of which the second can read the first. */
const pairsOf = (vectors: readonly Vector[]) =>
  vectors.flatMap(({ id, schema, previous }) => {
    const schemas = [schema, ...previous].map(parsed)
    return schemas.flatMap((writer, from) =>
      schemas.flatMap((reader, to) =>
        from === to || incompatibilities(reader, writer).length > 0
          ? []
          : [{ name: `${id}: ${from} as ${to}`, writer, reader }],
      ),
    )
  })

const check = ({ name, writer, reader }: ReturnType<typeof pairsOf>[number]): number => {
  let count = 0
  for (let seed = 1; seed <= VALUES_PER_PAIR; seed += 1) {
    const value = valueOf(writer, sequence(seed))
    if (value === undefined) continue
    const bytes = new DatumEncoder(writer).encode(value)
    expect(new DatumDecoder(writer).decode(bytes), name).toEqual(value)
    const read = new DatumDecoder(writer, reader).decode(bytes)
    expect(fits(reader, read), `${name}: ${String(bytes)}`).toBe(true)
    count += 1
  }
  return count
}

describe('what the check calls compatible is decoded', () => {
  const cases = pairsOf(JSON.parse(testdata('cases.json')) as Vector[])

  test.for(cases.map((pair) => [pair.name, pair] as const))('%s', ([, pair]) => {
    check(pair)
  })

  test('500 random pairs and chains', () => {
    const vectors = testdata('fuzz-cases.jsonl')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Vector)
    const counts = pairsOf(vectors).map(check)
    expect(counts.filter((count) => count > 0).length).toBeGreaterThan(400)
  })
})
