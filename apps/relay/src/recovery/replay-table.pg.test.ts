import { KafkaError } from '@fairlead/kafka'
import { testDatabase } from '@fairlead/testing'
import { randomBytes } from 'node:crypto'
import { afterEach, expect, test } from 'vitest'
import { readSignal, requestSignal } from '../signals/request-signal.ts'
import { RelayFixture } from '../testing/relay-fixture.ts'

let fixture: RelayFixture

afterEach(() => fixture.close())

const TOPIC = 'outbox.event.order'

/** A relay that has published three events, and a slot that is gone with the two behind them. */
async function loseSlot(settings?: Readonly<Record<string, string>>) {
  fixture = new RelayFixture(await testDatabase(), settings)
  const relay = await fixture.started()
  const published = await fixture.insert([{ key: 'a' }, { key: 'b' }, { key: 'a' }])
  await fixture.until(() => fixture.publishedIds().length === 3)
  await fixture.confirmed()
  await relay.stop()
  const lost = await fixture.insert([{ key: 'a' }, { key: 'b' }])
  await fixture.pool.query('select pg_drop_replication_slot($1)', [fixture.slotName])
  return { published, lost }
}

async function order(data: Readonly<Record<string, unknown>>): Promise<string> {
  return requestSignal(fixture.pool, fixture.slotName, { type: 'replay-table', data })
}

async function outcome(id: string) {
  await fixture.until(async () => {
    const state = (await readSignal(fixture.pool, fixture.slotName, id))?.state
    return state === 'done' || state === 'failed'
  })
  return readSignal(fixture.pool, fixture.slotName, id)
}

test('a slot that is gone is made good from the table: the gap is published, once, before what follows', async () => {
  const { published, lost } = await loseSlot()
  const relay = fixture.relay()
  relay.start()
  await fixture.until(() => relay.status.state === 'halted')
  expect(relay.status.reason).toContain('replay-table')
  const later = await fixture.insert([{ key: 'b' }])
  const id = await order({ since: 'beginning' })
  expect(await outcome(id)).toMatchObject({ state: 'done', progress: { replayedEvents: 3 } })
  await fixture.until(() => relay.status.state === 'streaming')
  const after = await fixture.insert([{ key: 'a' }])
  await fixture.until(() => fixture.publishedIds().includes(after[0] ?? ''))
  const ids = [...published, ...lost, ...later, ...after]
  expect(new Set(fixture.publishedIds())).toEqual(new Set(ids))
  expect(fixture.publishedIds().length).toBe(ids.length)
  const replayed = fixture.brokers
    .records(TOPIC)
    .filter(({ headerTexts }) => headerTexts.get('cdc.replayed') === 'true')
    .map(({ headerTexts }) => headerTexts.get('id'))
  expect(new Set(replayed)).toEqual(new Set([...lost, ...later]))
})

test('nothing is made good before somebody says so', async () => {
  const { published } = await loseSlot()
  const relay = fixture.relay()
  relay.start()
  await fixture.until(() => relay.status.state === 'halted')
  expect(fixture.publishedIds().length).toBe(published.length)
  const { rows } = await fixture.pool.query(
    'select from pg_replication_slots where slot_name = $1',
    [fixture.slotName],
  )
  expect(rows).toEqual([])
})

test('a replay that brokers interrupt begins anew, and publishes nothing twice', async () => {
  const { published, lost } = await loseSlot({ 'max.batch.size': '7' })
  const more = await fixture.insert(Array.from({ length: 40 }, (_, n) => ({ key: `k${n % 5}` })))
  let sends = 0
  fixture.brokers.storedShare = () => 0.5
  fixture.brokers.beforeSend = () => {
    sends += 1
    if (sends === 3 || sends === 5) throw new KafkaError('', { code: 'NETWORK', retryable: false })
  }
  const id = await order({ since: 'beginning' })
  const relay = fixture.relay()
  relay.start()
  expect((await outcome(id))?.state).toBe('done')
  await fixture.until(() => relay.status.state === 'streaming')
  const after = await fixture.insert([{}])
  await fixture.until(() => fixture.publishedIds().includes(after[0] ?? ''))
  const ids = [...published, ...lost, ...more, ...after]
  expect(fixture.publishedIds().length).toBe(ids.length)
  expect(new Set(fixture.publishedIds())).toEqual(new Set(ids))
})

test('rows that cannot be published are parked, once', async () => {
  await loseSlot()
  const [bad] = await fixture.insert([{ type: 'not a topic' }])
  const relay = fixture.relay()
  relay.start()
  expect((await outcome(await order({ since: 'beginning' })))?.state).toBe('done')
  await fixture.until(() => relay.status.state === 'streaming')
  const { rows } = await fixture.pool.query<{ event_id: string }>(
    'select event_id from relay.parked_event',
  )
  expect(rows).toEqual([{ event_id: bad }])
})

test('rows from before the time that is given are left out', async () => {
  await loseSlot()
  const [old] = await fixture.insert([{ key: 'old' }])
  await fixture.pool.query(
    `update outbox.events set created_at = now() - interval '2 days' where id = $1`,
    [old],
  )
  const relay = fixture.relay()
  relay.start()
  const id = await order({ since: new Date(Date.now() - 3_600_000).toISOString() })
  expect(await outcome(id)).toMatchObject({ state: 'done', progress: { replayedEvents: 2 } })
  expect(fixture.publishedIds()).not.toContain(old)
})

