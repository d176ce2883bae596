import { randomUUID } from 'node:crypto'
import { testDatabase } from '@fairlead/testing'
import { afterEach, expect, test } from 'vitest'
import { RelayFixture, UNHURRIED } from './testing/relay-fixture.ts'

let fixture: RelayFixture

afterEach(() => fixture.close())

async function createFixture(settings?: Readonly<Record<string, string>>): Promise<RelayFixture> {
  return new RelayFixture(await testDatabase(), settings)
}

const TOPIC = 'outbox.event.order'

test('a failing event is parked, its aggregate queues behind it, and all others go on', async () => {
  fixture = await createFixture({ 'producer.max.request.size': '2000' })
  await fixture.started()
  const [before] = await fixture.insert([{ key: 'poison' }])
  const [large] = await fixture.insert([{ key: 'poison', bytes: 5_000 }])
  const [behind, other] = await fixture.insert([{ key: 'poison' }, { key: 'healthy' }])
  await fixture.until(() => fixture.publishedIds().includes(other ?? ''))
  expect(new Set(fixture.publishedIds())).toEqual(new Set([before, other]))
  expect(await fixture.parkedRows()).toEqual([
    { event_id: large, kind: 'failed', reason_code: 'MESSAGE_TOO_LARGE' },
    { event_id: behind, kind: 'blocked', reason_code: 'BLOCKED' },
  ])
  await fixture.confirmed()
})

test('a parked aggregate stays blocked after a restart', async () => {
  fixture = await createFixture({ 'producer.max.request.size': '2000' })
  const relay = await fixture.started()
  await fixture.insert([{ key: 'poison', bytes: 5_000 }])
  await fixture.confirmed()
  await relay.stop()
  await fixture.insert([{ key: 'poison' }])
  const [other] = await fixture.insert([{ key: 'healthy' }])
  await fixture.started()
  await fixture.until(() => fixture.publishedIds().includes(other ?? ''))
  expect(fixture.publishedIds()).toEqual([other])
  expect((await fixture.parkedRows()).map(({ kind }) => kind)).toEqual(['failed', 'blocked'])
})

test('a name that is no topic name is parked', async () => {
  fixture = await createFixture()
  await fixture.started()
  const [bad] = await fixture.insert([{ type: 'not a topic' }])
  const [good] = await fixture.insert([{}])
  await fixture.until(() => fixture.publishedIds().includes(good ?? ''))
  expect(await fixture.parkedRows()).toEqual([
    { event_id: bad, kind: 'failed', reason_code: 'INVALID_TOPIC' },
  ])
})

test('a topic that is not among those that are allowed is neither made nor written to', async () => {
  fixture = await createFixture({
    'route.topic.include.list': 'outbox.event.order,outbox\\.event\\.shop-[a-z]+',
    'topic.creation.default.partitions': '3',
  })
  const relay = await fixture.started()
  const [other] = await fixture.insert([{ type: 'other', key: 'poison' }])
  const [behind] = await fixture.insert([{ type: 'other', key: 'poison' }])
  const [partly] = await fixture.insert([{ type: 'shop-one-more', key: 'partly' }])
  const [good, regex] = await fixture.insert([{}, { type: 'shop-one' }])
  await fixture.confirmed()
  expect(fixture.publishedIds()).toEqual([good])
  expect(fixture.publishedIds('outbox.event.shop-one')).toEqual([regex])
  expect((await fixture.brokers.open().admin.listTopics()).toSorted()).toEqual([
    'outbox.event.order',
    'outbox.event.shop-one',
  ])
  expect(await fixture.brokers.open().admin.partitionCount('outbox.event.order')).toBe(3)
  const code = 'TOPIC_NOT_ALLOWED'
  expect(await fixture.parkedRows()).toEqual([
    { event_id: other, kind: 'failed', reason_code: code },
    { event_id: behind, kind: 'failed', reason_code: code },
    { event_id: partly, kind: 'failed', reason_code: code },
  ])
  const { rows } = await fixture.pool.query<{ reason: string }>(
    'select distinct reason from relay.parked_event where event_id = $1',
    [other],
  )
  expect(rows).toEqual([
    { reason: 'topic outbox.event.other matches nothing of route.topic.include.list' },
  ])

  // Replayed under the list as it is then; an order to another topic has to obey it as well.
  await relay.stop()
  await fixture.started({ 'route.topic.include.list': String.raw`outbox\.event\.other` })
  const settled = async (data: object) => {
    const { rows: orders } = await fixture.pool.query<{ id: string }>(
      `select relay.signal($1, 'replay-parked', $2)::text as id`,
      [fixture.slotName, data],
    )
    const outcome = async () => {
      const { rows: found } = await fixture.pool.query<{ state: string; reason: string | null }>(
        'select state, reason from relay.signal where signal_id = $1',
        [orders[0]?.id],
      )
      return found[0]
    }
    await fixture.until(async () => ['done', 'failed'].includes((await outcome())?.state ?? ''))
    return outcome()
  }
  const aggregate = { aggregateType: 'other', aggregateId: 'poison' }
  expect(await settled({ ...aggregate, topic: 'elsewhere' })).toMatchObject({
    state: 'failed',
    reason: expect.stringContaining('topic elsewhere matches nothing of') as string,
  })
  expect((await settled(aggregate))?.state).toBe('done')
  expect(fixture.publishedIds('outbox.event.other')).toEqual([other, behind])
})

