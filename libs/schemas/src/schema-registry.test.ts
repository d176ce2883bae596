import { readJson } from '@fairlead/avro'
import { describe, expect, test } from 'vitest'
import {
  type Decision,
  type SchemaReference,
  SchemaRegistry,
  type SchemaRequest,
  decodeRecord,
  encodeRecord,
} from './index.ts'

/** A registry whose decisions are stored at once. */
class Stored {
  readonly registry = new SchemaRegistry({ defaultCompatibilityLevel: 'BACKWARD' })

  /** The answer, or the error code. */
  answer<Value>(decision: Decision<Value>): Value | number {
    for (const record of decision.records) {
      const { key, value } = encodeRecord(record)
      const offset = this.registry.log.nextOffset
      const result = this.registry.log.replay({ offset, key, value, expectedOffset: offset })
      if (result.kind !== 'applied') throw new Error(`a decided record was ${result.kind}`)
    }
    const { response } = decision
    return response.ok ? response.value : response.failure.errorCode
  }

  register(subject: string, schema: unknown, options: Partial<SchemaRequest> = {}) {
    const answer = this.answer(this.registry.decideRegister(subject, request(schema, options)))
    return typeof answer === 'number' ? answer : [answer.schemaId, answer.version]
  }

  deleteSubject(subject: string, permanent = false) {
    return this.answer(this.registry.decideDeleteSubject(subject, { permanent }))
  }

  deleteVersion(subject: string, version: number, permanent = false) {
    return this.answer(this.registry.decideDeleteVersion(subject, version, { permanent }))
  }

  versions(subject: string) {
    return this.registry.view.versions(subject, {}).map(({ version }) => version)
  }
}

const request = (schema: unknown, options: Partial<SchemaRequest> = {}): SchemaRequest => ({
  schema: typeof schema === 'string' ? schema : JSON.stringify(schema),
  schemaType: 'AVRO',
  references: [],
  normalize: false,
  ...options,
})

const record = (name: string, ...fields: readonly (readonly [string, unknown, unknown?])[]) => ({
  type: 'record',
  name,
  fields: fields.map(([field, type, value]) =>
    value === undefined ? { name: field, type } : { name: field, type, default: value },
  ),
})

describe('registration', () => {
  test('the same text has the same id in every subject, and one version in each', () => {
    const stored = new Stored()
    expect(stored.register('a', '"int"')).toEqual([1, 1])
    expect(stored.register('a', ' { "type" : "int" } ')).toEqual([1, 1])
    expect(stored.register('b', '"int"')).toEqual([1, 1])
    expect(stored.register('b', '"long"')).toEqual([2, 2])
  })

  test('what differs in the order of properties is the same version, but another id elsewhere', () => {
    const stored = new Stored()
    expect(stored.register('a', '{"type":"int","x":1,"y":2}')).toEqual([1, 1])
    expect(stored.register('a', '{"type":"int","y":2,"x":1}')).toEqual([1, 1])
    expect(stored.register('b', '{"type":"int","y":2,"x":1}')).toEqual([2, 1])
    expect(stored.register('c', '{"type":"int","y":2,"x":1}', { normalize: true })).toEqual([1, 1])
  })

  test('a refusal names every reason with its path', () => {
    const stored = new Stored()
    stored.register('a', record('R', ['id', 'string'], ['n', 'long']))
    const next = record('R', ['id', 'int'], ['n', 'long'], ['x', 'int'], ['y', 'int'])
    const { records, response } = stored.registry.decideRegister('a', request(next))
    expect(records).toEqual([])
    expect(response).toMatchObject({ ok: false, failure: { errorCode: 40901 } })
    const message = response.ok ? '' : response.failure.message
    expect(message).toContain(
      'earlier schema for subject "a", details: [{errorType:\'TYPE_MISMATCH\'',
    )
    for (const path of ['/fields/0/type', '/fields/2', '/fields/3'])
      expect(message).toContain(`'${path}'`)
    expect(message).toMatch(/\{oldSchemaVersion: 1\}.*compatibility: 'BACKWARD'\}\]$/)
  })

  test.for([
    ['an empty text without a version before it', '', {}, 42201],
    ['text that is not JSON', '{', {}, 42201],
    [
      'a missing reference',
      '"int"',
      { references: [{ name: 'X', subject: 'x', version: 1 }] },
      42201,
    ],
    ['an unknown schema type', '"int"', { schemaType: 'XML' }, 42201],
    ['Avro text as JSON Schema', '"int"', { schemaType: 'JSON' }, 42201],
    ['Avro text as Protobuf', '"int"', { schemaType: 'PROTOBUF' }, 42201],
    ['a version that is not the next', '"int"', { version: 2 }, 42201],
    ['an id outside of mode IMPORT', '"int"', { schemaId: 7 }, 42205],
  ] as const)('%s is refused', ([, schema, options, errorCode]) => {
    expect(new Stored().register('a', schema, options)).toBe(errorCode)
  })

  test.for(['', '__GLOBAL', '__EMPTY', 'a\nb'])('%j is not a subject', (subject) => {
    expect(new Stored().register(subject, '"int"')).toBe(42208)
  })

  test('a transitive level compares with all live versions, the others with the newest', () => {
    for (const [level, expected] of [
      ['BACKWARD', [3, 3]],
      ['BACKWARD_TRANSITIVE', 40901],
    ] as const) {
      const stored = new Stored()
      stored.register('a', record('R', ['a', 'int']))
      stored.register('a', record('R', ['a', 'int'], ['b', 'int', 0]))
      stored.answer(stored.registry.decideSettings('a', { compatibility: level }))
      expect(stored.register('a', record('R', ['a', 'int'], ['b', 'int']))).toEqual(expected)
    }
  })

  test('in mode IMPORT an id is kept, and belongs to one text', () => {
    const stored = new Stored()
    stored.answer(stored.registry.decideMode(undefined, 'IMPORT', { force: false }))
    expect(stored.register('a', '"int"', { schemaId: 40, version: 3 })).toEqual([40, 3])
    expect(stored.register('b', '"long"', { schemaId: 40 })).toBe(42205)
    expect(stored.register('b', '"long"')).toBe(42205)
  })

  test('in mode READONLY nothing is written', () => {
    const stored = new Stored()
    stored.register('a', '"int"')
    stored.answer(stored.registry.decideMode('a', 'readonly', { force: false }))
    expect(stored.register('a', '"long"')).toBe(42205)
    expect(stored.deleteSubject('a')).toBe(42205)
    expect(stored.register('b', '"long"')).toEqual([2, 1])
  })
})

