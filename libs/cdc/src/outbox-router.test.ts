import { formatLsn } from '@fairlead/base'
import { expect, test } from 'vitest'
import {
  DEFAULT_VALUE_OPTIONS,
  EMPTY_CATALOG,
  OutboxRouter,
  type OutboxRouterOptions,
  PgOutputDecoder,
  type RouteOutcome,
  TransactionAssembler,
  parsePlacements,
} from './index.ts'
import { MessageWriter, messages } from './testing/message-writer.ts'

const EVENTS = 7
const COLUMNS = [
  { name: 'id', typeOid: 2950 },
  { name: 'aggregatetype' },
  { name: 'aggregateid' },
  { name: 'type' },
  { name: 'payload', typeOid: 17 },
  { name: 'headers', typeOid: 3802 },
  { name: 'tracingspancontext' },
  { name: 'created_at', typeOid: 1184 },
]
const OPTIONS: OutboxRouterOptions = {
  tables: ['outbox.events'],
  messagePrefixes: ['outbox'],
  fields: {
    id: 'id',
    key: 'aggregateid',
    route: 'aggregatetype',
    payload: 'payload',
    type: 'type',
    timestamp: 'created_at',
    headers: 'headers',
    trace: 'tracingspancontext',
    schemaVersion: '',
    tenant: '',
  },
  placements: [],
  isPlacedFieldRequired: true,
  onInvalidOperation: 'warn',
  expandJson: undefined,
  tenant: undefined,
  tracesAll: false,
  nullKeys: 'error',
  rowBytesMax: 10_000,
  converters: { key: { kind: 'raw' }, value: { kind: 'raw' }, header: { kind: 'raw' } },
  documentSubject: '',
  values: DEFAULT_VALUE_OPTIONS,
  catalog: EMPTY_CATALOG,
  topicPrefix: 'fairlead',
  contextHeaders: [],
  topicRegex: /(?<routedByValue>.*)/,
  topicReplacement: 'outbox.event.${routedByValue}',
  allowedTopics: [],
  route: undefined,
  tombstoneOnEmptyPayload: false,
  source: '7300000000000000000/relay',
}

type Row = Partial<Record<string, string | null>>

const ROW: Row = {
  id: '0198f2d8-0000-7000-8000-000000000001',
  aggregatetype: 'order',
  aggregateid: 'o-1',
  type: 'OrderPlaced',
  payload: String.raw`\x00000000010a`,
  headers: '{}',
  tracingspancontext: null,
  created_at: '2026-11-21 03:08:47.123456+00',
}

function route(row: Row, options: Partial<OutboxRouterOptions> = {}, columns = COLUMNS) {
  const values = columns.map(({ name }) => ({ ...ROW, ...row })[name] ?? null)
  return routeMessage(messages.insert(EVENTS, values), options, columns)
}

function routeMessage(
  change: Uint8Array,
  options: Partial<OutboxRouterOptions> = {},
  columns = COLUMNS,
  table = 'events',
): RouteOutcome {
  const decoder = new PgOutputDecoder()
  const assembler = new TransactionAssembler()
  for (const bytes of [
    messages.begin(0x16b_3748n),
    messages.relation(EVENTS, 'outbox', table, columns),
  ]) {
    assembler.accept(decoder.decode(bytes))
  }
  const item = assembler.accept(decoder.decode(change))
  if (item?.kind !== 'row') throw new Error('not a row')
  return new OutboxRouter({ ...OPTIONS, ...options }).route(item)
}

function headersOf(outcome: RouteOutcome): Record<string, string | null> {
  if (outcome.kind !== 'routed') throw new Error(`not routed: ${JSON.stringify(outcome.kind)}`)
  const text = (value: Uint8Array | null) =>
    value === null ? null : new TextDecoder().decode(value)
  return Object.fromEntries(outcome.headers.map(([name, value]) => [name, text(value)]))
}

test('a row becomes a record: topic, key, payload bytes, timestamp', () => {
  expect(route({})).toMatchObject({
    kind: 'routed',
    topic: 'outbox.event.order',
    key: new TextEncoder().encode('o-1'),
    value: Uint8Array.of(0, 0, 0, 0, 1, 10),
    timestampMs: Date.UTC(2026, 10, 21, 3, 8, 47, 123),
    eventId: ROW['id'],
  })
})

test('a record says which event it is, and where it stands in which log', () => {
  expect(headersOf(route({}))).toEqual({
    id: ROW['id'],
    eventType: 'OrderPlaced',
    'cdc.lsn': formatLsn(0x16b_3748n as never),
    'cdc.seq': '0',
    'cdc.ts': '946684800000',
    'cdc.source': OPTIONS.source,
  })
})

