import { join } from 'node:path'
import { createAdmin, createProducer, createReader } from '@fairlead/kafka'
import { createAvroSerde, createRegistryClient } from '@fairlead/serde'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { RegistryProcess } from '../support/registry-process.ts'
import { Driver } from './clients/driver.ts'
import { pythonAbsence, pythonWith } from './clients/python-environment.ts'

const FOLDER = join(import.meta.dirname, 'clients/python')
const REQUIREMENTS = join(FOLDER, 'requirements-confluent-kafka-schemaregistry-2.16.1.txt')

type Reference = { readonly name: string; readonly subject: string; readonly version: number }
type Format = {
  readonly format: 'AVRO' | 'JSON' | 'PROTOBUF'
  readonly schema?: string
  readonly references?: readonly Reference[]
  /** Of Protobuf: descriptors in JSON, and the message among them. */
  readonly files?: readonly object[]
  readonly message?: string
  /** Properties of the serializer or deserializer, in Confluent's names. */
  readonly conf?: Readonly<Record<string, unknown>>
}

/** What `schema_registry_peer.py` does. */
type PeerOperations = {
  readonly send: {
    readonly asks: Format & {
      readonly topic: string
      readonly value: unknown
      /** The schema's GUID goes into a header of the record, and nothing before the value. */
      readonly header?: boolean
    }
    readonly answers: { readonly offset: number }
  }
  readonly receive: {
    readonly asks: Format & { readonly topic: string; readonly offset: number }
    readonly answers: { readonly value: unknown }
  }
  readonly call: {
    readonly asks: { readonly method: string; readonly args: readonly unknown[] }
    readonly answers: {
      readonly result?: unknown
      readonly failure?: { readonly status: number; readonly code: number }
    }
  }
}

const record = (name: string, fields: readonly object[]): string =>
  JSON.stringify({ type: 'record', name, namespace: 'interop', fields })
const field = (name: string, type: unknown, more: object = {}): object => ({ name, type, ...more })

const LINE = record('Line', [field('sku', 'string'), field('quantity', 'int')])
const ORDER = record('Order', [
  field('id', 'string'),
  field('cents', 'long'),
  field('note', ['null', 'string'], { default: null }),
])
const ORDER_WITH_CURRENCY = record('Order', [
  field('id', 'string'),
  field('cents', 'long'),
  field('currency', 'string', { default: 'EUR' }),
])
const BASKET = record('Basket', [
  field('first', 'interop.Line'),
  field('others', { type: 'array', items: 'interop.Line' }),
])
const BASKET_REFERENCES = [{ name: 'interop.Line', subject: 'python-line', version: 1 }]
const order = { id: 'o-1', cents: 12_995, note: 'ä' }

const PERSON_JSON = JSON.stringify({
  $id: 'https://example.com/person.json',
  type: 'object',
  properties: { name: { type: 'string' }, home: { $ref: 'https://example.com/address.json' } },
  required: ['name'],
  additionalProperties: false,
})
const ADDRESS_JSON = JSON.stringify({
  $id: 'https://example.com/address.json',
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
})
const PERSON_REFERENCES = [
  { name: 'https://example.com/address.json', subject: 'python-address', version: 1 },
]

const LINE_PROTO = {
  name: 'interop/line.proto',
  package: 'interop',
  syntax: 'proto3',
  messageType: [
    {
      name: 'Line',
      field: [
        { name: 'sku', number: 1, type: 'TYPE_STRING', label: 'LABEL_OPTIONAL' },
        { name: 'quantity', number: 2, type: 'TYPE_INT32', label: 'LABEL_OPTIONAL' },
      ],
    },
  ],
}
const BASKET_PROTO = {
  name: 'interop/basket.proto',
  package: 'interop',
  syntax: 'proto3',
  dependency: ['interop/line.proto'],
  messageType: [
    { name: 'Unused' },
    {
      name: 'Basket',
      nestedType: [
        {
          name: 'Content',
          field: [
            {
              name: 'lines',
              number: 1,
              type: 'TYPE_MESSAGE',
              typeName: '.interop.Line',
              label: 'LABEL_REPEATED',
            },
          ],
        },
      ],
    },
  ],
}
const PROTOBUF = {
  format: 'PROTOBUF',
  files: [LINE_PROTO, BASKET_PROTO],
  // The second message of its file, and the first one in that: its index is [1, 0].
  message: 'interop.Basket.Content',
} as const
const content = { lines: [{ sku: 'a', quantity: 2 }] }

