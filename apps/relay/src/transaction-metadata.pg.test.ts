import { fileURLToPath } from 'node:url'
import { KafkaError } from '@fairlead/kafka'
import { migrate } from '@fairlead/postgres'
import { testDatabase } from '@fairlead/testing'
import { afterEach, expect, test } from 'vitest'
import { readSignal, requestSignal } from './signals/request-signal.ts'
import { RelayFixture } from './testing/relay-fixture.ts'

let fixture: RelayFixture

afterEach(() => fixture.close())

async function createFixture(settings: Readonly<Record<string, string>> = {}): Promise<void> {
  fixture = new RelayFixture(await testDatabase(), {
    'provide.transaction.metadata': 'true',
    'topic.prefix': 'shop',
    ...settings,
  })
}

const MIGRATIONS = fileURLToPath(new URL('../../../sql/migrations', import.meta.url))
const MARKERS = 'shop.transaction'
const EVENTS = 'outbox.event.order'

type Marker = {
  readonly status: 'BEGIN' | 'END'
  readonly id: string
  readonly event_count: number | null
  readonly data_collections: readonly {
    readonly data_collection: string
    readonly event_count: number
  }[]
  readonly ts_ms: number
}

function parsed(bytes: Uint8Array | null | undefined): unknown {
  return JSON.parse(Buffer.from(bytes ?? []).toString())
}

function markers(): readonly Marker[] {
  return fixture.brokers.records(MARKERS).map(({ value }) => parsed(value) as Marker)
}

/** Of each event of the outbox, in the order of its topic. */
function orders(): readonly (readonly (string | undefined)[])[] {
  return fixture.brokers
    .records(EVENTS)
    .map(({ headerTexts }) =>
      ['id', 'total_order', 'data_collection_order'].map((name) =>
        headerTexts.get(`cdc.transaction.${name}`),
      ),
    )
}

/** Every transaction has one begin and one end behind it, in commit order, and counts what was published of it. */
function expectWhole(): void {
  const all = markers()
  const ids = all.filter(({ status }) => status === 'BEGIN').map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
  expect(all.map(({ status, id }) => `${status} ${id}`)).toEqual(
    ids.flatMap((id) => [`BEGIN ${id}`, `END ${id}`]),
  )
  const lsns = ids.map((id) => Number(id.split(':')[1]))
  expect(lsns).toEqual(lsns.toSorted((left, right) => left - right))
  const places = Map.groupBy(orders(), ([id]) => id)
  for (const { status, id, event_count: count } of all) {
    if (status === 'BEGIN') continue
    const found = (places.get(id) ?? []).map(([, place]) => Number(place))
    expect(found.toSorted((left, right) => left - right)).toEqual(
      Array.from({ length: count ?? 0 }, (_, index) => index + 1),
    )
  }
}

test('begin and end are told as Debezium does, and each event has its place in its transaction', async () => {
  await createFixture({
    'capture.table.include.list': String.raw`public\.item`,
    'snapshot.mode': 'no_data',
  })
  await fixture.pool.query('create table item (id int primary key, name text)')
  await fixture.started()
  await fixture.pool.query(`begin;
    insert into item values (1, 'a'), (2, 'b');
    insert into outbox.events (aggregatetype, aggregateid, type) values ('order', 'k', 'Tested');
    update item set id = 3 where id = 1;
    delete from item where id = 2;
    select outbox.emit('order', 'k', 'Tested', '{}');
    commit`)
  await fixture.confirmed()
  const [begin, end, ...others] = markers()
  expect(others).toEqual([])
  const id = begin?.id ?? ''
  expect(id).toMatch(/^\d+:\d+$/)
  const ts = begin?.ts_ms ?? 0
  const nothing = { event_count: null, data_collections: null }
  expect(begin).toEqual({ status: 'BEGIN', id, ...nothing, ts_ms: ts })
  expect(end).toEqual({
    status: 'END',
    id,
    event_count: 7,
    data_collections: [
      { data_collection: 'public.item', event_count: 5 },
      { data_collection: 'outbox.events', event_count: 1 },
      { data_collection: 'pg_logical_emit_message.outbox', event_count: 1 },
    ],
    ts_ms: ts,
  })
  expect(fixture.brokers.records(MARKERS).map(({ key }) => parsed(key))).toEqual([{ id }, { id }])
  expect(orders()).toEqual([
    [id, '3', '1'],
    [id, '7', '1'],
  ])
  const blocks = fixture.brokers
    .records('shop.public.item')
    .filter(({ value }) => value !== null)
    .map(({ value }) => parsed(value) as { op: string; transaction: unknown })
    .map(({ op, transaction }) => [op, transaction])
  const block = (total: number, order: number) => ({
    id,
    total_order: total,
    data_collection_order: order,
  })
  expect(new Set(blocks)).toEqual(
    new Set([
      ['c', block(1, 1)],
      ['c', block(2, 2)],
      ['d', block(4, 3)],
      ['c', block(5, 4)],
      ['d', block(6, 5)],
    ]),
  )
})

