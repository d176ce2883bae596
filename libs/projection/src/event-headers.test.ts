import { DecodeError, EVENT_HEADERS, lsn } from '@fairlead/base'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EventHeadersReader } from './event-headers.ts'
import type { LogRecord } from './log-record.ts'

const utf8 = new TextEncoder()
const text = new TextDecoder()

type Headers = readonly (readonly [string, Uint8Array | null])[]

function record(headers: Headers): LogRecord {
  const place = { topic: 't', partition: 0, offset: 0, timestampMs: 0 }
  return { ...place, key: null, value: null, headers }
}

/** As the log has it: values among each other's bytes. */
function inPlace(headers: Headers): LogRecord {
  const values = headers.map(([, value]) => value ?? new Uint8Array())
  const bytes = Uint8Array.from(values.flatMap((value) => [...value, 0x31]))
  const read: Required<LogRecord>['readHeader'] = (position, read) => {
    const before = values.slice(0, position).reduce((sum, { length }) => sum + length + 1, 0)
    return read(bytes, before, before + (values[position]?.length ?? 0))
  }
  return {
    ...record(headers),
    headerNames: headers.map(([name]) => name),
    readHeader: read,
    headerText: (position) =>
      read(position, (within, start, end) => text.decode(within.subarray(start, end))),
  }
}

const written = (entries: Readonly<Record<string, string>>): Headers =>
  Object.entries(entries).map(([name, value]) => [name, utf8.encode(value)])

const OF_RELAY = {
  [EVENT_HEADERS.id]: 'e1',
  [EVENT_HEADERS.type]: 'Placed',
  [EVENT_HEADERS.commitLsn]: '1A/16b3748',
  [EVENT_HEADERS.commitIndex]: '2',
  [EVENT_HEADERS.commitTimestampMs]: '1700000000000',
}

test.for([
  ['of the relay', OF_RELAY, null],
  ['with a transaction', { ...OF_RELAY, [EVENT_HEADERS.transactionId]: '77' }, '77'],
  ['with a transaction that is none', { ...OF_RELAY, [EVENT_HEADERS.transactionId]: 'x' }, null],
] as const)('headers %s', ([, headers, transactionId]) => {
  const reader = new EventHeadersReader({ tenant: undefined, schema: 'schema' })
  const expected = {
    eventType: 'Placed',
    tenant: undefined,
    namesSchema: false,
    sourceError: undefined,
  }
  const source = {
    commitLsn: lsn(0x1a_016b_3748n),
    index: 2,
    commitTimeMs: 1_700_000_000_000,
    transactionId,
  }
  for (const one of [record(written(headers)), inPlace(written(headers))]) {
    expect(reader.read(one)).toEqual(expected)
    expect(reader.sourceOf(one)).toEqual(source)
  }
})

test('a position that makes no sense is none, and is told', () => {
  const reader = new EventHeadersReader({ tenant: undefined, schema: 'schema' })
  const headers = { ...OF_RELAY, [EVENT_HEADERS.commitLsn]: 'elsewhere' }
  for (const one of [record(written(headers)), inPlace(written(headers))]) {
    expect(reader.read(one)).toMatchObject({ sourceError: expect.any(DecodeError) })
    expect(reader.sourceOf(one)).toBeNull()
  }
})

/** Numbers, positions and names, and what is nearly one of these. */
const NUMBERS = ['', '0', '007', '12', '123456789012345', '1234567890123456', '-1', '1.5', ' 1']
const LSNS = ['0/0', '0/16B3748', 'ffffffff/ffffffff', '1fffff/ffffffff', '200000/0', '123456789/0']
const OTHERS = ['/', '1/', '/1', '1/1/1', '0/16G3748', 'Placed', 'true', '\0', 'ä']

test('headers in place say what their texts say', () => {
  const names = fc.constantFrom(...Object.values(EVENT_HEADERS), 'tenant', 'schema', 'else')
  const values = fc.oneof(
    fc.constantFrom(...NUMBERS, ...LSNS, ...OTHERS).map((value) => utf8.encode(value)),
    fc.uint8Array({ maxLength: 4 }),
    fc.constant(null),
  )
  const tenants = fc.constantFrom(undefined, 'tenant', EVENT_HEADERS.type, EVENT_HEADERS.commitLsn)
  const others = fc.array(fc.tuple(names, values), { maxLength: 8 })
  const some = fc.oneof(
    others,
    others.map((more) => [...written(OF_RELAY), ...more]),
    fc.shuffledSubarray(written(OF_RELAY) as [string, Uint8Array][]),
  )
  fc.assert(
    fc.property(some, tenants, (headers, tenant) => {
      const reader = new EventHeadersReader({ tenant, schema: 'schema' })
      // Twice: nothing of a record is left for the next one.
      for (const one of [headers, written(OF_RELAY), headers]) {
        expect(reader.read(inPlace(one))).toEqual(reader.read(record(one)))
        expect(reader.sourceOf(inPlace(one))).toEqual(reader.sourceOf(record(one)))
        expect(reader.idOf(inPlace(one))).toBe(reader.idOf(record(one)))
      }
    }),
    { numRuns: 2_000 },
  )
})
