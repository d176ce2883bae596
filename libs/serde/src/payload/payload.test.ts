import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import protobuf from 'protobufjs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  EncodeError,
  PayloadEncoders,
  RegistryError,
  createAvroSerde,
  createRegistryClient,
} from '../index.ts'

/** What a registry answers, in Confluent's REST shape. */
const SUBJECTS: Readonly<Record<string, Record<string, unknown>>> = {
  avro: {
    schema: JSON.stringify({
      type: 'record',
      name: 'Order',
      fields: [
        { name: 'id', type: 'long' },
        { name: 'note', type: ['null', 'string'], default: null },
        { name: 'raw', type: 'bytes' },
        { name: 'price', type: 'double' },
      ],
    }),
  },
  tree: {
    schema: JSON.stringify({
      type: 'record',
      name: 'Sum',
      fields: [
        {
          name: 'of',
          type: [
            'long',
            'Sum',
            {
              type: 'record',
              name: 'Product',
              fields: [
                { name: 'of', type: ['long', 'Sum', 'Product'] },
                { name: 'factor', type: 'bytes' },
              ],
            },
          ],
        },
      ],
    }),
  },
  alike: {
    schema: JSON.stringify([
      {
        type: 'record',
        name: 'Left',
        fields: [
          { name: 'of', type: ['null', 'double', 'long', 'Left', 'Right'] },
          { name: 'side', type: { type: 'enum', name: 'IsLeft', symbols: ['LEFT', 'NONE'] } },
          { name: 'raw', type: 'bytes', default: '' },
        ],
      },
      {
        type: 'record',
        name: 'Right',
        fields: [
          { name: 'of', type: ['null', 'double', 'long', 'Left', 'Right'] },
          { name: 'side', type: { type: 'enum', name: 'IsRight', symbols: ['RIGHT', 'NONE'] } },
          { name: 'raw', type: 'bytes', default: '' },
        ],
      },
    ]),
  },
  json: {
    schemaType: 'JSON',
    schema: JSON.stringify({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      required: ['id'],
      properties: { id: { type: 'integer' }, lines: { items: { $ref: 'line.json' } } },
      additionalProperties: false,
    }),
    references: [{ name: 'line.json', subject: 'line', version: 1 }],
  },
  line: {
    schemaType: 'JSON',
    schema: JSON.stringify({ type: 'object', properties: { count: { type: 'integer' } } }),
  },
  proto: {
    schemaType: 'PROTOBUF',
    schema: `syntax = "proto3"; package shop; import "google/protobuf/timestamp.proto"; import "kind.proto";
      message Other { message Inner { string text = 1; } }
      message Order { int64 order_id = 1; repeated Kind kinds = 2; map<string, double> prices = 3;
        google.protobuf.Timestamp at = 4; bytes raw = 5; Other.Inner inner = 6; }`,
    references: [{ name: 'kind.proto', subject: 'kind', version: 1 }],
  },
  kind: {
    schemaType: 'PROTOBUF',
    schema: 'syntax = "proto3"; package shop; enum Kind { NONE = 0; NEW = 1; }',
  },
  broken: { schemaType: 'PROTOBUF', schema: 'message {' },
  brokenAvro: { schema: '{"type": "record"}' },
}
const IDS = Object.keys(SUBJECTS)

let isDown = false
const server = createServer((request, response) => {
  const [, subject = ''] = /^\/subjects\/(\w+)\/versions/.exec(request.url ?? '') ?? []
  const found = SUBJECTS[subject]
  response.statusCode = isDown ? 503 : found === undefined ? 404 : 200
  const id = IDS.indexOf(subject) + 1
  response.end(
    JSON.stringify(
      found === undefined || isDown
        ? { error_code: 40401, message: 'Subject not found.' }
        : { subject, version: 3, id, ...found },
    ),
  )
})
let registry: ReturnType<typeof createRegistryClient>

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  const { port } = server.address() as AddressInfo
  registry = createRegistryClient({ url: `http://127.0.0.1:${port}` })
})
afterAll(() => server.close())

let nowMs = 0
function encoders(messageName?: string): PayloadEncoders {
  const options = { registry, latestTtlMs: 1_000, nowMs: () => nowMs }
  return new PayloadEncoders(messageName === undefined ? options : { ...options, messageName })
}

test('a document is encoded in Avro behind the id of its schema', async () => {
  const encoder = await encoders().load('avro')
  expect(encoder).toMatchObject({ schemaId: 1, version: 3, schemaType: 'AVRO' })
  const bytes = encoder.encode('{"id": 9007199254740993, "raw": "\\u0000ÿ", "price": 1}')
  expect([...bytes.subarray(0, 5)]).toEqual([0, 0, 0, 0, 1])
  const serde = createAvroSerde({
    registry: { ...registry, schemaById: async () => registry.version('avro', 3) },
  })
  expect((await serde.decode(bytes)).value).toEqual({
    id: 9007199254740993n,
    note: null,
    raw: Uint8Array.of(0, 255),
    price: 1,
  })
})

test('a double that JSON has not is text, where no branch of a union takes text', async () => {
  const avro = await encoders().load('avro')
  const alike = await encoders().load('alike')
  const [prefix, double] = [5, 2]
  for (const number of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    const price = avro.encode(`{"id": 1, "raw": "", "price": "${number}"}`).subarray(-8)
    expect(Buffer.from(price).readDoubleLE()).toBe(number)
    const bytes = alike.encode(`{"of": "${number}", "side": "LEFT"}`)
    expect(bytes[prefix + 1]).toBe(double)
    const text = avro.encode(`{"id": 1, "raw": "", "price": 1, "note": "${number}"}`)
    expect(Buffer.from(text).toString('latin1')).toContain(String(number))
  }
})

