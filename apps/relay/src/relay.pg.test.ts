import { randomUUID } from 'node:crypto'
import { getEventListeners } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { KafkaError } from '@fairlead/kafka'
import { migrate } from '@fairlead/postgres'
import { CutOffProxy, testDatabase } from '@fairlead/testing'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterEach, expect, test, vi } from 'vitest'
import { RelayFixture } from './testing/relay-fixture.ts'

let fixture: RelayFixture

/** Node gives each kind once. */
const warnings: string[] = []
process.on('warning', ({ message }) => void warnings.push(message))

afterEach(async () => {
  await fixture.close()
  if (warnings.length > 0) throw new Error(warnings.join('; '))
})

async function createFixture(settings?: Readonly<Record<string, string>>): Promise<RelayFixture> {
  return new RelayFixture(await testDatabase(), settings)
}

const TOPIC = 'outbox.event.order'
const MIGRATIONS = fileURLToPath(new URL('../../../sql/migrations', import.meta.url))

async function parkedRows() {
  const { rows } = await fixture.pool.query<{
    event_id: string
    kind: string
    reason_code: string
  }>('select event_id, kind, reason_code from relay.parked_event order by commit_lsn, commit_index')
  return rows
}

test('committed rows are published, in commit order, and then confirmed', async () => {
  fixture = await createFixture()
  await fixture.started()
  const first = await fixture.insert([{}, {}])
  const second = await fixture.insert([{}])
  await fixture.until(() => fixture.publishedIds().length === 3)
  expect(fixture.publishedIds()).toEqual([...first, ...second])
  await fixture.confirmed()
})

test('what is rolled back, or behind a savepoint that is, is not published', async () => {
  fixture = await createFixture()
  await fixture.started()
  const insert = `insert into outbox.events (aggregatetype, aggregateid, type) values ('order', 'k', `
  await fixture.pool.query(`begin; ${insert}'gone'); rollback`)
  await fixture.pool.query(`begin; ${insert}'kept'); savepoint s; ${insert}'undone');
    rollback to s; ${insert}'kept too'); commit`)
  await fixture.until(() => fixture.publishedIds().length === 2)
  const types = fixture.brokers
    .records(TOPIC)
    .map(({ headerTexts }) => headerTexts.get('eventType'))
  expect(types).toEqual(['kept', 'kept too'])
})

test('a transaction of 10,000 rows keeps its order, with one commit LSN and rising indexes', async () => {
  fixture = await createFixture({ 'topic.creation.default.partitions': '1' })
  await fixture.started()
  await fixture.pool.query(`insert into outbox.events (aggregatetype, aggregateid, type, payload)
    select 'order', (n % 100)::text, 'Tested', decode(lpad(to_hex(n), 8, '0'), 'hex')
    from generate_series(0, 9999) as n`)
  await fixture.until(() => fixture.publishedIds().length === 10_000)
  const records = fixture.brokers.records(TOPIC)
  expect(new Set(records.map(({ headerTexts }) => headerTexts.get('cdc.lsn'))).size).toBe(1)
  expect(records.every(({ headerTexts }, n) => headerTexts.get('cdc.seq') === `${n}`)).toBe(true)
  await fixture.confirmed()
})

