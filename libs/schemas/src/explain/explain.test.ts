import { readJson, writeJson } from '@fairlead/avro'
import { describe, expect, test } from 'vitest'
import {
  type CompatibilityLevel,
  type Explanation,
  SchemaRegistry,
  encodeRecord,
  patched,
} from '../index.ts'

/** The explanation of `next` against versions that are stored already, oldest first. */
const explained = (
  next: string,
  options: {
    readonly old: readonly string[]
    readonly level?: CompatibilityLevel
    readonly schemaType?: 'AVRO' | 'JSON' | 'PROTOBUF'
  },
): Explanation => {
  const { old, level = 'BACKWARD', schemaType = 'AVRO' } = options
  const registry = new SchemaRegistry({ defaultCompatibilityLevel: level })
  old.forEach((schema, index) => {
    const place = { subject: 's', version: index + 1, schemaId: index + 1 }
    const value = { ...place, schemaType, references: [], schema, isDeleted: false }
    const record = {
      kind: 'schema',
      ...place,
      value: { ...value, otherMembers: new Map() },
    } as const
    registry.log.replay({ ...encodeRecord(record), offset: index, expectedOffset: index })
  })
  const request = { schema: next, schemaType, references: [], normalize: false }
  const outcome = registry.explainCompatibility('s', undefined, request)
  if (!outcome.ok) throw new Error(outcome.failure.message)
  return outcome.value
}

const record = (...fields: readonly object[]): string =>
  JSON.stringify({ type: 'record', name: 'R', fields })
const field = (name: string, type: unknown, more: object = {}) => ({ name, type, ...more })
const symbols = (...list: string[]) => ({ type: 'enum', name: 'E', symbols: list })
const fixed = (size: number) => ({ type: 'fixed', name: 'F', size })
const inner = (...fields: readonly object[]) => ({ type: 'record', name: 'I', fields })
const properties = (of: object, more: object = {}): string =>
  JSON.stringify({ type: 'object', properties: of, additionalProperties: false, ...more })

type Change = {
  readonly change: string
  readonly old: string
  readonly next: string
  readonly level?: CompatibilityLevel
  readonly schemaType?: 'JSON'
  readonly rules: readonly string[]
}

