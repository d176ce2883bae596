import { expect, test } from 'vitest'
import {
  type DocumentsByText,
  type Inquiry,
  type InquiryAnswer,
  type InquiryOf,
  type RegistryRecord,
  SchemaRegistry,
  type SchemaRequest,
  WeightedCache,
  answerApart,
  basisRecords,
  encodeRecord,
  isSameBasis,
} from './index.ts'

const request = (schema: unknown, more: Partial<SchemaRequest> = {}): SchemaRequest => ({
  schema: typeof schema === 'string' ? schema : JSON.stringify(schema),
  schemaType: 'AVRO',
  references: [],
  normalize: false,
  ...more,
})

const record = (name: string, ...fields: readonly (readonly [string, unknown, unknown?])[]) => ({
  type: 'record',
  name,
  fields: fields.map(([field, type, value]) => ({
    name: field,
    type,
    ...(value === undefined ? {} : { default: value }),
  })),
})

class Fixture {
  readonly registry = new SchemaRegistry({ defaultCompatibilityLevel: 'BACKWARD' })

  write(...records: readonly RegistryRecord[]): void {
    for (const each of records) {
      const offset = this.registry.log.nextOffset
      this.registry.log.replay({ offset, ...encodeRecord(each), expectedOffset: offset })
    }
  }

  register(subject: string, body: SchemaRequest): void {
    const { records, response } = this.registry.decideRegister(subject, body)
    if (!response.ok) throw new Error(response.failure.message)
    this.write(...records)
  }

  /** As a thread answers, to which everything is copied, and from which the answer is. */
  apart<Kind extends Inquiry['kind']>(inquiry: InquiryOf<Kind>): InquiryAnswer<Kind> {
    const { options } = this.registry
    const records = basisRecords(this.registry.inquiryBasis(inquiry))
    const copied = structuredClone({ options, records, inquiry })
    const answer = answerApart(copied.options, copied.records, copied.inquiry)
    return structuredClone(answer) as InquiryAnswer<Kind>
  }
}

const filled = (): Fixture => {
  const fixture = new Fixture()
  fixture.register('address', request(record('Address', ['street', 'string'])))
  fixture.register(
    'address',
    request(record('Address', ['street', 'string'], ['city', 'string', ''])),
  )
  const latest = { name: 'Address', subject: 'address', version: -1 }
  fixture.register(
    'person',
    request(record('Person', ['home', 'Address']), { references: [latest] }),
  )
  fixture.register(
    'customer',
    request(record('Customer', ['person', 'Person']), {
      references: [{ name: 'Person', subject: 'person', version: 1 }],
    }),
  )
  fixture.register('json', request({ type: 'object' }, { schemaType: 'JSON' }))
  fixture.register(
    'proto',
    request('syntax = "proto3"; message M { string a = 1; }', { schemaType: 'PROTOBUF' }),
  )
  fixture.register(':.other:address', request(record('Address', ['other', 'long'])))
  fixture.register('gone', request('"int"'))
  fixture.write(...fixture.registry.decideDeleteSubject('gone', { permanent: false }).records)
  fixture.write({
    kind: 'config',
    subject: 'customer',
    value: {
      compatibilityLevel: 'FULL_TRANSITIVE',
      normalize: true,
      otherMembers: new Map(),
    },
  })
  fixture.write({ kind: 'mode', subject: 'imported', value: 'IMPORT' })
  return fixture
}

const REQUESTS: readonly (readonly [string, SchemaRequest])[] = [
  ['address', request(record('Address', ['street', 'string'], ['zip', 'string']))],
  ['address', request(record('Address', ['street', 'string'], ['zip', 'string', '']))],
  ['address', request(' { "name" : "Address", "type":"record", "fields":[] }')],
  ['address', request('{')],
  ['address', request('')],
  [
    'customer',
    request(record('Customer', ['person', 'Person'], ['since', 'long']), {
      references: [{ name: 'Person', subject: 'person', version: -1 }],
    }),
  ],
  [
    'customer',
    request(record('Customer', ['person', 'Person']), {
      references: [{ name: 'Person', subject: 'person', version: 1 }],
    }),
  ],
  [
    'customer',
    request(record('Customer', ['person', 'Person']), {
      references: [{ name: 'Person', subject: 'person', version: 7 }],
    }),
  ],
  ['late', request('"Gone"', { references: [{ name: 'Gone', subject: 'gone', version: -1 }] })],
  [
    ':.other:person',
    request(record('Person', ['home', 'Address']), {
      references: [{ name: 'Address', subject: 'address', version: -1 }],
    }),
  ],
  ['json', request({ type: 'object', properties: { a: {} } }, { schemaType: 'JSON' })],
  ['json', request('"string"')],
  ['proto', request('message M { int64 a = 1; }', { schemaType: 'PROTOBUF' })],
  ['gone', request('"int"')],
  ['gone', request('"long"')],
  ['nobody', request('"int"', { schemaType: 'CSV' })],
  ['imported', request('"int"', { schemaId: 1_000, version: 3 })],
]

