import { expect, test } from 'vitest'
import {
  DEFAULT_VALUE_OPTIONS,
  EMPTY_CATALOG,
  OutboxMessages,
  OutboxRouter,
  type OutboxRouterOptions,
  type OutboxRow,
  PgOutputDecoder,
  type RouteFunction,
  type RouteOutcome,
  RoutedEvent,
  TransactionAssembler,
  defineRoute,
} from './index.ts'
import { messages } from './testing/message-writer.ts'

const EVENTS = 7
const ROW = {
  id: '0198f2d8-0000-7000-8000-000000000001',
  aggregatetype: 'order',
  aggregateid: 'o-1',
  type: 'OrderPlaced',
  payload: String.raw`\x010a`,
  headers: '{"region": "eu", "n": 1.10, "z": null}',
  tenant: 'acme',
  shop: 'north',
  created_at: '1970-01-01 00:00:01+00',
}
const OIDS: Readonly<Record<string, number>> = { payload: 17, headers: 3802, created_at: 1184 }
const RAW = { kind: 'raw' } as const
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
    trace: '',
    schemaVersion: '',
    tenant: 'tenant',
  },
  placements: [],
  isPlacedFieldRequired: true,
  onInvalidOperation: 'warn',
  expandJson: undefined,
  tenant: undefined,
  tracesAll: false,
  nullKeys: 'error',
  rowBytesMax: 10_000,
  converters: { key: RAW, value: RAW, header: RAW },
  documentSubject: '',
  values: DEFAULT_VALUE_OPTIONS,
  catalog: EMPTY_CATALOG,
  topicPrefix: 'fairlead',
  contextHeaders: [],
  topicRegex: /(?<routedByValue>.*)/,
  topicReplacement: 'outbox.event.${routedByValue}',
  route: undefined,
  allowedTopics: [],
  tombstoneOnEmptyPayload: false,
  source: '7300000000000000000/relay',
}

/** By a function that the compiler has not seen. */
function route(
  custom: (row: OutboxRow) => unknown,
  row: Partial<Record<keyof typeof ROW, string | null>> = {},
  options: Partial<OutboxRouterOptions> = {},
): RouteOutcome {
  const values: Record<string, string | null> = { ...ROW, ...row }
  const columns = Object.keys(values).map((name) => ({ name, typeOid: OIDS[name] ?? 25 }))
  const decoder = new PgOutputDecoder()
  const assembler = new TransactionAssembler()
  assembler.accept(decoder.decode(messages.begin(0x16b_3748n)))
  assembler.accept(decoder.decode(messages.relation(EVENTS, 'outbox', 'events', columns)))
  const insert = messages.insert(EVENTS, Object.values(values))
  const item = assembler.accept(decoder.decode(insert))
  if (item?.kind !== 'row') throw new Error('not a row')
  const router = new OutboxRouter({ ...OPTIONS, ...options, route: custom as RouteFunction })
  return router.route(item)
}

function routed(outcome: RouteOutcome): RoutedEvent {
  if (!(outcome instanceof RoutedEvent)) throw new Error(JSON.stringify(outcome))
  return outcome
}

function headerOf(event: RoutedEvent, name: string): string | null {
  return text(event.headers.find(([header]) => header === name)?.[1] ?? null)
}

const text = (bytes: Uint8Array | null) => (bytes === null ? null : new TextDecoder().decode(bytes))

test('the function sees the row, and what the options say of it', () => {
  let seen: unknown
  route((row) => {
    const { table, columns, id, aggregateType, aggregateId, type, tenant, headers, payload } = row
    const { timestampMs, topic } = row
    seen = { table, columns, id, aggregateType, aggregateId, type, tenant, headers, payload }
    return { topic: `${topic}.${timestampMs}` }
  })
  expect(seen).toEqual({
    table: 'outbox.events',
    columns: ROW,
    id: ROW.id,
    aggregateType: 'order',
    aggregateId: 'o-1',
    type: 'OrderPlaced',
    tenant: 'acme',
    headers: { region: 'eu', n: '1.10', z: null },
    payload: Uint8Array.of(1, 10),
  })
})

