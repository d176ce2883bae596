import { describe, expect, test } from 'vitest'
import type { Outcome } from '../failure.ts'
import type { SchemaType } from '../records.ts'
import { SchemaRegistry } from '../schema-registry.ts'
import type { EntityType, SchemaTags } from './schema-tags.ts'

const of = (entityPath: string, tags: readonly string[], entityType: EntityType): SchemaTags => ({
  schemaEntity: { entityPath, entityType },
  tags,
})
const field = (path: string, ...tags: string[]): SchemaTags => of(path, tags, 'sr_field')
const record = (path: string, ...tags: string[]): SchemaTags => of(path, tags, 'sr_record')

type Change = { readonly add?: readonly SchemaTags[]; readonly remove?: readonly SchemaTags[] }

/** What a registration of the schema with these tags comes to. */
const registered = (
  schemaType: SchemaType,
  schema: unknown,
  { add = [], remove = [] }: Change,
): Outcome<{ readonly schema: string; readonly found: readonly SchemaTags[] }> => {
  const registry = new SchemaRegistry({ defaultCompatibilityLevel: 'NONE' })
  const { records, response } = registry.decideRegister('s', {
    schema: typeof schema === 'string' ? schema : JSON.stringify(schema),
    schemaType,
    references: [],
    normalize: false,
    schemaTags: { add, remove },
  })
  if (!response.ok) return response
  for (const each of records) registry.log.image.apply(each)
  const of = response.value
  const found = registry.answer<'tags'>({ kind: 'tags', subject: 's', of, ofReferences: true })
  return found.ok ? { ok: true, value: { schema: of.schema, found: found.value } } : found
}

const textOf = (schemaType: SchemaType, schema: unknown, change: Change): string => {
  const outcome = registered(schemaType, schema, change)
  return outcome.ok ? outcome.value.schema : outcome.failure.message
}
const foundIn = (schemaType: SchemaType, schema: unknown): readonly SchemaTags[] | string => {
  const outcome = registered(schemaType, schema, {})
  return outcome.ok ? outcome.value.found : outcome.failure.message
}
const sorted = (tags: readonly SchemaTags[] | string): readonly SchemaTags[] | string =>
  typeof tags === 'string'
    ? tags
    : tags.toSorted((left, right) => (JSON.stringify(left) < JSON.stringify(right) ? -1 : 1))

/** The rows have each type's paths as Confluent's registry (8.x) reads and lists them. */
describe('Avro', () => {
  const nested = {
    type: 'record',
    name: 'Outer',
    namespace: 'com.example',
    fields: [
      {
        name: 'inner',
        type: {
          type: 'record',
          name: 'Inner',
          fields: [
            { name: 'a', type: 'string' },
            { name: 'b', type: 'double', default: 0, 'confluent:tags': ['PRIVATE'] },
          ],
        },
      },
      {
        name: 'other',
        type: {
          type: 'record',
          name: 'Inner',
          namespace: 'com.example.nested',
          fields: [{ name: 'a', type: 'string' }],
        },
      },
      {
        name: 'list',
        type: {
          type: 'array',
          items: { type: 'record', name: 'Item', fields: [{ name: 'i', type: 'int' }] },
        },
      },
      {
        name: 'map',
        type: [
          'null',
          {
            type: 'map',
            values: { type: 'record', name: 'Value', fields: [{ name: 'v', type: 'int' }] },
          },
        ],
      },
    ],
  }

  test.for([
    ['a nested record takes the namespace around it', 'com.example.Inner.a'],
    ['a record with a namespace of its own', 'com.example.nested.Inner.a'],
    ['a record in an array', 'com.example.Item.i'],
    ['a record in a map in a union', 'com.example.Value.v'],
    ['a leading dot means nothing', '.com.example.Item.i'],
  ] as const)('%s: %s', ([, path]) => {
    const change = { add: [field(path, 'PII'), field('com.example.Inner.b', 'PII', 'PII')] }
    const outcome = registered('AVRO', nested, change)
    const plain = path.replace(/^\./, '')
    expect(outcome).toMatchObject({ ok: true })
    expect(outcome.ok && outcome.value.found).toEqual(
      expect.arrayContaining([field(plain, 'PII'), field('com.example.Inner.b', 'PRIVATE', 'PII')]),
    )
    expect(outcome.ok && outcome.value.found).toHaveLength(2)
  })

  test('a path without a namespace means the first record of that name', () => {
    const text = textOf('AVRO', nested, { add: [field('Inner.a', 'X'), record('Outer', 'Y')] })
    expect(sorted(foundIn('AVRO', text))).toEqual(
      sorted([
        record('com.example.Outer', 'Y'),
        field('com.example.Inner.a', 'X'),
        field('com.example.Inner.b', 'PRIVATE'),
      ]),
    )
  })

  test('the member is the last one, in the order of the tags, and gone with the last tag', () => {
    const plain = { type: 'record', name: 'r', fields: [{ name: 'f', type: 'string' }] }
    const add = [field('r.f', 'tag1', 'tag2'), record('r', 'R')]
    const tagged =
      '{"type":"record","name":"r","fields":[{"name":"f","type":"string","confluent:tags":["tag1","tag2"]}],"confluent:tags":["R"]}'
    expect(textOf('AVRO', plain, { add })).toBe(tagged)
    expect(textOf('AVRO', tagged, { remove: add })).toBe(
      '{"type":"record","name":"r","fields":[{"name":"f","type":"string"}]}',
    )
  })

  test('of a tag that is added and removed, nothing stays', () => {
    const old = {
      type: 'record',
      name: 'r',
      fields: [{ name: 'f', type: 'int', 'confluent:tags': ['OLD'] }],
    }
    const change = {
      add: [field('r.f', 'BOTH', 'NEW')],
      remove: [field('r.f', 'BOTH', 'OLD', 'NEVER')],
    }
    expect(foundIn('AVRO', textOf('AVRO', old, change))).toEqual([field('r.f', 'NEW')])
  })

  test('a recursive record is listed once', () => {
    const person = {
      type: 'record',
      name: 'Person',
      'confluent:tags': ['PII'],
      fields: [{ name: 'parents', type: { type: 'array', items: 'Person' } }],
    }
    expect(foundIn('AVRO', person)).toEqual([record('Person', 'PII')])
  })

  test.for([
    field('com.example.Outer.nothing', 'X'),
    field('com.Inner.a', 'X'),
    field('Outer', 'X'),
    record('com.example.Nothing', 'X'),
    record('__proto__', 'X'),
    record('', 'X'),
    record('a.'.repeat(300), 'X'),
  ])('$schemaEntity.entityPath of a $schemaEntity.entityType leads nowhere', (tags) => {
    expect(textOf('AVRO', nested, { add: [tags] })).toMatch(
      /No matching path '.*' found in the schema/,
    )
  })
})

