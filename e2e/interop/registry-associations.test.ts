import {
  AvroDeserializer,
  AvroSerializer,
  LifecyclePolicy,
  SchemaRegistryClient,
  SerdeType,
} from '@confluentinc/schemaregistry'
import { createRegistryClient, createSubjectNames } from '@fairlead/serde'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { RegistryProcess } from '../support/registry-process.ts'

let broker: BrokerProcess
/** Over one topic: what one writes, the other one has at once. */
let registry: RegistryProcess
let other: RegistryProcess

beforeAll(async () => {
  broker = await BrokerProcess.start()
  registry = await RegistryProcess.start(broker.address)
  other = await RegistryProcess.start(broker.address)
})
afterAll(async () => {
  await Promise.all([registry.stop(), other.stop()])
  await broker.stop()
})

const ORDER = JSON.stringify({
  type: 'record',
  name: 'Order',
  fields: [{ name: 'id', type: 'string' }],
})
const schema = { schema: ORDER, schemaType: 'AVRO' }
const resource = (name: string) => ({
  resourceName: name,
  resourceNamespace: 'lkc-1',
  resourceId: `id-${name}`,
  resourceType: 'topic',
})
const clientOf = ({ url }: RegistryProcess) => new SchemaRegistryClient({ baseURLs: [url] })
const associated = (client: SchemaRegistryClient, name: string) =>
  client.getAssociationsByResourceName(name, '-', 'topic', ['value'], null, 0, -1)
const namesAt = ({ url }: RegistryProcess, clusterId?: string) =>
  createSubjectNames({
    registry: createRegistryClient({ url }),
    ...(clusterId === undefined ? {} : { clusterId }),
  })

test("Confluent's client associates a topic, and its serializers and our strategy find the subject", async () => {
  const client = clientOf(registry)
  await client.register('orders-of-all', schema, false)
  const answer = await client.createAssociation({
    ...resource('orders'),
    associations: [
      { subject: 'orders-of-all', associationType: 'value', lifecycle: LifecyclePolicy.STRONG },
    ],
  })
  expect(answer).toMatchObject({
    ...resource('orders'),
    associations: [{ subject: 'orders-of-all', lifecycle: 'STRONG', frozen: false }],
  })
  expect(await associated(clientOf(other), 'orders')).toEqual([
    {
      ...resource('orders'),
      subject: 'orders-of-all',
      associationType: 'value',
      lifecycle: 'STRONG',
      frozen: false,
      guid: expect.any(String),
      createTs: expect.any(Number),
      updateTs: expect.any(Number),
    },
  ])

  const reader = clientOf(other)
  const serializer = new AvroSerializer(reader, SerdeType.VALUE, { useLatestVersion: true })
  const bytes = await serializer.serialize('orders', { id: 'o-1' })
  const deserializer = new AvroDeserializer(reader, SerdeType.VALUE, {})
  expect(await deserializer.deserialize('orders', bytes)).toEqual({ id: 'o-1' })
  // There is no subject by the topic's own name from which it could have come.
  expect(await reader.getAllSubjects()).toEqual(['orders-of-all'])

  expect(await namesAt(other)('orders', 'value', 'Order')).toBe('orders-of-all')
  expect(await namesAt(other, 'lkc-1')('orders', 'value', 'Order')).toBe('orders-of-all')
  expect(await namesAt(other, 'lkc-2')('orders', 'value', 'Order')).toBe('orders-value')
  expect(await namesAt(other)('orders', 'key', 'Order')).toBe('orders-key')
})

test('what is frozen with its topic goes with it, through another registry and a restart', async () => {
  const client = clientOf(registry)
  const subject = ':.lkc-1:payments-value'
  const answer = await client.createAssociation({
    ...resource('payments'),
    associations: [{ associationType: 'value', schema }],
  })
  expect(answer.associations).toMatchObject([
    { subject, lifecycle: 'STRONG', frozen: true, schema: { subject, version: 1 } },
  ])
  await other.kill()
  other.restart()
  await other.ready()
  const [before] = await associated(client, 'payments')
  const [after] = await associated(clientOf(other), 'payments')
  expect(after).toEqual(before)

  const remove = (isCascade: boolean) =>
    clientOf(other).deleteAssociations('id-payments', 'topic', ['value'], isCascade)
  await expect(remove(false)).rejects.toMatchObject({ status: 409, errorCode: 40908 })
  await remove(true)
  expect(await associated(client, 'payments')).toEqual([])
  await expect(remove(true)).rejects.toMatchObject({ status: 404, errorCode: 40410 })
  expect(await client.getAllSubjects()).not.toContain(subject)
})
