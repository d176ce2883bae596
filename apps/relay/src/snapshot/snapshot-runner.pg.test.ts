import { testDatabase } from '@fairlead/testing'
import { KafkaError } from '@fairlead/kafka'
import { migrate } from '@fairlead/postgres'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { readSignal, requestSignal } from '../signals/request-signal.ts'
import type { SignalType } from '../signals/signals.ts'
import { RelayFixture, UNHURRIED } from '../testing/relay-fixture.ts'

let fixture: RelayFixture

afterEach(() => fixture.close())

const TOPIC = 'outbox.event.order'
const MIGRATIONS = fileURLToPath(new URL('../../../../sql/migrations', import.meta.url))

function signal(type: SignalType, data: Readonly<Record<string, unknown>> = {}): Promise<string> {
  return requestSignal(fixture.pool, fixture.slotName, { type, data })
}

async function finished(id: string) {
  await fixture.until(async () => {
    const state = (await readSignal(fixture.pool, fixture.slotName, id))?.state
    return state === 'done' || state === 'failed'
  })
  return readSignal(fixture.pool, fixture.slotName, id)
}

async function insertMany(count: number): Promise<void> {
  await fixture.pool.query(
    `insert into outbox.events (aggregatetype, aggregateid, type, payload)
     select 'order', (n % 100)::text, 'Tested', 'x'::bytea from generate_series(1, $1::int) as n`,
    [count],
  )
}

function replayed(): readonly (string | undefined)[] {
  return fixture.brokers
    .records(TOPIC)
    .filter(({ headerTexts }) => headerTexts.get('cdc.replayed') === 'true')
    .map(({ headerTexts }) => headerTexts.get('id'))
}

test('the rows of a table are published again, in chunks, while the log goes on', async () => {
  fixture = new RelayFixture(await testDatabase())
  await fixture.started()
  await insertMany(2_500)
  await fixture.confirmed()
  const before = fixture.publishedIds()
  const running = signal('execute-snapshot').then(finished)
  const written: string[] = []
  for (let round = 0; round < 40; round += 1) written.push(...(await fixture.insert([{}])))
  expect(await running).toMatchObject({ state: 'done', progress: { chunks: 3 } })
  await fixture.confirmed()
  const again = replayed()
  expect(new Set(again).size).toBe(again.length)
  expect(again).toEqual(expect.arrayContaining([...before]))
  const streamed = fixture.brokers
    .records(TOPIC)
    .filter(({ headerTexts }) => !headerTexts.has('cdc.replayed'))
    .map(({ headerTexts }) => headerTexts.get('id'))
  expect(streamed.length).toBe(before.length + written.length)
  expect(new Set(streamed)).toEqual(new Set([...before, ...written]))
})

test('a chunk takes no more than half of the memory for events', async () => {
  fixture = new RelayFixture(await testDatabase(), { 'max.queue.size.in.bytes': '131072' })
  await fixture.started()
  await insertMany(1_000)
  await fixture.confirmed()
  // An event takes 640 bytes and more, and 50 rows are read before their size is known.
  const ended = await finished(await signal('execute-snapshot'))
  expect(ended).toMatchObject({ state: 'done', progress: { rows: 1_000 } })
  expect(ended?.progress['chunks']).toBeGreaterThanOrEqual(6)
})

test('a range of time is all that is read', async () => {
  fixture = new RelayFixture(await testDatabase())
  await fixture.started()
  const [old] = await fixture.insert([{}])
  await fixture.pool.query(`update outbox.events set created_at = '2026-01-01T00:00:00Z'`)
  await fixture.insert([{}])
  await fixture.confirmed()
  const range = { since: '2025-12-31T00:00:00Z', until: '2026-01-02T00:00:00Z' }
  expect(await finished(await signal('execute-snapshot', range))).toMatchObject({ state: 'done' })
  expect(replayed()).toEqual([old])
})

test('a snapshot that is interrupted goes on behind the last chunk that is durable', async () => {
  fixture = new RelayFixture(await testDatabase())
  const relay = await fixture.started()
  await insertMany(5_500)
  await fixture.confirmed()
  let sends = 0
  fixture.brokers.beforeSend = () => {
    sends += 1
    if (sends === 3) throw new KafkaError('', { code: 'NETWORK', retryable: false })
  }
  const id = await signal('execute-snapshot')
  await fixture.until(() => replayed().length > 2_000)
  await relay.stop()
  await fixture.started()
  expect(await finished(id)).toMatchObject({ state: 'done', progress: { rows: 5_500 } })
  expect(new Set(replayed()).size).toBe(5_500)
  // One chunk for the failed send, and one for the stop, may be there twice.
  expect(replayed().length).toBeLessThanOrEqual(7_500)
})

