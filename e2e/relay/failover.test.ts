import { join } from 'node:path'
import { createPool } from '@fairlead/postgres'
import type pg from 'pg'
import { expect, test } from 'vitest'
import { NumberedWriters, committedNumbers, publishedNumbers } from '../support/numbered-writers.ts'
import { RelayStack } from '../support/relay-stack.ts'
import { STANDBY_SLOT, slotIsSynced, startStandby } from '../support/standby.ts'
import { TcpProxy } from '../support/tcp-proxy.ts'
import { waitFor } from '../support/wait-for.ts'

const TOPIC = 'outbox.event.order'
const SLOT = 'fairlead_relay'
const HOST = '127.0.0.1'

/** A primary and its standby, and a relay that finds whichever is the primary at one address. */
async function startPair(settings: Readonly<Record<string, string>>) {
  const stack = await RelayStack.start({ postgres: settings })
  const primaryPort = Number(new URL(stack.postgres.url).port)
  const address = await TcpProxy.start({ host: HOST, port: primaryPort })
  const replication = await TcpProxy.start({ host: HOST, port: primaryPort })
  const standby = await startStandby(
    { url: stack.postgres.url, dataDirectory: stack.dataDirectory },
    { dataDirectory: join(stack.directory, 'standby'), primaryPort: replication.port },
  )
  const pool = createPool({ url: standby.url, max: 4, applicationName: 'e2e' })
  const url = new URL(stack.postgres.url)
  url.host = address.address
  const relay = stack.relay({ 'database.url': url.href, 'slot.failover': 'true' })
  await relay.ready()
  return {
    stack,
    relay,
    pool,
    replication,
    /** The primary dies, and the standby takes its place and its address. */
    failOver: async () => {
      if (stack.postgres.pid !== undefined) process.kill(stack.postgres.pid, 'SIGKILL')
      address.retarget({ host: HOST, port: Number(new URL(standby.url).port) })
      await pool.query('select pg_promote(true, 60)')
    },
    [Symbol.asyncDispose]: async () => {
      await relay.stop('SIGKILL')
      await pool.end()
      await standby.stop()
      await Promise.all([address[Symbol.asyncDispose](), replication[Symbol.asyncDispose]()])
      await stack[Symbol.asyncDispose]()
    },
  }
}

async function insert(pool: pg.Pool, key: string): Promise<void> {
  await pool.query(
    `insert into outbox.events (aggregatetype, aggregateid, type) values ('order', $1, '0')`,
    [key],
  )
}

test('a relay goes on with a promoted standby that has its slot: nothing lost, nothing twice', async () => {
  await using pair = await startPair({ synchronized_standby_slots: STANDBY_SLOT })
  const { stack, relay, pool } = pair
  const writers = new NumberedWriters(stack.pool)
  await slotIsSynced(pool, SLOT)
  const before = await stack.recordCount(TOPIC)
  await waitFor('events', 60_000, async () => (await stack.recordCount(TOPIC)) > before + 50)
  await pair.failOver()
  await writers.stop()
  await insert(pool, 'after')
  await waitFor('what came after', 120_000, async () => {
    const keys = (await stack.records(TOPIC)).map(({ key }) => Buffer.from(key ?? []).toString())
    return keys.includes('after')
  })
  // It is in one partition of the topic, and what came before it may be on its way to the others.
  const { rows } = await pool.query<{ count: number }>(
    'select count(*)::int as count from outbox.events',
  )
  await waitFor('what came before', 60_000, async () => {
    return (await stack.recordCount(TOPIC)) >= (rows[0]?.count ?? 0)
  })
  expect(publishedNumbers(await stack.records(TOPIC))).toEqual(await committedNumbers(pool))
  expect(await (await fetch(`${relay.url}/metrics`)).text()).toMatch(
    /^outbox_relay_timeline\S* 2$/m,
  )
})

test('a promoted standby that lacks what was published halts the relay, with the place of the fork', async () => {
  await using pair = await startPair({})
  const { stack, relay, pool } = pair
  const writers = new NumberedWriters(stack.pool)
  await slotIsSynced(pool, SLOT)
  await writers.stop()
  await stack.confirmed()
  pair.replication.blackHole()
  await insert(stack.pool, 'lost')
  await waitFor('the event that the standby has not', 60_000, async () => {
    const keys = (await stack.records(TOPIC)).map(({ key }) => Buffer.from(key ?? []).toString())
    return keys.includes('lost')
  })
  const count = await stack.recordCount(TOPIC)
  await pair.failOver()
  await insert(pool, 'new')
  await stack.hasState(relay, 'halted')
  const { reason } = (await stack.statusOf(relay)) ?? { reason: '' }
  expect(reason).toMatch(
    /on timeline 2, which left timeline 1 at [0-9A-F]+\/[0-9A-F]+, and events up to/,
  )
  expect(await stack.recordCount(TOPIC)).toBe(count)
  const { rows } = await pool.query('select from outbox.events where aggregateid = $1', ['lost'])
  expect(rows).toEqual([])
})
