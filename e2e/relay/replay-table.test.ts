import { expect, test } from 'vitest'
import { fairlead } from '../support/cli.ts'
import { RelayStack } from '../support/relay-stack.ts'
import { waitFor } from '../support/wait-for.ts'

const TOPIC = 'outbox.event.order'
const EVENTS = 20_000

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
  let relay = stack.relay({ 'max.batch.size': 100 })
  await stack.hasState(relay, 'halted')
  const command = (url: string) =>
    fairlead(['relay', 'replay-table', '--since', 'beginning', '--yes', '--relay', url])
  const interrupted = command(relay.url)
  await waitFor(
    'the replay to be under way',
    60_000,
    async () => (await stack.records(TOPIC)).length > 1_000,
  )
  await relay.stop('SIGKILL')
  expect((await interrupted).exitCode).not.toBe(0)
  relay = stack.relay({ 'max.batch.size': 100 })
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