test('a record that only the broker refuses holds back its aggregate, and no other', async () => {
  fixture = await createFixture({ 'topic.creation.default.partitions': '1' })
  await fixture.started()
  const poison = new Set<string>()
  fixture.brokers.rejects = ({ headers }) =>
    headers.some(([name, value]) => name === 'id' && poison.has(String(Buffer.from(value ?? []))))
  const id = '00000000-0000-0000-0000-000000000001'
  poison.add(id)
  await fixture.pool.query(
    `insert into outbox.events (id, aggregatetype, aggregateid, type) values
       (gen_random_uuid(), 'order', 'k', '0'), ($1, 'order', 'k', '1'),
       (gen_random_uuid(), 'order', 'other', '2'), (gen_random_uuid(), 'order', 'k', '3')`,
    [id],
  )
  await fixture.insert([{ key: 'k' }])
  await fixture.confirmed()
  const types = fixture.brokers
    .records(TOPIC)
    .map(({ headerTexts }) => headerTexts.get('eventType'))
  expect(types).toEqual(['0', '2'])
  expect((await fixture.parkedRows()).map(({ kind }) => kind)).toEqual([
    'failed',
    'blocked',
    'blocked',
  ])
})

test('behind a refused event nothing of its aggregate is stored, though it was on its way by then', async () => {
  fixture = await createFixture({
    'max.batch.size': '2',
    'max.batches.in.flight': '2',
    'topic.creation.default.partitions': '1',
  })
  await fixture.started()
  const [first] = await fixture.insert([{ key: 'other' }])
  await fixture.until(() => fixture.publishedIds().length === 1)
  const held = Promise.withResolvers<void>()
  fixture.brokers.hold = held.promise
  fixture.brokers.rejects = ({ value }) => value?.length === 77
  const ids = await fixture.insert([
    { key: 'refused', bytes: 77 },
    { key: 'healthy' },
    { key: 'refused' },
    { key: 'other' },
  ])
  await fixture.until(() => fixture.brokers.sendsInFlight === 2)
  held.resolve()
  await fixture.until(() => fixture.publishedIds().includes(ids[3] ?? ''))
  await fixture.confirmed()
  expect(fixture.publishedIds()).toEqual([first, ids[1], ids[3]])
  expect(await fixture.parkedRows()).toEqual([
    { event_id: ids[0], kind: 'failed', reason_code: 'INVALID_RECORD' },
    { event_id: ids[2], kind: 'blocked', reason_code: 'BLOCKED' },
  ])
})

test('a row of 30 MB is parked with a pointer to it, and others go on', async () => {
  fixture = await createFixture()
  await fixture.started()
  const bytes = 30 * 1_048_576
  await fixture.pool.query(
    `insert into outbox.events (aggregatetype, aggregateid, type, payload)
     values ('order', 'huge', 'Tested', decode(repeat('ab', $1), 'hex'))`,
    [bytes],
  )
  const [other] = await fixture.insert([{ key: 'other' }])
  await fixture.until(() => fixture.publishedIds().includes(other ?? ''))
  const { rows } = await fixture.pool.query(
    'select reason_code, payload, payload_omitted, source_table from relay.parked_event',
  )
  expect(rows).toEqual([
    {
      reason_code: 'ROW_TOO_LARGE',
      payload: null,
      payload_omitted: true,
      source_table: 'outbox.events',
    },
  ])
})

test('an aggregate that no index entry could hold is parked, and others go on', async () => {
  fixture = await createFixture()
  await fixture.started()
  const long = Array.from({ length: 400 }, () => randomUUID()).join('')
  await fixture.insert([{ type: 'bad type', key: long }, { type: long }])
  const [other] = await fixture.insert([{ key: 'other' }])
  await fixture.until(() => fixture.publishedIds().includes(other ?? ''))
  const { rows } = await fixture.pool.query('select kind from relay.parked_event')
  expect(rows).toEqual([{ kind: 'failed' }, { kind: 'failed' }])
})

test('rows that were written while a column was missing are parked, and do not halt the relay', async () => {
  fixture = await createFixture()
  const relay = await fixture.started(UNHURRIED)
  await fixture.pool.query(`alter table outbox.events rename column payload to body;
    insert into outbox.events (aggregatetype, aggregateid, type) values ('order', 'k', 'Tested')`)
  await fixture.pool.query('alter table outbox.events rename column body to payload')
  const [other] = await fixture.insert([{ key: 'other' }])
  await fixture.until(() => fixture.publishedIds().includes(other ?? ''))
  expect((await fixture.parkedRows()).map((row) => row.reason_code)).toEqual(['MISSING_COLUMN'])
  expect(relay.status.state).toBe('streaming')
})
