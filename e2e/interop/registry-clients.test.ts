import {
  AvroDeserializer,
  AvroSerializer,
  Compatibility,
  HeaderSchemaIdSerializer,
  SchemaRegistryClient,
  SerdeType,
} from '@confluentinc/schemaregistry'
import { SchemaRegistry as KafkaJsRegistry, SchemaType } from '@kafkajs/confluent-schema-registry'
import { ConfluentSchemaRegistry } from '@platformatic/kafka'
import {
  type RegistryClient,
  createAvroSerde,
  createRegistryClient,
  withWirePrefix,
} from '@fairlead/serde'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { RegistryProcess } from '../support/registry-process.ts'
import { waitFor } from '../support/wait-for.ts'

const WAIT_MS = 60_000

let broker: BrokerProcess
let registry: RegistryProcess

beforeAll(async () => {
  broker = await BrokerProcess.start()
  registry = await RegistryProcess.start(broker.address)
})
afterAll(async () => {
  await registry.stop()
  await broker.stop()
})

const record = (name: string, fields: readonly object[]): string =>
  JSON.stringify({ type: 'record', name, namespace: 'interop', fields })
const LINE = record('Line', [
  { name: 'sku', type: 'string' },
  { name: 'quantity', type: 'int' },
])
const orderFields = [
  { name: 'id', type: 'string' },
  { name: 'cents', type: 'long' },
  { name: 'note', type: ['null', 'string'], default: null },
  { name: 'status', type: { type: 'enum', name: 'Status', symbols: ['OPEN', 'PAID'] } },
  { name: 'lines', type: { type: 'array', items: JSON.parse(LINE) as object } },
  { name: 'labels', type: { type: 'map', values: 'double' } },
]
const ORDER = record('Order', orderFields)
const ORDER_BROKEN = record('Order', [
  { name: 'id', type: 'int' },
  ...orderFields.slice(1),
  { name: 'customer', type: 'string' },
])
const order = {
  id: 'o-1',
  note: 'ä',
  status: 'PAID',
  lines: [{ sku: 'a', quantity: 2 }],
  labels: { weight: 0.5 },
}
/** A long as clients without bigint have it, and as ours. */
const theirs = { ...order, cents: 12_995 }
const ours = { ...order, cents: 12_995n }

const serde = () => createAvroSerde({ registry: createRegistryClient({ url: registry.url }) })