test('nothing is lost or published twice when connections, sends and relays fail at random', async () => {
  fixture = await createFixture()
  let failNext = false
  fixture.brokers.storedShare = () => Math.random()
  fixture.brokers.beforeSend = () => {
    if (!failNext) return
    failNext = false
    throw new KafkaError('the fate is unknown', { code: 'NETWORK', retryable: false })
  }
  let relay = await fixture.started()
  const inserted: string[] = []
  const finished = new AbortController()
  const writers = Array.from({ length: 4 }, async (_, writer) => {
    for (let round = 0; !finished.signal.aborted; round += 1) {
      const key = `${writer}-${round % 5}`
      inserted.push(...(await fixture.insert([{ key }, { key }, { key }])))
    }
  })
  for (let fault = 0; fault < 12; fault += 1) {
    const before = fixture.publishedIds().length
    await fixture.until(() => fixture.publishedIds().length > before + 20)
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
  const published = fixture.publishedIds()
  expect(published.length).toBe(inserted.length)
  expect(new Set(published)).toEqual(new Set(inserted))
  expect(positionsFall()).toEqual([])
  expect(fixture.fatal).toEqual([])
})

async function isSlotRead(): Promise<boolean> {
  const { rows } = await fixture.pool.query<{ active: boolean }>(
    'select active from pg_replication_slots where slot_name = $1',
    [fixture.slotName],
  )
  return rows[0]?.active === true
}

async function terminateRelay(): Promise<void> {
  await fixture.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where application_name = 'fairlead-relay-' || $1`,
    [fixture.slotName],
  )
}

/** Records that stand behind one of a later position in their partition. */
function positionsFall(): readonly string[] {
  const position = (texts: ReadonlyMap<string, string>) => {
    const [high, low] = (texts.get('cdc.lsn') ?? '').split('/')
    return `${high?.padStart(8, '0')}${low?.padStart(8, '0')}${texts.get('cdc.seq')?.padStart(9, '0')}`
  }
  return [0, 1, 2, 3].flatMap((partition) => {
    const all = fixture.brokers.partition(TOPIC, partition).map((r) => position(r.headerTexts))
    return all.filter((current, index) => current <= (all[index - 1] ?? ''))
  })
}

test('a failing event is parked, its aggregate queues behind it, and all others go on', async () => {
  fixture = await createFixture({ 'producer.max.request.size': '2000' })
  await fixture.started()
  const [before] = await fixture.insert([{ key: 'poison' }])
  const [large] = await fixture.insert([{ key: 'poison', bytes: 5_000 }])
  const [behind, other] = await fixture.insert([{ key: 'poison' }, { key: 'healthy' }])
  await fixture.until(() => fixture.publishedIds().includes(other ?? ''))
  expect(new Set(fixture.publishedIds())).toEqual(new Set([before, other]))
  expect(await parkedRows()).toEqual([
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
  expect((await parkedRows()).map(({ kind }) => kind)).toEqual(['failed', 'blocked'])
})

test('a name that is no topic name is parked', async () => {
  fixture = await createFixture()
  await fixture.started()
  const [bad] = await fixture.insert([{ type: 'not a topic' }])
  const [good] = await fixture.insert([{}])
  await fixture.until(() => fixture.publishedIds().includes(good ?? ''))
  expect(await parkedRows()).toEqual([
    { event_id: bad, kind: 'failed', reason_code: 'INVALID_TOPIC' },
  ])
})

test('trouble of the brokers parks nothing and confirms nothing', async () => {
  fixture = await createFixture()
  const relay = await fixture.started()
  fixture.brokers.isStuck = true
  const ids = await fixture.insert([{}])
  await fixture.until(() => relay.status.pendingEvents === 1)
  const { rows } = await fixture.pool.query<{ ahead: boolean }>(
    'select confirmed_flush_lsn < pg_current_wal_lsn() as ahead from pg_replication_slots where slot_name = $1',
    [fixture.slotName],
  )
  expect(rows[0]?.ahead).toBe(true)
  expect(await parkedRows()).toEqual([])
  fixture.brokers.unstick()
  await fixture.until(() => fixture.publishedIds().length === 1)
  expect(fixture.publishedIds()).toEqual(ids)
})

test('with brokers that take nothing, the relay lets go of Postgres instead of filling its socket', async () => {
  fixture = await createFixture({ 'max.queue.size.in.bytes': '65536' })
  const relay = await fixture.started()
  fixture.brokers.isStuck = true
  await fixture.insert(Array.from({ length: 3_000 }, () => ({ bytes: 1_000 })))
  await fixture.until(() => relay.status.state === 'backpressure')
  await fixture.until(async () => !(await isSlotRead()))
  fixture.brokers.unstick()
  await fixture.until(() => fixture.publishedIds().length === 3_000)
  expect(new Set(fixture.publishedIds()).size).toBe(3_000)
})

test('a backlog larger than the queue is published, however long the ends of topics take to read', async () => {
  fixture = await createFixture({
    'max.queue.size.in.bytes': '65536',
    'topic.creation.default.partitions': '1',
  })
  const first = await fixture.started()
  await fixture.insert([{}])
  await fixture.confirmed()
  await first.stop()
  await fixture.insert(Array.from({ length: 300 }, () => ({ bytes: 1_000 })))
  // Longer than a socket may stay full, and than any session is kept that reads them.
  fixture.brokers.beforeFetch = () => fixture.until(async () => !(await isSlotRead()))
  fixture.relay().start()
  await fixture.until(() => fixture.publishedIds().length === 301)
  await fixture.confirmed()
})

test('rows that come in one read with the start of the stream wait for the catalog, whole', async () => {
  fixture = await createFixture({ 'topic.creation.default.partitions': '1' })
  const first = await fixture.started()
  await first.stop()
  const ids = await fixture.insert(Array.from({ length: 300 }, () => ({ bytes: 1_000 })))
  const proxy = await CutOffProxy.inFrontOf(fixture.url)
  proxy.streamStartBytes = 400_000
  const relay = await fixture.started({ 'database.url': proxy.url })
  await fixture.until(() => fixture.publishedIds().length === ids.length)
  expect(fixture.publishedIds()).toEqual(ids)
  await relay.stop()
  await proxy.close()
})

test('a backlog for 200 topics is published a few topics at a time', async () => {
  fixture = await createFixture({
    'max.queue.size.in.bytes': '262144',
    'topic.creation.default.partitions': '2',
  })
  const first = await fixture.started()
  const types = Array.from({ length: 200 }, (_, n) => `type-${n}`)
  await fixture.insert(types.map((type) => ({ type })))
  await fixture.confirmed()
  await first.stop()
  await fixture.insert([...types, ...types].map((type) => ({ type, bytes: 1_000 })))
  fixture.brokers.beforeFetch = () => setTimeout(200)
  fixture.relay().start()
  const countOf = (type: string) => fixture.publishedIds(`outbox.event.${type}`).length
  await fixture.until(() => types.every((type) => countOf(type) === 3))
  await fixture.confirmed()
})

test('a second relay stands by, and takes over when the first stops', async () => {
  fixture = await createFixture()
  const first = await fixture.started()
  const second = fixture.relay()
  second.start()
  await fixture.until(() => second.status.state === 'standby')
  const before = await fixture.insert([{}])
  await fixture.until(() => fixture.publishedIds().length === 1)
  await first.stop()
  const after = await fixture.insert([{}])
  await fixture.until(() => fixture.publishedIds().length === 2)
  expect(fixture.publishedIds()).toEqual([...before, ...after])
})

test('a database that is gone without a word holds up no more than one session', async () => {
  fixture = await createFixture()
  const proxy = await CutOffProxy.inFrontOf(fixture.url)
  const relay = await fixture.started({ 'database.url': proxy.url })
  await fixture.insert([{}])
  await fixture.confirmed()
  proxy.hold()
  // Its insert into relay.parked_event waits for an answer.
  await fixture.insert([{ type: 'no topic' }])
  await fixture.until(() => relay.status.state !== 'streaming')
  proxy.release()
  await fixture.until(() => relay.status.state === 'streaming')
  await fixture.until(async () => (await parkedRows()).length === 1)
  await relay.stop()
  await proxy.close()
})

test('a relay that tries again and again keeps nothing of each pause', async () => {
  fixture = await createFixture()
  const listening = vi.spyOn(EventTarget.prototype, 'addEventListener')
  fixture.relay({ 'database.url': 'postgres://127.0.0.1:1/nowhere' }).start()
  const busiest = () => {
    const signals = listening.mock.contexts.filter((target) => target instanceof AbortSignal)
    return signals.find((one) => signals.filter((other) => other === one).length > 3)
  }
  await fixture.until(() => busiest() !== undefined)
  expect(getEventListeners(busiest() ?? new EventTarget(), 'abort').length).toBeLessThan(2)
  listening.mockRestore()
})

test('a slot that was dropped halts the relay, and is not made again', async () => {
  fixture = await createFixture()
  const first = await fixture.started()
  await fixture.insert([{}])
  await fixture.confirmed()
  await first.stop()
  await fixture.pool.query('select pg_drop_replication_slot($1)', [fixture.slotName])
  const second = fixture.relay()
  second.start()
  await fixture.until(() => second.status.state === 'halted')
  expect(second.status.reason).toContain('does not exist any more')
  const { rowCount } = await fixture.pool.query(
    'select from pg_replication_slots where slot_name = $1',
    [fixture.slotName],
  )
  expect(rowCount).toBe(0)
})

test('a topic of another source, with higher positions, hides nothing', async () => {
  fixture = await createFixture({ 'topic.creation.default.partitions': '1' })
  const { producer, admin } = fixture.brokers.open()
  await admin.ensureTopic({ topic: TOPIC, partitions: 1 })
  const header = (name: string, text: string) => [name, new TextEncoder().encode(text)] as const
  await producer.send([
    {
      topic: TOPIC,
      partition: 0,
      key: null,
      value: null,
      headers: [
        header('cdc.source', 'another/slot'),
        header('cdc.lsn', 'FFFFFFFF/0'),
        header('cdc.seq', '0'),
      ],
    },
  ])
  await fixture.started()
  const ids = await fixture.insert([{}])
  await fixture.until(() => fixture.publishedIds().length === 2)
  expect(fixture.publishedIds().at(-1)).toBe(ids[0])
})

test('rows that are older than the slot are published once, before everything newer', async () => {
  fixture = await createFixture({ 'topic.creation.default.partitions': '1' })
  await migrate({ url: fixture.url, directory: MIGRATIONS })
  const earlier = [...(await fixture.insert([{}, {}])), ...(await fixture.insert([{}]))]
  const [deleted] = await fixture.insert([{}])
  await fixture.pool.query('delete from outbox.events where id = $1', [deleted])
  const relay = await fixture.started()
  const later = await fixture.insert([{}])
  await fixture.until(() => fixture.publishedIds().length === 4)
  expect(fixture.publishedIds()).toEqual([...earlier, ...later])
  await relay.stop()
  await fixture.started()
  const last = await fixture.insert([{}])
  await fixture.until(() => fixture.publishedIds().length === 5)
  expect(fixture.publishedIds()).toEqual([...earlier, ...later, ...last])
})

test('events of one key keep their commit order while the slot is being made', async () => {
  fixture = await createFixture({ 'topic.creation.default.partitions': '1' })
  await migrate({ url: fixture.url, directory: MIGRATIONS })
  const committed: string[] = []
  const streaming = new AbortController()
  const writing = (async () => {
    while (!streaming.signal.aborted) committed.push(...(await fixture.insert([{}])))
    committed.push(...(await fixture.insert([{}])))
  })()
  await fixture.until(() => committed.length > 10)
  await fixture.started()
  streaming.abort()
  await writing
  await fixture.until(() => fixture.publishedIds().length >= committed.length)
  expect(fixture.publishedIds()).toEqual(committed)
})

test('a slot whose maker died is made anew, with the rows that are older than it', async () => {
  fixture = await createFixture()
  await migrate({ url: fixture.url, directory: MIGRATIONS })
  const earlier = await fixture.insert([{}])
  await fixture.pool.query(
    `create publication fairlead_outbox for table outbox.events with (publish = 'insert')`,
  )
  await fixture.pool.query(`insert into relay.slot values ($1, '', 'creating')`, [fixture.slotName])
  await fixture.pool.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [
    fixture.slotName,
  ])
  const between = await fixture.insert([{}])
  await fixture.started()
  await fixture.until(() => fixture.publishedIds().length === 2)
  expect(fixture.publishedIds()).toEqual([...earlier, ...between])
})

test('with snapshot.mode no_data, rows that are older than the slot stay where they are', async () => {
  fixture = await createFixture({ 'snapshot.mode': 'no_data' })
  await migrate({ url: fixture.url, directory: MIGRATIONS })
  await fixture.insert([{}])
  await fixture.started()
  const ids = await fixture.insert([{}])
  await fixture.until(() => fixture.publishedIds().length > 0)
  expect(fixture.publishedIds()).toEqual(ids)
})

test('rows of one COPY, which share an LSN, are published once each across a restart', async () => {
  fixture = await createFixture({ 'topic.creation.default.partitions': '1', 'max.batch.size': '7' })
  const relay = await fixture.started()
  let sends = 0
  fixture.brokers.beforeSend = () => {
    sends += 1
    if (sends === 4)
      throw new KafkaError('the fate is unknown', { code: 'NETWORK', retryable: true })
  }
  fixture.brokers.storedShare = () => 0.5
  await fixture.pool.query(`copy outbox.events (id, aggregatetype, aggregateid, type, created_at)
    from program $$seq -f '00000000-0000-0000-0000-%012.0f,order,k,Tested,2026-01-01' 0 99$$
    with (format csv)`)
  await fixture.until(() => fixture.publishedIds().length >= 100)
  await fixture.confirmed()
  expect(fixture.publishedIds()).toEqual(
    Array.from({ length: 100 }, (_, n) => `00000000-0000-0000-0000-${`${n}`.padStart(12, '0')}`),
  )
  expect(relay.status).toMatchObject({ state: 'streaming', pendingEvents: 0 })
})

test('an event that a broker refused and nobody parked is not taken for published', async () => {
  fixture = await createFixture({ 'topic.creation.default.partitions': '1' })
  const relay = await fixture.started()
  let isFirst = true
  fixture.brokers.rejects = ({ key }) => {
    if (Buffer.from(key ?? []).toString() !== 'refused' || !isFirst) return false
    isFirst = false
    // The relay dies between the answer of the broker and the parking.
    void relay.stop()
    return true
  }
  fixture.brokers.afterSend = () => {
    if (isFirst) return
    fixture.brokers.afterSend = () => undefined
    throw new KafkaError('the answer is lost', { code: 'NETWORK', retryable: true })
  }
  // What comes in while a send waits is one batch, however Postgres cut it on the socket.
  fixture.brokers.isStuck = true
  const [earlier] = await fixture.insert([{ key: 'earlier' }])
  await fixture.until(() => relay.status.pendingEvents === 1)
  const [refused, other] = await fixture.insert([{ key: 'refused' }, { key: 'other' }])
  await fixture.until(() => relay.status.pendingEvents === 3)
  fixture.brokers.unstick()
  await fixture.until(() => relay.status.state === 'stopped')
  expect(fixture.publishedIds()).toEqual([earlier, other])
  await fixture.started()
  await fixture.until(() => fixture.publishedIds().length === 3)
  expect(fixture.publishedIds()).toEqual([earlier, other, refused])
})

test('a key that moves to another partition with their number is still recognised', async () => {
  fixture = await createFixture({ 'topic.creation.default.partitions': '1' })
  const relay = await fixture.started()
  fixture.brokers.afterSend = () => {
    fixture.brokers.afterSend = () => undefined
    fixture.brokers.addPartitions(TOPIC, 7)
    throw new KafkaError('the answer is lost', { code: 'NETWORK', retryable: true })
  }
  const keys = ['a', 'b', 'c', 'd', 'e', 'f']
  const ids = await fixture.insert(keys.map((key) => ({ key })))
  await fixture.confirmed()
  expect([...fixture.publishedIds()].sort()).toEqual([...ids].sort())
  expect(relay.status.state).toBe('streaming')
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
  expect((await parkedRows()).map(({ kind }) => kind)).toEqual(['failed', 'blocked', 'blocked'])
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
  expect(await parkedRows()).toEqual([
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
  const relay = await fixture.started()
  await fixture.pool.query(`alter table outbox.events rename column payload to body;
    insert into outbox.events (aggregatetype, aggregateid, type) values ('order', 'k', 'Tested')`)
  await fixture.pool.query('alter table outbox.events rename column body to payload')
  const [other] = await fixture.insert([{ key: 'other' }])
  await fixture.until(() => fixture.publishedIds().includes(other ?? ''))
  expect((await parkedRows()).map((row) => row.reason_code)).toEqual(['MISSING_COLUMN'])
  expect(relay.status.state).toBe('streaming')
})

test('updates, deletes, truncation and other tables are no events', async () => {
  fixture = await createFixture()
  await fixture.started()
  const ids = await fixture.insert([{}, {}])
  await fixture.pool.query(`update outbox.events set type = 'Changed'`)
  await fixture.pool.query('delete from outbox.events')
  await fixture.pool.query('truncate outbox.events')
  await fixture.pool.query('create table elsewhere (id int); insert into elsewhere values (1)')
  const last = await fixture.insert([{}])
  await fixture.until(() => fixture.publishedIds().length >= 3)
  await fixture.confirmed()
  expect(fixture.publishedIds()).toEqual([...ids, ...last])
})

test('a relay that has lost its slot sends nothing more, whatever is in its queue', async () => {
  fixture = await createFixture({ 'topic.creation.default.partitions': '1', 'max.batch.size': '1' })
  await fixture.started()
  const second = fixture.relay()
  second.start()
  await fixture.until(() => second.status.state === 'standby')
  const { promise, resolve: release } = Promise.withResolvers<void>()
  fixture.brokers.hold = promise
  const ids = await fixture.insert(Array.from({ length: 50 }, () => ({})))
  await fixture.until(() => fixture.brokers.hold === undefined)
  await terminateRelay()
  await fixture.until(() => fixture.publishedIds().length === 50)
  release()
  await fixture.confirmed()
  expect(fixture.publishedIds()).toEqual(ids)
})

test('a slot that was made anew by hand halts the relay, and stays as it is', async () => {
  fixture = await createFixture()
  const relay = await fixture.started()
  await fixture.insert([{}])
  await fixture.confirmed()
  await relay.stop()
  await fixture.pool.query('select pg_drop_replication_slot($1)', [fixture.slotName])
  await fixture.insert([{ key: 'between' }])
  await fixture.pool.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [
    fixture.slotName,
  ])
  const { rows: before } = await slotPositions()
  const again = fixture.relay()
  again.start()
  await fixture.until(() => again.status.state === 'halted')
  expect(again.status.reason).toContain('made it anew or moved it')
  expect((await slotPositions()).rows).toEqual(before)
  expect(fixture.publishedIds().length).toBe(1)
})

function slotPositions() {
  return fixture.pool.query<{ confirmed_flush_lsn: string }>(
    'select confirmed_flush_lsn from pg_replication_slots where slot_name = $1',
    [fixture.slotName],
  )
}

test('without its publication the relay halts, and makes no other one for a slot that exists', async () => {
  fixture = await createFixture()
  const relay = await fixture.started()
  await relay.stop()
  await fixture.pool.query('drop publication fairlead_outbox')
  const again = fixture.relay()
  again.start()
  await fixture.until(() => again.status.state === 'halted')
  expect(again.status.reason).toContain('fairlead_outbox')
  const { rowCount } = await fixture.pool.query('select from pg_publication')
  expect(rowCount).toBe(0)
})

test('a table that its publication does not publish halts the relay', async () => {
  fixture = await createFixture()
  const relay = await fixture.started()
  await relay.stop()
  await fixture.pool.query('alter publication fairlead_outbox drop table outbox.events')
  const again = fixture.relay()
  again.start()
  await fixture.until(() => again.status.state === 'halted')
  expect(again.status.reason).toContain('does not publish outbox.events')
})

test('columns that come and go while events flow change nothing for the others', async () => {
  fixture = await createFixture()
  await fixture.started()
  const ids = [...(await fixture.insert([{}]))]
  for (const change of [
    'add column note text',
    `alter column note set default 'new'`,
    'drop column note',
    'alter column aggregateid type varchar(500)',
  ]) {
    await fixture.pool.query(`alter table outbox.events ${change}`)
    ids.push(...(await fixture.insert([{}])))
  }
  await fixture.until(() => fixture.publishedIds().length === ids.length)
  expect(fixture.publishedIds()).toEqual(ids)
})

test('a payload that is text, json or jsonb arrives as Postgres writes it', async () => {
  fixture = await createFixture()
  await fixture.started()
  await fixture.pool.query('alter table outbox.events alter column payload type jsonb using null')
  await fixture.pool.query(
    `insert into outbox.events (aggregatetype, aggregateid, type, payload)
     values ('order', 'k', 'Tested', $1)`,
    [
      '{"big": 12345678901234567890, "exact": 1.10, "text": "\\u0001 😀 \\ud83d\\ude00 ü", "e": 1e400}',
    ],
  )
  await fixture.until(() => fixture.publishedIds().length === 1)
  const { rows } = await fixture.pool.query<{ text: string }>(
    'select payload::text as text from outbox.events',
  )
  const [record] = fixture.brokers.records(TOPIC)
  expect(Buffer.from(record?.value ?? []).toString()).toBe(rows[0]?.text)
})

test('what another database of the server writes does not keep the log of an idle one', async () => {
  fixture = await createFixture()
  await fixture.started()
  const url = new URL(fixture.url)
  url.pathname = '/postgres'
  const other = new pg.Client({ connectionString: url.href })
  await other.connect()
  await other.query(
    `select pg_logical_emit_message(false, 'other', repeat('x', 10000)) from generate_series(1, 100)`,
  )
  await fixture.confirmed()
  await other.end()
})