describe('references', () => {
  const address = record('n.Address', ['zip', 'string'])
  const customer = record('n.Customer', ['home', 'n.Address'])
  const toAddress = (version: number): SchemaReference[] => [
    { name: 'n.Address', subject: 'address', version },
  ]

  test('a reference is part of the schema, and -1 is the latest version', () => {
    const stored = new Stored()
    stored.register('address', address)
    expect(stored.register('customer', customer, { references: toAddress(-1) })).toEqual([2, 1])
    const found = stored.registry.view.version('customer', 'latest', {})
    expect(found).toMatchObject({
      value: {
        schema:
          '{"type":"record","name":"Customer","namespace":"n","fields":[{"name":"home","type":"Address"}]}',
        references: toAddress(1),
      },
    })
  })

  test('`:.:` names the default context, also from another one', () => {
    const stored = new Stored()
    stored.register('address', address)
    const references = [{ name: 'n.Address', subject: ':.:address', version: 1 }]
    expect(stored.register(':.c:customer', customer, { references })).toEqual([1, 1])
    expect(stored.deleteSubject('address')).toBe(42206)
    const others = new Map([['alias', readJson('":.:address"')]])
    stored.answer(stored.registry.decideSettings(':.c:alias', { others }))
    expect(stored.registry.view.aliased(':.c:alias')).toBe('address')
  })

  test('what a soft-deleted schema refers to can be soft-deleted, and stays while that does', () => {
    const stored = new Stored()
    stored.register('address', address)
    stored.register('customer', customer, { references: toAddress(1) })
    stored.deleteSubject('customer')
    expect(stored.deleteSubject('address')).toEqual([1])
    expect(stored.deleteSubject('address', true)).toBe(42206)
    expect(stored.deleteVersion('address', 1, true)).toBe(42206)
    // The same schema again takes the place of the soft-deleted one, unless that is referred to.
    expect(stored.register('address', address)).toEqual([1, 2])
    expect(stored.registry.view.version('address', 1, { deleted: true }).ok).toBe(true)
    stored.deleteSubject('address')
    expect(stored.deleteSubject('customer', true)).toEqual([1])
    expect(stored.deleteSubject('address', true)).toEqual([1, 2])
  })

  test('a subject whose versions refer to one another goes as a whole', () => {
    const stored = new Stored()
    stored.answer(stored.registry.decideSettings('s', { compatibility: 'NONE' }))
    stored.register('s', address)
    stored.register('s', customer, {
      references: [{ name: 'n.Address', subject: 's', version: 1 }],
    })
    expect(stored.deleteVersion('s', 2)).toBe(2)
    expect(stored.deleteVersion('s', 1)).toBe(1)
    expect(stored.deleteVersion('s', 1, true)).toBe(42206)
    expect(stored.deleteSubject('s', true)).toEqual([1, 2])
  })

  test('what is referenced cannot be deleted', () => {
    const stored = new Stored()
    stored.register('address', address)
    stored.register('customer', customer, { references: toAddress(1) })
    expect(stored.deleteSubject('address')).toBe(42206)
    expect(stored.deleteVersion('address', 1)).toBe(42206)
    stored.deleteSubject('customer')
    expect(stored.deleteSubject('address')).toEqual([1])
  })
})

