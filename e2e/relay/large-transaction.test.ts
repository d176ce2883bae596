import { expect, test } from 'vitest'
import { RelayStack } from '../support/relay-stack.ts'
import { waitFor } from '../support/wait-for.ts'

const TOPIC = 'outbox.event.order'
const TRANSACTIONS_TOPIC = 'fairlead.transaction'
const SETTINGS = { 'provide.transaction.metadata': 'true' }
/** 1,000,000 for the long form. */
const ROWS = Number(process.env['LARGE_TRANSACTION_ROWS'] ?? 200_000)
const BATCH_ROWS = 1_000
/** Behind 60 % of the rows at most: a batch may be smaller. */
const KILL_AT_BATCH = Math.floor((ROWS * 0.6) / BATCH_ROWS)
const DEADLINE_MS = 240_000

test('a relay that is killed in the middle of a large transaction goes on with it, and doubles nothing', async () => {
  await using stack = await RelayStack.start()
  let relay = stack.relay(
    { ...SETTINGS, 'max.batch.size': BATCH_ROWS },
    { FAIRLEAD_FAILPOINT: `acknowledged:${KILL_AT_BATCH}` },
  )
  await relay.ready()
  await stack.pool.query(
    `insert into outbox.events (aggregatetype, aggregateid, type, payload)
     select 'order', (n % 500)::text, 'Tested', convert_to(n::text, 'UTF8') from generate_series(1, $1::int) as n`,
    [ROWS],
  )
  await waitFor('the relay to die', DEADLINE_MS, () => !relay.isRunning)
  const partCount = await stack.recordCount(TOPIC)
  expect(partCount).toBeGreaterThan(0)
  expect(partCount).toBeLessThan(ROWS)
  relay = stack.relay(SETTINGS)
  await relay.ready()
  await stack.confirmed(DEADLINE_MS)
  const lastByKey = new Map<string, number>()
  const seen = new Set<number>()
  for (const { key, value } of await stack.records(TOPIC)) {
    const number = Number(Buffer.from(value ?? []).toString())
    const keyText = Buffer.from(key ?? []).toString()
    expect(number).toBeGreaterThan(lastByKey.get(keyText) ?? 0)
    lastByKey.set(keyText, number)
    seen.add(number)
  }
  expect(await stack.recordCount(TOPIC)).toBe(ROWS)
  expect(seen.size).toBe(ROWS)
  const markers = (await stack.records(TRANSACTIONS_TOPIC)).map(
    ({ value }) =>
      JSON.parse(Buffer.from(value ?? []).toString()) as { event_count: number | null },
  )
  expect(markers.map(({ event_count: count }) => count)).toEqual([null, ROWS])
}, 600_000)
