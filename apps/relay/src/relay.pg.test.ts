import { OutboxRouter } from '@fairlead/cdc'
import { testDatabase } from '@fairlead/testing'
import pg from 'pg'
import { afterEach, expect, test, vi } from 'vitest'
import { RelayFixture } from './testing/relay-fixture.ts'

let fixture: RelayFixture

afterEach(() => fixture.close())

async function createFixture(settings?: Readonly<Record<string, string>>): Promise<RelayFixture> {
  return new RelayFixture(await testDatabase(), settings)
}

const TOPIC = 'outbox.event.order'

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

test('how long each stage took is told of every event, and of every transaction', async () => {
  fixture = await createFixture()
  await fixture.started()
  await fixture.insert([{}, {}])
  await fixture.insert([{}])
  await fixture.confirmed()
  const text = await fixture.metricsText()
  const count = (stage: string) =>
    new RegExp(`^outbox_relay_stage_${stage}_seconds_count (\\d+)$`, 'm').exec(text)?.[1]
  // The first transaction is the relay's own, in which it says that the slot is made.
  expect(['received', 'encoded', 'acknowledged'].map(count)).toEqual(['3', '3', '3'])
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

test('after a bug nothing more is taken in, and nothing of it confirmed, until the process has ended', async () => {
  fixture = await createFixture()
  const relay = await fixture.started()
  const ids = await fixture.insert([{}])
  await fixture.confirmed()
  const uncaught: unknown[] = []
  const listeners = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', (error) => uncaught.push(error))
  try {
    vi.spyOn(OutboxRouter.prototype, 'route').mockImplementationOnce(() => {
      throw new RangeError('a bug')
    })
    // More than one read of the socket, each of which ends within a row.
    await fixture.insert(Array.from({ length: 2_000 }, () => ({ bytes: 3_000 })))
    await fixture.until(() => uncaught.length === 1)
    const { rows } = await fixture.pool.query<{ lsn: string }>('select pg_current_wal_lsn() as lsn')
    const isPast = async (position: string | null) => {
      const reached = 'select $1::pg_lsn >= $2::pg_lsn as "isPast"'
      const answer = await fixture.pool.query<{ isPast: boolean }>(reached, [
        position,
        rows[0]?.lsn,
      ])
      return answer.rows[0]?.isPast === true
    }
    await fixture.until(() => isPast(relay.status.receivedLsn))
    expect(fixture.publishedIds()).toEqual(ids)
    expect(await isPast(relay.status.confirmedLsn)).toBe(false)
  } finally {
    vi.restoreAllMocks()
    process.removeAllListeners('uncaughtException')
    for (const listener of listeners) process.on('uncaughtException', listener)
  }
})