const CHANGES: readonly Change[] = [
  {
    change: 'a field without a default is added',
    old: record(field('a', 'int')),
    next: record(field('a', 'int'), field('b', 'string'), field('c', ['null', 'int'])),
    rules: ['READER_FIELD_MISSING_DEFAULT_VALUE', 'READER_FIELD_MISSING_DEFAULT_VALUE'],
  },
  {
    change: 'a field of a record type is added',
    old: record(field('a', 'int')),
    next: record(field('a', 'int'), field('b', inner(field('x', symbols('P', 'Q'))))),
    rules: ['READER_FIELD_MISSING_DEFAULT_VALUE'],
  },
  {
    change: 'a type is narrowed',
    old: record(field('a', 'long')),
    next: record(field('a', 'int')),
    rules: ['TYPE_MISMATCH'],
  },
  {
    change: 'a named type is replaced',
    old: record(field('a', inner(field('x', 'int'))), field('b', 'I')),
    next: record(field('a', 'string'), field('b', 'string')),
    rules: ['TYPE_MISMATCH', 'TYPE_MISMATCH'],
  },
  {
    change: 'a symbol is removed',
    old: record(field('a', symbols('P', 'Q'))),
    next: record(field('a', symbols('P'))),
    rules: ['MISSING_ENUM_SYMBOLS'],
  },
  {
    change: 'a symbol is added that old readers do not know',
    old: record(field('a', symbols('P'))),
    next: record(field('a', symbols('P', 'Q'))),
    level: 'FORWARD',
    rules: ['MISSING_ENUM_SYMBOLS'],
  },
  {
    change: 'a fixed has another size',
    old: record(field('a', fixed(4))),
    next: record(field('a', fixed(8))),
    level: 'FULL',
    rules: ['FIXED_SIZE_MISMATCH', 'FIXED_SIZE_MISMATCH'],
  },
  {
    change: 'a record is renamed',
    old: record(field('a', inner(field('x', 'int')))),
    next: record(field('a', { ...inner(field('x', 'int')), name: 'J' })),
    rules: ['NAME_MISMATCH'],
  },
  {
    change: 'a record is renamed under FULL',
    old: record(field('a', inner(field('x', 'int')))),
    next: record(field('a', { ...inner(field('x', 'int')), name: 'J' })),
    level: 'FULL',
    rules: ['NAME_MISMATCH', 'NAME_MISMATCH'],
  },
  {
    change: 'a branch is removed',
    old: record(field('a', ['null', 'string', 'int'])),
    next: record(field('a', ['null', 'string'])),
    rules: ['MISSING_UNION_BRANCH'],
  },
  {
    change: 'a branch is added that old readers do not know',
    old: record(field('a', ['null', 'string'])),
    next: record(field('a', ['null', 'string', 'boolean'])),
    level: 'FORWARD',
    rules: ['MISSING_UNION_BRANCH'],
  },
  {
    change: 'a field of a record in a union is added',
    old: record(field('a', ['null', inner()])),
    next: record(field('a', ['null', inner(field('x', 'int'))])),
    rules: ['MISSING_UNION_BRANCH'],
  },
  {
    change: 'a field is removed that old readers need',
    old: record(field('a', 'int'), field('b', { type: 'array', items: 'string' })),
    next: record(field('a', 'int')),
    level: 'FORWARD',
    rules: ['READER_FIELD_MISSING_DEFAULT_VALUE'],
  },
  {
    change: 'a nullable field becomes plain',
    old: record(field('a', ['null', 'string'], { default: null })),
    next: record(field('a', 'string')),
    rules: ['TYPE_MISMATCH'],
  },
  {
    change: 'JSON Schema: a property is removed from a closed model',
    old: properties({ a: { type: 'string' }, b: { type: 'integer' } }),
    next: properties({ a: { type: 'string' } }),
    schemaType: 'JSON',
    rules: ['PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL'],
  },
  {
    change: 'JSON Schema: a property becomes required, and a limit tighter',
    old: properties({ a: { type: 'string', maxLength: 9 } }),
    next: properties({ a: { type: 'string', maxLength: 5 } }, { required: ['a'] }),
    schemaType: 'JSON',
    rules: ['REQUIRED_ATTRIBUTE_ADDED', 'MAX_LENGTH_DECREASED'],
  },
]

describe('an incompatible change', () => {
  test.for(CHANGES)('$change: the patch makes the check pass', (change) => {
    const { old, next, rules, level = 'BACKWARD', schemaType = 'AVRO' } = change
    const { verdict, details, patch } = explained(next, { old: [old], level, schemaType })
    expect(verdict.isCompatible).toBe(false)
    expect(details.map(({ rule }) => rule)).toEqual(rules)
    expect(details[0]).toMatchObject({ level, version: 1, message: expect.any(String) })
    if (patch === undefined) throw new Error('no patch')
    const json = patched(readJson(next), patch)
    if (json === undefined) throw new Error('the patch does not apply')
    const mended = explained(writeJson(json), { old: [old], level, schemaType })
    expect(mended.verdict).toEqual({ isCompatible: true, messages: [] })
  })

  test('older versions are satisfied as well', () => {
    const old = [record(field('a', 'long'), field('b', 'int')), record(field('b', 'int'))]
    const next = record(field('a', 'string', { default: '' }), field('b', 'string'))
    const options = { old, level: 'BACKWARD_TRANSITIVE' } as const
    const { patch, details } = explained(next, options)
    expect(details.map(({ version, newPointer }) => [version, newPointer])).toEqual([
      [2, '/fields/1/type'],
    ])
    const json = patch && patched(readJson(next), patch)
    if (json === undefined) throw new Error('no patch')
    expect(explained(writeJson(json), options).verdict.isCompatible).toBe(true)
  })

  test('says where in both texts, with a datum that cannot be read', () => {
    const old = record(
      field('first', 'int'),
      field('list', { type: 'array', items: symbols('P', 'Q') }),
    )
    const next = record(field('list', { type: 'array', items: symbols('P') }))
    const [detail] = explained(next, { old: [old] }).details
    expect(detail).toMatchObject({
      reader: 'new',
      newPointer: '/fields/0/type/items/symbols',
      oldPointer: '/fields/1/type/items/symbols',
    })
    expect(detail?.sample && writeJson(detail.sample)).toBe('{"first":1,"list":["Q"]}')
  })

  test('Protobuf is explained without a patch', () => {
    const { details, patch } = explained('message M { int32 a = 1; }', {
      old: ['message M { string a = 1; }'],
      schemaType: 'PROTOBUF',
    })
    expect(details).toEqual([
      expect.objectContaining({ rule: 'FIELD_SCALAR_KIND_CHANGED', newPointer: '/M/1' }),
    ])
    expect(patch).toBeUndefined()
  })
})

