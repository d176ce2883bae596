import { expect, test } from 'vitest'
import { fairlead } from '../support/cli.ts'
import { RelayStack, headerOf } from '../support/relay-stack.ts'
import { waitFor } from '../support/wait-for.ts'

const TOPIC = 'outbox.event.order'
const EVENTS = 6_000
const CHUNK_ROWS = 1_000
const CONFIG = { 'incremental.snapshot.chunk.size': CHUNK_ROWS }

test('a snapshot by the command line goes on after kill -9, while events flow', async () => {
  await using stack = await RelayStack.start()
  let relay = stack.relay(CONFIG)
  await relay.ready()
  await stack.pool.query(
    `insert into outbox.events (aggregatetype, aggregateid, type, payload)
     select 'order', (n % 50)::text, 'Tested', convert_to(n::text, 'UTF8') from generate_series(1, $1::int) as n`,
    [EVENTS],
  )
  await stack.confirmed()
  const before = await stack.pool.query<{ id: string }>('select id from outbox.events')
  const replayed = async () =>
    (await stack.records(TOPIC))
      .filter((record) => headerOf(record, 'cdc.replayed') === 'true')
      .map((record) => headerOf(record, 'id'))
  const started = await fairlead([
    'relay',
    'snapshot',
    'start',
    'outbox.events',
    '--relay',
    relay.url,
  ])
  expect(started).toMatchObject({ exitCode: 0, stderr: '' })
  await waitFor('a chunk', 60_000, async () => (await replayed()).length >= CHUNK_ROWS)
  await relay.stop('SIGKILL')
  await stack.insertKeys('meanwhile')
  relay = stack.relay(CONFIG)
  await relay.ready()
  await waitFor('the end of the snapshot', 60_000, async () => {
    const { stdout } = await fairlead(['relay', 'snapshot', 'status', '--relay', relay.url])
    return stdout.includes('done')
  })
  const ids = await replayed()
  const expected = new Set(before.rows.map(({ id }) => id))
  expect(ids.filter((id) => expected.has(id ?? '')).length).toBeLessThanOrEqual(EVENTS + CHUNK_ROWS)
  expect([...expected].filter((id) => !ids.includes(id))).toEqual([])
  await stack.insertKeys('after')
  await stack.confirmed()
  const streamed = (await stack.records(TOPIC)).filter(
    (record) => headerOf(record, 'cdc.replayed') === undefined,
  )
  expect(streamed.length).toBe(EVENTS + 2)
})
