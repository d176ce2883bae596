import { migrate } from '@fairlead/postgres'
import { Metrics } from '@fairlead/service'
import { testDatabase } from '@fairlead/testing'
import { readFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { RelayMetrics } from '../metrics.ts'
import { RelayFixture, UNHURRIED } from '../testing/relay-fixture.ts'
import { OutboxCleaner } from './outbox-cleaner.ts'

const MIGRATIONS = fileURLToPath(new URL('../../../../sql/migrations', import.meta.url))
const HOUR = '1 hour'
const HOUR_MS = 3_600_000
/** More than any of the tests takes. */
const TEST_MAX_MS = 60_000

let fixture: RelayFixture
let logged: string[] = []

// Partitions are counted from the current hour, which must not end meanwhile.
beforeEach(async () => {
  const leftMs = HOUR_MS - (Date.now() % HOUR_MS)
  if (leftMs < TEST_MAX_MS) await setTimeout(leftMs)
}, 2 * TEST_MAX_MS)

afterEach(async () => {
  logged = []
  await fixture.close()
})

async function createFixture(): Promise<void> {
  fixture = new RelayFixture(await testDatabase())
  await migrate({ url: fixture.url, directory: MIGRATIONS })
}

function cleaner(): OutboxCleaner {
  const log = (_: object, message: string) => void logged.push(message)
  return new OutboxCleaner({
    databaseUrl: fixture.url,
    slotName: fixture.slotName,
    metrics: new RelayMetrics(new Metrics({ service: 'relay', version: 'test' })),
    logger: { debug: log, info: log, warn: log, error: log },
  })
}

async function partitionOutbox(retention = HOUR): Promise<void> {
  await fixture.pool.query(`select relay.partition_outbox('outbox.events', $1, $2)`, [
    HOUR,
    retention,
  ])
}

/** Starts and ends of the partitions, in hours from the current one. */
async function hours(table = 'outbox.events'): Promise<readonly number[]> {
  const { rows } = await fixture.pool.query<{ hour: number }>(
    `select round(extract(epoch from (regexp_match(pg_get_expr(relpartbound, c.oid), $re$TO \\('([^']+)'$re$))[1]::timestamptz
       - date_trunc('hour', clock_timestamp() at time zone 'UTC') at time zone 'UTC') / 3600)::int as hour
     from pg_inherits join pg_class c on c.oid = inhrelid where inhparent = $1::regclass order by 1`,
    [table],
  )
  return rows.map(({ hour }) => hour)
}

/** As if the table had been used for hours. */
async function addOldPartition(hoursAgo: number): Promise<string> {
  const name = `old_${hoursAgo}`
  await fixture.pool.query(`do $$ begin execute format(
    'create table outbox.${name} partition of outbox.events for values from (%L) to (%L)',
    date_trunc('hour', clock_timestamp() at time zone 'UTC') at time zone 'UTC' - interval '${hoursAgo} hours',
    date_trunc('hour', clock_timestamp() at time zone 'UTC') at time zone 'UTC' - interval '${hoursAgo - 1} hours');
    end $$; alter table outbox.${name} replica identity nothing`)
  return name
}

async function insertOld(hoursAgo: number): Promise<void> {
  await fixture.pool.query(
    `insert into outbox.events (aggregatetype, aggregateid, type, created_at)
     values ('order', 'old', 'Tested', date_trunc('hour', clock_timestamp() at time zone 'UTC') at time zone 'UTC' - $1::interval + interval '1 minute')`,
    [`${hoursAgo} hours`],
  )
}

test('an outbox that is partitioned under a relay goes on, with its rows and its publication', async () => {
  fixture = new RelayFixture(await testDatabase())
  await fixture.started()
  const before = await fixture.insert([{}, {}])
  await fixture.until(() => fixture.publishedIds().length === 2)
  await partitionOutbox()
  const after = await fixture.insert([{}])
  await fixture.until(() => fixture.publishedIds().length === 3)
  expect(fixture.publishedIds()).toEqual([...before, ...after])
  const { rows } = await fixture.pool.query('select from outbox.events')
  expect(rows.length).toBe(3)
  await expect(partitionOutbox()).rejects.toThrow('partitioned already')
})

test.for([
  ['whose characters have two bytes', 'é'.repeat(31)],
  ['as long as names may be', 'e'.repeat(63)],
])(
  'outboxes with names %s that differ at their end have partitions of their own',
  async ([, stem]) => {
    await createFixture()
    const names = ['a', 'b'].map((end) => `${(stem ?? '').slice(0, -1)}${end}`)
    for (const name of names) {
      await fixture.pool.query(`create table public.${name} (like outbox.events including all)`)
      await fixture.pool.query(
        `insert into public.${name} (aggregatetype, aggregateid, type) values ('order', 'k', 'Tested')`,
      )
      await fixture.pool.query('select relay.partition_outbox($1, $2)', [`public.${name}`, HOUR])
      await fixture.pool.query(`do $$ begin execute format('drop table %s', (
      select inhrelid::regclass from pg_inherits where inhparent = 'public.${name}'::regclass
      order by inhrelid desc limit 1)); end $$`)
    }
    await cleaner().runRound()
    for (const name of names) expect(await hours(`public.${name}`)).toEqual([2, 3, 4])
  },
)

describe('a table with capitals in its name', () => {
  beforeEach(async () => {
    await createFixture()
    await fixture.pool.query('create schema "Sales"')
    await fixture.pool.query('create table "Sales"."OutBox" (like outbox.events including all)')
  })

  test('is partitioned', async () => {
    await fixture.pool.query('select relay.partition_outbox($1, $2)', ['"Sales"."OutBox"', HOUR])
    await fixture.pool.query(`do $$ begin execute format('drop table %s', (
      select inhrelid::regclass from pg_inherits where inhparent = '"Sales"."OutBox"'::regclass
      order by inhrelid desc limit 1)); end $$`)
    await cleaner().runRound()
    expect(await hours('"Sales"."OutBox"')).toEqual([0, 1, 2, 3, 4])
  })

  test('is cleaned by deletion', async () => {
    await fixture.pool.query('select relay.delete_outbox($1, $2)', ['"Sales"."OutBox"', HOUR])
    await fixture.pool.query(
      `insert into "Sales"."OutBox" (aggregatetype, aggregateid, type, created_at)
       values ('order', 'k', 'Tested', clock_timestamp() - interval '6 hours'), ('order', 'l', 'Tested', clock_timestamp())`,
    )
    const rounds = cleaner()
    await fixture.until(async () => {
      await rounds.runRound()
      return (await fixture.pool.query('select from "Sales"."OutBox"')).rowCount === 1
    })
  })
})

test('names from before are corrected where no table has them', async () => {
  await createFixture()
  const { pool } = fixture
  await pool.query('create schema sales')
  for (const name of ['"OutBox"', 'outbox', 'other']) {
    await pool.query(`create table sales.${name} (like outbox.events including all)`)
  }
  await pool.query(`
    insert into relay.outbox_cleaning (table_name, method, time_column, retention)
    select name, 'delete', 'created_at', '1 day' from unnest(array['sales.OutBox', 'Sales.Other']) name`)
  await pool.query(await readFile(`${MIGRATIONS}/0034-outbox-table-names.sql`, 'utf8'))
  const { rows } = await pool.query(`
    select table_name as name from relay.outbox_cleaning
    where table_name ilike 'sales.%' order by table_name collate "C"`)
  // Not sales.outbox, which nobody has asked to be cleaned.
  expect(rows).toEqual([{ name: 'sales.OutBox' }, { name: 'sales.other' }])
})

test('a table that there is not is not taken for cleaning', async () => {
  await createFixture()
  const cleaned = fixture.pool.query(`select relay.delete_outbox('sales.outbox')`)
  await expect(cleaned).rejects.toThrow('there is no table sales.outbox')
})

test('partitions are made from one behind to three ahead, and dropped once they are old and confirmed', async () => {
  await createFixture()
  await partitionOutbox('2 hours')
  await addOldPartition(6)
  await insertOld(6)
  const relay = await fixture.started(UNHURRIED)
  await fixture.confirmed()
  await cleaner().runRound()
  await fixture.until(async () => {
    await cleaner().runRound()
    return (await hours()).length === 5
  })
  expect(await hours()).toEqual([0, 1, 2, 3, 4])
  expect(relay.status.state).toBe('streaming')
  expect(fixture.publishedIds().length).toBe(1)
})

test('a slot that has not confirmed a partition keeps it, and one that is gone does, too', async () => {
  await createFixture()
  await partitionOutbox()
  const relay = await fixture.started()
  await fixture.confirmed()
  await relay.stop()
  await addOldPartition(6)
  await insertOld(6)
  const rounds = cleaner()
  for (let round = 0; round < 3; round += 1) await rounds.runRound()
  expect(await hours()).toContain(-5)
  await fixture.pool.query('select pg_drop_replication_slot($1)', [fixture.slotName])
  await rounds.runRound()
  expect(await hours()).toContain(-5)
})

test('a relay that has read the tables without a slot keeps nothing', async () => {
  await createFixture()
  await partitionOutbox()
  await addOldPartition(6)
  await insertOld(6)
  const relay = fixture.relay({ 'snapshot.mode': 'initial_only' })
  relay.start()
  await fixture.until(() => relay.status.state === 'completed')
  const rounds = cleaner()
  await fixture.until(async () => {
    await rounds.runRound()
    return !(await hours()).includes(-5)
  })
  expect(fixture.publishedIds().length).toBe(1)
})

test('rows of a partition that was dropped by hand are published all the same', async () => {
  await createFixture()
  await partitionOutbox()
  const relay = await fixture.started()
  await fixture.confirmed()
  await relay.stop()
  const name = await addOldPartition(6)
  await insertOld(6)
  await fixture.pool.query(`alter table outbox.events detach partition outbox.${name}`)
  await fixture.pool.query(`drop table outbox.${name}`)
  await fixture.started()
  await fixture.until(() => fixture.publishedIds().length === 1)
})

test('writers wait for nothing while partitions come and go', async () => {
  await createFixture()
  await partitionOutbox()
  await fixture.started()
  await addOldPartition(6)
  await fixture.confirmed()
  await fixture.pool.query(`do $$ begin execute format('drop table %s', (
    select inhrelid::regclass from pg_inherits where inhparent = 'outbox.events'::regclass
    order by inhrelid offset 4 limit 1)); end $$`)
  expect(await hours()).toEqual([-5, 0, 1, 2, 3])
  const insert = `insert into outbox.events (aggregatetype, aggregateid, type) values ('order', 'k', 'Tested')`
  const rounds = cleaner()
  // It keeps its lock on the table until its transaction ends.
  const writer = await fixture.pool.connect()
  await writer.query(`begin; ${insert}`)
  const round = rounds.runRound()
  // Whatever waited for the lock without an end would hold up all of these, until the writer ends.
  for (let count = 0; count < 50; count += 1) {
    await fixture.pool.query(`set statement_timeout = '60s'; ${insert}`)
  }
  await round
  expect(await hours()).toContain(4)
  await writer.query('commit')
  writer.release()
  await fixture.until(async () => {
    await rounds.runRound()
    return (await hours()).join() === '0,1,2,3,4'
  })
})

test('what an interrupted rotation has left is finished', async () => {
  await createFixture()
  await partitionOutbox()
  const name = await addOldPartition(6)
  await fixture.pool.query(
    `comment on table outbox.${name} is 'fairlead: retired partition of outbox.events'`,
  )
  await fixture.pool.query(`alter table outbox.events detach partition outbox.${name}`)
  await cleaner().runRound()
  const { rows } = await fixture.pool.query('select to_regclass($1) as name', [`outbox.${name}`])
  expect(rows).toEqual([{ name: null }])
})

test('rows that parked events point to are kept', async () => {
  await createFixture()
  await partitionOutbox()
  await fixture.started()
  await addOldPartition(6)
  await fixture.confirmed()
  await fixture.pool.query(
    `insert into relay.parked_event (slot_name, commit_lsn, commit_index, kind, reason_code, reason,
       event_id, committed_at, source_table, payload_omitted)
     values ($1, '0/1', 0, 'failed', 'MESSAGE_TOO_LARGE', '', 'x', clock_timestamp() - interval '6 hours', 'outbox.events', true)`,
    [fixture.slotName],
  )
  const rounds = cleaner()
  for (let round = 0; round < 3; round += 1) await rounds.runRound()
  expect(await hours()).toContain(-5)
})

test('a table that cannot be partitioned is cleaned by deletion, behind every slot', async () => {
  await createFixture()
  await fixture.pool.query(`select relay.delete_outbox('outbox.events', '1 hour')`)
  const relay = await fixture.started()
  await insertOld(6)
  const [kept] = await fixture.insert([{}])
  await relay.stop()
  const rounds = cleaner()
  await insertOld(7)
  await rounds.runRound()
  expect((await fixture.pool.query('select from outbox.events')).rowCount).toBe(3)
  await fixture.started()
  await fixture.until(async () => {
    await rounds.runRound()
    return (await fixture.pool.query('select from outbox.events')).rowCount === 1
  })
  const { rows } = await fixture.pool.query<{ id: string }>('select id from outbox.events')
  expect(rows).toEqual([{ id: kept }])
  expect(fixture.publishedIds().length).toBe(3)
})

test('a partitioned table that is cleaned by deletion keeps young rows at the places of old ones', async () => {
  await createFixture()
  await partitionOutbox()
  await addOldPartition(6)
  await insertOld(6)
  const [kept] = await fixture.insert([{}])
  await fixture.pool.query(`select relay.delete_outbox('outbox.events', '1 hour')`)
  await fixture.started()
  const rounds = cleaner()
  const idsLeft = async () => {
    await rounds.runRound()
    const { rows } = await fixture.pool.query<{ id: string }>('select id from outbox.events')
    return rows.map(({ id }) => id)
  }
  await fixture.until(async () => (await idsLeft()).length < 2)
  expect(await idsLeft()).toEqual([kept])
})

test('too few partitions ahead are an error in the log, whatever keeps them from being made', async () => {
  await createFixture()
  await partitionOutbox()
  await fixture.pool.query(`do $$ declare name text; begin
    select inhrelid::regclass into name from pg_inherits where inhparent = 'outbox.events'::regclass
    order by inhrelid offset 3 limit 1;
    execute format('drop table %s', name);
    -- What is in the way of the name, with and without seconds.
    execute format('create view %s as select 1 as one', name);
    execute format('create view %s00 as select 1 as one', name);
  end $$`)
  await cleaner().runRound()
  expect(logged).toEqual([
    'inserts will fail soon: too few partitions are ahead',
    'the outbox was not cleaned',
  ])
})
