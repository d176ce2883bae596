import { testDatabase } from '@fairlead/testing'
import pg from 'pg'
import { afterEach, expect, test } from 'vitest'
import { examine } from '../doctor/doctor-route.ts'
import { RelayFixture, UNHURRIED } from '../testing/relay-fixture.ts'

let fixture: RelayFixture

/** What is missing is told of soon. */
const SOON = { 'heartbeat.timeout.ms': '1000' }

afterEach(() => fixture.close())

async function createFixture(settings: Readonly<Record<string, string>> = {}): Promise<void> {
  fixture = new RelayFixture(await testDatabase(), {
    'heartbeat.interval.ms': '200',
    'heartbeat.timeout.ms': '60000',
    ...settings,
  })
}

/** Of readiness. */
function wasTold(problem: string): boolean {
  return fixture.heartbeats.some((state) => state !== true && state.includes(problem))
}

async function heartbeatFinding(heartbeat = () => fixture.relays.at(-1)?.status.heartbeat ?? null) {
  const options = fixture.options()
  const brokerState = () => true as const
  const clockOffset = () => undefined
  const findings = await examine({
    pool: fixture.pool,
    options,
    brokerState,
    heartbeat,
    clockOffset,
  })
  return findings.find(({ check }) => check === 'heartbeat')
}

test('heartbeats come back through the log while nobody writes, and are no events', async () => {
  await createFixture({ 'provide.transaction.metadata': 'true' })
  const relay = await fixture.started()
  await fixture.until(() => relay.status.heartbeat?.seenAt !== null)
  const first = relay.status.heartbeat
  await fixture.until(() => relay.status.heartbeat?.seenAt !== first?.seenAt)
  expect(relay.status.heartbeat?.problem).toBeNull()
  expect(relay.status.heartbeat?.roundTripMs).toBeGreaterThanOrEqual(0)
  expect(fixture.heartbeats.at(-1)).toBe(true)
  expect(await heartbeatFinding()).toMatchObject({ level: 'ok' })
  const missing = { roundTripMs: null, seenAt: null, problem: 'none comes back' }
  expect(await heartbeatFinding(() => missing)).toMatchObject({
    level: 'error',
    text: 'none comes back',
  })
  const text = await fixture.metricsText()
  expect(text).toMatch(/^outbox_relay_heartbeat_rtt_seconds \d+(\.\d+)?$/m)
  expect(text).toMatch(/^outbox_relay_heartbeat_timestamp_seconds \d{10}/m)
  await fixture.confirmed()
  expect(fixture.brokers.records('fairlead.transaction')).toEqual([])
  await relay.stop()
  expect(relay.status.heartbeat).toBeNull()
})

test('a log that stands still is told of, until heartbeats come back', async () => {
  // A full queue stops the socket for up to five seconds before the session ends.
  await createFixture({ ...SOON, 'max.queue.size.in.bytes': '65536' })
  const relay = await fixture.started()
  await fixture.until(() => relay.status.heartbeat?.seenAt !== null)
  fixture.brokers.isStuck = true
  await fixture.insert(Array.from({ length: 20 }, () => ({ bytes: 10_000 })))
  await fixture.until(() => wasTold('has not come back'))
  fixture.brokers.unstick()
  await fixture.until(() => {
    const { problem, seenAt } = relay.status.heartbeat ?? {}
    return problem === null && typeof seenAt === 'string' && fixture.heartbeats.at(-1) === true
  })
})

test('the query of a heartbeat is run with each, and one that fails holds up nothing', async () => {
  await createFixture({ 'heartbeat.action.query': 'insert into beat default values' })
  const relay = await fixture.started()
  await fixture.until(() => fixture.loggedWarnings.includes('a heartbeat was not whole'))
  expect(relay.status.heartbeat?.problem).toBeNull()
  await fixture.pool.query('create table beat (at timestamptz default now())')
  await fixture.until(async () => {
    const { rowCount } = await fixture.pool.query('select from beat')
    return (rowCount ?? 0) >= 2
  })
  const [id] = await fixture.insert([{}])
  await fixture.confirmed()
  expect(fixture.publishedIds()).toEqual([id])
})

test('a query that fails within a transaction of its own stops neither heartbeats nor the next query', async () => {
  await createFixture({
    'heartbeat.action.query': 'begin; insert into beat default values; commit',
  })
  await fixture.started()
  await fixture.until(() => fixture.loggedWarnings.includes('a heartbeat was not whole'))
  await fixture.pool.query('create table beat (at timestamptz default now())')
  await fixture.until(async () => {
    const { rowCount } = await fixture.pool.query('select from beat')
    return (rowCount ?? 0) >= 2
  })
  expect(wasTold('no heartbeat could be written')).toBe(false)
})

test('heartbeats that cannot be written are told of, until they can', async () => {
  await createFixture(SOON)
  const relay = await fixture.started(UNHURRIED)
  await fixture.until(() => relay.status.heartbeat?.seenAt !== null)
  const url = new URL(fixture.url)
  const database = pg.escapeIdentifier(url.pathname.slice(1))
  url.pathname = '/postgres'
  const other = new pg.Client({ connectionString: url.href })
  await other.connect()
  try {
    await other.query(`alter database ${database} with allow_connections false`)
    await other.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where application_name = 'fairlead-relay-' || $1 || '-heartbeat'`,
      [fixture.slotName],
    )
    await fixture.until(() => wasTold('no heartbeat could be written'))
  } finally {
    await other.query(`alter database ${database} with allow_connections true`)
    await other.end()
  }
  expect(relay.status.state).toBe('streaming')
  await fixture.until(() => fixture.heartbeats.at(-1) === true)
})

test('without an interval there are none', async () => {
  await createFixture({ 'heartbeat.interval.ms': '0' })
  const relay = await fixture.started()
  expect(relay.status.heartbeat).toBeNull()
  expect(await heartbeatFinding()).toBeUndefined()
})
