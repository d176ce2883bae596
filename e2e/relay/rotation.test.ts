import { expect, test } from 'vitest'
import { RelayStack } from '../support/relay-stack.ts'
import { waitFor } from '../support/wait-for.ts'

test('a rotation that was interrupted in the middle is finished by the next relay', async () => {
  await using stack = await RelayStack.start()
  let relay = stack.relay()
  await relay.ready()
  await stack.pool.query(`select relay.partition_outbox('outbox.events', '1 day', '1 day')`)
  const bounds = await stack.pool.query<{ begins: string; ends: string }>(
    `select (now() - interval '9 days')::text as begins, (now() - interval '8 days')::text as ends`,
  )
  const { begins, ends } = bounds.rows[0] ?? { begins: '', ends: '' }
  await stack.pool.query(
    `create table outbox.old partition of outbox.events for values from ('${begins}') to ('${ends}')`,
  )
  await stack.confirmed()
  // Its transaction keeps the detachment of the old partition waiting.
  const writer = await stack.pool.connect()
  await relay.stop('SIGKILL')
  await writer.query(
    `begin; insert into outbox.events (aggregatetype, aggregateid, type) values ('order', 'held', 'Tested')`,
  )
  await stack.pool.query(
    `set local lock_timeout = '200ms'; comment on table outbox.old is 'fairlead: retired partition of outbox.events'`,
  )
  const detached = stack.pool
    .query(`alter table outbox.events detach partition outbox.old concurrently`)
    .catch((error: unknown) => error)
  await waitFor('the detachment to be pending', 60_000, async () => {
    const { rowCount } = await stack.pool.query('select from pg_inherits where inhdetachpending')
    return rowCount === 1
  })
  await stack.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where query like 'alter table outbox.events detach%'`,
  )
  await detached
  relay = stack.relay()
  await relay.ready()
  await stack.insertKeys('while it is pending')
  await writer.query('commit')
  writer.release()
  await relay.stop()
  // Its first round finishes what was begun.
  relay = stack.relay()
  await waitFor('the old partition to be gone', 60_000, async () => {
    const { rows } = await stack.pool.query<{ gone: boolean }>(
      `select to_regclass('outbox.old') is null as gone`,
    )
    return rows[0]?.gone === true
  })
  await relay.ready()
  await stack.confirmed()
  expect((await stack.records('outbox.event.order')).length).toBe(2)
  await waitFor('partitions for the days to come', 60_000, async () => {
    const metrics = await (await fetch(`${relay.url}/metrics`)).text()
    return /relay_outbox_partitions_ahead\{[^}]*table="outbox.events"[^}]*\} 3/.test(metrics)
  })
})
