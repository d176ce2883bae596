import { create, createFileRegistry, fromBinary } from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import {
  JsonDeserializer,
  JsonSerializer,
  ProtobufDeserializer,
  ProtobufSerializer,
  SchemaRegistryClient,
  SerdeType,
} from '@confluentinc/schemaregistry'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { RegistryProcess } from '../support/registry-process.ts'

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

const PROTO = `syntax = "proto3";
package interop;

message Order {
  string id = 1;
  optional int64 cents = 2;
  map<string, Line> lines = 3;
  Status status = 4;

  message Line {
    int32 quantity = 1;
  }
  enum Status {
    OPEN = 0;
    PAID = 1;
  }
}
`

test("Confluent's Protobuf serializer registers descriptors, and reads them from our text", async () => {
  const client = new SchemaRegistryClient({ baseURLs: [registry.url] })
  await client.register('source', { schema: PROTO, schemaType: 'PROTOBUF' })
  const response = await fetch(
    `${registry.url}/subjects/source/versions/1/schema?format=serialized`,
  )
  const serialized = await response.text()

  // Google's own reader of descriptors takes what we made of the text.
  const file = fromBinary(FileDescriptorProtoSchema, Buffer.from(serialized, 'base64'))
  const files = createFileRegistry(create(FileDescriptorSetSchema, { file: [file] }))
  const order = files.getMessage('interop.Order')
  if (order === undefined) throw new Error('the message is not in the file')

  const serializer = new ProtobufSerializer(client, SerdeType.VALUE, { autoRegisterSchemas: true })
  // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- The client has the library's CommonJS types.
  serializer.registry.add(order)
  const value = { id: 'o-1', cents: 12n, status: 1 }
  const bytes = await serializer.serialize('proto', create(order, value))

  // What it registered is a descriptor; we keep its text, which means the same.
  const { schema } = await client.getLatestSchemaMetadata('proto-value')
  expect(schema).toContain('map<string, .interop.Order.Line> lines = 3;')
  const { schema: stored } = await client.getBySubjectAndId('source', 1)
  expect(stored).toBe(PROTO)
  expect(
    await client.testSubjectCompatibility('source', {
      schema: schema ?? '',
      schemaType: 'PROTOBUF',
    }),
  ).toBe(true)

  const deserializer = new ProtobufDeserializer(client, SerdeType.VALUE, {})
  expect(await deserializer.deserialize('proto', bytes)).toMatchObject(value)
  await client.close()
})

test("Confluent's JSON serializer validates with a registered schema", async () => {
  const client = new SchemaRegistryClient({ baseURLs: [registry.url] })
  const schema = JSON.stringify({
    type: 'object',
    properties: { id: { type: 'string' }, cents: { type: 'integer' } },
    required: ['id'],
    additionalProperties: false,
  })
  await client.register('json-value', { schema, schemaType: 'JSON' })
  const config = { useLatestVersion: true, autoRegisterSchemas: false, validate: true }
  const serializer = new JsonSerializer(client, SerdeType.VALUE, config)
  const deserializer = new JsonDeserializer(client, SerdeType.VALUE, {})
  const bytes = await serializer.serialize('json', { id: 'o-1', cents: 3 })
  expect(await deserializer.deserialize('json', bytes)).toEqual({ id: 'o-1', cents: 3 })
  await expect(serializer.serialize('json', { cents: 3 })).rejects.toThrow(/required|validat/i)
  await client.close()
})