describe('JSON Schema', () => {
  test('a type that a list repeats is walked once', () => {
    let schema: object = { type: 'object' }
    for (let depth = 0; depth < 40; depth += 1) {
      schema = { type: ['object', 'object'], properties: { a: schema } }
    }
    expect(foundIn('JSON', schema)).toEqual([])
  })

  const text = { type: 'string' }
  const object = (properties: object, rest: object = {}) => ({
    type: 'object',
    properties,
    ...rest,
  })

  test.for([
    ['object', 'object', { type: 'object' }, []],
    ['a property', 'object.a', object({ a: text }), ['properties', 'a']],
    ['a property with dots', 'object.a.b', object({ 'a.b': text }), ['properties', 'a.b']],
    [
      'items of a list',
      'object.a.array.object.b',
      object({ a: { type: 'array', items: object({ b: text }) } }),
      ['properties', 'a', 'items', 'properties', 'b'],
    ],
    [
      'parts of a combination are sorted by kind',
      'object.a.allof.0.object.b',
      object({ a: { allOf: [text, object({ b: text })] } }),
      ['properties', 'a', 'allOf', 1, 'properties', 'b'],
    ],
    [
      'what is excluded',
      'object.a.not.object.b',
      object({ a: { not: object({ b: text }) } }),
      ['properties', 'a', 'not', 'properties', 'b'],
    ],
    [
      'a definition',
      'object.definitions.My.Card.object.number',
      object({}, { definitions: { 'My.Card': object({ number: text }) } }),
      ['definitions', 'My.Card', 'properties', 'number'],
    ],
    [
      'a definition of 2020-12',
      'object.$defs.Card.object',
      object({}, { $defs: { Card: object({}) } }),
      ['$defs', 'Card'],
    ],
    [
      'the object beside a condition',
      'allof.1.object.country',
      object({ country: text }, { if: { properties: { country: { const: 'x' } } } }),
      ['properties', 'country'],
    ],
    [
      'a branch of a condition',
      'allof.0.conditional.else.object.code',
      object({ country: text }, { if: {}, else: { properties: { code: { pattern: 'x' } } } }),
      ['else', 'properties', 'code'],
    ],
    [
      'several types',
      'anyof.1.object.parent',
      { type: ['null', 'object'], properties: { parent: text } },
      ['properties', 'parent'],
    ],
    [
      'a property that is a reference',
      'object.a',
      object({ a: { $ref: '#/definitions/B' } }, { definitions: { B: text } }),
      ['properties', 'a'],
    ],
  ] as const)('%s: %s', ([, path, schema, place]) => {
    const isRecord = path.endsWith('object')
    const tags = isRecord ? record(path, 'T') : field(path, 'T')
    const expected = JSON.parse(JSON.stringify(schema)) as Record<string | number, unknown>
    const target = place.reduce<Record<string | number, unknown>>(
      (at, name) => at[name] as Record<string | number, unknown>,
      expected,
    )
    target['confluent:tags'] = ['T']
    const tagged = textOf('JSON', schema, { add: [tags] })
    expect(tagged).toBe(JSON.stringify(expected))
    expect(foundIn('JSON', tagged)).toEqual([tags])
    expect(textOf('JSON', tagged, { remove: [tags] })).toBe(JSON.stringify(schema))
  })

  test.for([
    'object.b',
    'object.a.object',
    'array.object',
    'object.a.anyof.x',
    'object.definitions',
    '',
    'string',
  ])('"%s" leads nowhere', (path) => {
    const schema = object({ a: { anyOf: [text] } })
    expect(textOf('JSON', schema, { add: [field(path, 'X')] })).toContain('No matching path')
  })

  test('long paths are refused rather than listed', () => {
    const properties = Object.fromEntries(
      Array.from({ length: 500 }, (_, index) => [`f${index}`, { 'confluent:tags': ['T'] }]),
    )
    const schema = object({ ['x'.repeat(5_000)]: object(properties) })
    expect(foundIn('JSON', schema)).toContain('too long')
  })
})