test('it is off unless it is asked for', async () => {
  await createFixture({ 'provide.transaction.metadata': 'false' })
  await fixture.started()
  await fixture.insert([{}])
  await fixture.confirmed()
  expect(markers()).toEqual([])
  expect(orders()).toEqual([[undefined, undefined, undefined]])
})

test('begin and end are there once each when connections, sends and relays fail at random', async () => {
  await createFixture({ 'max.batch.size': '7' })
  let failNext = false
  fixture.brokers.storedShare = () => Math.random()
  fixture.brokers.beforeSend = () => {
    if (!failNext) return
    failNext = false
    throw new KafkaError('the fate is unknown', { code: 'NETWORK', retryable: false })
  }
  let relay = await fixture.started()
  const finished = new AbortController()
  const inserted: string[] = []
  const writers = Array.from({ length: 3 }, async (_, writer) => {
    for (let round = 0; !finished.signal.aborted; round += 1) {
      const events = Array.from({ length: 1 + (round % 5) }, (__, n) => ({ key: `${writer}-${n}` }))
      inserted.push(...(await fixture.insert(events)))
    }
  })
  for (let fault = 0; fault < 9; fault += 1) {
    const count = () => fixture.brokers.records(MARKERS).length
    const before = count()
    await fixture.until(() => count() > before + 10)
    if (fault % 3 === 0) failNext = true
    else if (fault % 3 === 1) await terminateRelay()
    else {
      await relay.stop()
      relay = await fixture.started()
    }
  }
  finished.abort()
  await Promise.all(writers)
  await fixture.confirmed()
  expect(new Set(fixture.publishedIds())).toEqual(new Set(inserted))
  expect(fixture.publishedIds().length).toBe(inserted.length)
  expectWhole()
  expect(fixture.fatal).toEqual([])
})

test('with delivery: transactional, a batch that ends with a begin holds back none of its events', async () => {
  await createFixture({
    delivery: 'transactional',
    'max.batch.size': '1',
    'topic.creation.default.partitions': '1',
  })
  fixture.brokers.isTransactional = true
  await fixture.started()
  const ids = [...(await fixture.insert([{}]))]
  // From here on the position tells what is published.
  await fixture.confirmed()
  // Committed, and the answer is lost: the session ends, and the next one is sent all of it again.
  let sends = 0
  fixture.brokers.afterSend = () => {
    sends += 1
    throw new KafkaError('', { code: 'NETWORK', retryable: false })
  }
  ids.push(...(await fixture.insert([{}, {}])))
  await fixture.until(() => sends >= 4)
  fixture.brokers.afterSend = () => undefined
  await fixture.confirmed()
  expect(fixture.publishedIds()).toEqual(ids)
  expect(markers().map(({ status, event_count: count }) => [status, count])).toEqual([
    ['BEGIN', null],
    ['END', 1],
    ['BEGIN', null],
    ['END', 2],
  ])
})

test('a transaction without events is told as Debezium does, and none of those that the relay makes', async () => {
  await createFixture({ 'capture.table.include.list': String.raw`public\.item` })
  await fixture.pool.query('create table item (id int primary key); insert into item values (1)')
  await fixture.started({ 'snapshot.mode': 'initial' })
  await fixture.until(() => fixture.brokers.records('shop.public.item').length === 1)
  await fixture.pool.query(`select pg_logical_emit_message(true, 'of somebody else', '')`)
  await fixture.confirmed()
  expect(markers().map(({ status, event_count: count }) => [status, count])).toEqual([
    ['BEGIN', null],
    ['END', 0],
  ])
  const [row] = fixture.brokers.records('shop.public.item')
  expect(parsed(row?.value)).toMatchObject({ op: 'r', transaction: null })
})

test('rows that are older than the slot belong to no transaction, as those of a snapshot of Debezium', async () => {
  await createFixture({ 'topic.creation.default.partitions': '1' })
  await migrate({ url: fixture.url, directory: MIGRATIONS })
  const earlier = await fixture.insert([{}, {}])
  await fixture.started()
  const later = await fixture.insert([{}])
  await fixture.confirmed()
  expect(fixture.publishedIds()).toEqual([...earlier, ...later])
  expect(orders().map(([, place]) => place)).toEqual([undefined, undefined, '1'])
  expect(markers()).toMatchObject([
    { status: 'BEGIN' },
    { status: 'END', event_count: 1, data_collections: [{ event_count: 1 }] },
  ])
})

