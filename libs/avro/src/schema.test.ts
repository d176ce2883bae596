import { createHash } from 'node:crypto'
import { DecodeError } from '@fairlead/base'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  canonicalText,
  fits,
  incompatibilities,
  incompatibilityMessage,
  md5,
  parseSchema,
  schemaGuid,
} from './index.ts'

const parse = (schema: unknown) => parseSchema(JSON.stringify(schema), { mode: 'strict' })
const record = (name: string, ...fields: readonly unknown[]) => ({ type: 'record', name, fields })

const failureOf = (action: () => unknown): string => {
  try {
    action()
    return 'none'
  } catch (error) {
    return error instanceof Error ? error.name : 'not an error'
  }
}

describe('parsing', () => {
  test('arbitrary JSON gives a schema, a SchemaError or a DecodeError, never another failure', () => {
    const attribute = fc.constantFrom(
      'type',
      'name',
      'fields',
      'items',
      'size',
      'symbols',
      '__proto__',
    )
    const word = fc.constantFrom(
      'record',
      'enum',
      'fixed',
      'array',
      'int',
      'R',
      '',
      'a.b',
      '__proto__',
    )
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        word,
        fc.integer(),
        fc.constant(null),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.array(fc.tuple(attribute, tie('value')), { maxLength: 6 }),
      ),
    }))
    const asText = (json: unknown): string => {
      if (!Array.isArray(json)) return JSON.stringify(json)
      const isObject =
        json.length > 0 && json.every((item) => Array.isArray(item) && item.length === 2)
      return isObject
        ? `{${json.map(([name, member]: [unknown, unknown]) => `${JSON.stringify(String(name))}:${asText(member)}`).join(',')}}`
        : `[${json.map(asText).join(',')}]`
    }
    fc.assert(
      fc.property(value, (json) => {
        expect(['none', 'SchemaError', 'DecodeError']).toContain(
          failureOf(() => parseSchema(asText(json), { mode: 'strict' })),
        )
      }),
    )
  })

  test('types that are used before their definition nest no deeper than text that can be read', () => {
    const chain = (length: number) =>
      JSON.stringify(
        Array.from({ length }, (_, index) =>
          record(`R${index}`, { name: 'x', type: index + 1 < length ? `R${index + 1}` : 'int' }),
        ),
      )
    const text = canonicalText(parseSchema(chain(300), { mode: 'strict' }), 'stored')
    expect(canonicalText(parseSchema(text, { mode: 'strict' }), 'stored')).toBe(text)
    for (const length of [400, 20_000]) {
      expect(() => parseSchema(chain(length), { mode: 'strict' })).toThrow('Types nest deeper')
    }
  })

  test('a schema that nests as deep as JSON may is refused or parsed, not a stack overflow', () => {
    const deep = (levels: number) =>
      `${'{"type":"array","items":'.repeat(levels)}"int"${'}'.repeat(levels)}`
    expect(canonicalText(parseSchema(deep(990), { mode: 'strict' }), 'stored')).toBe(deep(990))
    expect(() => parseSchema(deep(1_001), { mode: 'strict' })).toThrow(DecodeError)
    const [reader, writer] = [parseSchema(deep(990), { mode: 'strict' }), parse('string')]
    expect(incompatibilities(reader.root, reader.root)).toEqual([])
    expect(incompatibilities(reader.root, writer.root)).toHaveLength(1)
  })

  test('a SchemaError points at the offending part', () => {
    const schema = record('R', { name: 'a', type: 'int' }, { name: 'b', type: ['null', 'Missing'] })
    expect(() => parse(schema)).toThrow('Undefined schema: Missing (at /fields/1/type/1)')
  })

  test('the canonical text is a fixed point', () => {
    const text = canonicalText(
      parse({
        ...record('a.b.R', { name: 'x', type: ['null', 'R'], default: null }),
        z: { q: 1e3 },
      }),
      'stored',
    )
    expect(canonicalText(parseSchema(text, { mode: 'strict' }), 'stored')).toBe(text)
  })
})

test('the default of a double may be the text of one, as Java reads it', () => {
  const taken = (text: string): string =>
    failureOf(() => parse(record('R', { name: 'ratio', type: 'double', default: text })))
  for (const text of ['NaN', '-Infinity', ' 1.5f ', '.5D', '1.e3d', '+7']) {
    expect(taken(text)).toBe('none')
  }
  for (const text of ['NaNd', 'InfinityF', 'nan', '', '1_0', 'd']) {
    expect(taken(text)).toBe('SchemaError')
  }
})