const absence = pythonAbsence()

describe.skipIf(absence)("confluent-kafka 2.16.1's serializers for Python", () => {
  let broker: BrokerProcess
  let registry: RegistryProcess
  let peer: Driver<PeerOperations>

  beforeAll(async () => {
    const program = await pythonWith(REQUIREMENTS)
    broker = await BrokerProcess.start()
    registry = await RegistryProcess.start(broker.address)
    const args = [join(FOLDER, 'schema_registry_peer.py'), registry.url]
    peer = Driver.start<PeerOperations>({ program, args }, broker.address)
  })
  afterAll(async () => {
    await peer[Symbol.asyncDispose]()
    await registry.stop()
    await broker.stop()
  })

  const clientOptions = () => ({ bootstrapServers: [broker.address], clientId: 'interop' })
  const createTopic = async (topic: string): Promise<void> => {
    const admin = createAdmin(clientOptions())
    await admin.ensureTopic({ topic, partitions: 1 })
    await admin.close()
  }
  const stored = async (topic: string, offset: number) => {
    const reader = createReader(clientOptions())
    const page = await reader.fetch({
      topic,
      partition: 0,
      fromOffset: offset,
      maxWaitMs: 10_000,
      maxBytes: 1_000_000,
      signal: AbortSignal.timeout(30_000),
    })
    await reader.close()
    const [first] = page.records
    if (first?.value == null) throw new Error(`${topic} has no value at ${offset}`)
    return { value: first.value, headers: first.headers }
  }
  const store = async (
    topic: string,
    value: Uint8Array,
    headers: readonly (readonly [string, Uint8Array])[] = [],
  ): Promise<number> => {
    const producer = createProducer(clientOptions())
    const [location] = await producer.send([{ topic, partition: 0, key: null, value, headers }])
    await producer.close()
    return location?.offset ?? -1
  }
  const call = async (method: string, ...args: readonly unknown[]) => {
    const { result, failure } = await peer.ask('call', { method, args })
    return failure ?? result
  }
  const client = () => createRegistryClient({ url: registry.url })
  const serde = () => createAvroSerde({ registry: client() })

  test('Avro: our serde reads what it wrote, and it reads what our serde wrote', async () => {
    await createTopic('py-avro')
    const sent = await peer.ask('send', {
      topic: 'py-avro',
      format: 'AVRO',
      schema: ORDER,
      value: order,
    })
    const { value: bytes } = await stored('py-avro', sent.offset)
    const { schemaId } = await client().version('py-avro-value', 'latest')
    const ours = { ...order, cents: 12_995n }
    expect(await serde().decode(bytes)).toEqual({ schemaId, value: ours })

    const ourBytes = await serde().encode('py-avro-value', { schema: ORDER }, ours)
    expect(Buffer.compare(ourBytes, bytes)).toBe(0)
    const offset = await store('py-avro', ourBytes)
    const received = await peer.ask('receive', { topic: 'py-avro', offset, format: 'AVRO' })
    expect(received.value).toEqual(order)
    // With a reader's schema of its own, it resolves.
    const reader = {
      topic: 'py-avro',
      offset,
      format: 'AVRO',
      schema: ORDER_WITH_CURRENCY,
    } as const
    expect((await peer.ask('receive', reader)).value).toEqual({
      id: 'o-1',
      cents: 12_995,
      currency: 'EUR',
    })
  })

  test('Avro: a schema with references', async () => {
    await createTopic('py-references')
    await call('register_schema', 'python-line', { schema_str: LINE, schema_type: 'AVRO' })
    const format = { format: 'AVRO', schema: BASKET, references: BASKET_REFERENCES } as const
    const value = { first: { sku: 'a', quantity: 1 }, others: [{ sku: 'b', quantity: 2 }] }
    const { offset } = await peer.ask('send', { topic: 'py-references', ...format, value })
    const { value: bytes } = await stored('py-references', offset)
    expect((await serde().decode(bytes)).value).toEqual(value)
    expect(
      await peer.ask('receive', { topic: 'py-references', offset, format: 'AVRO' }),
    ).toMatchObject({ value })
    const { schemaId } = await client().version('py-references-value', 'latest')
    expect(await call('get_referenced_by', 'python-line', 1)).toEqual([schemaId])
    expect(await call('delete_subject', 'python-line')).toEqual({ status: 422, code: 42_206 })
  })

  test('use.latest.version: the newest version of the subject, and none is registered', async () => {
    await createTopic('py-latest')
    await client().register('py-latest-value', { schema: ORDER })
    await client().register('py-latest-value', { schema: ORDER_WITH_CURRENCY })
    const conf = { 'auto.register.schemas': false, 'use.latest.version': true }
    const value = { id: 'o-2', cents: 1, currency: 'CHF' }
    const format = { format: 'AVRO', schema: ORDER, conf } as const
    const { offset } = await peer.ask('send', { topic: 'py-latest', ...format, value })
    const { value: bytes } = await stored('py-latest', offset)
    const { schemaId } = await client().version('py-latest-value', 2)
    expect(await serde().decode(bytes)).toEqual({ schemaId, value: { ...value, cents: 1n } })
    expect(await call('get_versions', 'py-latest-value')).toEqual([1, 2])

    await createTopic('py-none')
    const unregistered = { topic: 'py-none', format: 'AVRO', schema: ORDER, value: order } as const
    await expect(
      peer.ask('send', { ...unregistered, conf: { 'auto.register.schemas': false } }),
    ).rejects.toThrow(/40401/)
  })

  test('use.latest.with.metadata: the newest version that has the property', async () => {
    await createTopic('py-metadata')
    const withMetadata = (schema: string, major: string) => ({
      schema,
      metadata: { properties: { major } },
    })
    for (const body of [withMetadata(ORDER, '1'), withMetadata(ORDER_WITH_CURRENCY, '2')]) {
      const response = await fetch(`${registry.url}/subjects/py-metadata-value/versions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      expect(response.status).toBe(200)
    }
    const conf = { 'auto.register.schemas': false, 'use.latest.with.metadata': { major: '1' } }
    const format = { format: 'AVRO', schema: ORDER, conf } as const
    const { offset } = await peer.ask('send', { topic: 'py-metadata', ...format, value: order })
    const { schemaId } = await serde().decode((await stored('py-metadata', offset)).value)
    expect(schemaId).toBe((await client().version('py-metadata-value', 1)).schemaId)
  })

  test('normalize.schemas: another order of members is the same version', async () => {
    await createTopic('py-normal')
    const shuffled = JSON.stringify({
      namespace: 'interop',
      fields: [
        { type: 'string', name: 'id' },
        { type: { type: 'long' }, name: 'cents' },
      ],
      name: 'Plain',
      type: 'record',
    })
    const plain = record('Plain', [field('id', 'string'), field('cents', 'long')])
    for (const schema of [plain, shuffled]) {
      const conf = { 'normalize.schemas': true }
      const value = { id: 'o-1', cents: 1 }
      await peer.ask('send', { topic: 'py-normal', format: 'AVRO', schema, conf, value })
    }
    expect(await call('get_versions', 'py-normal-value')).toEqual([1])
  })

  test.for([
    ['TOPIC', 'py-topic-value'],
    ['RECORD', 'interop.Named'],
    ['TOPIC_RECORD', 'py-topic_record-interop.Named'],
    ['ASSOCIATED', 'py-associated-value'],
  ] as const)('subject.name.strategy.type %s: subject %s', async ([strategy, subject]) => {
    const topic = `py-${strategy.toLowerCase()}`
    await createTopic(topic)
    const conf = { 'subject.name.strategy.type': strategy }
    const schema = record('Named', [field('id', 'string')])
    const value = { id: 'o-1' }
    const { offset } = await peer.ask('send', { topic, format: 'AVRO', schema, conf, value })
    const { schemaId } = await serde().decode((await stored(topic, offset)).value)
    expect((await client().version(subject, 1)).schemaId).toBe(schemaId)
    const received = await peer.ask('receive', { topic, offset, format: 'AVRO', conf })
    expect(received.value).toEqual(value)
  })

  test('JSON Schema: with references; what does not fit is refused', async () => {
    await createTopic('py-json')
    const address = { schema_str: ADDRESS_JSON, schema_type: 'JSON' }
    await call('register_schema', 'python-address', address)
    const format = { format: 'JSON', schema: PERSON_JSON, references: PERSON_REFERENCES } as const
    const value = { name: 'Ada', home: { city: 'London' } }
    const { offset } = await peer.ask('send', { topic: 'py-json', ...format, value })
    const received = await peer.ask('receive', { topic: 'py-json', offset, format: 'JSON' })
    expect(received.value).toEqual(value)
    await expect(
      peer.ask('send', { topic: 'py-json', ...format, value: { name: 'Ada', home: {} } }),
    ).rejects.toThrow(/city/)
  })

  test('Protobuf: registers what a file imports, and finds a nested message by its index', async () => {
    await createTopic('py-protobuf')
    const { offset } = await peer.ask('send', { topic: 'py-protobuf', ...PROTOBUF, value: content })
    expect(await call('get_versions', 'interop/line.proto')).toEqual([1])
    const { references, schema } = await client().version('py-protobuf-value', 1)
    expect(references).toEqual([
      { name: 'interop/line.proto', subject: 'interop/line.proto', version: 1 },
    ])
    expect(schema).toContain('import "interop/line.proto";')
    const { value: bytes } = await stored('py-protobuf', offset)
    // Two indexes, 1 and 0, as zigzag varints behind the id.
    expect([...bytes.subarray(5, 8)]).toEqual([4, 2, 0])
    const received = await peer.ask('receive', { topic: 'py-protobuf', offset, ...PROTOBUF })
    expect(received.value).toEqual(content)
    // Once more: what it registers is what is there.
    await peer.ask('send', { topic: 'py-protobuf', ...PROTOBUF, value: content })
    expect(await call('get_versions', 'py-protobuf-value')).toEqual([1])
  })

  test.for([
    { format: 'AVRO', schema: ORDER, value: order },
    { format: 'JSON', schema: ADDRESS_JSON, value: { city: 'Paris' } },
    { ...PROTOBUF, value: content },
  ] as const)('$format: the GUID of the schema in a header', async ({ value, ...format }) => {
    const topic = `py-header-${format.format.toLowerCase()}`
    await createTopic(topic)
    const { offset } = await peer.ask('send', { topic, ...format, value, header: true })
    const { headers } = await stored(topic, offset)
    const [name, header] = headers[0] ?? []
    expect(name).toBe('__value_schema_id')
    const guid = Buffer.from(header ?? [])
      .subarray(1, 17)
      .toString('hex')
      .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
    const { schemaId } = await client().version(`${topic}-value`, 1)
    const response = await fetch(`${registry.url}/schemas/guids/${guid}/ids`)
    expect(await response.json()).toEqual([{ context: '.', id: schemaId }])
    expect((await peer.ask('receive', { topic, offset, ...format })).value).toEqual(value)
  })

  test('Avro with a GUID in a header: to and from our serde, to the same bytes', async () => {
    await createTopic('py-header')
    const format = { topic: 'py-header', format: 'AVRO', schema: ORDER } as const
    const { offset } = await peer.ask('send', { ...format, value: order, header: true })
    const written = await stored('py-header', offset)
    const ours = { ...order, cents: 12_995n }
    const { headers } = written
    expect((await serde().decode(written.value, undefined, { headers })).value).toEqual(ours)

    const encoder = await serde().headerEncoder('py-header-value', { schema: ORDER })
    expect(encoder.header[0]).toBe('__value_schema_id')
    expect(Buffer.compare(encoder.header[1], headers[0]?.[1] ?? Buffer.of())).toBe(0)
    expect(Buffer.compare(encoder.encode(ours), written.value)).toBe(0)
    const again = await store('py-header', encoder.encode(ours), [encoder.header])
    expect((await peer.ask('receive', { ...format, offset: again })).value).toEqual(order)
  })

  test('an incompatible schema is refused while it serializes', async () => {
    await createTopic('py-strict')
    const format = { topic: 'py-strict', format: 'AVRO' } as const
    await peer.ask('send', { ...format, schema: ORDER, value: order })
    const broken = record('Order', [field('id', 'int')])
    await expect(peer.ask('send', { ...format, schema: broken, value: { id: 1 } })).rejects.toThrow(
      /40901/,
    )
  })

  test('its registry client: subjects, versions, settings, deletes', async () => {
    const schema = { schema_str: ORDER, schema_type: 'AVRO' }
    expect(await call('register_schema_full_response', 'python-client', schema)).toMatchObject({
      version: 1,
      guid: expect.stringMatching(/^[0-9a-f]{8}-/),
    })
    const id = await call('register_schema', 'python-client', schema)
    expect(await call('lookup_schema', 'python-client', schema)).toMatchObject({
      id,
      subject: 'python-client',
      version: 1,
    })
    expect(await call('get_schema', id)).toMatchObject({ schemaType: 'AVRO' })
    expect(await call('get_schema_types')).toEqual(['JSON', 'PROTOBUF', 'AVRO'])
    expect(await call('get_subjects_by_schema_id', id, 'python-client')).toEqual(['python-client'])
    expect(await call('get_schema_versions', id, 'python-client')).toEqual([
      { subject: 'python-client', version: 1 },
    ])
    expect(await call('get_latest_version', 'python-client')).toMatchObject({ version: 1 })
    expect(await call('test_compatibility', 'python-client', schema)).toBe(true)
    const broken = { schema_str: record('Order', [field('id', 'int')]), schema_type: 'AVRO' }
    expect(await call('test_compatibility_all_versions', 'python-client', broken)).toBe(false)
    expect(await call('set_compatibility', 'python-client', 'FULL')).toMatchObject({
      compatibility: 'FULL',
    })
    expect(await call('get_compatibility', 'python-client')).toBe('FULL')
    expect(await call('delete_config', 'python-client')).toMatchObject({
      compatibilityLevel: 'FULL',
    })
    expect(await call('get_global_mode')).toBe('READWRITE')
    expect(await call('update_mode', 'python-client', 'READONLY')).toBe('READONLY')
    expect(await call('register_schema', 'python-client', broken)).toEqual({
      status: 422,
      code: 42_205,
    })
    expect(await call('delete_mode', 'python-client')).toBe('READONLY')
    expect(await call('get_contexts')).toEqual(['.'])
    expect(await call('get_subjects')).toContain('python-client')
    expect(await call('delete_version', 'python-client', 1)).toBe(1)
    expect(await call('delete_subject', 'python-client', true)).toEqual([1])
    expect(await call('get_versions', 'python-client')).toEqual({ status: 404, code: 40_401 })
  })
})
