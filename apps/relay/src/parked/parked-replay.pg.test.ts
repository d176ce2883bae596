import { testDatabase } from '@fairlead/testing'
import { KafkaError } from '@fairlead/kafka'
import pg from 'pg'
import { afterEach, expect, onTestFinished, test } from 'vitest'
import { requestSignal, readSignal } from '../signals/request-signal.ts'
import { RelayFixture, UNHURRIED } from '../testing/relay-fixture.ts'
import { listParkedEvents } from './list-parked-events.ts'
import { ParkedRows } from './parked-rows.ts'

let fixture: RelayFixture

afterEach(() => fixture.close())

const TOPIC = 'outbox.event.order'
const KEY = { aggregateType: 'order', aggregateId: 'poison' }

async function createFixture(settings?: Readonly<Record<string, string>>): Promise<RelayFixture> {
  return new RelayFixture(await testDatabase(), settings)
}

async function carryOut(
  type: 'replay-parked' | 'discard-parked',
  data: Readonly<Record<string, unknown>>,
) {
  const id = await requestSignal(fixture.pool, fixture.slotName, { type, data })
  return finished(id)
}

async function finished(id: string) {
  await fixture.until(async () => {
    const state = (await readSignal(fixture.pool, fixture.slotName, id))?.state
    return state === 'done' || state === 'failed'
  })
  return readSignal(fixture.pool, fixture.slotName, id)
}

function parked(state: 'parked' | 'replayed' | 'discarded' = 'parked') {
  return listParkedEvents(fixture.pool, fixture.slotName, { state, limit: 1_000 })
}

function replayedIds(topic = TOPIC): readonly (string | undefined)[] {
  return fixture.brokers
    .records(topic)
    .filter(({ headerTexts }) => headerTexts.get('cdc.replayed') === 'true')
    .map(({ headerTexts }) => headerTexts.get('id'))
}

function idsOf(key: string): readonly (string | undefined)[] {
  return fixture.brokers
    .records(TOPIC)
    .filter((record) => Buffer.from(record.key ?? []).toString() === key)
    .map(({ headerTexts }) => headerTexts.get('id'))
}

/** A poisoned aggregate with two followers, beside one that is well. */
async function poison(bytes = 5_000): Promise<readonly string[]> {
  const failing = await fixture.insert([{ key: 'poison', bytes }])
  const followers = await fixture.insert([{ key: 'poison' }, { key: 'poison' }])
  const [healthy] = await fixture.insert([{ key: 'healthy' }])
  await fixture.until(() => fixture.publishedIds().includes(healthy ?? ''))
  return [...failing, ...followers]
}

test('replay publishes an aggregate in order once the limit is raised, and releases it', async () => {
  fixture = await createFixture()
  fixture.brokers.messageBytesMax = 2_000
  await fixture.started()
  const ids = await poison()
  expect(await carryOut('replay-parked', KEY)).toMatchObject({
    state: 'failed',
    reason: expect.stringContaining('MESSAGE_TOO_LARGE') as string,
  })
  expect(replayedIds()).toEqual([])
  fixture.brokers.messageBytesMax = 1_000_000
  expect(await carryOut('replay-parked', KEY)).toMatchObject({
    state: 'done',
    progress: { replayedEvents: 3, failedAggregates: 0 },
  })
  expect(replayedIds()).toEqual(ids)
  const [after] = await fixture.insert([{ key: 'poison' }])
  await fixture.until(() => fixture.publishedIds().includes(after ?? ''))
  expect(idsOf('poison')).toEqual([...ids, after])
  expect(await parked()).toEqual([])
  expect(
    fixture.brokers.records(TOPIC).find((r) => r.headerTexts.get('id') === ids[0])?.value?.length,
  ).toBe(5_000)
})

