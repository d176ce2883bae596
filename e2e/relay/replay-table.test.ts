import { expect, test } from 'vitest'
import { fairlead } from '../support/cli.ts'
import { RelayStack } from '../support/relay-stack.ts'
import { waitFor } from '../support/wait-for.ts'

const TOPIC = 'outbox.event.order'
const EVENTS = 20_000
const BATCH_EVENTS = 100
const KILL_AT_BATCH = 30

test('a slot whose WAL is gone is made good by the command line, through kill -9, with nothing lost or twice', async () => {
  await using stack = await RelayStack.start({ postgres: { max_slot_wal_keep_size: '1MB' } })
  const first = stack.relay()
  await first.ready()
  await stack.insertKeys('a', 'b')
  await stack.confirmed()
  await first.stop()
  await stack.pool.query(
    `insert into outbox.events (aggregatetype, aggregateid, type, payload)
     select 'order', (n % 50)::text, 'Tested', convert_to(n::text, 'UTF8') from generate_series(1, $1::int) as n`,
    [EVENTS],
  )
  for (let segment = 0; segment < 4; segment += 1) {
    await stack.pool.query(`select pg_logical_emit_message(false, 'filler', 'x')`)
    await stack.pool.query('select pg_switch_wal()')
  }
  await stack.pool.query('checkpoint')
  // It dies behind this many batches of the replay: it has published nothing else.
  let relay = stack.relay(
    { 'max.batch.size': BATCH_EVENTS },
    { FAIRLEAD_FAILPOINT: `acknowledged:${KILL_AT_BATCH}` },
  )
  await stack.hasState(relay, 'halted')
  const command = (url: string) =>
    fairlead(['relay', 'replay-table', '--since', 'beginning', '--yes', '--relay', url])
  const interrupted = command(relay.url)
  await waitFor('the relay to die', 60_000, () => !relay.isRunning)
  expect((await interrupted).exitCode).not.toBe(0)
  relay = stack.relay({ 'max.batch.size': BATCH_EVENTS })
  await stack.hasState(relay, 'streaming')
  await stack.insertKeys('after')
  await stack.confirmed()

  const { rows } = await stack.pool.query<{ id: string }>('select id from outbox.events')
  const ids = (await stack.records(TOPIC)).map(({ headers }) =>
    Buffer.from(headers.find(([name]) => name === 'id')?.[1] ?? []).toString(),
  )
  expect(ids.length).toBe(EVENTS + 3)
  expect(new Set(ids)).toEqual(new Set(rows.map(({ id }) => id)))
  const signals = (await (await fetch(`${relay.url}/signals`)).json()) as {
    signals: { state: string }[]
  }
  expect(signals.signals.map(({ state }) => state)).toEqual(['done'])
})