test('entries of the headers column become headers, numbers digit by digit', () => {
  const headers =
    '{"tenant": "a\\"b", "n": 12345678901234567890, "d": 1.10, "o": {"x": [1, "}"]}, "z": null}'
  expect(headersOf(route({ headers }))).toMatchObject({
    tenant: 'a"b',
    n: '12345678901234567890',
    d: '1.10',
    o: '{"x": [1, "}"]}',
    z: null,
  })
})

test('the headers column cannot replace what the relay writes', () => {
  expect(headersOf(route({ headers: '{"cdc.lsn": "F/F", "id": "x"}' }))).toMatchObject({
    id: ROW['id'],
    'cdc.lsn': '0/16B3748',
  })
})

const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

test.for([TRACEPARENT, `#Thu Nov 21\ntraceparent=${TRACEPARENT}\ntracestate=a\\=1`])(
  'the trace column gives the traceparent header (%#)',
  (tracingspancontext) => {
    expect(headersOf(route({ tracingspancontext }))).toMatchObject({ traceparent: TRACEPARENT })
  },
)

test('the trace state is given without the backslashes of Java properties', () => {
  const tracingspancontext = String.raw`#Thu Nov 21
tracestate=vendor\=a\:1`
  expect(headersOf(route({ tracingspancontext }))).toMatchObject({ tracestate: 'vendor=a:1' })
})

test.for([
  { payload: null, tombstone: false, value: null },
  { payload: null, tombstone: true, value: null },
  { payload: String.raw`\x`, tombstone: false, value: new Uint8Array() },
  { payload: String.raw`\x`, tombstone: true, value: null },
])('payload $payload with tombstones $tombstone', ({ payload, tombstone, value }) => {
  const outcome = route({ payload }, { tombstoneOnEmptyPayload: tombstone })
  expect(outcome).toMatchObject({ kind: 'routed', value })
})

test('a payload that is not bytea goes through as its text', () => {
  const columns = COLUMNS.map((column) =>
    column.name === 'payload' ? { name: 'payload', typeOid: 3802 } : column,
  )
  const payload = '{"amount": 1.10, "id": 12345678901234567890}'
  expect(route({ payload }, {}, columns)).toMatchObject({
    value: new TextEncoder().encode(payload),
  })
})

test.for([
  { regex: '(?<routedByValue>.*)', replacement: 'a.${routedByValue}.b', topic: 'a.order.b' },
  { regex: '(.)(.*)', replacement: '$2.$1', topic: 'rder.o' },
  { regex: 'shop-(.*)', replacement: '$1', topic: 'order' },
])('$regex and $replacement give topic $topic', ({ regex, replacement, topic }) => {
  const options = { topicRegex: new RegExp(regex), topicReplacement: replacement }
  expect(route({}, options)).toMatchObject({ topic })
})

test.for([
  { row: { aggregatetype: 'no spaces' }, code: 'INVALID_TOPIC' },
  { row: { aggregatetype: 'é' }, code: 'INVALID_TOPIC' },
  { row: { aggregatetype: 'x'.repeat(250) }, code: 'INVALID_TOPIC' },
  { row: { aggregatetype: null }, code: 'INVALID_TOPIC' },
  { row: { aggregateid: null }, code: 'INVALID_KEY' },
  { row: { aggregateid: '' }, code: 'INVALID_KEY' },
  { row: { headers: '[1]' }, code: 'INVALID_HEADERS' },
  { row: { headers: '"x"' }, code: 'INVALID_HEADERS' },
  { row: { headers: '{' }, code: 'INVALID_HEADERS' },
  { row: { payload: String.raw`\x0g` }, code: 'INVALID_PAYLOAD' },
  { row: { payload: 'abc' }, code: 'INVALID_PAYLOAD' },
])('$row cannot be routed: $code', ({ row, code }) => {
  expect(route(row)).toMatchObject({ kind: 'unroutable', code, eventId: ROW['id'] })
})

test.for([{ field: 'tenant', row: { tenant: 'acme' }, topic: 'acme.outbox.event.order' }])(
  'a tenant has topics of its own',
  ({ field, row, topic }) => {
    const columns = [...COLUMNS, { name: field }]
    const options: Partial<OutboxRouterOptions> = {
      fields: { ...OPTIONS.fields, tenant: field },
      tenant: { topicReplacement: '${tenant}.${topic}', header: 'tenant' },
    }
    expect(route(row, options, columns)).toMatchObject({ topic })
    expect(headersOf(route(row, options, columns))).toMatchObject({ tenant: 'acme' })
    expect(route({ tenant: '' }, options, columns)).toMatchObject({ code: 'INVALID_TENANT' })
  },
)

