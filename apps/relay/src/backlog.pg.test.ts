import { setTimeout } from 'node:timers/promises'
import { CutOffProxy, testDatabase } from '@fairlead/testing'
import { afterEach, expect, test } from 'vitest'
import { RelayFixture } from './testing/relay-fixture.ts'

let fixture: RelayFixture

afterEach(() => fixture.close())

async function createFixture(settings?: Readonly<Record<string, string>>): Promise<RelayFixture> {
  return new RelayFixture(await testDatabase(), settings)
}

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
  expect(await fixture.parkedRows()).toEqual([])
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

async function isSlotRead(): Promise<boolean> {
  const { rows } = await fixture.pool.query<{ active: boolean }>(
    'select active from pg_replication_slots where slot_name = $1',
    [fixture.slotName],
  )
  return rows[0]?.active === true
}
