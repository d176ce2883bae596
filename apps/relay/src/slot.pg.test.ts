import { testDatabase } from '@fairlead/testing'
import { afterEach, expect, test } from 'vitest'
import { RelayFixture } from './testing/relay-fixture.ts'

let fixture: RelayFixture

afterEach(() => fixture.close())

async function createFixture(settings?: Readonly<Record<string, string>>): Promise<RelayFixture> {
  return new RelayFixture(await testDatabase(), settings)
}

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

test('a table that is taken out of its publication while events flow halts the relay', async () => {
  fixture = await createFixture()
  const relay = await fixture.started()
  await fixture.insert([{}])
  await fixture.confirmed()
  await fixture.pool.query('alter publication fairlead_outbox drop table outbox.events')
  await fixture.until(() => relay.status.state === 'halted')
  expect(relay.status.reason).toContain('does not publish outbox.events')
  expect(relay.status.reason).toContain('replay-table --force')
})

test('of captured tables one that is dropped is no fault, and one that is made anew is', async () => {
  fixture = await createFixture({
    'capture.table.include.list': String.raw`public\.(item|part)`,
    'topic.prefix': 'shop',
  })
  await fixture.pool.query(`create table item (id int primary key);
    create table part (id int primary key)`)
  const relay = await fixture.started()
  await fixture.pool.query(`drop table item; drop table part;
    create table part (id int primary key)`)
  await fixture.until(() => relay.status.state === 'halted')
  expect(relay.status.reason).toContain('does not publish public.part:')
})

async function terminateRelay(): Promise<void> {
  await fixture.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where application_name = 'fairlead-relay-' || $1`,
    [fixture.slotName],
  )
}

function slotPositions() {
  return fixture.pool.query<{ confirmed_flush_lsn: string }>(
    'select confirmed_flush_lsn from pg_replication_slots where slot_name = $1',
    [fixture.slotName],
  )
}