test('events that arrive while their aggregate is replayed come behind it', async () => {
  fixture = await createFixture({ 'max.batch.size': '10' })
  fixture.brokers.rejects = ({ value }) => value?.length === 77
  await fixture.started()
  const ids: string[] = [...(await fixture.insert([{ key: 'poison', bytes: 77 }]))]
  for (let round = 0; round < 20; round += 1) {
    ids.push(...(await fixture.insert([{ key: 'poison' }, { key: 'poison' }, { key: 'poison' }])))
  }
  await fixture.until(async () => (await parked()).length === ids.length)
  fixture.brokers.rejects = () => false
  const replay = carryOut('replay-parked', { all: true })
  for (let round = 0; round < 30; round += 1)
    ids.push(...(await fixture.insert([{ key: 'poison' }])))
  expect((await replay)?.state).toBe('done')
  await fixture.confirmed()
  expect(fixture.publishedIds()).toEqual(ids)
  expect(await parked()).toEqual([])
})

test('what could not be routed is routed again under the present configuration', async () => {
  fixture = await createFixture()
  const relay = await fixture.started()
  const [bad] = await fixture.insert([{ type: 'not a topic', key: 'k' }])
  await fixture.until(async () => (await parked()).length === 1)
  expect((await carryOut('replay-parked', { all: true }))?.state).toBe('failed')
  await relay.stop()
  await fixture.started({ 'route.topic.replacement': 'fixed' })
  const [event] = await parked()
  expect((await carryOut('replay-parked', { parkedId: event?.parkedId }))?.state).toBe('done')
  expect(replayedIds('fixed')).toEqual([bad])
})

test.for([null, 'outbox.former', 'outbox.?'])(
  'the allowed topics bound what is replayed of table %s',
  async (table) => {
    fixture = await createFixture()
    fixture.brokers.messageBytesMax = 2_000
    const relay = await fixture.started()
    await fixture.insert([{ key: 'poison', bytes: 5_000 }])
    await fixture.until(async () => (await parked()).length === 1)
    await relay.stop()
    await fixture.pool.query('update relay.parked_event set source_table = $1', [table])
    fixture.brokers.messageBytesMax = 1_000_000
    await fixture.started({ 'route.topic.include.list': 'allowed' })
    expect(await carryOut('replay-parked', KEY)).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('TOPIC_NOT_ALLOWED') as string,
    })
    expect(replayedIds()).toEqual([])
    expect((await carryOut('replay-parked', { ...KEY, topic: 'allowed' }))?.state).toBe('done')
  },
)

test('rows of captured tables and transactions are replayed whatever topics are allowed', async () => {
  fixture = await createFixture({
    'capture.table.include.list': String.raw`public\.item`,
    'snapshot.mode': 'no_data',
    'topic.prefix': 'shop',
    'provide.transaction.metadata': 'true',
    'route.topic.include.list': 'allowed',
  })
  await fixture.pool.query('create table item (id int primary key, name text)')
  fixture.brokers.rejects = () => true
  await fixture.started()
  await fixture.pool.query("insert into item values (1, 'a')")
  await fixture.until(async () => (await parked()).length === 3)
  fixture.brokers.rejects = () => false
  expect(await carryOut('replay-parked', { all: true })).toMatchObject({ state: 'done' })
  expect(fixture.brokers.records('shop.public.item').length).toBe(1)
  expect(fixture.brokers.records('shop.transaction').length).toBe(2)
})

test('a payload that is too large to keep is read from its row', async () => {
  fixture = await createFixture({ 'producer.max.request.size': '8000000' })
  fixture.brokers.messageBytesMax = 2_000
  await fixture.started()
  const ids = await poison(3_000_000)
  expect((await parked()).map(({ payloadOmitted }) => payloadOmitted)).toEqual([false, false, true])
  fixture.brokers.messageBytesMax = 8_000_000
  expect((await carryOut('replay-parked', KEY))?.state).toBe('done')
  expect(replayedIds()).toEqual(ids)
  expect(fixture.brokers.records(TOPIC).some(({ value }) => value?.length === 3_000_000)).toBe(true)
})

test('a discarded event is given up, and its followers go on', async () => {
  fixture = await createFixture({ 'producer.max.request.size': '2000' })
  await fixture.started()
  const [, ...followers] = await poison()
  const failed = (await parked()).find(({ kind }) => kind === 'failed')
  expect(await carryOut('discard-parked', { parkedId: failed?.parkedId })).toMatchObject({
    state: 'done',
    progress: { discardedEvents: 1 },
  })
  expect((await carryOut('replay-parked', KEY))?.state).toBe('done')
  expect(replayedIds()).toEqual(followers)
  expect((await parked('discarded')).length).toBe(1)
})