test('without a time the relay goes by what it has published', async () => {
  await loseSlot()
  const relay = fixture.relay()
  relay.start()
  expect((await outcome(await order({})))?.reason).toContain('give since')
  await fixture.pool.query('update relay.slot set published_until = clock_timestamp()')
  expect(await outcome(await order({}))).toMatchObject({
    state: 'done',
    progress: { replayedEvents: 2 },
  })
})

test('a slot that somebody has made anew is made good, too', async () => {
  const { published, lost } = await loseSlot()
  await fixture.pool.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [
    fixture.slotName,
  ])
  const relay = fixture.relay()
  relay.start()
  await fixture.until(() => relay.status.state === 'halted')
  expect((await outcome(await order({ since: 'beginning' })))?.state).toBe('done')
  await fixture.until(() => relay.status.state === 'streaming')
  expect(new Set(fixture.publishedIds())).toEqual(new Set([...published, ...lost]))
  expect(fixture.publishedIds().length).toBe(5)
})

test('a replay that cannot work is given up: the slot is lost as before, until the cause is gone', async () => {
  const { published, lost } = await loseSlot()
  await fixture.pool.query(`create function public.broken(uuid) returns text language plpgsql
    as 'begin raise exception ''broken''; end'`)
  await fixture.pool.query('create cast (uuid as text) with function public.broken(uuid)')
  const relay = fixture.relay()
  relay.start()
  expect(await outcome(await order({ since: 'beginning' }))).toMatchObject({
    state: 'failed',
    reason: 'broken',
  })
  await fixture.until(() => relay.status.state === 'halted')
  expect(fixture.publishedIds().length).toBe(published.length)
  await fixture.pool.query('drop cast (uuid as text)')
  expect((await outcome(await order({ since: 'beginning' })))?.state).toBe('done')
  await fixture.until(() => fixture.publishedIds().length === published.length + lost.length)
})

test('an id that no text and no index of Postgres holds stops no replay', async () => {
  const { published, lost } = await loseSlot()
  const ids = ['of\0another', randomBytes(4_000).toString('base64')]
  const records = ids.map((id) => ({
    topic: TOPIC,
    partition: 0,
    key: null,
    value: null,
    headers: [['id', Buffer.from(id)]] as const,
  }))
  await fixture.brokers.open().producer.send(records)
  const relay = fixture.relay()
  relay.start()
  expect(await outcome(await order({ since: 'beginning' }))).toMatchObject({
    state: 'done',
    progress: { replayedEvents: lost.length },
  })
  expect(new Set(fixture.publishedIds())).toEqual(new Set([...published, ...ids, ...lost]))
})

test('a row whose id is too long for an index is published, or parked, once', async () => {
  fixture = new RelayFixture(await testDatabase())
  const longIds = Array.from({ length: 4 }, () => randomBytes(4_000).toString('base64'))
  const insert = (id: string | undefined, type: string) =>
    fixture.pool.query(
      `insert into outbox.events (id, aggregatetype, aggregateid, type) values ($1, $2, 'k', 'T')`,
      [id, type],
    )
  const relay = await fixture.started()
  await fixture.pool.query(`alter table outbox.events drop constraint events_pkey,
    alter column id drop default, alter column id type text`)
  await insert(longIds[0], 'order')
  await insert(longIds[1], 'not a topic')
  await fixture.until(async () => (await fixture.parkedRows()).length === 1)
  await fixture.confirmed()
  await relay.stop()
  await insert(longIds[2], 'order')
  await insert(longIds[3], 'not a topic')
  await fixture.pool.query('select pg_drop_replication_slot($1)', [fixture.slotName])
  fixture.relay().start()
  expect((await outcome(await order({ since: 'beginning' })))?.state).toBe('done')
  expect(fixture.publishedIds()).toEqual([longIds[0], longIds[2]])
  const parked = (await fixture.parkedRows()).map(({ event_id }) => event_id)
  expect(new Set(parked)).toEqual(new Set([longIds[1], longIds[3]]))
  expect(parked.length).toBe(2)
})

test('a slot that is well is left alone', async () => {
  fixture = new RelayFixture(await testDatabase())
  const relay = await fixture.started()
  await relay.stop()
  const id = await order({ since: 'beginning' })
  await fixture.started()
  expect((await outcome(id))?.reason).toContain('is not lost')
})

test.for(['true', 'false'])(
  'ids are recognised in headers of JSON, with schemas: %s',
  async (schemas) => {
    const { published, lost } = await loseSlot({
      'header.converter': 'json',
      'header.converter.schemas.enable': schemas,
    })
    const relay = fixture.relay()
    relay.start()
    const id = await order({ since: 'beginning' })
    const replayedEvents = lost.length
    expect(await outcome(id)).toMatchObject({ state: 'done', progress: { replayedEvents } })
    expect(fixture.publishedIds().length).toBe(published.length + lost.length)
  },
)