test.for([
  ['a soft deletion of the subject', (stored: Stored) => stored.deleteSubject('z'), [1]],
  [
    'a hard deletion of the subject',
    (stored: Stored) => [stored.deleteSubject('z'), stored.deleteSubject('z', true)],
    [[1], [1]],
  ],
  [
    'deletions of the version',
    (stored: Stored) => [stored.deleteVersion('z', 1), stored.deleteVersion('z', 1, true)],
    [1, 1],
  ],
] as const)('two references to one version: %s', ([, deletion, expected]) => {
  const stored = new Stored()
  stored.register('r', '"int"')
  const references = ['a', 'b'].map((name) => ({ name, subject: 'r', version: 1 }))
  stored.register('z', '"string"', { references })
  expect(stored.deleteSubject('r')).toBe(42206)
  expect(deletion(stored)).toEqual(expected)
  expect(stored.deleteSubject('r')).toEqual([1])
})

describe('deletion', () => {
  test('soft first, then hard, and each only once', () => {
    const stored = new Stored()
    stored.register('a', '"int"')
    stored.register('a', '"long"')
    expect(stored.deleteVersion('a', 1, true)).toBe(40407)
    expect(stored.deleteVersion('a', 1)).toBe(1)
    expect(stored.deleteVersion('a', 1)).toBe(40406)
    expect(stored.deleteVersion('a', 9)).toBe(40402)
    expect(stored.deleteSubject('a', true)).toBe(40405)
    expect(stored.deleteSubject('a')).toEqual([2])
    expect(stored.deleteSubject('a')).toBe(40404)
    expect(stored.deleteSubject('a', true)).toEqual([1, 2])
    expect(stored.deleteSubject('a', true)).toBe(40401)
  })

  test('a soft-deleted schema keeps its id and its version number', () => {
    const stored = new Stored()
    stored.register('a', '"int"')
    stored.deleteSubject('a')
    expect(stored.registry.view.schema(1).ok).toBe(true)
    expect(stored.register('a', '"int"')).toEqual([1, 2])
    expect(stored.versions('a')).toEqual([2])
    expect(stored.registry.view.versions('a', { deleted: true })).toHaveLength(1)
  })

  test('the id of a hard-deleted schema is never given again, even to the same text', () => {
    const stored = new Stored()
    stored.register('a', '"int"')
    stored.deleteSubject('a')
    stored.deleteSubject('a', true)
    expect(stored.registry.view.schema(1).ok).toBe(false)
    expect(stored.register('a', '"int"')).toEqual([2, 1])
  })
})

describe('records', () => {
  test.for([
    '{"keytype":"SCHEMA","subject":"s-value","version":1,"magic":1}',
    '{"keytype":"CONFIG","magic":0}',
    '{"keytype":"CONFIG","subject":"s","magic":0}',
    '{"keytype":"MODE","magic":0}',
    '{"keytype":"MODE","subject":"s","magic":0}',
    '{"keytype":"NOOP","magic":0}',
    '{"keytype":"DELETE_SUBJECT","subject":"s","magic":0}',
    '{"keytype":"CLEAR_SUBJECT","subject":"s","magic":0}',
  ])('the key %s is written as Confluent writes it', (key) => {
    const decoded = decodeRecord(new TextEncoder().encode(key), null)
    const encoded = decoded === undefined ? undefined : encodeRecord(decoded).key
    expect(new TextDecoder().decode(encoded)).toBe(key)
  })

  test('a schema value is read from either generation, and what we do not know is kept', () => {
    const key = '{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}'
    const seven = '{"subject":"s","version":1,"id":1,"schema":"\\"int\\"","deleted":false}'
    const eight =
      '{"subject":"s","version":1,"id":1,"schemaType":"AVRO","metadata":{"properties":{"a":"b"}},"schema":"\\"int\\"","deleted":false}'
    const rewritten = [seven, eight].map((value) => {
      const bytes = [key, value].map((text) => new TextEncoder().encode(text))
      const decoded = decodeRecord(bytes[0] ?? null, bytes[1] ?? null)
      return decoded === undefined
        ? ''
        : new TextDecoder().decode(encodeRecord(decoded).value ?? undefined)
    })
    expect(rewritten).toEqual([seven.replace('"schema"', '"schemaType":"AVRO","schema"'), eight])
  })

  test.for([
    '{"keytype":"ASSOC","x":1}',
    '[]',
    '{',
    '{"keytype":"SCHEMA","subject":"s"}',
    '\u0000',
  ])('the record %j is passed over', (key) => {
    const { registry } = new Stored()
    const entry = { offset: 5, value: null, expectedOffset: undefined }
    const result = registry.log.replay({ ...entry, key: new TextEncoder().encode(key) })
    expect(result.kind).toBe('skipped')
    expect(registry.log.nextOffset).toBe(6)
  })

  test('a foreign record that gives an id to another text is passed over', () => {
    const stored = new Stored()
    stored.register('a', '"int"')
    const key = new TextEncoder().encode('{"keytype":"SCHEMA","subject":"b","version":1,"magic":1}')
    const value = new TextEncoder().encode(
      '{"subject":"b","version":1,"id":1,"schema":"\\"long\\""}',
    )
    const result = stored.registry.log.replay({ offset: 1, key, value, expectedOffset: undefined })
    expect(result.kind).toBe('skipped')
    expect(stored.registry.view.schema(1)).toMatchObject({ value: { schema: '"int"' } })
  })
})