test('a snapshot is paused, resumed and stopped', async () => {
  fixture = new RelayFixture(await testDatabase())
  const relay = await fixture.started()
  await insertMany(3_000)
  await fixture.confirmed()
  fixture.brokers.isStuck = true
  const id = await signal('execute-snapshot')
  await fixture.until(() => relay.status.pendingEvents > 0)
  const paused = await signal('pause-snapshot')
  fixture.brokers.unstick()
  expect((await finished(paused))?.state).toBe('done')
  await fixture.until(
    async () =>
      (await readSignal(fixture.pool, fixture.slotName, id))?.progress['state'] === 'paused',
  )
  // The log goes on.
  const [during] = await fixture.insert([{}])
  await fixture.until(() => fixture.publishedIds().includes(during ?? ''))
  expect(replayed().length).toBe(1_024)
  fixture.brokers.isStuck = true
  await finished(await signal('resume-snapshot'))
  await fixture.until(() => relay.status.pendingEvents > 0)
  const stopped = await signal('stop-snapshot')
  fixture.brokers.unstick()
  await finished(stopped)
  expect(await finished(id)).toMatchObject({ state: 'failed', reason: 'it was stopped' })
  expect((await finished(await signal('pause-snapshot')))?.reason).toBe('no snapshot is under way')
})

test('an order that makes no sense, or names another table, fails with the reason', async () => {
  fixture = new RelayFixture(await testDatabase())
  await fixture.started()
  const order = async (data: Readonly<Record<string, unknown>>) =>
    (await finished(await signal('execute-snapshot', data)))?.reason
  expect(await order({ 'data-collections': ['public.other'] })).toContain('table.include.list')
  expect(await order({ since: 'yesterday' })).toContain('times')
  expect(await order({ type: 'blocking' })).toContain('incremental')
})

test('a signal in the log is carried out like one in the table, once', async () => {
  fixture = new RelayFixture(await testDatabase())
  const relay = await fixture.started()
  const [id] = await fixture.insert([{}])
  await fixture.confirmed()
  await fixture.pool.query(`select pg_logical_emit_message(true, 'fairlead.signal', $1)`, [
    JSON.stringify({ slot: fixture.slotName, type: 'execute-snapshot', data: {} }),
  ])
  await fixture.until(() => replayed().length === 1)
  expect(replayed()).toEqual([id])
  await relay.stop()
  await fixture.started()
  await fixture.confirmed()
  expect(replayed()).toEqual([id])
})

test('a value that is read from its table has the text that it has in the log', async () => {
  fixture = new RelayFixture(await testDatabase(), {
    'table.fields.additional.placement': 'paid:header,address:header,code:header',
  })
  await migrate({ url: fixture.url, directory: MIGRATIONS })
  await fixture.pool.query(`alter table outbox.events
    add column paid boolean, add column address inet, add column code char(4)`)
  await fixture.started()
  await fixture.pool.query(`insert into outbox.events (aggregatetype, aggregateid, type, paid, address, code)
    values ('order', 'k', 'Tested', true, '10.0.0.1', 'ab')`)
  await fixture.confirmed()
  await finished(await signal('execute-snapshot'))
  const texts = fixture.brokers
    .records(TOPIC)
    .map(({ headerTexts }) => ['paid', 'address', 'code'].map((name) => headerTexts.get(name)))
  expect(texts).toEqual([
    ['t', '10.0.0.1', 'ab  '],
    ['t', '10.0.0.1', 'ab  '],
  ])
})

test('from the log only snapshots of this slot are ordered, and what makes no sense is passed over', async () => {
  fixture = new RelayFixture(await testDatabase())
  const relay = await fixture.started(UNHURRIED)
  const slot = fixture.slotName
  for (const order of [
    { slot, type: 'discard-parked', data: { all: true } },
    { slot, type: 'replay-table', data: { force: true, since: 'beginning' } },
    { type: 'execute-snapshot', data: {} },
    { slot, type: 'execute-snapshot', data: { x: '\0' } },
  ]) {
    await fixture.pool.query(`select pg_logical_emit_message(true, 'fairlead.signal', $1)`, [
      JSON.stringify(order),
    ])
  }
  await fixture.confirmed()
  const { rows } = await fixture.pool.query('select type from relay.signal')
  expect(rows).toEqual([])
  expect(relay.status.state).toBe('streaming')
})

test('without the channel nothing is ordered from the log', async () => {
  fixture = new RelayFixture(await testDatabase(), { 'signal.enabled.channels': 'source' })
  await fixture.started()
  await fixture.pool.query(`select pg_logical_emit_message(true, 'fairlead.signal', $1)`, [
    JSON.stringify({ slot: fixture.slotName, type: 'execute-snapshot', data: {} }),
  ])
  await fixture.confirmed()
  const { rowCount } = await fixture.pool.query('select from relay.signal')
  expect(rowCount).toBe(0)
})