test('a relay that dies between a replay and its note replays nothing twice', async () => {
  fixture = await createFixture()
  fixture.brokers.rejects = ({ value }) => value?.length === 77
  const relay = await fixture.started(UNHURRIED)
  const ids = [
    ...(await fixture.insert([{ key: 'poison', bytes: 77 }])),
    ...(await fixture.insert([{ key: 'poison' }, { key: 'poison' }])),
  ]
  await fixture.until(async () => (await parked()).length === 3)
  fixture.brokers.rejects = () => false
  // Everything is stored, and the answer is lost.
  fixture.brokers.afterSend = () => {
    fixture.brokers.afterSend = () => undefined
    throw new KafkaError('lost', { code: 'NETWORK', retryable: false })
  }
  const signal = await carryOut('replay-parked', KEY)
  expect(signal?.state).toBe('done')
  expect(replayedIds()).toEqual(ids)
  expect(relay.status.state).toBe('streaming')
})

test('an event that Postgres sends again after its replay is not published twice', async () => {
  fixture = await createFixture()
  fixture.brokers.rejects = ({ value }) => value?.length === 77
  const relay = await fixture.started()
  const copy = `${fixture.slotName.slice(0, 50)}_copy`
  await copySlot(fixture.slotName, copy)
  const ids = await fixture.insert([{ key: 'poison', bytes: 77 }])
  await fixture.until(async () => (await parked()).length === 1)
  fixture.brokers.rejects = () => false
  await carryOut('replay-parked', KEY)
  await relay.stop()
  // As after a crash of Postgres, which takes the slot back.
  await fixture.pool.query('select pg_drop_replication_slot($1)', [fixture.slotName])
  await copySlot(copy, fixture.slotName)
  await fixture.pool.query('select pg_drop_replication_slot($1)', [copy])
  await fixture.started()
  const [after] = await fixture.insert([{ key: 'poison' }])
  await fixture.until(() => fixture.publishedIds().includes(after ?? ''))
  expect(fixture.publishedIds()).toEqual([...ids, after])
})

test('a dead letter topic gets every parked event, with its reason', async () => {
  fixture = await createFixture({ 'errors.deadletterqueue.topic.name': 'relay.dlq' })
  fixture.brokers.messageBytesMax = 2_000
  await fixture.started()
  await poison()
  const letters = fixture.brokers.records('relay.dlq')
  expect(
    letters.map(({ headerTexts }) => headerTexts.get('__connect.errors.exception.class.name')),
  ).toEqual(['MESSAGE_TOO_LARGE', 'BLOCKED', 'BLOCKED'])
  expect(letters[0]?.headerTexts.get('__connect.errors.topic')).toBe(TOPIC)
  expect(letters[0]?.value).toBeNull()
})

async function copySlot(from: string, to: string): Promise<void> {
  await fixture.pool.query('select pg_copy_logical_replication_slot($1, $2)', [from, to])
}

test('an order that makes no sense fails with what it needs', async () => {
  fixture = await createFixture()
  await fixture.started()
  expect(await carryOut('replay-parked', {})).toMatchObject({
    state: 'failed',
    reason: expect.stringContaining('aggregateType') as string,
  })
})

test('what is read of parked events at a time is bounded, with the rows that are kept of them', async () => {
  fixture = await createFixture()
  const relay = await fixture.started()
  await relay.stop()
  await fixture.pool.query(
    `insert into relay.parked_event (slot_name, commit_lsn, commit_index, kind, reason_code, reason,
       aggregatetype, aggregateid, committed_at, source_row, source_table)
     select $1, '0/10', n, 'failed', 'ROUTE_FAILED', '', 'order', 'poison', now(),
       json_build_object('valuesBase64', repeat('x', 600000)), 'outbox.events' from generate_series(1, 3) as n`,
    [fixture.slotName],
  )
  const client = new pg.Client({ connectionString: fixture.url })
  client.on('error', () => undefined)
  onTestFinished(() => client.end())
  await client.connect()
  const limits = { recordsMax: 100, bytesMax: 1_048_576 }
  expect((await new ParkedRows(client, fixture.slotName).next(KEY, limits)).length).toBe(1)
})
