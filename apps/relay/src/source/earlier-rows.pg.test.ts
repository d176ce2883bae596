import { migrate } from '@fairlead/postgres'
import { testDatabase } from '@fairlead/testing'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { RelayFixture } from '../testing/relay-fixture.ts'

let fixture: RelayFixture

afterEach(() => fixture.close())

async function createFixture(settings?: Readonly<Record<string, string>>): Promise<RelayFixture> {
  return new RelayFixture(await testDatabase(), settings)
}

const MIGRATIONS = fileURLToPath(new URL('../../../../sql/migrations', import.meta.url))

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