test('what the function leaves out is as the options say', () => {
  const plain = routed(route(() => ({})))
  expect(plain.topic).toBe('outbox.event.order')
  expect(text(plain.key)).toBe('o-1')
  expect(plain.timestampMs).toBe(1_000)
  expect(plain.partition).toBeUndefined()
})

test('the function decides on topic, key, headers, partition and timestamp', () => {
  const event = routed(
    route((row) => ({
      topic: `orders.${row.columns['shop']}`,
      key: `${row.tenant}/${row.aggregateId}`,
      headers: { region: 'us', trail: Uint8Array.of(65), eventType: 'Renamed', gone: null },
      partition: 3,
      timestampMs: 7,
    })),
  )
  expect(event.topic).toBe('orders.north')
  expect(text(event.key)).toBe('acme/o-1')
  expect(event.partition).toBe(3)
  expect(event.timestampMs).toBe(7)
  const names = event.headers.map(([name]) => name)
  expect(new Set(names).size).toBe(names.length)
  expect(Object.fromEntries(event.headers.map(([name, value]) => [name, text(value)]))).toEqual({
    id: ROW.id,
    'cdc.lsn': '0/16B3748',
    'cdc.seq': '0',
    'cdc.ts': '946684800000',
    'cdc.source': OPTIONS.source,
    region: 'us',
    trail: 'A',
    eventType: 'Renamed',
    gone: null,
    n: '1.10',
    z: null,
  })
  // What it is parked by stays the row's.
  expect(event).toMatchObject({ eventId: ROW.id, aggregateType: 'order', aggregateId: 'o-1' })
})

test('an event may go nowhere', () => {
  expect(route(() => 'drop')).toEqual({ kind: 'dropped' })
})

test('an event that goes nowhere takes no place in its transaction', () => {
  const decoder = new PgOutputDecoder()
  const assembler = new TransactionAssembler({ countsEvents: true })
  const custom: RouteFunction = ({ type }) => (type === 'Dropped' ? 'drop' : {})
  const router = new OutboxRouter({ ...OPTIONS, route: custom })
  const columns = Object.keys(ROW).map((name) => ({ name, typeOid: OIDS[name] ?? 25 }))
  const insert = (type: string) => messages.insert(EVENTS, Object.values({ ...ROW, type }))
  const stream = [
    messages.begin(0x100n, 42),
    messages.relation(EVENTS, 'outbox', 'events', columns),
    insert('Dropped'),
    insert('OrderPlaced'),
    insert('Dropped'),
    insert('OrderPlaced'),
    messages.commit(0x100n, 0x130n),
  ]
  const places: (string | null)[] = []
  let count: number | undefined
  for (const bytes of stream) {
    const item = assembler.accept(decoder.decode(bytes))
    if (item?.kind === 'commit') count = item.events?.count
    const event = item?.kind === 'row' ? router.route(item) : undefined
    if (event instanceof RoutedEvent) places.push(headerOf(event, 'cdc.transaction.total_order'))
  }
  expect(places).toEqual(['1', '2'])
  expect(count).toBe(2)
})

test('a topic of the function stands for one that the options could not give', () => {
  const outcome = route(() => ({ topic: 'orders' }), { aggregatetype: 'not a topic' })
  expect(routed(outcome).topic).toBe('orders')
  expect(route(() => ({}), { aggregatetype: 'not a topic' })).toMatchObject({
    code: 'INVALID_TOPIC',
  })
})

