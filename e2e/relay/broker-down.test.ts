import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { usageOf } from '../bench/usage.ts'
import { RelayStack, headerOf } from '../support/relay-stack.ts'
import { waitFor } from '../support/wait-for.ts'

/** The long form: BROKER_DOWN_SECONDS=300. */
const DOWN_SECONDS = Number(process.env['BROKER_DOWN_SECONDS'] ?? 20)
const TRANSACTIONS_PER_SECOND = 500
const WRITERS = 8
const TOPIC = 'outbox.event.order'
const PAYLOAD_BYTES = 230
const SAMPLE_MS = 1_000
const CATCH_UP_DEADLINE_MS = 240_000
/** Of the process as a whole, Node's own included. */
const MEMORY_MAX_BYTES = 150e6
/** Between the first third of the outage and its end: what piles up would show here. */
const GROWTH_MAX_BYTES = 30e6

test('a broker that is down costs Postgres and the relay nothing, and all arrives afterwards', async () => {
  await using stack = await RelayStack.start()
  // What the first start after an installation compiles, later ones find: they take less memory.
  const first = stack.relay()
  await first.ready()
  await first.stop()
  const relay = stack.relay()
  await relay.ready()
  await stack.insertKeys('before')
  await stack.confirmed()

  await stack.broker.kill()
  const writing = new AbortController()
  const writers = Promise.all(Array.from({ length: WRITERS }, () => write(stack, writing.signal)))
  const samples: number[] = []
  for (let sample = 0; sample < DOWN_SECONDS; sample += 1) {
    // The outage itself is what is tested.
    await delay(SAMPLE_MS)
    samples.push(usageOf(relay.pid).residentBytes)
  }
  await waitFor('the relay to let go of Postgres', 60_000, async () => {
    return (await stack.statusOf(relay))?.state === 'backpressure'
  })

  // What was written meanwhile, the machine's disk takes as long as it takes.
  await stack.pool.query('checkpoint')
  const checkpointMs = await durationMs(() => stack.pool.query('checkpoint'))
  writing.abort()
  const written = await writers
  const stopMs = await durationMs(() => fastShutdown(stack))
  const third = Math.floor(samples.length / 3)
  expect(Math.max(...samples)).toBeLessThan(MEMORY_MAX_BYTES)
  expect((samples.at(-1) ?? 0) - (samples[third] ?? 0)).toBeLessThan(GROWTH_MAX_BYTES)

  stack.broker.restart()
  await stack.broker.ready()
  const expected = 1 + written.reduce((sum, count) => sum + count, 0)
  await waitFor('all events', CATCH_UP_DEADLINE_MS, async () => {
    return (await stack.recordCount(TOPIC)) >= expected
  })
  const ids = (await stack.records(TOPIC)).map((record) => headerOf(record, 'id'))
  expect(new Set(ids).size).toBe(expected)
  expect(ids.length).toBe(expected)
  const { rows } = await stack.pool.query<{ count: number }>(
    'select count(*)::int from outbox.events',
  )
  expect(rows).toEqual([{ count: expected }])
  process.stdout.write(
    `${DOWN_SECONDS} s down, ${expected} events: relay ${(Math.max(...samples) / 1e6).toFixed()} MB at most, ` +
      `checkpoint ${checkpointMs.toFixed()} ms, fast stop ${stopMs.toFixed()} ms\n`,
  )
}, 1_800_000)

/** One event a transaction, at its share of the rate; answers how many were committed. */
async function write(stack: RelayStack, signal: AbortSignal): Promise<number> {
  const startedMs = performance.now()
  const intervalMs = (1_000 * WRITERS) / TRANSACTIONS_PER_SECOND
  let count = 0
  while (!signal.aborted) {
    await stack.pool.query(
      `insert into outbox.events (aggregatetype, aggregateid, type, payload)
       values ('order', (random() * 100)::int::text, 'Tested', decode(repeat('7f', ${PAYLOAD_BYTES}), 'hex'))`,
    )
    count += 1
    const aheadMs = startedMs + count * intervalMs - performance.now()
    if (aheadMs > 0) await delay(aheadMs)
  }
  return count
}

/** `pg_ctl stop -m fast`; the server is started again by its owner. */
async function fastShutdown(stack: RelayStack): Promise<void> {
  const { pid } = stack.postgres
  if (pid === undefined) throw new Error('Postgres does not run')
  process.kill(pid, 'SIGINT')
  await waitFor('Postgres to stop', 90_000, () => !isAlive(pid))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function durationMs(action: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now()
  await action()
  return performance.now() - startedMs
}
