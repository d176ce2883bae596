import {
  AvroDeserializer,
  AvroSerializer,
  Compatibility,
  SchemaRegistryClient,
  SerdeType,
} from '@confluentinc/schemaregistry'
import { SchemaRegistry as KafkaJsRegistry, SchemaType } from '@kafkajs/confluent-schema-registry'
import { ConfluentSchemaRegistry } from '@platformatic/kafka'
import { type RegistryClient, createAvroSerde, createRegistryClient } from '@fairlead/serde'
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

  test('is told that a schema is incompatible', async () => {
    const client = new KafkaJsRegistry({ host: registry.url })
    const register = (schema: string) =>
      client.register({ type: SchemaType.AVRO, schema }, { subject: 'kafkajs-strict' })
    await register(ORDER)
    await expect(register(ORDER_BROKEN)).rejects.toThrow(/incompatible.*'\/fields\/0\/type'/s)
  })
})

test('@platformatic/kafka decodes what our serde wrote', async () => {
  const bytes = Buffer.from(await serde().encode('platformatic-value', { schema: ORDER }, ours))
  const client = new ConfluentSchemaRegistry({ url: registry.url })
  const schemaId = client.getSchemaId(bytes, 'value')
  expect(schemaId).toBeGreaterThan(0)
  await new Promise<void>((resolve, reject) => {
    void client.fetchSchema(schemaId ?? 0, (error) => (error ? reject(error) : resolve()))
  })
  expect(client.getDeserializers().value?.(bytes)).toMatchObject(theirs)
})

test('an incompatible schema is 409 with every reason, and the body has two members', async () => {
  await post('/subjects/plain/versions', { schema: ORDER })
  const { status, body } = await post('/subjects/plain/versions', { schema: ORDER_BROKEN })
  expect(status).toBe(409)
  expect(Object.keys(body)).toEqual(['error_code', 'message'])
  expect(body['message']).toContain("'/fields/0/type'")
  expect(body['message']).toContain("'customer' at path '/fields/6'")
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
      attemptsMax: 100,
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
