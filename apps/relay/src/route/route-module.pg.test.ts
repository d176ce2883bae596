import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
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

/** A function that takes its time, and notes in which turn of the event loop it was asked for what. */
class SlowRoute {
  readonly settings: { readonly 'route.module': string }
  readonly #asked: { readonly turn: number; readonly id: string }[] = []
  /** Called at each row. */
  onAsked: (count: number) => void = () => undefined
  #turn = 0
  #immediate: NodeJS.Immediate

  constructor(body: string) {
    const name = `slowRoute${randomUUID()}`
    Object.assign(globalThis, { [name]: (id: string) => this.#onAsked(id) })
    const wait = `const endMs = performance.now() + ${TOOK_MS}; while (performance.now() < endMs);`
    this.settings = moduleWith(`globalThis['${name}'](row.id); ${wait} ${body}`)
    const next = () => {
      this.#turn += 1
      this.#immediate = setImmediate(next)
    }
    this.#immediate = setImmediate(next)
  }

  #onAsked(id: string): void {
    this.#asked.push({ turn: this.#turn, id })
    this.onAsked(this.#asked.length)
  }

  get askedIds(): readonly string[] {
    return this.#asked.map(({ id }) => id)
  }

  /** The most that it was asked without a turn of anybody else. */
  get askedAtOnceMax(): number {
    const turns = Map.groupBy(this.#asked, ({ turn }) => turn)
    return Math.max(...[...turns.values()].map(({ length }) => length))
  }

  close(): void {
    clearImmediate(this.#immediate)
  }
}

const CHUNK_ROWS = 1_024
/** So that a chunk takes longer than the lease of 5 s. */
const TOOK_MS = 6
/** In the 100 ms that a turn may take: one that has begun is finished. */
const ASKED_AT_ONCE_MAX = Math.ceil(100 / TOOK_MS) + 1

async function usingSlowRoute(
  body: string,
  check: (route: SlowRoute) => Promise<void>,
): Promise<void> {
  const route = new SlowRoute(body)
  try {
    await check(route)
  } finally {
    route.close()
  }
}

test('a chunk of a snapshot leaves time for all else: HTTP is answered, the session lives, and what the log brings meanwhile stays behind it', () =>
  usingSlowRoute(`return { topic: 'orders', partition: 0 }`, async (route) => {
    const relay = await fixture.started()
    const ids = await fixture.insert(Array.from({ length: CHUNK_ROWS }, () => ({})))
    await fixture.confirmed()
    await relay.stop()
    await fixture.started({ ...route.settings, 'wal.sender.timeout.ms': '10000' })
    const server = createServer((_, response) => response.end()).listen(0, '127.0.0.1')
    await once(server, 'listening')
    let later: Promise<readonly string[]> | undefined
    let askedAtAnswer: number | undefined
    route.onAsked = (count) => {
      if (count !== 1) return
      later = fixture.insert([{}, {}])
      const { port } = server.address() as AddressInfo
      get({ port, host: '127.0.0.1', agent: false }, (response) => {
        response.resume()
        askedAtAnswer = route.askedIds.length
      })
    }
    const id = await requestSignal(fixture.pool, fixture.slotName, {
      type: 'execute-snapshot',
      data: { 'data-collections': ['outbox.events'] },
    })
    await fixture.until(
      async () => (await readSignal(fixture.pool, fixture.slotName, id))?.state === 'done',
    )
    await fixture.confirmed()
    server.close()
    const laterIds = (await later) ?? []
    expect(route.askedAtOnceMax).toBeLessThanOrEqual(ASKED_AT_ONCE_MAX)
    expect(askedAtAnswer).toBeLessThan(CHUNK_ROWS)
    // Each once: the session has not begun anew.
    expect(fixture.publishedIds('orders').toSorted()).toEqual([...ids, ...laterIds].toSorted())
    expect(fixture.publishedIds('orders').slice(CHUNK_ROWS)).toEqual(laterIds)
  }))

test('a replay of parked events leaves time for all else', () =>
  usingSlowRoute(`return row.type === 'Poison' ? {} : { topic: 'orders' }`, async (route) => {
    const relay = await fixture.started({ 'route.topic.include.list': 'orders' })
    await insert({ key: 'k', type: 'Poison' })
    const ids = await fixture.insert(Array.from({ length: 200 }, () => ({ key: 'k' })))
    await fixture.confirmed()
    await relay.stop()
    await fixture.started(route.settings)
    expect(await replay({ all: true })).toMatchObject({
      state: 'done',
      progress: { replayedEvents: ids.length + 1 },
    })
    expect(route.askedIds.length).toBeGreaterThan(ids.length)
    expect(route.askedAtOnceMax).toBeLessThanOrEqual(ASKED_AT_ONCE_MAX)
  }))

test('a replayed table leaves time for all else', () =>
  usingSlowRoute(`return { topic: 'orders' }`, async (route) => {
    const relay = await fixture.started()
    await relay.stop()
    const ids = await fixture.insert(Array.from({ length: 200 }, () => ({})))
    const data = { since: 'beginning', force: true }
    await requestSignal(fixture.pool, fixture.slotName, { type: 'replay-table', data })
    await fixture.pool.query('select pg_drop_replication_slot($1)', [fixture.slotName])
    await fixture.started(route.settings)
    await fixture.until(() => fixture.publishedIds('orders').length === ids.length)
    expect(route.askedAtOnceMax).toBeLessThanOrEqual(ASKED_AT_ONCE_MAX)
  }))

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