test('whoever says that rows are older than the slot takes their own transaction out at most, and leaves no begin without its end', async () => {
  await createFixture({ 'topic.creation.default.partitions': '1' })
  await fixture.started()
  const message = `select pg_logical_emit_message(true, 'fairlead.earlier', 'of somebody else')`
  const event = `insert into outbox.events (aggregatetype, aggregateid, type) values ('order', 'k', 'Tested')`
  for (const statements of [[event, message, event], [message, event], [event]]) {
    await fixture.pool.query(`begin; ${statements.join('; ')}; commit`)
  }
  await fixture.confirmed()
  expect(orders().map(([, place]) => place)).toEqual(['1', '2', undefined, '1'])
  expect(markers().map(({ status, event_count: count }) => [status, count])).toEqual([
    ['BEGIN', null],
    ['END', 2],
    ['BEGIN', null],
    ['END', 1],
  ])
})

test('an event that is parked keeps its place, and the end tells of it', async () => {
  await createFixture({ 'topic.creation.default.partitions': '1' })
  fixture.brokers.rejects = ({ value }) => value?.length === 13
  await fixture.started()
  await fixture.insert([{ key: 'a' }, { key: 'b', bytes: 13 }, { key: 'c' }])
  await fixture.confirmed()
  expect(orders().map(([, place]) => place)).toEqual(['1', '3'])
  expect(markers().at(-1)).toMatchObject({ status: 'END', event_count: 3 })
})

async function replayAll(): Promise<void> {
  const order = { type: 'replay-parked', data: { all: true } } as const
  const id = await requestSignal(fixture.pool, fixture.slotName, order)
  await fixture.until(async () => {
    const signal = await readSignal(fixture.pool, fixture.slotName, id)
    return signal?.state === 'done'
  })
}

/** Of what was replayed. */
function replayedPlaces(topic: string): readonly (string | undefined)[] {
  return fixture.brokers
    .records(topic)
    .filter(({ headerTexts }) => headerTexts.get('cdc.replayed') === 'true')
    .map(({ headerTexts }) => headerTexts.get('cdc.transaction.total_order'))
}

test('an event that could not be routed has its place once it is replayed', async () => {
  await createFixture({ 'topic.creation.default.partitions': '1' })
  const relay = await fixture.started({ 'route.topic.include.list': 'outbox.event.order' })
  // The last one is too large to be kept.
  await fixture.insert([
    { key: 'a' },
    { key: 'b', type: 'audit' },
    { key: 'c', type: 'audit', bytes: 1_100_000 },
  ])
  await fixture.confirmed()
  expect((await fixture.parkedRows()).map(({ reason_code: code }) => code)).toEqual([
    'TOPIC_NOT_ALLOWED',
    'TOPIC_NOT_ALLOWED',
  ])
  await relay.stop()
  await fixture.started({ 'producer.max.request.size': '8000000' })
  fixture.brokers.messageBytesMax = 8_000_000
  await replayAll()
  expect(replayedPlaces('outbox.event.audit')).toEqual(['2', '3'])
})

test('an event whose payload is too large to be kept has its place once it is replayed', async () => {
  await createFixture({
    'topic.creation.default.partitions': '1',
    'producer.max.request.size': '8000000',
  })
  fixture.brokers.messageBytesMax = 2_000
  await fixture.started()
  await fixture.insert([{ key: 'a' }, { key: 'b', bytes: 1_100_000 }])
  await fixture.confirmed()
  fixture.brokers.messageBytesMax = 8_000_000
  await replayAll()
  expect(replayedPlaces(EVENTS)).toEqual(['2'])
})

test('the begin of a large transaction is published before its end is known', async () => {
  await createFixture({ 'max.queue.size.in.bytes': '1000000' })
  fixture.brokers.isStuck = true
  const relay = await fixture.started()
  await fixture.insert(Array.from({ length: 5_000 }, () => ({ bytes: 1_000 })))
  await fixture.until(() => relay.status.pendingEvents > 100)
  expect(relay.status.pendingEvents).toBeLessThan(5_000)
  fixture.brokers.unstick()
  await fixture.confirmed()
  expect(markers().map(({ event_count: count }) => count)).toEqual([null, 5_000])
  expectWhole()
})

async function terminateRelay(): Promise<void> {
  await fixture.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where application_name = 'fairlead-relay-' || $1`,
    [fixture.slotName],
  )
}