test('a message is routed by the function, too', () => {
  const outbox = new OutboxMessages(['outbox'], () => 5)
  const content = { aggregatetype: 'order', aggregateid: 'o-9', type: 'T', payload: {} }
  const row = outbox.rowOf({
    kind: 'message',
    message: {
      kind: 'message',
      isTransactional: true,
      messageLsn: 1n as never,
      prefix: 'outbox',
      content: new TextEncoder().encode(JSON.stringify({ id: ROW.id, ...content })),
    },
    position: { commitLsn: 1n as never, commitIndex: 0 },
    commitTimestampMs: 5,
    xid: 1,
  } as never)
  if (row?.kind !== 'row') throw new Error('not a row')
  const route = defineRoute(({ table, aggregateId }) => ({ topic: `${table}.${aggregateId}` }))
  const fields = { ...OPTIONS.fields, tenant: '' }
  expect(routed(new OutboxRouter({ ...OPTIONS, fields, route }).route(row)).topic).toBe(
    'outbox.o-9',
  )
})

test('a key is written by its converter, and bytes as they are', () => {
  const converters = { ...OPTIONS.converters, key: { kind: 'json', hasSchemas: false } as const }
  expect(text(routed(route(() => ({ key: 'a' }), {}, { converters })).key)).toBe('"a"')
  const bytes = Uint8Array.of(1)
  expect(routed(route(() => ({ key: bytes }), {}, { converters })).key).toEqual(bytes)
  const avro = { ...OPTIONS.converters, key: { kind: 'avro' } as const }
  const event = routed(route(() => ({ key: 'a' }), {}, { converters: avro }))
  expect(event.encoding).toEqual({ keySchema: '"string"' })
})

test.for([[null], ['']] as const)('a key of %j is what key.null.behavior says', ([key]) => {
  expect(route(() => ({ key }))).toMatchObject({ kind: 'unroutable', code: 'INVALID_KEY' })
  const event = routed(route(() => ({ key }), {}, { nullKeys: 'allow' }))
  expect(text(event.key)).toBe(key)
  expect(routed(route(() => ({ key: 'a' }), { aggregateid: null })).partitionKey).toBeUndefined()
})

test.for<[unknown, string, string]>([
  [
    undefined,
    'INVALID_ROUTE',
    "the function returned undefined, which is neither a route nor 'drop'",
  ],
  ['dropped', 'INVALID_ROUTE', 'the function returned "dropped"'],
  [[], 'INVALID_ROUTE', 'the function returned an array'],
  [
    Promise.resolve({}),
    'ROUTE_FAILED',
    'the function returned a promise: it has to answer at once',
  ],
  [new Map([['topic', 'a']]), 'INVALID_ROUTE', 'the function returned an object of a class'],
  [{ headers: new Map() }, 'INVALID_ROUTE', 'headers is an object of a class, and not a plain'],
  [{ topik: 'a' }, 'INVALID_ROUTE', 'topik is no field of a route: topic, key, headers'],
  [{ topic: 7 }, 'INVALID_ROUTE', 'topic is 7, and not a string'],
  [{ topic: null }, 'INVALID_ROUTE', 'topic is null, and not a string'],
  [{ topic: 'no topic' }, 'INVALID_TOPIC', '"no topic" has characters other than'],
  [{ key: 7 }, 'INVALID_ROUTE', 'key is 7, and not a string, bytes or null'],
  [{ headers: [] }, 'INVALID_ROUTE', 'headers is an array, and not a plain object'],
  [{ headers: { a: 1 } }, 'INVALID_ROUTE', 'headers.a is 1, and not a string, bytes or null'],
  [{ headers: { id: 'x' } }, 'INVALID_ROUTE', "headers.id is the relay's own"],
  [{ headers: { 'cdc.seq': '1' } }, 'INVALID_ROUTE', "headers.cdc.seq is the relay's own"],
  [{ partition: -1 }, 'INVALID_ROUTE', 'partition is -1, and not a partition'],
  [{ partition: 1.5 }, 'INVALID_ROUTE', 'partition is 1.5, and not a partition'],
  [{ partition: '1' }, 'INVALID_ROUTE', 'partition is "1", and not a partition'],
  [{ timestampMs: Number.NaN }, 'INVALID_ROUTE', 'timestampMs is NaN, and not milliseconds'],
])('an answer of %j is refused: %s', ([answer, code, reason]) => {
  expect(route(() => answer)).toMatchObject({
    kind: 'unroutable',
    code,
    reason: expect.stringContaining(reason) as string,
    eventId: ROW.id,
    aggregateId: 'o-1',
  })
})

