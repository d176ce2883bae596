import { fileURLToPath } from 'node:url'
import { migrate } from '@fairlead/postgres'
import { testDatabase } from '@fairlead/testing'
import { afterEach, expect, test } from 'vitest'
import { listSignals, requestSignal } from '../signals/request-signal.ts'
import { RelayFixture } from '../testing/relay-fixture.ts'

let fixture: RelayFixture

afterEach(() => fixture.close())

const MIGRATIONS = fileURLToPath(new URL('../../../../sql/migrations', import.meta.url))
const SETTINGS = { 'snapshot.mode': 'when_needed', 'topic.creation.default.partitions': '1' }

async function createFixture(settings: Readonly<Record<string, string>> = {}): Promise<void> {
  fixture = new RelayFixture(await testDatabase(), { ...SETTINGS, ...settings })
  await migrate({ url: fixture.url, directory: MIGRATIONS })
}

/** A relay that has published two events, and a third one that only the table has. */
async function stoppedRelay() {
  const relay = await fixture.started()
  const published = await fixture.insert([{ key: 'a' }, { key: 'b' }])
  await fixture.confirmed()
  await relay.stop()
  return { published, missing: await fixture.insert([{ key: 'a' }]) }
}

function dropSlot() {
  return fixture.pool.query('select pg_drop_replication_slot($1)', [fixture.slotName])
}

async function recoveries(): Promise<readonly string[]> {
  const text = await fixture.metricsText()
  return [...text.matchAll(/^relay_slot_recoveries_total\{.*code="(\w+)".*\} (\d+)$/gm)].map(
    ([, code, count]) => `${code} ${count}`,
  )
}

test('rows that are older than the slot are published, as with initial', async () => {
  await createFixture()
  const ids = await fixture.insert([{}, {}])
  await fixture.started()
  await fixture.until(() => fixture.publishedIds().length === 2)
  expect(fixture.publishedIds()).toEqual(ids)
  expect(await recoveries()).toEqual([])
})

test('a slot that is gone is made good from the table by itself, told of and counted', async () => {
  await createFixture()
  const { published, missing } = await stoppedRelay()
  await dropSlot()
  await fixture.started()
  const later = await fixture.insert([{ key: 'b' }])
  await fixture.until(() => fixture.publishedIds().length === 4)
  expect(fixture.publishedIds()).toEqual([...published, ...missing, ...later])
  expect(await recoveries()).toEqual(['SLOT_LOST 1'])
  expect(fixture.loggedWarnings.join()).toContain('as snapshot.mode=when_needed says')
  expect(await listSignals(fixture.pool, fixture.slotName, 9)).toMatchObject([
    { type: 'replay-table', state: 'done', progress: { replayedEvents: 1 } },
  ])
})

test('a slot that somebody has made anew is made good, once, though two relays see it', async () => {
  await createFixture()
  const { published, missing } = await stoppedRelay()
  await dropSlot()
  await fixture.pool.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [
    fixture.slotName,
  ])
  const relays = [fixture.relay(), fixture.relay()]
  for (const relay of relays) relay.start()
  await fixture.until(() => relays.some(({ status }) => status.state === 'streaming'))
  await fixture.until(() => fixture.publishedIds().length === 3)
  const later = await fixture.insert([{ key: 'b' }])
  await fixture.until(() => fixture.publishedIds().length === 4)
  expect(fixture.publishedIds()).toEqual([...published, ...missing, ...later])
  const states = (await listSignals(fixture.pool, fixture.slotName, 9)).map(({ state }) => state)
  expect(states).toEqual(['done'])
})

test('a table that is captured is read anew, too', async () => {
  await createFixture({
    'capture.table.include.list': String.raw`public\.item`,
    'topic.prefix': 'shop',
  })
  await fixture.pool.query('create table item (id int primary key); insert into item values (1)')
  const items = () => fixture.brokers.records('shop.public.item').length
  const relay = await fixture.started()
  await fixture.until(() => items() === 1)
  await relay.stop()
  await fixture.pool.query('insert into item values (2)')
  await dropSlot()
  await fixture.started()
  await fixture.until(() => items() === 3)
})

test('a recovery that failed is not tried again: the relay halts, until an operator orders it', async () => {
  await createFixture()
  const { published, missing } = await stoppedRelay()
  await dropSlot()
  await fixture.pool.query(`create function public.broken(uuid) returns text language plpgsql
    as 'begin raise exception ''broken''; end'`)
  await fixture.pool.query('create cast (uuid as text) with function public.broken(uuid)')
  const relay = fixture.relay()
  relay.start()
  await fixture.until(() => relay.status.state === 'halted')
  expect(relay.status.reason).toContain(
    'snapshot.mode=when_needed has tried that, and failed: broken',
  )
  expect(fixture.publishedIds()).toEqual(published)
  await fixture.pool.query('drop cast (uuid as text)')
  const data = { since: 'beginning' }
  await requestSignal(fixture.pool, fixture.slotName, { type: 'replay-table', data })
  await fixture.until(() => relay.status.state === 'streaming')
  expect(fixture.publishedIds()).toEqual([...published, ...missing])
})