const PLACED: Partial<OutboxRouterOptions> = {
  placements: parsePlacements(['type:header:kind', 'shard:partition', 'type:envelope']),
  converters: {
    key: { kind: 'string' },
    value: { kind: 'json', hasSchemas: false },
    header: { kind: 'simple' },
  },
}

test('columns are placed in headers, the envelope and the partition', () => {
  const columns = [...COLUMNS, { name: 'shard', typeOid: 23 }].map((column) =>
    column.name === 'payload' ? { name: 'payload', typeOid: 3802 } : column,
  )
  const outcome = route({ shard: '3', payload: '{"a": 1}' }, PLACED, columns)
  expect(headersOf(outcome)).toMatchObject({ kind: 'OrderPlaced' })
  expect(outcome).toMatchObject({ partition: 3 })
  const { value } = outcome as { value: Uint8Array }
  expect(new TextDecoder().decode(value)).toBe(
    String.raw`{"payload":"{\"a\": 1}","type":"OrderPlaced"}`,
  )
  expect(route({ shard: '-1', payload: '{}' }, PLACED, columns)).toMatchObject({
    code: 'INVALID_PARTITION',
  })
})

test('a placed column that the table lacks parks its rows, or is left out', () => {
  expect(route({}, PLACED)).toMatchObject({ code: 'MISSING_COLUMN' })
  const lenient = { ...PLACED, isPlacedFieldRequired: false }
  expect(route({}, lenient)).toMatchObject({ kind: 'routed' })
})

test('an event without a key is published where that is allowed', () => {
  expect(route({ aggregateid: null }, { nullKeys: 'allow' })).toMatchObject({ key: null })
})

test('of a row that is larger than any record may be nothing is kept but what names it', () => {
  expect(route({ payload: 'x'.repeat(20_000), headers: '{"a": 1}' })).toMatchObject({
    kind: 'unroutable',
    code: 'ROW_TOO_LARGE',
    aggregateType: 'order',
    value: null,
    headersText: null,
  })
})

test('every event begins a trace where that is asked for, the same one each time', () => {
  const traced = () => headersOf(route({}, { tracesAll: true }))['traceparent']
  expect(traced()).toMatch(/^00-0198f2d8000070008000000000000001-[0-9a-f]{16}-01$/)
  expect(traced()).toBe(traced())
})

test.for(['warn', 'error', 'fatal'] as const)('an update of a row is told: %s', (behavior) => {
  const update = new MessageWriter().tag('U').uint32(EVENTS).tag('N')
  const message = update.tuple(COLUMNS.map(() => null)).done()
  expect(routeMessage(message, { onInvalidOperation: behavior })).toMatchObject({
    kind: 'invalid-operation',
    behavior,
  })
})

test('rows of other tables, and other changes than inserts, are no events', () => {
  const insert = messages.insert(
    EVENTS,
    COLUMNS.map(() => null),
  )
  expect(routeMessage(insert, {}, COLUMNS, 'other')).toEqual({
    kind: 'ignored',
    reason: 'OTHER_TABLE',
  })
  const removal = new MessageWriter().tag('D').uint32(EVENTS).tag('K')
  expect(routeMessage(removal.tuple(COLUMNS.map(() => null)).done())).toEqual({
    kind: 'ignored',
    reason: 'NOT_AN_INSERT',
  })
})

test('a row of a table without a column that the configuration names is unroutable', () => {
  const columns = COLUMNS.filter(({ name }) => name !== 'aggregateid')
  expect(route({}, {}, columns)).toMatchObject({
    kind: 'unroutable',
    code: 'MISSING_COLUMN',
    reason: 'the table has no column aggregateid',
    aggregateId: null,
    aggregateType: 'order',
  })
})

test('a record owns its bytes: overwriting the message changes nothing in it', () => {
  const columns = COLUMNS.map((column) => ({ name: column.name }))
  const values = columns.map(({ name }) => ROW[name] ?? null)
  // A Buffer, as from a socket: its `slice` is a view.
  const message = Buffer.from(messages.insert(EVENTS, values))
  const outcome = routeMessage(message, {}, columns)
  if (outcome.kind !== 'routed') throw new Error('not routed')
  const before = structuredClone(outcome.parts())
  message.fill(0)
  expect(outcome.parts()).toEqual(before)
})