describe('reasons', () => {
  test('every reason is found, with pointers into both texts', () => {
    const inner = (...fields: readonly unknown[]) => record('In', ...fields)
    const reader = parse(
      record(
        'R',
        { name: 'added', type: 'int' },
        { name: 'moved', type: { type: 'array', items: inner({ name: 'y', type: 'int' }) } },
        { name: 'choice', type: ['null', 'In'] },
      ),
    )
    const writer = parse(
      record(
        'R',
        { name: 'choice', type: inner({ name: 'x', type: 'int' }) },
        { name: 'moved', type: { type: 'array', items: 'In' } },
      ),
    )
    const reasons = incompatibilities(reader.root, writer.root)
    expect(
      reasons.map(({ type, path, readerPointer, writerPointer }) => [
        type,
        path,
        readerPointer,
        writerPointer,
      ]),
    ).toEqual([
      ['READER_FIELD_MISSING_DEFAULT_VALUE', '/fields/0', '/fields/0', ''],
      [
        'READER_FIELD_MISSING_DEFAULT_VALUE',
        '/fields/1/type/items/fields/0',
        '/fields/1/type/items/fields/0',
        '/fields/0/type',
      ],
      ['MISSING_UNION_BRANCH', '/fields/2/type', '/fields/2/type', '/fields/0/type'],
    ])
    expect(reasons[2]?.causes.map(({ detail }) => detail)).toEqual(['y'])
    expect(reasons.map((reason) => incompatibilityMessage(reason, 'new'))[0]).toBe(
      "The field 'added' at path '/fields/0' in the new schema has no default value and is missing in the old schema",
    )
  })

  test('a schema reads itself, whatever it is', () => {
    const names = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,3}$/), { minLength: 1, maxLength: 4 })
    const types = fc.constantFrom('int', 'string', ['null', 'R'], { type: 'map', values: 'R' })
    fc.assert(
      fc.property(names, types, (fields, type) => {
        const schema = parse(record('R', ...fields.map((name) => ({ name, type }))))
        const again = parse(record('R', ...fields.map((name) => ({ name, type }))))
        expect(incompatibilities(schema.root, again.root)).toEqual([])
      }),
    )
  })
})

describe('identity', () => {
  test('md5 agrees with OpenSSL', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(Buffer.from(md5(bytes)).toString('hex')).toBe(
          createHash('md5').update(bytes).digest('hex'),
        )
      }),
    )
  })

  test('the GUID of "int" is the one that Confluent gives', () => {
    expect(schemaGuid('"int"')).toBe('ef524ea1-b91e-7317-3d93-8ade36c1db32')
  })
})

/** R0 has two fields of R1, R1 two of R2 …: a text that grows with the depth, and 2^depth paths. */
function doubling(depth: number, leaf: string, withDefaults: boolean): unknown {
  const field = (name: string, type: unknown) =>
    withDefaults ? { name, type, default: {} } : { name, type }
  let inner: unknown = record(`R${depth}`, {
    name: 'x',
    type: leaf,
    ...(withDefaults ? { default: 0 } : {}),
  })
  for (let level = depth - 1; level >= 0; level -= 1) {
    inner = record(`R${level}`, field('a', inner), field('b', `R${level + 1}`))
  }
  return inner
}

test('a value of tens of thousands of fields is looked at in a moment', () => {
  const names = Array.from({ length: 30_000 }, (_, index) => `field_${index}`)
  const { root } = parse(record('Wide', ...names.map((name) => ({ name, type: 'int' }))))
  const value = Object.fromEntries(names.map((name) => [name, 1]))
  const before = process.cpuUsage()
  expect(fits(root, value)).toBe(true)
  expect(fits(root, { ...value, more: 1 })).toBe(false)
  expect(process.cpuUsage(before).user).toBeLessThan(3_000_000)
})

describe('types that share types', () => {
  test('do not multiply the reasons of a comparison', () => {
    const reasons = incompatibilities(
      parse(doubling(40, 'int', false)).root,
      parse(doubling(40, 'string', false)).root,
    )
    expect(reasons.length).toBeGreaterThan(1)
    expect(reasons.length).toBeLessThanOrEqual(1_000)
  })

  test('do not multiply the checks of their defaults', () => {
    expect(parse(doubling(40, 'int', true)).root.kind).toBe('record')
  })

  test('and unions of types of one name are compared up to a bound', () => {
    const union = (type: string) =>
      parse(
        Array.from({ length: 800 }, (_, index) =>
          record(`n${index}.R`, {
            name: 'x',
            type: { type: 'fixed', name: `n${index}.F`, size: type === 'a' ? 1 : 2 },
          }),
        ),
      ).root
    expect(incompatibilities(union('a'), union('b')).length).toBeLessThanOrEqual(1_000)
    expect(incompatibilities(union('a'), union('a'))).toEqual([])
  })

  test('a default that needs itself is refused', () => {
    const recursive = record('A', { name: 'a', type: 'A', default: {} })
    expect(failureOf(() => parse(recursive))).toBe('SchemaError')
  })
})