describe('Protobuf', () => {
  const file = (...lines: string[]): string =>
    `syntax = "proto3";\npackage p;\n\nmessage M {\n${lines.join('\n')}\n}\n`
  const tagsOption = (indent: string, ...tags: string[]): string =>
    `(confluent.field_meta) = {\n${indent}  tags: [\n${tags.map((tag) => `${indent}    "${tag}"`).join(',\n')}\n${indent}  ]\n${indent}}`

  test.for([
    [
      'two paths of one field, with and without a leading dot',
      file('  string f = 1;'),
      { add: [field('M.f', 'A'), field('.M.f', 'B')] },
      file(`  string f = 1 [${tagsOption('  ', 'A', 'B')}];`),
    ],
    [
      'a tag that is there, in the short form',
      file('  int32 f = 1 [(confluent.field_meta).tags = "A"];'),
      { add: [field('M.f', 'A')] },
      file(`  int32 f = 1 [${tagsOption('  ', 'A')}];`),
    ],
    [
      'other members of the option stay',
      file('  int32 f = 1 [(confluent.field_meta) = {\n    doc: "d"\n  }];'),
      { add: [field('M.f', 'A')] },
      file(
        '  int32 f = 1 [(confluent.field_meta) = {\n    doc: "d",\n    tags: [\n      "A"\n    ]\n  }];',
      ),
    ],
    [
      'the option goes with its last tag, others stay',
      file('  int32 f = 5 [\n    deprecated = true,\n    (confluent.field_meta).tags = "A"\n  ];'),
      { remove: [field('M.f', 'A')] },
      file('  int32 f = 5 [deprecated = true];'),
    ],
    [
      'a field of a oneof, also by the name of the oneof',
      file('  oneof o {', '    string f = 1;', '    int32 g = 2;', '  }').replace('{\n\n', '{\n\n'),
      { add: [field('M.f', 'A'), field('M.o.f', 'B'), field('M.o.g', 'C')] },
      file(
        '  oneof o {',
        `    string f = 1 [${tagsOption('    ', 'A', 'B')}];`,
        `    int32 g = 2 [${tagsOption('    ', 'C')}];`,
        '  }',
      ),
    ],
    [
      'a nested message',
      file('  message N {', '    int32 f = 1;', '  }'),
      { add: [record('M.N', 'R'), field('M.N.f', 'A')] },
      file(
        '  message N {',
        '    option (confluent.message_meta) = {',
        '      tags: [',
        '        "R"',
        '      ]',
        '    };',
        '',
        `    int32 f = 1 [${tagsOption('    ', 'A')}];`,
        '  }',
      ),
    ],
  ] as const)('%s', ([, schema, change, expected]) => {
    expect(textOf('PROTOBUF', schema, change)).toBe(expected)
  })

  test('are found on messages, fields of oneofs, fields and nested messages', () => {
    const schema = file(
      '  option (confluent.message_meta).tags = "R";',
      '  int32 f = 1 [(confluent.field_meta) = { tags: ["A", "B"] }];',
      '  oneof o { string g = 2 [(confluent.field_meta).tags = ["C"]]; }',
      '  message N { int32 h = 1 [(confluent.field_meta).tags = "D"]; }',
    )
    expect(foundIn('PROTOBUF', schema)).toEqual([
      record('M', 'R'),
      field('M.g', 'C'),
      field('M.f', 'A', 'B'),
      field('M.N.h', 'D'),
    ])
  })

  test.for([
    field('M', 'X'),
    field('M.bad.f', 'X'),
    field('M.g', 'X'),
    record('N', 'X'),
    record('..M', 'X'),
    record('.M.f', 'X'),
  ])('$schemaEntity.entityPath of a $schemaEntity.entityType leads nowhere', (tags) => {
    const schema = file('  oneof o {', '    string f = 1;', '    int32 o2 = 2;', '  }')
    expect(textOf('PROTOBUF', schema, { add: [tags] })).toContain('No matching path')
  })
})
