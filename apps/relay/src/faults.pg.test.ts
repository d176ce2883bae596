import { testDatabase } from '@fairlead/testing'
import pg from 'pg'
import { afterEach, expect, test, vi } from 'vitest'
import { RelayFixture } from './testing/relay-fixture.ts'

let fixture: RelayFixture

afterEach(async () => {
  vi.restoreAllMocks()
  await fixture.close()
})

/** Of the fixture. */
const WAL_SENDER_TIMEOUT_MS = 3_000
const HOUR_MS = 3_600_000

type Walsender = {
  readonly pid: number
  readonly confirmed: string
  /** Since the database was asked first. */
  readonly repliedMs: number
}

async function walsender(since: Date): Promise<Walsender | undefined> {
  const { rows } = await fixture.pool.query<Walsender>(
    `select pid, confirmed_flush_lsn::text as confirmed,
       (extract(epoch from reply_time - $2::timestamptz) * 1000)::float8 as "repliedMs"
     from pg_stat_replication join pg_replication_slots on pid = active_pid where slot_name = $1`,
    [fixture.slotName, since],
  )
  return rows[0]
}

async function serverNow(): Promise<Date> {
  const { rows } = await fixture.pool.query<{ now: Date }>('select clock_timestamp() as now')
  return rows[0]?.now ?? new Date(Number.NaN)
}

test('F19: while nothing can be published the connection lives, and nothing is confirmed', async () => {
  fixture = new RelayFixture(await testDatabase())
  const relay = await fixture.started()
  await fixture.confirmed()
  const since = await serverNow()
  const before = await walsender(since)
  fixture.brokers.isStuck = true
  const ids = await fixture.insert([{}, {}])
  await fixture.until(() => relay.status.pendingEvents === 2)
  await fixture.until(async () => {
    const { repliedMs = 0 } = (await walsender(since)) ?? {}
    return repliedMs > 3 * WAL_SENDER_TIMEOUT_MS
  })
  const after = await walsender(since)
  expect(after?.pid).toBe(before?.pid)
  const { rows } = await fixture.pool.query<{ ahead: boolean }>(
    'select confirmed_flush_lsn < pg_current_wal_lsn() as ahead from pg_replication_slots where slot_name = $1',
    [fixture.slotName],
  )
  expect(rows[0]?.ahead).toBe(true)
  fixture.brokers.unstick()
  await fixture.confirmed()
  expect(fixture.publishedIds()).toEqual(ids)
})

test('F20: after its loop was blocked for long a relay begins anew, and publishes the rest once', async () => {
  fixture = new RelayFixture(await testDatabase())
  await fixture.started()
  const since = await serverNow()
  fixture.brokers.isStuck = true
  const ids = [...(await fixture.insert([{}, {}, {}]))]
  await fixture.until(() => fixture.relays[0]?.status.pendingEvents === 3)
  const before = await walsender(since)
  // Nothing runs in this process meanwhile: the relay is in it.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3 * WAL_SENDER_TIMEOUT_MS)
  fixture.brokers.unstick()
  ids.push(...(await fixture.insert([{}])))
  await fixture.confirmed()
  expect(fixture.publishedIds()).toEqual(ids)
  expect((await walsender(since))?.pid).not.toBe(before?.pid)
})

test('F26: clocks that jump by an hour change neither order nor what is confirmed', async () => {
  fixture = new RelayFixture(await testDatabase())
  await fixture.started()
  const clock = vi.spyOn(Date, 'now')
  const ids: string[] = []
  for (const offsetMs of [0, HOUR_MS, -HOUR_MS, 0]) {
    clock.mockImplementation(() => performance.timeOrigin + performance.now() + offsetMs)
    ids.push(...(await fixture.insert([{}, {}])))
    // The clock of the database, as far as events show it.
    const { rows } = await fixture.pool.query<{ id: string }>(
      `insert into outbox.events (aggregatetype, aggregateid, type, created_at)
       values ('order', 'k', 'Tested', clock_timestamp() - $1 * interval '1 ms') returning id`,
      [offsetMs],
    )
    ids.push(rows[0]?.id ?? '')
    await fixture.confirmed()
  }
  expect(fixture.publishedIds()).toEqual(ids)
  const text = await fixture.metricsText()
  const lag = /^outbox_relay_source_lag_seconds\S* (\S+)$/m.exec(text)?.[1]
  expect(Number(lag)).toBeGreaterThanOrEqual(0)
  const negative = /^outbox_relay_event_lag_seconds_sum\S* -/m
  expect(text).not.toMatch(negative)
})

test('F35: a role that lost its rights, or its password, is told of, and the relay goes on once it is right', async () => {
  const database = await testDatabase()
  const { rows } = await query<{ user: string }>(
    database.url,
    `select 'relay_' || substr(current_database(), 6, 20) as user`,
  )
  const user = rows[0]?.user ?? ''
  await query(database.url, `create role ${user} login replication superuser password 'first'`)
  const url = new URL(database.url)
  url.username = user
  url.password = 'first'
  fixture = new RelayFixture({
    url: database.url,
    drop: async () => {
      await database.drop()
      const server = new URL(database.url)
      server.pathname = '/postgres'
      await query(server.href, `drop role ${user}`)
    },
  })
  const relay = await fixture.started({ 'database.url': url.href })
  const cutOff = () =>
    fixture.pool.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where usename = $1',
      [user],
    )
  await fixture.pool.query(`alter role ${user} password 'second'`)
  await cutOff()
  await fixture.until(() => relay.status.reason.includes('password authentication failed'))
  expect(relay.status.state).toBe('reconnecting')
  await fixture.pool.query(`alter role ${user} password 'first'`)
  await fixture.until(() => relay.status.state === 'streaming')

  await fixture.pool.query(`grant usage on schema outbox, relay to ${user};
    grant all on all tables in schema outbox, relay, public to ${user};
    alter role ${user} nosuperuser noreplication`)
  await cutOff()
  await fixture.until(() => relay.status.state === 'halted')
  expect(relay.status.reason).toContain(`alter role ${user} with replication`)
  await fixture.pool.query(`alter role ${user} superuser`)
  await fixture.until(() => relay.status.state === 'streaming')
  const ids = await fixture.insert([{}])
  await fixture.confirmed()
  expect(fixture.publishedIds()).toEqual(ids)
})

async function query<Row extends pg.QueryResultRow>(url: string, text: string) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await client.query<Row>(text)
  } finally {
    await client.end()
  }
}

test('a host that is not this machine is spoken to with TLS, and one without is told of', async () => {
  fixture = new RelayFixture(await testDatabase())
  const url = new URL(fixture.url)
  // Reaches this machine, by an address that does not say so.
  url.hostname = '0.0.0.0'
  const relay = fixture.relay({ 'database.url': url.href })
  relay.start()
  await fixture.until(() => relay.status.state === 'reconnecting')
  expect(relay.status.reason).toMatch(
    /the server offers none, and database\.sslmode is verify-full.*set database\.sslmode=disable/,
  )
  expect(fixture.fatal).toEqual([])

  const plain = await fixture.started({
    'database.url': url.href,
    'database.sslmode': 'disable',
  })
  expect(plain.status.state).toBe('streaming')
})