test.for([
  [
    'another unit',
    { type: 'long', logicalType: 'timestamp-millis' },
    { type: 'long', logicalType: 'timestamp-micros' },
    'LOGICAL_TYPE_CHANGED',
  ],
  [
    'another scale',
    { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 2 },
    { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 4 },
    'LOGICAL_TYPE_CHANGED',
  ],
  ['fewer digits', 'long', 'double', 'TYPE_CHANGED'],
  [
    'a symbol that becomes the default',
    symbols('P', 'Q'),
    { ...symbols('P'), default: 'P' },
    'SYMBOL_REMOVED',
  ],
] as const)('%s is compatible, and warned of', ([, old, next, change]) => {
  const { verdict, warnings } = explained(record(field('a', next)), {
    old: [record(field('a', old))],
  })
  expect(verdict.isCompatible).toBe(true)
  expect(warnings).toMatchObject([{ change, danger: expect.any(String) }])
})

test.for([
  ['a new name without an alias', record(field('amountMillis', 'long', { default: 0 })), 1],
  [
    'a new name with an alias',
    record(field('amountMillis', 'long', { aliases: ['amountCents'] })),
    0,
  ],
] as const)('%s: %#', ([, next, count]) => {
  const { warnings } = explained(next, { old: [record(field('amountCents', 'long'))] })
  expect(warnings).toHaveLength(count)
})

/** A quadratic comparison of these takes minutes; a machine with other work gets its share. */
const SOON_CPU_MS = 20_000

const many = <Item>(count: number, item: (index: number) => Item): Item[] =>
  Array.from({ length: count }, (_, index) => item(index))

type Large = { readonly what: string; readonly schemaType?: 'JSON' } & Pick<Change, 'old' | 'next'>

const LARGE: readonly Large[] = [
  {
    what: 'unions of 10,000 types',
    old: JSON.stringify(many(10_000, (index) => ({ type: 'fixed', name: `A${index}`, size: 1 }))),
    next: JSON.stringify(many(10_000, (index) => ({ type: 'fixed', name: `B${index}`, size: 1 }))),
  },
  {
    what: 'records of 10,000 fields',
    old: record(...many(10_000, (index) => field(`a${index}`, 'int', { default: 0 }))),
    next: record(...many(10_000, (index) => field(`b${index}`, 'int', { default: 0 }))),
  },
  {
    what: 'enums of 50,000 symbols',
    old: JSON.stringify(symbols(...many(50_000, (index) => `A${index}`))),
    next: JSON.stringify(symbols(...many(50_000, (index) => `B${index}`))),
  },
  {
    what: 'JSON Schemas of 10,000 alternatives',
    schemaType: 'JSON',
    old: JSON.stringify({ anyOf: many(10_000, (index) => ({ const: index })) }),
    next: JSON.stringify({ anyOf: many(10_000, (index) => ({ const: -index - 1 })) }),
  },
]

test.for(LARGE)('$what are explained soon', ({ old, next, schemaType }) => {
  const before = process.cpuUsage()
  explained(next, { old: [old], schemaType: schemaType ?? 'AVRO' })
  expect(process.cpuUsage(before).user / 1_000).toBeLessThan(SOON_CPU_MS)
})
