import { createAdmin } from '@fairlead/kafka'
import { expect, test } from 'vitest'
import { fairlead } from '../support/cli.ts'
import type { RunningApp } from '../support/running-app.ts'
import { RelayStack, headerOf } from '../support/relay-stack.ts'
import { waitFor } from '../support/wait-for.ts'

const TOPIC = 'outbox.event.order'

async function readiness(relay: RunningApp): Promise<{ status: number; text: string }> {
  const response = await fetch(`${relay.url}/readyz`)
  return { status: response.status, text: await response.text() }
}

test('an idle relay is not ready while its broker is dead', async () => {
  await using stack = await RelayStack.start()
  const relay = stack.relay()
  await relay.ready()
  await stack.broker.kill()
  await waitFor('the relay to notice', 60_000, async () => {
    const { status, text } = await readiness(relay)
    return status === 503 && text.includes('no broker answers')
  })
  stack.broker.restart()
  await relay.ready()
})

test('a slot that has lost its WAL makes the relay not ready, with the reason', async () => {
  await using stack = await RelayStack.start({ postgres: { max_slot_wal_keep_size: '1MB' } })
  const relay = stack.relay()
  await relay.ready()
  await relay.stop()
  for (let segment = 0; segment < 4; segment += 1) {
    await stack.pool.query(`select pg_logical_emit_message(false, 'filler', 'x')`)
    await stack.pool.query('select pg_switch_wal()')
  }
  await stack.pool.query('checkpoint')
  const again = stack.relay()
  await stack.hasState(again, 'halted')
  const { status, text } = await readiness(again)
  expect(status).toBe(503)
  expect(text).toContain('lost its WAL')
  const { rows } = await stack.pool.query<{ wal_status: string }>(
    'select wal_status from pg_replication_slots',
  )
  expect(rows).toEqual([{ wal_status: 'lost' }])
  const told = await fairlead(['relay', 'status', '--relay', again.url])
  expect(told).toMatchObject({ exitCode: 10, stderr: '' })
  expect(told.stdout).toMatch(/^state +halted: .*lost its WAL[^]*^slot +fairlead_relay, lost/m)
})

test('rows that cannot be published are parked with the reason, and all others are published', async () => {
  await using stack = await RelayStack.start()
  const relay = stack.relay()
  await relay.ready()
  const insert = (columns: Readonly<Record<string, unknown>>) =>
    stack.pool.query(
      `insert into outbox.events (aggregatetype, aggregateid, type, payload, headers, tracingspancontext)
       values ($1, $2, 'Tested', $3, $4, $5)`,
      [
        columns['aggregatetype'] ?? 'order',
        columns['aggregateid'] ?? 'k',
        columns['payload'] ?? null,
        columns['headers'] ?? '{}',
        columns['trace'] ?? null,
      ],
    )
  await insert({ aggregatetype: 'with space' })
  await insert({ aggregatetype: 'x'.repeat(300) })
  await insert({ aggregatetype: 'große' })
  await insert({ aggregateid: '' })
  await insert({ aggregateid: 'large', payload: Buffer.alloc(1_048_576) })
  await insert({ aggregateid: 'large' })
  await insert({ aggregatetype: 'a.b' })
  await insert({ aggregatetype: 'a_b' })
  const trace = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`
  const headers = JSON.stringify({ n: 1, nothing: null, nested: { a: [1, 2] }, text: 'ü', id: 'x' })
  await insert({ aggregateid: 'good', headers, trace, payload: Buffer.alloc(900_000) })
  await insert({ aggregateid: 'tombstone' })
  await stack.confirmed()

  const records = await stack.records(TOPIC)
  expect(records.map(({ key }) => Buffer.from(key ?? []).toString()).sort()).toEqual([
    'good',
    'tombstone',
  ])
  const good = records.find(({ value }) => value !== null)
  const texts = ['n', 'nothing', 'nested', 'text', 'traceparent'].map((name) =>
    good === undefined ? undefined : headerOf(good, name),
  )
  expect(texts).toEqual(['1', undefined, '{"a": [1, 2]}', 'ü', trace])
  expect(good === undefined ? 'x' : headerOf(good, 'id')).not.toBe('x')
  const { parked } = (await (await fetch(`${relay.url}/parked`)).json()) as {
    parked: { reasonCode: string; reason: string }[]
  }
  expect(parked.map(({ reasonCode }) => reasonCode).reverse()).toEqual([
    'INVALID_TOPIC',
    'INVALID_TOPIC',
    'INVALID_TOPIC',
    'INVALID_KEY',
    'MESSAGE_TOO_LARGE',
    'BLOCKED',
    // Kafka tells topics apart whose names differ only in "." and "_" neither in metrics nor here.
    'INVALID_TOPIC_EXCEPTION',
  ])
  for (const { reason } of parked) expect(reason.length).toBeGreaterThan(10)
})

test('a topic that is deleted under the relay is made again, and events go on', async () => {
  await using stack = await RelayStack.start()
  const relay = stack.relay({ 'producer.delivery.timeout.ms': 1_000 })
  await relay.ready()
  await stack.insertKeys('before')
  await stack.confirmed()
  const admin = createAdmin({ bootstrapServers: [stack.broker.address], clientId: 'e2e' })
  await admin.deleteTopics([TOPIC])
  await admin.close()
  await stack.insertKeys('after')
  await stack.confirmed()
  const keys = (await stack.records(TOPIC)).map(({ key }) => Buffer.from(key ?? []).toString())
  expect(keys).toEqual(['after'])
})

test('a terminated relay confirms what it has published, so that nothing is sent again', async () => {
  await using stack = await RelayStack.start()
  const first = stack.relay()
  await first.ready()
  await stack.insertKeys('a', 'b', 'c')
  await waitFor('events', 60_000, async () => (await stack.records(TOPIC)).length === 3)
  await first.stop()
  expect(first.exitCode).toBe(0)
  const second = stack.relay()
  await second.ready()
  await stack.insertKeys('d')
  await stack.confirmed()
  const metrics = await (await fetch(`${second.url}/metrics`)).text()
  expect(metrics).not.toMatch(/outbox_relay_events_total\{[^}]*result="duplicate"/)
  expect((await stack.records(TOPIC)).length).toBe(4)
})

test('rows of a prepared transaction are published when it is committed, and not when it is rolled back', async () => {
  await using stack = await RelayStack.start({ postgres: { max_prepared_transactions: '4' } })
  let relay = stack.relay()
  await relay.ready()
  const client = await stack.pool.connect()
  for (const key of ['kept', 'undone']) {
    await client.query('begin')
    await client.query(
      `insert into outbox.events (aggregatetype, aggregateid, type) values ('order', $1, 'Tested')`,
      [key],
    )
    await client.query(`prepare transaction '${key}'`)
  }
  const keys = async () =>
    (await stack.records(TOPIC)).map(({ key }) => Buffer.from(key ?? []).toString())
  await stack.insertKeys('between')
  await stack.confirmed()
  expect(await keys()).toEqual(['between'])
  // Prepared in the log of one session, committed in that of another.
  await relay.stop('SIGKILL')
  relay = stack.relay()
  await relay.ready()
  await client.query(`rollback prepared 'undone'`)
  await client.query(`commit prepared 'kept'`)
  client.release()
  await stack.insertKeys('after')
  await stack.confirmed()
  expect((await keys()).toSorted()).toEqual(['after', 'between', 'kept'])
})
