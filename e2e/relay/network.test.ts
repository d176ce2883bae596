import { expect, test } from 'vitest'
import { RelayStack, headerOf } from '../support/relay-stack.ts'
import { TcpProxy } from '../support/tcp-proxy.ts'
import { waitFor } from '../support/wait-for.ts'

const TOPIC = 'outbox.event.order'
const WAL_SENDER_TIMEOUT_MS = 3_000
const ROWS = 60_000
/** Of rows of more than 100 bytes: a part of them, and more than a few batches. */
const PART_BYTES = 1_000_000

async function proxied(stack: RelayStack): Promise<{ proxy: TcpProxy; url: string }> {
  const url = new URL(stack.postgres.url)
  const proxy = await TcpProxy.start({ host: url.hostname, port: Number(url.port) })
  url.host = proxy.address
  return { proxy, url: url.href }
}

async function confirmedLsn(stack: RelayStack): Promise<string | undefined> {
  const { rows } = await stack.pool.query<{ lsn: string }>(
    'select confirmed_flush_lsn::text as lsn from pg_replication_slots',
  )
  return rows[0]?.lsn
}

test('a way to Postgres that swallows everything in a transaction is noticed, and half of it not confirmed', async () => {
  await using stack = await RelayStack.start()
  const { proxy, url } = await proxied(stack)
  await using _proxy = proxy
  const relay = stack.relay({
    'database.url': url,
    'wal.sender.timeout.ms': WAL_SENDER_TIMEOUT_MS,
    'max.batch.size': 100,
  })
  await relay.ready()
  await stack.insertKeys('before')
  await stack.confirmed()
  // By what has gone through: whoever looks may look too late.
  proxy.blackHoleAfter(PART_BYTES)
  await stack.pool.query(
    `insert into outbox.events (aggregatetype, aggregateid, type, payload)
     select 'order', (n % 50)::text, 'Tested', convert_to(n::text, 'UTF8') from generate_series(1, $1::int) as n`,
    [ROWS],
  )
  await waitFor('a part', 60_000, async () => (await stack.recordCount(TOPIC)) > 200)
  const startMs = performance.now()
  await waitFor('the relay to notice', 60_000, async () => {
    const status = await stack.statusOf(relay)
    return status !== undefined && status.state !== 'streaming'
  })
  process.stdout.write(`noticed after ${(performance.now() - startMs).toFixed()} ms\n`)
  const part = await stack.records(TOPIC)
  expect(part.length).toBeLessThan(ROWS)
  // All but the first record are of the transaction, with the LSN of its commit.
  const commits = new Set(part.map((record) => headerOf(record, 'cdc.lsn')))
  expect(commits.size).toBe(2)
  const { rows } = await stack.pool.query<{ isBefore: boolean }>(
    'select $1::pg_lsn < max(lsn::pg_lsn) as "isBefore" from unnest($2::text[]) as lsn',
    [await confirmedLsn(stack), [...commits]],
  )
  expect(rows).toEqual([{ isBefore: true }])
  proxy.heal()
  await stack.confirmed()
  const records = await stack.records(TOPIC)
  const numbers = records.map(({ value }) => Buffer.from(value ?? []).toString())
  expect(numbers.length).toBe(ROWS + 1)
  expect(new Set(numbers).size).toBe(ROWS + 1)
})

test('a database that takes connections and never answers is told of, and used once it does', async () => {
  await using stack = await RelayStack.start()
  const { proxy, url } = await proxied(stack)
  await using _proxy = proxy
  proxy.blackHole()
  const relay = stack.relay({ 'database.url': url })
  await waitFor('a reason', 60_000, async () => {
    return (await stack.statusOf(relay))?.reason.includes('timeout') === true
  })
  proxy.heal()
  await relay.ready()
  await stack.insertKeys('after')
  await stack.confirmed()
  expect((await stack.records(TOPIC)).length).toBe(1)
})

test('a broker that takes connections and never answers is waited for, and nothing is sent twice', async () => {
  await using stack = await RelayStack.start()
  const relay = stack.relay({ 'producer.delivery.timeout.ms': 2_000 })
  await relay.ready()
  await stack.insertKeys('before')
  await stack.confirmed()
  process.kill(stack.broker.pid, 'SIGSTOP')
  await stack.insertKeys('meanwhile')
  const { rows } = await stack.pool.query<{ lsn: string }>('select pg_current_wal_lsn() as lsn')
  await waitFor('the relay to notice', 60_000, async () => {
    const answer = await fetch(`${relay.url}/readyz`)
    return answer.status === 503 && (await answer.text()).includes('no broker answers')
  })
  await stack.hasState(relay, 'backpressure')
  // What else the server has written before the event may be confirmed.
  const { rows: compared } = await stack.pool.query(
    'select $1::pg_lsn < $2::pg_lsn as "isBefore"',
    [await confirmedLsn(stack), rows[0]?.lsn],
  )
  expect(compared).toEqual([{ isBefore: true }])
  process.kill(stack.broker.pid, 'SIGCONT')
  await relay.ready()
  await stack.confirmed()
  const keys = (await stack.records(TOPIC)).map(({ key }) => Buffer.from(key ?? []).toString())
  expect(keys.sort()).toEqual(['before', 'meanwhile'])
})