const INQUIRIES: readonly Inquiry[] = REQUESTS.flatMap(([subject, body]): Inquiry[] => [
  { kind: 'judge', subject, request: body },
  { kind: 'lookup', subject, request: body, deleted: false },
  { kind: 'lookup', subject, request: body, deleted: true },
  { kind: 'check', subject, version: undefined, request: body },
  { kind: 'check', subject, version: 'latest', request: body },
  { kind: 'check', subject, version: 1, request: body },
  { kind: 'explain', subject, version: undefined, request: body },
  { kind: 'reader', subject, request: body, reader: request(record('Address')) },
])

test('an inquiry is answered from its basis alone as it is from the whole image', () => {
  const fixture = filled()
  for (const inquiry of INQUIRIES) {
    expect([inquiry, fixture.apart(inquiry)]).toEqual([inquiry, fixture.registry.answer(inquiry)])
  }
  const [proto] = fixture.registry.view.versions('proto', {})
  const [person] = fixture.registry.view.versions('person', {})
  for (const of of [proto!, person!]) {
    const inquiry = { kind: 'text', subject: of.subject, of, format: 'serialized' } as const
    const answer = fixture.apart(inquiry)
    expect(answer.ok).toBe(true)
    expect(answer).toEqual(fixture.registry.answer(inquiry))
  }
})

test('a registration comes to the same when it was judged apart', () => {
  for (const [subject, body] of REQUESTS) {
    const fixture = filled()
    const { registry } = fixture
    const judged = fixture.apart({ kind: 'judge', subject, request: body })
    expect([subject, body, registry.decideRegister(subject, body, judged)]).toEqual([
      subject,
      body,
      registry.decideRegister(subject, body),
    ])
  }
})

test('a basis changes with the versions, references, settings and modes that an answer depends on', () => {
  const fixture = filled()
  const body = request(record('Customer', ['person', 'Person']), {
    references: [{ name: 'Person', subject: 'person', version: -1 }],
  })
  const inquiry = { kind: 'judge', subject: 'customer', request: body } as const
  const isChangedBy = (change: () => void): boolean => {
    const before = fixture.registry.inquiryBasis(inquiry)
    change()
    return !isSameBasis(before, fixture.registry.inquiryBasis(inquiry))
  }
  expect(isChangedBy(() => undefined)).toBe(false)
  expect(isChangedBy(() => fixture.register('address', request(record('Address'))))).toBe(false)
  expect(isChangedBy(() => fixture.register('person', request(record('Person'))))).toBe(true)
  const settings = {
    compatibilityLevel: 'NONE',
    normalize: undefined,
    otherMembers: new Map(),
  } as const
  for (const subject of ['customer', ':.__GLOBAL:', undefined]) {
    expect(isChangedBy(() => fixture.write({ kind: 'config', subject, value: settings }))).toBe(
      true,
    )
    expect(isChangedBy(() => fixture.write({ kind: 'mode', subject, value: 'IMPORT' }))).toBe(true)
  }
  expect(isChangedBy(() => fixture.write({ kind: 'mode', subject: 'x', value: 'IMPORT' }))).toBe(
    false,
  )
  for (const subject of ['customer', ':.__GLOBAL:', undefined]) {
    fixture.write({ kind: 'mode', subject, value: null })
  }
  expect(isChangedBy(() => fixture.register('customer', request('"int"')))).toBe(true)
})

test('what is parsed once is not parsed again for the next image, unless it depends on others', () => {
  const documents: DocumentsByText = new WeightedCache({ countMax: 9, weightMax: 9_999 })
  const fixture = filled()
  const ask = (subject: string, body: SchemaRequest) => {
    const inquiry = { kind: 'check', subject, version: 'latest', request: body } as const
    const records = basisRecords(fixture.registry.inquiryBasis(inquiry))
    const { options } = fixture.registry
    return answerApart(options, records, inquiry, documents)
  }
  const added = request(
    record('Address', ['street', 'string'], ['city', 'string', ''], ['zip', 'int', 0]),
  )
  const first = ask('address', added)
  const stored = fixture.registry.log.image.versions('address').at(-1)?.schema ?? ''
  const document = documents.get(stored)
  expect(document?.schemaType).toBe('AVRO')
  expect(ask('address', added)).toEqual(first)
  expect(documents.get(stored)).toBe(document)

  const person = fixture.registry.log.image.versions('person').at(-1)
  ask('person', request(person?.schema ?? '', { references: person?.references ?? [] }))
  expect(documents.get(person?.schema ?? '')).toBeUndefined()

  // One text, two types.
  const both = request({ type: 'string' })
  fixture.register('text-avro', both)
  fixture.register('text-json', { ...both, schemaType: 'JSON' })
  const apart = ['text-avro', 'text-json', 'text-avro'].map((subject) =>
    ask(subject, { ...both, schemaType: subject === 'text-json' ? 'JSON' : 'AVRO' }),
  )
  const compatible = { ok: true, value: { isCompatible: true, messages: [] } }
  expect(apart).toEqual([compatible, compatible, compatible])
})