test('what the function throws is the reason', () => {
  const outcome = route(() => {
    throw new TypeError('no such region')
  })
  expect(outcome).toMatchObject({
    code: 'ROUTE_FAILED',
    reason: 'route.module: the function threw TypeError: no such region',
  })
})

test('whatever is thrown parks the event, and no more', () => {
  const outcome = route(() => {
    throw Object.create(null)
  })
  expect(outcome).toMatchObject({ reason: 'route.module: the function threw an object' })
})

const rejecting = () => Promise.reject(new Error('no connection'))

/** It makes its promises when it is asked for. */
test.for<[string, () => unknown, string]>([
  ['an answer', rejecting, 'ROUTE_FAILED'],
  ['a topic', () => ({ topic: rejecting() }), 'INVALID_ROUTE'],
  ['a header', () => ({ headers: { a: rejecting() } }), 'INVALID_ROUTE'],
  ['an unknown field', () => ({ topik: rejecting(), key: rejecting() }), 'INVALID_ROUTE'],
])('%s that is a promise parks the event, and its rejection ends nothing', async (row) => {
  const [, custom, code] = row
  const unhandled: unknown[] = []
  const before = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection')
  process.on('unhandledRejection', (error) => unhandled.push(error))
  try {
    expect(route(custom)).toMatchObject({ kind: 'unroutable', code })
    // Node tells of rejections after the microtasks of this turn.
    await new Promise(setImmediate)
    expect(unhandled).toEqual([])
  } finally {
    process.removeAllListeners('unhandledRejection')
    for (const listener of before) process.on('unhandledRejection', listener)
  }
})

test.for<[string, () => unknown]>([
  [
    'a getter that throws',
    () => ({
      get topic() {
        throw new Error('no')
      },
    }),
  ],
  [
    'a proxy that is revoked',
    () => {
      const { proxy, revoke } = Proxy.revocable({}, {})
      revoke()
      return proxy
    },
  ],
  ['bytes behind a proxy', () => ({ key: new Proxy(Uint8Array.of(1), {}) })],
  [
    'an error whose name has no text',
    () => {
      throw Object.assign(new Error('no'), { name: Symbol('no') })
    },
  ],
])('%s parks the event', ([, custom]) => {
  expect(route(custom)).toMatchObject({ kind: 'unroutable', code: 'ROUTE_FAILED' })
})

test.for<[string, unknown]>([
  ['text', 'x'.repeat(5_000_000)],
  ['a name of a field', { ['x'.repeat(5_000_000)]: 1 }],
  ['a name of a header', { headers: { ['x'.repeat(5_000_000)]: 1 } }],
])('a reason with %s that is long is cut', ([, answer]) => {
  const outcome = route(() => answer)
  if (outcome.kind !== 'unroutable') throw new Error('routed')
  expect(outcome.code).toBe('INVALID_ROUTE')
  expect(outcome.reason.length).toBeLessThanOrEqual(1_000)
})

test('bytes are what they were when the function returned them', () => {
  const bytes = Uint8Array.of(1)
  const event = routed(route(() => ({ key: bytes, headers: { a: bytes } })))
  bytes[0] = 2
  expect([event.key, new Map(event.headers).get('a')]).toEqual([Uint8Array.of(1), Uint8Array.of(1)])
})

test('a topic of the function is bounded by the topics that are allowed', () => {
  const allowedTopics = [/^orders$/]
  expect(routed(route(() => ({ topic: 'orders' }), {}, { allowedTopics })).topic).toBe('orders')
  expect(route(() => ({ topic: 'other' }), {}, { allowedTopics })).toMatchObject({
    code: 'TOPIC_NOT_ALLOWED',
  })
})
