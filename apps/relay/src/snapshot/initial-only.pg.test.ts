import { fileURLToPath } from 'node:url'
import { KafkaError } from '@fairlead/kafka'
import { migrate } from '@fairlead/postgres'
import { testDatabase } from '@fairlead/testing'
import { afterEach, expect, test } from 'vitest'
import { readiness } from '../relay-state.ts'
import { RelayFixture } from '../testing/relay-fixture.ts'

let fixture: RelayFixture

afterEach(() => fixture.close())

const MIGRATIONS = fileURLToPath(new URL('../../../../sql/migrations', import.meta.url))
const ITEMS = 'shop.public.item'

async function createFixture(settings: Readonly<Record<string, string>> = {}): Promise<void> {
  fixture = new RelayFixture(await testDatabase(), {
    'snapshot.mode': 'initial_only',
    'topic.creation.default.partitions': '1',
    'topic.prefix': 'shop',
    ...settings,
  })
  await migrate({ url: fixture.url, directory: MIGRATIONS })
}

async function completed(settings?: Readonly<Record<string, string>>) {
  const relay = fixture.relay(settings)
  relay.start()
  await fixture.until(() => relay.status.state === 'completed')
  return relay
}

async function slotCount(): Promise<number | null> {
  const { rowCount } = await fixture.pool.query(
    'select from pg_replication_slots where slot_name = $1',
    [fixture.slotName],
  )
  return rowCount
}

test('what the tables hold is published once, and nothing that follows; no slot keeps the log back', async () => {
  await createFixture({ 'capture.table.include.list': String.raw`public\.item` })
  await fixture.pool.query(
    'create table item (id int, name text); insert into item values (1, null)',
  )
  const ids = await fixture.insert([{}, {}])
  const relay = await completed()
  expect(readiness(relay.status.state, relay.status.reason)).toBe(true)
  expect(relay.status.reason).toBe('3 rows were published')
  expect(fixture.publishedIds()).toEqual(ids)
  const [item, ...others] = fixture.brokers.records(ITEMS)
  expect(others).toEqual([])
  expect(JSON.parse(Buffer.from(item?.value ?? []).toString())).toMatchObject({
    op: 'r',
    before: null,
    after: { id: 1, name: null },
    source: { snapshot: 'true' },
  })
  expect(item?.headerTexts.get('cdc.replayed')).toBe('true')
  expect(await slotCount()).toBe(0)
  await relay.stop()
  expect(relay.status.state).toBe('stopped')

  await fixture.insert([{}])
  const again = await completed()
  expect(again.status.reason).toContain('everything was published at')
  expect(fixture.publishedIds()).toEqual(ids)
})

test('a relay that dies meanwhile begins anew, and no event of an outbox is there twice', async () => {
  await createFixture({ 'max.batch.size': '7' })
  const ids = await fixture.insert(Array.from({ length: 40 }, () => ({})))
  let sends = 0
  fixture.brokers.storedShare = () => 0.5
  fixture.brokers.beforeSend = () => {
    sends += 1
    if (sends === 3) throw new KafkaError('', { code: 'NETWORK', retryable: false })
  }
  await completed()
  expect(fixture.publishedIds()).toEqual(ids)
})

test('a relay that has read its slot before reads no table', async () => {
  await createFixture()
  const first = await fixture.started({ 'snapshot.mode': 'initial' })
  const ids = await fixture.insert([{}])
  await fixture.confirmed()
  await first.stop()
  await fixture.insert([{}])
  const relay = await completed()
  expect(relay.status.reason).toContain('has read slot')
  expect(fixture.publishedIds()).toEqual(ids)
  expect(await slotCount()).toBe(1)
})

test('with another mode the relay goes on as if it were new', async () => {
  await createFixture()
  const [first] = await fixture.insert([{}])
  const relay = await completed()
  await relay.stop()
  const [second] = await fixture.insert([{}])
  await fixture.started({ 'snapshot.mode': 'initial' })
  await fixture.until(() => fixture.publishedIds().length === 3)
  expect(fixture.publishedIds()).toEqual([first, first, second])
})

test('a second relay stands by while one reads the tables, and takes over where that one ends', async () => {
  await createFixture()
  const ids = await fixture.insert([{}, {}])
  fixture.brokers.isStuck = true
  const first = fixture.relay()
  first.start()
  await fixture.until(() => fixture.brokers.sendsInFlight > 0)
  const second = fixture.relay()
  second.start()
  await fixture.until(() => second.status.state === 'standby')
  expect(second.status.reason).toContain('another relay')
  expect(readiness(second.status.state, second.status.reason)).toBe(true)
  fixture.brokers.unstick()
  await fixture.until(() => second.status.state === 'completed')
  expect(second.status.reason).toContain('everything was published at')
  expect(first.status.reason).toBe('2 rows were published')
  expect(fixture.publishedIds()).toEqual(ids)
})

test('a relay with a slot stands by, too, while the tables are read', async () => {
  await createFixture()
  await fixture.insert([{}])
  fixture.brokers.isStuck = true
  const first = fixture.relay()
  first.start()
  await fixture.until(() => fixture.brokers.sendsInFlight > 0)
  const second = fixture.relay({ 'snapshot.mode': 'no_data' })
  second.start()
  await fixture.until(() => second.status.state === 'standby')
  fixture.brokers.unstick()
  await first.stop()
  await fixture.until(() => second.status.state === 'streaming')
})
