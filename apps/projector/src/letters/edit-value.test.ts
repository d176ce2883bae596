import { defineEvents } from '@fairlead/avro'
import { type LogRecord, type Projection, defineProjection, tables } from '@fairlead/projection'
import { withWirePrefix } from '@fairlead/serde'
import { expect, onTestFinished, test, vi } from 'vitest'
import { RecordReader } from '../log/prepare-records.ts'
import { peerFailureOf } from '../peer-failures.ts'
import { JsonSerde } from '../testing/accounts.test-fixture.ts'
import { encodeEdit } from './edit-value.ts'

const TOPIC = 'outbox.event.parcel'
/** Byte 1 and a GUID (Confluent 8). */
const SCHEMA_ID = ['__value_schema_id', Uint8Array.of(1, ...Buffer.alloc(16, 7))] as const

const parcels: Projection = defineProjection({
  name: 'parcels',
  version: 1,
  from: defineEvents({
    topic: TOPIC,
    key: 'id',
    events: {
      Sent: {
        type: 'record',
        name: 'Sent',
        namespace: 'post',
        fields: [
          { name: 'id', type: 'string' },
          {
            name: 'first',
            type: {
              type: 'record',
              name: 'Stop',
              fields: [
                { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
                { name: 'grams', type: 'long' },
                { name: 'share', type: ['null', 'long', 'double'], default: null },
              ],
            },
          },
          { name: 'last', type: ['null', 'post.Stop'], default: null },
          {
            name: 'via',
            type: [
              'null',
              {
                type: 'record',
                name: 'Road',
                fields: [
                  { name: 'kind', type: { type: 'enum', name: 'IsRoad', symbols: ['ROAD'] } },
                  { name: 'left', type: 'string' },
                ],
              },
              {
                type: 'record',
                name: 'Air',
                fields: [
                  { name: 'kind', type: { type: 'enum', name: 'IsAir', symbols: ['AIR'] } },
                  { name: 'left', type: { type: 'long', logicalType: 'timestamp-millis' } },
                ],
              },
            ],
            default: null,
          },
        ],
      },
    },
  }),
  into: tables<{ parcel: { id: string } }>()('parcel', 'id', { id: 'text' }),
}).fold({ initial: (id) => ({ id }), on: { Sent: (row) => row } })

/** What was encoded, as JSON, and the bytes that it became. */
async function edited(
  json: unknown,
  headers: LogRecord['headers'] = [],
  of: Partial<LogRecord> = {},
  registryAnswers: Promise<void> = Promise.resolve(),
) {
  const written: string[] = []
  const payloads = {
    load: (subject: string) =>
      registryAnswers.then(() => ({
        subject,
        schemaId: 1,
        version: 1,
        schemaType: 'AVRO' as const,
        encode: (text: string) => {
          written.push(text)
          return withWirePrefix(1, Buffer.from(text))
        },
      })),
  }
  const record: LogRecord = {
    topic: TOPIC,
    partition: 0,
    offset: 0,
    timestampMs: 0,
    key: Buffer.from('p'),
    value: null,
    headers: [['eventType', Buffer.from('Sent')], ...headers],
    ...of,
  }
  const reader = new RecordReader(parcels, new JsonSerde(), { nowMs: () => 0, aheadMaxMs: 1 })
  const edit = { projection: parcels, eventType: 'Sent', json, record, reader }
  return { value: await encodeEdit(payloads, edit), written }
}

test('times and longs are read in every use of a named type', async () => {
  const stop = { at: '1970-01-01T00:00:01.000Z', grams: '9007199254740993' }
  const { written } = await edited({ id: 'p', first: stop, last: stop })
  const encoded = '{"at":1000,"grams":9007199254740993}'
  expect(written).toEqual([`{"id":"p","first":${encoded},"last":${encoded}}`])
})

test.for([
  ['ROAD', '"1970-01-01T00:00:01.000Z"'],
  ['AIR', '1000'],
] as const)(
  '%s: times are read in the record of a union that the value is',
  async ([kind, left]) => {
    const via = { kind, left: '1970-01-01T00:00:01.000Z' }
    const { written } = await edited({ id: 'p', via })
    expect(written).toEqual([`{"id":"p","via":{"kind":"${kind}","left":${left}}}`])
  },
)

test.for([
  ['2026-01-31T12:00:00.5+02:00', Date.UTC(2026, 0, 31, 10, 0, 0, 500)],
  ['2026-01-31', Date.UTC(2026, 0, 31)],
  ['+010000-01-01T00:00:00.000Z', Date.UTC(10_000, 0)],
] as const)('%s is a time', async ([at, timeMs]) => {
  const { written } = await edited({ id: 'p', first: { at, grams: 0 }, last: null })
  expect(written).toEqual([`{"id":"p","first":{"at":${timeMs},"grams":0},"last":null}`])
})

test.for([
  ['has a day that its month has not', '2026-02-31T00:00:00Z'],
  ['has no zone', '2026-01-31T12:00:00'],
  ['is guessed at', 'May 2026'],
] as const)('what %s stays text, which the schema refuses', async ([, at]) => {
  const { written } = await edited({ id: 'p', first: { at, grams: 0 }, last: null })
  expect(written).toEqual([`{"id":"p","first":{"at":"${at}","grams":0},"last":null}`])
})

test.for([
  ['a long', { at: 0, grams: 9007199254740992 }],
  ['a time', { at: 9007199254740992, grams: 0 }],
  ['a long or a double', { at: 0, grams: 0, share: 9007199254740992 }],
])('%s that is beyond the integers of a double is refused: it was rounded', async ([, first]) => {
  await expect(edited({ id: 'p', first, last: null })).rejects.toMatchObject({
    code: 'EDIT_REFUSED',
    message: expect.stringContaining('write the long as a string'),
  })
})

test('a number is taken as it is where it may be a double', async () => {
  const first = { at: 0, grams: 1, share: 1e300 }
  const { written } = await edited({ id: 'p', first, last: null })
  expect(written).toEqual(['{"id":"p","first":{"at":0,"grams":1,"share":1e+300},"last":null}'])
})

test('a value whose schema was named in a header has its own id once it is edited', async () => {
  const { value } = await edited({ id: 'p', first: null }, [SCHEMA_ID])
  expect(Buffer.from(value.subarray(5)).toString()).toBe('{"id":"p","first":null}')
})

test('a value of another key is refused, as it would be applied in the order of this one', async () => {
  await expect(edited({ id: 'q', first: null })).rejects.toMatchObject({
    code: 'EDIT_REFUSED',
    message: expect.stringMatching(/^the value has the key "q" in id, and its letter is of "p"/),
  })
})

test.for([
  ['the record has none', { key: null }],
  [
    'the record has another one than its value',
    { value: withWirePrefix(1, Buffer.from('{"id":"q"}')) },
  ],
] as const)('any key is taken where %s', async ([, of]) => {
  const { written } = await edited({ id: 'r', first: null }, [], of)
  expect(written).toEqual(['{"id":"r","first":null}'])
})

test('a registry that does not answer is away, and the edit is not made later', async () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const registry = Promise.withResolvers<void>()
  const late = edited({ id: 'p', first: null }, [], {}, registry.promise)
  const failure = late.catch((error: unknown) => peerFailureOf(error))
  await vi.advanceTimersByTimeAsync(25_000)
  expect(await failure).toEqual([503, 'UNAVAILABLE'])
})