test('a document of types that nest within each other takes no longer with each level', async () => {
  const encoder = await encoders().load('tree')
  const factors = 64
  const text = `{"of": ${'{"factor": "ÿ", "of": '.repeat(factors)}7${'}'.repeat(factors)}}`
  const root = JSON.parse(text) as unknown
  const bytes = encoder.encode(text)
  const serde = createAvroSerde({
    registry: { ...registry, schemaById: async () => registry.version('tree', 3) },
  })
  const { value } = await serde.decode(bytes)
  const asText = (_: string, member: unknown) =>
    member instanceof Uint8Array ? 'ÿ' : typeof member === 'bigint' ? Number(member) : member
  expect(JSON.parse(JSON.stringify(value, asText))).toEqual(root)
})

test('records with the same fields are told apart by what is in them', async () => {
  const encoder = await encoders().load('alike')
  const [prefix, left, right, ofLong] = [5, 0, 2, 4]
  expect(encoder.encode('{"of": null, "side": "LEFT"}')[prefix]).toBe(left)
  expect(encoder.encode('{"of": null, "side": "RIGHT"}')[prefix]).toBe(right)
  expect(encoder.encode('{"of": 9007199254740993, "side": "LEFT"}')[prefix + 1]).toBe(ofLong)
})

test('what is wrong deep in records that are alike is named with its place', async () => {
  const encoder = await encoders().load('alike')
  const levels = 64
  const nested = '{"side": "NONE", "of": '.repeat(levels)
  const text = `${nested}{"of": null, "side": "NONE", "raw": "→"}${'}'.repeat(levels)}`
  expect(() => encoder.encode(text)).toThrow(
    `${'.of'.repeat(levels)}.raw: a character above U+00FF is no byte`,
  )
})

test('a document that a JSON Schema accepts goes out as it is written', async () => {
  const encoder = await encoders().load('json')
  const text = '{"id":  1, "lines": [{"count": 2}]}'
  expect(Buffer.from(encoder.encode(text).subarray(5)).toString()).toBe(text)
})

test('a document is encoded in Protobuf behind the place of its message', async () => {
  const encoder = await encoders('shop.Order').load('proto')
  const bytes = encoder.encode(
    `{"orderId": "9223372036854775807", "kinds": ["NEW", 0], "prices": {"eur": 1.5},
      "at": "2026-11-21T03:08:47.5Z", "raw": "AAE=", "inner": {"text": "ü"}}`,
  )
  // Two bytes of indexes: one of them, and it is 1 (zigzag: 2).
  expect([...bytes.subarray(0, 7)]).toEqual([0, 0, 0, 0, IDS.indexOf('proto') + 1, 2, 2])
  const root = new protobuf.Root()
  protobuf.parse(String(SUBJECTS['kind']?.['schema']), root)
  protobuf.parse(String(SUBJECTS['proto']?.['schema']), root)
  const common = protobuf.common.get('google/protobuf/timestamp.proto')
  root.addJSON(common?.nested ?? {})
  const type = root.lookupType('shop.Order')
  expect(type.toObject(type.decode(bytes.subarray(7)), { longs: String, enums: String })).toEqual({
    orderId: '9223372036854775807',
    kinds: ['NEW', 'NONE'],
    prices: { eur: 1.5 },
    at: { seconds: '1795230527', nanos: 500_000_000 },
    raw: Uint8Array.of(0, 1),
    inner: { text: 'ü' },
  })
})

test('the first message of a file is a single zero', async () => {
  const encoder = await encoders().load('proto')
  expect([...encoder.encode('{}')]).toEqual([0, 0, 0, 0, IDS.indexOf('proto') + 1, 0])
})

test.for([
  { subject: 'avro', json: '{"id": "1", "raw": "", "price": 1}', path: '.id' },
  { subject: 'avro', json: '{"id": 1, "raw": "€", "price": 1}', path: '.raw' },
  { subject: 'avro', json: '{"id": 1}', path: '' },
  { subject: 'avro', json: '{', path: '' },
  { subject: 'json', json: '{"id": 1, "lines": [{"count": 1.5}]}', path: '/lines/0/count' },
  { subject: 'json', json: '{"id": 1, "more": 2}', path: '' },
  { subject: 'proto', json: '{"orderId": 9223372036854775808}', path: '.orderId' },
  { subject: 'proto', json: '{"kinds": ["OLD"]}', path: '.kinds[0]' },
  { subject: 'proto', json: '{"inner": {"other": 1}}', path: '.inner' },
  { subject: 'proto', json: '{"prices": {"eur": "x"}}', path: '.prices.eur' },
  { subject: 'proto', json: '[]', path: '' },
])('$json does not fit the schema of $subject, at "$path"', async ({ subject, json, path }) => {
  const encoder = await encoders(subject === 'proto' ? 'Order' : undefined).load(subject)
  expect(() => encoder.encode(json)).toThrow(EncodeError)
  expect(() => encoder.encode(json)).toThrow(expect.objectContaining({ path }))
})

test.for(['absent', 'broken', 'brokenAvro'])('subject %s has no encoder', async (subject) => {
  await expect(encoders().load(subject)).rejects.toThrow(RegistryError)
})

test('what is known goes on being used while the registry is down', async () => {
  const known = encoders()
  await known.load('avro')
  isDown = true
  nowMs += 2_000
  expect(known.known('avro')).toBeDefined()
  isDown = false
  expect(known.known('avro')).toBeDefined()
  expect(known.known('json')).toBeUndefined()
})