const post = async (path: string, body: object) => {
  const response = await fetch(`${registry.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify(body),
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

describe('@confluentinc/schemaregistry', () => {
  test('registers, encodes and decodes, to and from our serde', async () => {
    const client = new SchemaRegistryClient({ baseURLs: [registry.url] })
    const id = await client.register('confluent-value', { schema: ORDER, schemaType: 'AVRO' })
    const { schema } = await client.getBySubjectAndId('confluent-value', id)
    expect(JSON.parse(schema)).toMatchObject({
      name: 'Order',
      fields: [{ name: 'id' }, {}, {}, {}, {}, {}],
    })
    expect((await client.getLatestSchemaMetadata('confluent-value')).version).toBe(1)

    const serializer = new AvroSerializer(client, SerdeType.VALUE, { useLatestVersion: true })
    const deserializer = new AvroDeserializer(client, SerdeType.VALUE, {})
    const bytes = await serializer.serialize('confluent', theirs)
    expect(await serde().decode(bytes)).toEqual({ schemaId: id, value: ours })
    const ourBytes = await serde().encode('confluent-value', { schema: ORDER }, ours)
    expect(Buffer.compare(ourBytes, bytes)).toBe(0)
    expect(await deserializer.deserialize('confluent', Buffer.from(ourBytes))).toMatchObject(theirs)
    await client.close()
  })

  test('registers by itself, with a referenced schema', async () => {
    const client = new SchemaRegistryClient({ baseURLs: [registry.url] })
    await client.register('line', { schema: LINE, schemaType: 'AVRO' })
    const schema = record('Basket', [{ name: 'first', type: 'interop.Line' }])
    const references = [{ name: 'interop.Line', subject: 'line', version: 1 }]
    const id = await client.register('basket-value', { schema, schemaType: 'AVRO', references })
    const bytes = await serde().encode(
      'basket-value',
      { schema, references },
      { first: { sku: 'a', quantity: 1 } },
    )
    const deserializer = new AvroDeserializer(client, SerdeType.VALUE, {})
    expect(await deserializer.deserialize('basket', Buffer.from(bytes))).toMatchObject({
      first: { sku: 'a', quantity: 1 },
    })
    expect((await serde().decode(bytes)).schemaId).toBe(id)
    await client.close()
  })

  test('puts the GUID of a schema into a header, and finds the schema by it', async () => {
    const client = new SchemaRegistryClient({ baseURLs: [registry.url] })
    await client.register('headers-value', { schema: ORDER, schemaType: 'AVRO' })
    const serializer = new AvroSerializer(client, SerdeType.VALUE, {
      useLatestVersion: true,
      schemaIdSerializer: HeaderSchemaIdSerializer,
    })
    const headers = {}
    const bytes = await serializer.serialize('headers', theirs, headers)
    expect(Object.keys(headers)).toEqual(['__value_schema_id'])
    const reader = new SchemaRegistryClient({ baseURLs: [registry.url] })
    const deserializer = new AvroDeserializer(reader, SerdeType.VALUE, {})
    expect(await deserializer.deserialize('headers', bytes, headers)).toMatchObject(theirs)
    await client.close()
    await reader.close()
  })

  test('is told why a schema is incompatible, and may lower the level', async () => {
    const client = new SchemaRegistryClient({ baseURLs: [registry.url] })
    const broken = { schema: ORDER_BROKEN, schemaType: 'AVRO' }
    await client.register('strict', { schema: ORDER, schemaType: 'AVRO' })
    expect(await client.testSubjectCompatibility('strict', broken)).toBe(false)
    await expect(client.register('strict', broken)).rejects.toMatchObject({
      status: 409,
      errorCode: 40_901,
      message: expect.stringMatching(/'\/fields\/0\/type'.*'customer' at path '\/fields\/6'/),
    })
    await client.updateCompatibility('strict', Compatibility.NONE)
    expect(await client.register('strict', broken)).toBeGreaterThan(0)
    await client.close()
  })
})

describe('@kafkajs/confluent-schema-registry', () => {
  test('registers, encodes and decodes, to and from our serde', async () => {
    const client = new KafkaJsRegistry({ host: registry.url })
    const { id } = await client.register(
      { type: SchemaType.AVRO, schema: ORDER },
      { subject: 'kafkajs-value' },
    )
    expect(await client.getLatestSchemaId('kafkajs-value')).toBe(id)
    const bytes = await client.encode(id, theirs)
    expect(await serde().decode(bytes)).toEqual({ schemaId: id, value: ours })
    const ourBytes = await serde().encode('kafkajs-value', { schema: ORDER }, ours)
    expect(Buffer.compare(ourBytes, bytes)).toBe(0)
    expect(await client.decode(Buffer.from(ourBytes))).toMatchObject(theirs)
  })

  test('Avro with a reference, JSON Schema and Protobuf', async () => {
    const client = new KafkaJsRegistry({ host: registry.url })
    const { id: lineId } = await client.register(
      { type: SchemaType.AVRO, schema: LINE },
      { subject: 'kafkajs-line' },
    )
    expect(lineId).toBeGreaterThan(0)
    const references = [{ name: 'interop.Line', subject: 'kafkajs-line', version: 1 }]
    const basket = record('Basket', [{ name: 'first', type: 'interop.Line' }])
    const schemas = [
      {
        schema: { type: SchemaType.AVRO, schema: basket, references },
        value: { first: { sku: 'a', quantity: 1 } },
      },
      {
        schema: {
          type: SchemaType.JSON,
          schema: JSON.stringify({
            type: 'object',
            properties: { id: { type: 'string' } },
            required: ['id'],
          }),
        },
        value: { id: 'o-1' },
      },
      {
        schema: {
          type: SchemaType.PROTOBUF,
          schema: 'syntax = "proto3";\nmessage Named {\n  string id = 1;\n}\n',
        },
        value: { id: 'o-1' },
      },
    ] as const
    for (const { schema, value } of schemas) {
      const subject = `kafkajs-${schema.type.toLowerCase()}-value`
      const { id } = await client.register(schema as never, { subject })
      const bytes = await client.encode(id, value)
      // Another client, which has to ask the registry.
      const reader = new KafkaJsRegistry({ host: registry.url })
      expect(await reader.decode(bytes)).toMatchObject(value)
    }
  })

  test('is told that a schema is incompatible', async () => {
    const client = new KafkaJsRegistry({ host: registry.url })
    const register = (schema: string) =>
      client.register({ type: SchemaType.AVRO, schema }, { subject: 'kafkajs-strict' })
    await register(ORDER)
    await expect(register(ORDER_BROKEN)).rejects.toThrow(/incompatible.*'\/fields\/0\/type'/s)
  })
})

describe('@platformatic/kafka', () => {
  test('encodes and decodes Avro, to and from our serde', async () => {
    const ourBytes = Buffer.from(await serde().encode('platform-value', { schema: ORDER }, ours))
    const { client, schemaId } = await platformaticClient(ourBytes)
    expect(client.getDeserializers().value?.(ourBytes)).toMatchObject(theirs)
    const message = { topic: 'platform', metadata: { schemas: { value: schemaId } } } as never
    const bytes = client.getSerializers().value?.(theirs as never, undefined, message)
    expect(bytes === undefined ? -1 : Buffer.compare(bytes, ourBytes)).toBe(0)
  })

  test('validates with a JSON Schema, and reads a Protobuf one', async () => {
    const json = JSON.stringify({ type: 'object', properties: { id: { type: 'string' } } })
    const proto = 'syntax = "proto3";\nmessage Order {\n  string id = 1;\n}\n'
    const jsonId = await registered('platform-json', { schema: json, schemaType: 'JSON' })
    const protoId = await registered('platform-proto', { schema: proto, schemaType: 'PROTOBUF' })
    const written = await Promise.all(
      [jsonId, protoId].map(async (id) => {
        const { client } = await platformaticClient(prefixOf(id))
        const message = { topic: 'platform', metadata: { schemas: { value: id } } } as never
        return client.getSerializers().value?.({ id: 'o-1' } as never, undefined, message)
      }),
    )
    expect(written.map((bytes) => bytes?.readInt32BE(1))).toEqual([jsonId, protoId])
    const { client } = await platformaticClient(prefixOf(jsonId))
    expect(() => client.getDeserializers().value?.(withText(jsonId, '{"id":5}'))).toThrow(/string/)
  })
})

/** A client that has the schema of these bytes. */
async function platformaticClient(bytes: Buffer) {
  const client = new ConfluentSchemaRegistry({
    url: registry.url,
    jsonValidateSend: true,
    protobufTypeMapper: () => 'Order',
  })
  const schemaId = client.getSchemaId(bytes, 'value') ?? 0
  await new Promise<void>((resolve, reject) => {
    void client.fetchSchema(schemaId, (error) => (error ? reject(error) : resolve()))
  })
  return { client, schemaId }
}

async function registered(subject: string, schema: object): Promise<number> {
  const { status, body } = await post(`/subjects/${subject}/versions`, schema)
  expect(status).toBe(200)
  return body['id'] as number
}

function prefixOf(schemaId: number): Buffer {
  return withText(schemaId, '')
}

function withText(schemaId: number, text: string): Buffer {
  return Buffer.from(withWirePrefix(schemaId, Buffer.from(text)))
}

test('an incompatible schema is 409 with every reason, and the body has two members', async () => {
  await post('/subjects/plain/versions', { schema: ORDER })
  const { status, body } = await post('/subjects/plain/versions', { schema: ORDER_BROKEN })
  expect(status).toBe(409)
  expect(Object.keys(body)).toEqual(['error_code', 'message'])
  expect(body['message']).toContain("'/fields/0/type'")
  expect(body['message']).toContain("'customer' at path '/fields/6'")
})

test('a check names the group of our client that a schema would break', async () => {
  const client = createRegistryClient({ url: [registry.url, 'http://127.0.0.1:9'] })
  const written = await client.register('read-value', { schema: ORDER })
  // One of the registries is away: the other one is told all the same.
  const schema = { schema: record('Order', [{ name: 'id', type: 'string' }]) }
  await client.reportReader(written, { group: 'billing', member: 'a', schema })
  const response = await fetch(`${registry.url}/compatibility/subjects/read-value/versions`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/vnd.fairlead.registry.v1+json',
    },
    body: JSON.stringify({ schema: ORDER_BROKEN }),
  })
  expect(await response.json()).toMatchObject({
    is_compatible: false,
    consumers: [
      {
        group: 'billing',
        members: 1,
        is_broken: true,
        messages: [expect.stringContaining("'/fields/0/type'")],
      },
    ],
  })
})

const idsOf = async (client: RegistryClient, subjects: Iterable<string>) =>
  new Map(
    await Promise.all(
      [...subjects].map(
        async (subject) => [subject, (await client.version(subject, 'latest')).schemaId] as const,
      ),
    ),
  )

describe('registries over one topic', () => {
  test('kill -9 amid registrations loses none of those answered, and gives no id twice', async () => {
    const [before, after, writers] = [40, 40, 8]
    const given = new Map<string, number>()
    const isEnough = (): boolean => given.size >= before + after
    const client = createRegistryClient({
      url: registry.url,
      // For as long as a registry takes to start on a busy machine.
      attemptsMax: 1_000,
      backoff: { baseMs: 50, maxMs: 200 },
    })
    let next = 0
    const write = async (): Promise<void> => {
      while (!isEnough()) {
        const subject = `kill-${(next += 1)}`
        const schema = record(`Kill${next}`, [{ name: 'x', type: 'int' }])
        given.set(subject, await client.register(subject, { schema }))
      }
    }
    const writing = Promise.all(Array.from({ length: writers }, write))
    await waitFor('some registrations', WAIT_MS, () => given.size >= before)
    await registry.kill()
    registry.restart()
    await writing

    await using second = await RegistryProcess.start(broker.address)
    await registry.ready()
    expect(new Set(given.values()).size).toBe(given.size)
    for (const { url } of [registry, second]) {
      expect(await idsOf(createRegistryClient({ url }), given.keys())).toEqual(given)
    }
  })

  test('a second one and a restarted one give the same ids, and new ones behind them', async () => {
    await using second = await RegistryProcess.start(broker.address)
    const schema = record('Shared', [{ name: 'x', type: 'int' }])
    const id = await createRegistryClient({ url: registry.url }).register('shared-a', { schema })
    const other = createRegistryClient({ url: second.url })
    expect(await other.register('shared-b', { schema })).toBe(id)
    await registry.kill()
    registry.restart()
    await registry.ready()
    const restarted = createRegistryClient({ url: registry.url })
    expect(await restarted.register('shared-c', { schema })).toBe(id)
    const fresh = await restarted.register('fresh', { schema: '"bytes"' })
    expect(fresh).toBeGreaterThan(id)
    expect((await other.schemaById(fresh)).schema).toBe('"bytes"')
  })
})
