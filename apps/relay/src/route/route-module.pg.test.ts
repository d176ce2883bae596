import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KafkaError } from '@fairlead/kafka'
import { testDatabase } from '@fairlead/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { listParkedEvents } from '../parked/list-parked-events.ts'
import { readSignal, requestSignal } from '../signals/request-signal.ts'
import { RelayFixture } from '../testing/relay-fixture.ts'

const REGIONS = join(import.meta.dirname, '../testing/regions.test-fixture.ts')

let fixture: RelayFixture

beforeEach(async () => {
  fixture = new RelayFixture(await testDatabase())
})

afterEach(() => fixture.close())

function moduleWith(body: string): { readonly 'route.module': string } {
  const path = join(mkdtempSync(join(tmpdir(), 'route-')), 'route.mjs')
  writeFileSync(path, `export const route = (row) => { ${body} }`)
  return { 'route.module': path }
}

async function insert(event: {
  readonly key: string
  readonly type?: string
  readonly region?: string
}): Promise<string> {
  const headers = event.region === undefined ? {} : { region: event.region }
  const { rows } = await fixture.pool.query<{ id: string }>(
    `insert into outbox.events (aggregatetype, aggregateid, type, payload, headers)
     values ('order', $1, $2, '\\x01', $3) returning id`,
    [event.key, event.type ?? 'OrderPlaced', headers],
  )
  return rows[0]?.id ?? ''
}

const parked = (state: 'parked' | 'replayed' | 'discarded' = 'parked') =>
  listParkedEvents(fixture.pool, fixture.slotName, { state, limit: 100 })

async function replay(data: Readonly<Record<string, unknown>>) {
  const id = await requestSignal(fixture.pool, fixture.slotName, { type: 'replay-parked', data })
  const outcome = async () => readSignal(fixture.pool, fixture.slotName, id)
  await fixture.until(async () => ['done', 'failed'].includes((await outcome())?.state ?? ''))
  return outcome()
}

test('events go where the function of docs/relay.md says, or nowhere', async () => {
  await fixture.started({ 'route.module': REGIONS })
  const eu = await insert({ key: 'a' })
  await insert({ key: 'a', type: 'OrderTouched' })
  const us = await insert({ key: 'b', region: 'us' })
  await fixture.confirmed()
  expect(fixture.publishedIds('orders.eu')).toEqual([eu])
  expect(fixture.publishedIds('orders.us')).toEqual([us])
  expect(fixture.publishedIds()).toEqual([])
  const [record] = fixture.brokers.records('orders.us')
  expect(record?.headerTexts.get('routed-by')).toBe('regions')
  expect(await fixture.metricsText()).toMatch(/events_total\{[^}]*result="dropped"[^}]*\} 1/)
})

test('an event that the function throws at is parked with its followers, and replayed by the next function', async () => {
  const relay = await fixture.started({ 'route.module': REGIONS })
  const poison = await insert({ key: 'a', region: 'Mars' })
  const followers = [
    await insert({ key: 'a' }),
    await insert({ key: 'a', type: 'Note' }),
    await insert({ key: 'a' }),
  ]
  const other = await insert({ key: 'b' })
  await fixture.confirmed()
  expect(fixture.publishedIds('orders.eu')).toEqual([other])
  const rows = (await parked()).toReversed()
  expect(rows.map(({ reasonCode }) => reasonCode)).toEqual([
    'ROUTE_FAILED',
    'BLOCKED',
    'BLOCKED',
    'BLOCKED',
  ])
  expect(rows[0]?.reason).toBe('route.module: the function threw Error: "Mars" is no region')
  expect(await replay({ all: true })).toMatchObject({
    state: 'failed',
    reason: expect.stringContaining('"Mars" is no region') as string,
  })
  await relay.stop()

  await fixture.started(
    moduleWith(`return row.type === 'Note' ? 'drop' : { topic: 'orders', partition: 1 }`),
  )
  expect(await replay({ all: true })).toMatchObject({
    state: 'done',
    progress: { replayedEvents: 3, discardedEvents: 1, failedAggregates: 0 },
  })
  expect(fixture.publishedIds('orders')).toEqual([poison, followers[0], followers[2]])
  expect(fixture.brokers.partition('orders', 1).length).toBe(3)
  expect((await parked('discarded')).map(({ eventId }) => eventId)).toEqual([followers[1]])
  // None of its aggregate is parked any more.
  const after = await insert({ key: 'a' })
  await fixture.confirmed()
  expect(fixture.publishedIds('orders').at(-1)).toBe(after)
})

