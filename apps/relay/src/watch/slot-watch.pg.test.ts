import { Metrics } from '@fairlead/service'
import { testDatabase } from '@fairlead/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RelayMetrics } from '../metrics.ts'
import { readSignal, requestSignal } from '../signals/request-signal.ts'
import { RelayFixture } from '../testing/relay-fixture.ts'
import { SlotWatch, type WalPolicy } from './slot-watch.ts'

let fixture: RelayFixture
let watch: SlotWatch | undefined
let logged: { readonly level: string; readonly text: string }[]
let metrics: Metrics

beforeEach(async () => {
  logged = []
  fixture = new RelayFixture(await testDatabase())
})

afterEach(async () => {
  await watch?.stop()
  await fixture.close()
})

function startWatch(budgetBytes: number | undefined, policy: WalPolicy = 'warn'): SlotWatch {
  const log = (level: string) => (_fields: unknown, text?: string) =>
    void logged.push({ level, text: text ?? '' })
  metrics = new Metrics({ service: 'relay', version: 'test' })
  watch = new SlotWatch({
    databaseUrl: fixture.url,
    slotName: fixture.slotName,
    budget: { budgetBytes, warningPercent: 50, criticalPercent: 80 },
    policy,
    metrics: new RelayMetrics(metrics),
    logger: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
    onState: () => undefined,
  })
  watch.start()
  return watch
}

/** More WAL than the budgets of these tests. */
async function writeLog(): Promise<void> {
  await fixture.pool.query(
    `select pg_logical_emit_message(false, 'filler', repeat(md5(n::text), 1000))
     from generate_series(1, 100) as n`,
  )
}

test('a relay that cannot deliver is told of while it keeps back the log, and nothing is done', async () => {
  fixture.brokers.isStuck = true
  await fixture.started()
  await fixture.insert([{}])
  await writeLog()
  const { status } = startWatch(1_000_000)
  expect(status).toBeUndefined()
  await fixture.until(() => watch?.status?.level === 'exhausted')
  expect(watch?.status).toMatchObject({ limitBytes: 1_000_000, policy: 'warn' })
  expect(watch?.clockOffset?.errorMs).toBeGreaterThan(0)
  expect(logged).toEqual([
    { level: 'error', text: 'the slot keeps back WAL: ok before, exhausted now' },
  ])
  const text = await metrics.registry.metrics()
  expect(text).toMatch(/outbox_relay_wal_level\{[^}]*level="exhausted"[^}]*\} 1\n/)
  expect(text).toMatch(/outbox_relay_wal_limit_bytes\S* 1000000\n/)
  expect(text).toMatch(/outbox_relay_wal_eta_seconds\S* \+Inf\n/)
  const { rowCount } = await fixture.pool.query(
    'select from pg_replication_slots where slot_name = $1',
    [fixture.slotName],
  )
  expect(rowCount).toBe(1)
})

test('with the policy drop the slot is given up, under its reader too, and the relay halts', async () => {
  fixture.brokers.isStuck = true
  const relay = await fixture.started()
  const [id] = await fixture.insert([{}])
  await writeLog()
  startWatch(1_000_000, 'drop')
  await fixture.until(() => relay.status.state === 'halted')
  expect(relay.status.reason).toContain('wal.budget.policy is drop')
  const { rowCount } = await fixture.pool.query(
    'select from pg_replication_slots where slot_name = $1',
    [fixture.slotName],
  )
  expect(rowCount).toBe(0)
  expect(logged.at(-1)?.text).toContain('as wal.budget.policy says')
  // It is made good like any other lost slot.
  fixture.brokers.unstick()
  const data = { since: 'beginning' }
  await requestSignal(fixture.pool, fixture.slotName, { type: 'replay-table', data })
  await relay.stop()
  await fixture.started()
  expect(fixture.publishedIds()).toEqual([id])
})

test('with the policy pause a snapshot waits until the slot is well', async () => {
  await fixture.started()
  await fixture.insert([{}])
  await fixture.confirmed()
  fixture.isSnapshotHeldBack = true
  const id = await requestSignal(fixture.pool, fixture.slotName, {
    type: 'execute-snapshot',
    data: {},
  })
  const signal = () => readSignal(fixture.pool, fixture.slotName, id)
  await fixture.until(async () => (await signal())?.progress['waitsForSlot'] === 1)
  expect(fixture.publishedIds().length).toBe(1)
  fixture.isSnapshotHeldBack = false
  await fixture.until(async () => (await signal())?.state === 'done')
  expect(fixture.publishedIds().length).toBe(2)
})

test('snapshots are held back from critical on, by the policy pause alone', async () => {
  fixture.brokers.isStuck = true
  await fixture.started()
  await fixture.insert([{}])
  await writeLog()
  const warned = startWatch(1_000_000)
  await fixture.until(() => warned.status?.level === 'exhausted')
  expect(warned.isSnapshotHeldBack).toBe(false)
  await warned.stop()
  const pausing = startWatch(1_000_000, 'pause')
  await fixture.until(() => pausing.isSnapshotHeldBack)
})