test('what the log says of a parked event is kept when another function routes it', async () => {
  const settings = { 'provide.transaction.metadata': 'true' }
  const relay = await fixture.started({ ...settings, 'route.module': REGIONS })
  const poison = await insert({ key: 'a', region: 'Mars' })
  const follower = await insert({ key: 'a' })
  await fixture.confirmed()
  await relay.stop()
  await fixture.started({ ...settings, ...moduleWith(`return { topic: 'orders' }`) })
  expect(await replay({ all: true })).toMatchObject({ state: 'done' })
  const places = fixture.brokers
    .records('orders')
    .map(({ headerTexts }) => [
      headerTexts.get('id'),
      headerTexts.get('cdc.transaction.total_order'),
    ])
  expect(places).toEqual([
    [poison, '1'],
    [follower, '1'],
  ])
})

test('a partition that the topic has not parks the event', async () => {
  await fixture.started(moduleWith('return { partition: 99 }'))
  await insert({ key: 'a' })
  await fixture.confirmed()
  const [row] = await parked()
  expect(row?.reasonCode).toBe('INVALID_PARTITION')
})

test('rows that are older than the slot are routed by the function', async () => {
  const relay = await fixture.started()
  const id = await insert({ key: 'a' })
  await fixture.confirmed()
  await relay.stop()
  await fixture.started({ 'route.module': REGIONS })
  await requestSignal(fixture.pool, fixture.slotName, {
    type: 'execute-snapshot',
    data: { 'data-collections': ['outbox.events'] },
  })
  await fixture.until(() => fixture.publishedIds('orders.eu').includes(id))
})

test('a slow function holds events up, and does not end the progress', async () => {
  const slow = 'const endMs = Date.now() + 250; while (Date.now() < endMs);'
  const settings = moduleWith(`${slow} return { topic: 'orders' }`)
  await fixture.started({ ...settings, 'wal.sender.timeout.ms': '10000' })
  // One read of the socket: longer than the lease of 5 s, and the bound on pauses.
  const ids = await fixture.insert(Array.from({ length: 24 }, () => ({})))
  await fixture.confirmed()
  expect(fixture.publishedIds('orders')).toEqual(ids)
  expect(fixture.loggedWarnings).toContain('events wait for their routes')
})

test('with another function nothing is lost of what was not confirmed, and what the end of its topic has is not published again', async () => {
  const relay = await fixture.started(moduleWith(`return { topic: 'orders', partition: 0 }`))
  const ids = [await insert({ key: 'a' }), await insert({ key: 'b' })]
  await fixture.confirmed()
  // Stored, and the answer is lost; nothing more gets through until the relay is stopped.
  fixture.brokers.afterSend = () => {
    fixture.brokers.beforeSend = () => {
      throw new KafkaError('', { code: 'NETWORK', retryable: false })
    }
    throw new KafkaError('', { code: 'NETWORK', retryable: false })
  }
  ids.push(await insert({ key: 'a' }))
  await fixture.until(() => fixture.publishedIds('orders').length === ids.length)
  ids.push(await insert({ key: 'a' }), await insert({ key: 'b' }))
  await relay.stop()
  fixture.brokers.beforeSend = () => undefined
  fixture.brokers.afterSend = () => undefined

  await fixture.started(moduleWith(`return { topic: 'orders', partition: 1 }`))
  await fixture.confirmed()
  expect(fixture.publishedIds('orders').toSorted()).toEqual(ids.toSorted())
  expect(fixture.brokers.partition('orders', 0).length).toBe(3)
  expect(fixture.brokers.partition('orders', 1).length).toBe(2)
})
