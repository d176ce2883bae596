import { cp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { CutOffProxy } from '@fairlead/testing'
import pg from 'pg'
import { expect, test } from 'vitest'
import { HttpGateway } from '../support/http-gateway.ts'
import { expectOrderlyStop } from '../support/orderly-stop.ts'
import { ProjectionStack, type StackOptions } from '../support/projection-stack.ts'
import type { RunningApp } from '../support/running-app.ts'
import { SmallDisk } from '../support/small-disk.ts'
import { startStandby } from '../support/standby.ts'
import { TcpProxy } from '../support/tcp-proxy.ts'
import { waitFor } from '../support/wait-for.ts'
import { foldAccounts, readAccounts, readLetters } from './account-oracle.ts'
import { AccountEvents } from './accounts.ts'
import { FORMS, type Form, foldForms } from './form-oracle.ts'

const CHECK = 'projection accounts v1'

const start = (options: Partial<StackOptions> = {}): Promise<ProjectionStack> =>
  ProjectionStack.start({
    events: AccountEvents,
    projections: join(import.meta.dirname, 'accounts.ts'),
    partitions: 1,
    ...options,
  })

const deposits = (count: number, accounts = 7) =>
  Array.from({ length: count }, (_, index) =>
    AccountEvents.Deposited({ accountId: `account-${index % accounts}`, amount: index + 1 }),
  )

async function expectOracle(stack: ProjectionStack): Promise<void> {
  const expected = await foldAccounts(stack)
  expect(await readAccounts(stack)).toEqual(expected.rows)
  expect(await readLetters(stack)).toEqual(expected.letters)
}

/** A projector that has applied something. */
async function running(
  stack: ProjectionStack,
  config: Readonly<Record<string, string | number>> = {},
): Promise<RunningApp> {
  const app = stack.projector(config)
  await stack.publish(...deposits(20))
  await stack.caughtUp('accounts')
  await stack.hasHealth(app, CHECK, /^ok$/)
  return app
}

test('what cannot be decoded is parked, also under a key of its own; all else goes on', async () => {
  await using stack = await start()
  const [good] = await stack.encode(AccountEvents.Deposited({ accountId: 'good', amount: 1 }))
  const [bad] = await stack.encode(AccountEvents.Deposited({ accountId: 'bad', amount: 1 }))
  const unknownSchema = Buffer.from(bad?.value ?? [])
  unknownSchema.writeInt32BE(999_999, 1)
  await stack.publishRaw(
    { ...good },
    { ...bad, value: Buffer.from([0, 0, 0]) },
    { ...good },
    { ...bad, key: Buffer.from('unknown'), value: unknownSchema },
    { ...bad, key: Buffer.from([0xff, 0xfe]), value: Buffer.from('no avro') },
    { ...bad, key: null, value: Buffer.from([]) },
    { ...bad },
    { ...good },
  )
  stack.projector()
  await stack.caughtUp('accounts')
  const { rows } = await stack.pool.query(
    `select key, kind, stage, log_offset::int as offset from evt.dead_letter order by log_offset`,
  )
  expect(rows).toEqual([
    { key: 'bad', kind: 'failed', stage: 'decode', offset: 1 },
    { key: 'unknown', kind: 'failed', stage: 'decode', offset: 3 },
    { key: '0:4', kind: 'failed', stage: 'decode', offset: 4 },
    { key: '0:5', kind: 'failed', stage: 'decode', offset: 5 },
    { key: 'bad', kind: 'blocked', stage: null, offset: 6 },
  ])
  expect(await readAccounts(stack)).toMatchObject([{ id: 'good', events: 3, balance: 3 }])
})

test('a registry that is away pauses the partition, and parks nothing', async () => {
  await using stack = await start()
  await stack.publish(...deposits(50))
  await stack.registry.kill()
  const app = stack.projector()
  await stack.hasHealth(app, CHECK, /paused/)
  expect(await readLetters(stack)).toEqual(new Map())
  stack.registry.restart()
  await stack.caughtUp('accounts')
  await stack.hasHealth(app, CHECK, /^ok$/)
  await expectOracle(stack)
})

test('whoever answers for the registry, and refuses or knows nothing, pauses the partition, and parks nothing', async () => {
  await using stack = await start()
  await stack.publish(...deposits(50))
  let answer: { readonly status: number; readonly body: string } | undefined
  await using gateway = await HttpGateway.inFrontOf(stack.registry.url, () => answer)
  const { url } = gateway
  answer = { status: 401, body: '{"error_code":40101,"message":"the password has changed"}' }
  const app = stack.projector({ 'schema.registry.url': url })
  await stack.hasHealth(app, CHECK, /paused: .*the password has changed/)
  answer = { status: 404, body: '<html>default backend</html>' }
  await stack.hasHealth(app, CHECK, /paused: .*404, no reason given/)
  expect(await readLetters(stack)).toEqual(new Map())
  answer = undefined
  await stack.caughtUp('accounts')
  await stack.hasHealth(app, CHECK, /^ok$/)
  await expectOracle(stack)
})

test('a database that is down pauses the projection, which keeps its membership and resumes alone', async () => {
  await using stack = await start()
  const proxy = await CutOffProxy.inFrontOf(stack.postgres.url)
  const app = await running(stack, { 'database.url': proxy.url, 'session.timeout.ms': 8_000 })
  proxy.down()
  await stack.publish(...deposits(100))
  await stack.hasHealth(app, CHECK, /paused/)
  await waitFor('the lag to show', 60_000, async () => {
    return (await stack.metric(app, 'projection_lag_records')) === 100
  })
  // Longer than a session of the group, as the waits between tries come to.
  await waitFor('eight tries', 120_000, async () => {
    return (await stack.metric(app, 'projection_errors_total', { error_class: 'infra' })) >= 8
  })
  expect(app.logLines.filter((line) => line.includes('partitions revoked'))).toEqual([])
  proxy.up()
  await stack.caughtUp('accounts')
  await stack.hasHealth(app, CHECK, /^ok$/)
  expect(app.logLines.filter((line) => line.includes('partitions assigned'))).toHaveLength(1)
  await expectOracle(stack)
  await app.stop('SIGKILL')
  await proxy.close()
})

test('a server that dies, one that is read-only and a full disk park nothing', async () => {
  await using stack = await start()
  const app = await running(stack)
  process.kill(stack.postgres.pid ?? 0, 'SIGKILL')
  await stack.publish(...deposits(100))
  await stack.caughtUp('accounts')
  await expectOracle(stack)

  const readOnly = async (value: string) => {
    const client = await stack.pool.connect()
    await client.query('set default_transaction_read_only = off')
    await client.query(`alter system set default_transaction_read_only = ${value}`)
    await client.query('select pg_reload_conf()')
    client.release()
    // Who connects has it from the server that has read it, and has told all others before.
    await waitFor(`the server to have read-only ${value}`, 60_000, async () => {
      const fresh = new pg.Client({ connectionString: stack.postgres.url })
      await fresh.connect()
      const { rows } = await fresh.query<{ setting: string }>(
        `select current_setting('default_transaction_read_only') as setting`,
      )
      await fresh.end()
      return rows[0]?.setting === value
    })
  }
  await readOnly('on')
  await stack.publish(...deposits(30))
  await stack.hasHealth(app, CHECK, /paused: .*read-only/)
  await readOnly('off')
  await stack.caughtUp('accounts')
  await expectOracle(stack)

  // As the server answers where no block is left: SQLSTATE 53100.
  await stack.pool.query(`
    create function no_space() returns trigger language plpgsql as $$ begin
      raise exception 'could not extend file: No space left on device' using errcode = '53100';
    end $$;
    create trigger no_space before insert or update on rm_accounts_v1.account
      for each row execute function no_space()`)
  await stack.publish(...deposits(30))
  await stack.hasHealth(app, CHECK, /paused: .*No space left/)
  await stack.pool.query('drop trigger no_space on rm_accounts_v1.account')
  await stack.caughtUp('accounts')
  await stack.hasHealth(app, CHECK, /^ok$/)
  await expectOracle(stack)
})

test.runIf(SmallDisk.isPossible)('a disk without a block left parks nothing', async () => {
  await using stack = await start()
  const app = await running(stack)
  using disk = SmallDisk.mount({ sizeBytes: 4_194_304, ownedLike: stack.dataDirectory })
  const { pool } = stack
  await pool.query(`create tablespace small location '${disk.directory}'`)
  await pool.query('alter table rm_accounts_v1.account set tablespace small')
  await pool.query(
    'create table filler (bytes text) with (autovacuum_enabled = off) tablespace small',
  )
  // Row by row up to the last block; the blocks stay, though none of the rows does.
  await pool.query(`do $$ begin
    loop insert into filler values (repeat('x', 1900)); end loop;
  exception when disk_full then null; end $$`)
  await stack.publish(...deposits(3_000, 1_500))
  await stack.hasHealth(app, CHECK, /paused: .*No space left on device/)
  expect(await readLetters(stack)).toEqual(new Map())
  await pool.query('drop table filler')
  await stack.caughtUp('accounts')
  await stack.hasHealth(app, CHECK, /^ok$/)
  await expectOracle(stack)
  await app.stop()
  await pool.query('alter table rm_accounts_v1.account set tablespace pg_default')
  await pool.query('drop tablespace small')
})

test('a fail-over to a standby that is read-only pauses the projection, until it finds a primary', async () => {
  await using stack = await start()
  const primary = portOf(stack.postgres.url)
  await using address = await TcpProxy.start({ host: '127.0.0.1', port: primary })
  const url = new URL(stack.postgres.url)
  url.host = address.address
  const app = await running(stack, { 'database.url': url.href, 'session.timeout.ms': 30_000 })
  const standby = await startStandby(
    { url: stack.postgres.url, dataDirectory: stack.dataDirectory },
    { dataDirectory: join(stack.directory, 'standby'), primaryPort: primary },
  )
  address.retarget({ host: '127.0.0.1', port: portOf(standby.url) })
  await stack.publish(...deposits(40))
  await stack.hasHealth(app, CHECK, /paused: .*read-only/)
  address.retarget({ host: '127.0.0.1', port: primary })
  await stack.caughtUp('accounts')
  await stack.hasHealth(app, CHECK, /^ok$/)
  await expectOracle(stack)
  expect(app.logLines.filter((line) => line.includes('partitions assigned'))).toHaveLength(1)
  await app.stop('SIGKILL')
  await standby.stop()
})

function portOf(url: string): number {
  return Number(new URL(url).port)
}

test('a database that has lost its last commits has them applied again, idle or not', async () => {
  await using stack = await start()
  await running(stack)
  await stack.pool.query('create table saved_checkpoint as table evt.checkpoint')
  await stack.pool.query('create table saved_account as table rm_accounts_v1.account')
  for (const next of [30, 0]) {
    await stack.publish(...deposits(100))
    await stack.caughtUp('accounts')
    await stack.pool.query(`begin;
      delete from evt.checkpoint; insert into evt.checkpoint table saved_checkpoint;
      delete from rm_accounts_v1.account; insert into rm_accounts_v1.account table saved_account;
      commit`)
    await stack.publish(...deposits(next))
    await stack.caughtUp('accounts')
    await expectOracle(stack)
  }
})

test('a broker that is away delays, and no more', async () => {
  await using stack = await start()
  const app = await running(stack)
  await stack.broker.kill()
  await stack.hasHealth(app, CHECK, /(paused|ECONN|connect|broker)/i)
  stack.broker.restart()
  await stack.broker.ready()
  await stack.publish(...deposits(40))
  await stack.caughtUp('accounts')
  await stack.hasHealth(app, CHECK, /^ok$/)
  await expectOracle(stack)
})

test('a broker that dies in the middle of a log leads it again in a new epoch, in which reading goes on', async () => {
  await using stack = await start()
  // What is fetched at a time is one batch of the log.
  const app = await running(stack, { 'batch.records.max': 10, 'fetch.bytes.max': 1 })
  const epochs = [await leaderEpochOf(stack)]
  for (let round = 0; round < 2; round += 1) {
    const blocker = await stack.pool.connect()
    await blocker.query('begin; select from evt.checkpoint for update')
    for (let batch = 0; batch < 5; batch += 1) await stack.publish(...deposits(20))
    await waitFor('the projector to wait in a batch', 60_000, async () => {
      const { rowCount } = await stack.pool.query(
        `select from pg_stat_activity where wait_event_type = 'Lock'
         and application_name = 'fairlead-projector'`,
      )
      return (rowCount ?? 0) > 0
    })
    await stack.broker.kill()
    await restart(stack)
    await stack.publish(...deposits(30))
    await blocker.query('rollback')
    blocker.release()
    await stack.caughtUp('accounts')
    epochs.push(await leaderEpochOf(stack))
  }
  expect(epochs).toEqual(Array.from(new Set(epochs)).toSorted((a, b) => a - b))
  await stack.hasHealth(app, CHECK, /^ok$/)
  await expectOracle(stack)
})

/** Of the last record that was applied. */
async function leaderEpochOf(stack: ProjectionStack): Promise<number> {
  const { rows } = await stack.pool.query<{ leader_epoch: number }>(
    'select leader_epoch from evt.checkpoint',
  )
  return rows[0]?.leader_epoch ?? Number.NaN
}

test('a topic that is deleted and created anew stops the projection, whatever it has now', async () => {
  await using stack = await start()
  const app = await running(stack)
  const before = await readAccounts(stack)
  await stack.admin.deleteTopics([stack.topic])
  await stack.createTopic()
  await stack.publish(...deposits(100))
  await stack.hasHealth(app, CHECK, /faulted: .*created anew.*new version/)
  await app.stop()
  const restarted = stack.projector()
  await stack.hasHealth(restarted, CHECK, /faulted: .*created anew.*new version/)
  expect(await readAccounts(stack)).toEqual(before)
  expect((await stack.checkpoints('accounts')).get(0)).toBe(20)
})

test('a log that lost its tail stops the projection, also once it has grown again', async () => {
  await using stack = await start()
  const first = await running(stack)
  // Only a broker that was killed begins a new leader epoch: a clean stop has lost nothing.
  const backup = `${stack.broker.logDirectory}.backup`
  await stack.broker.kill()
  await cp(stack.broker.logDirectory, backup, { recursive: true })
  await restart(stack)
  await stack.publish(...deposits(50))
  await stack.caughtUp('accounts')
  const before = await readAccounts(stack)
  await first.stop()

  // The disk of before: what was written since then is gone.
  await stack.broker.kill()
  await rm(stack.broker.logDirectory, { recursive: true })
  await rename(backup, stack.broker.logDirectory)
  await restart(stack)
  await stack.broker.kill()
  await restart(stack)
  // The sequences of the former one are gone with the tail.
  await stack.changeProducer()
  await stack.publish(...deposits(200))
  const app = stack.projector()
  await stack.hasHealth(app, CHECK, /faulted: .*cut at offset 20.*new version/)
  expect(await readAccounts(stack)).toEqual(before)
})

async function restart(stack: ProjectionStack): Promise<void> {
  stack.broker.restart()
  await stack.broker.ready()
}

test('records that compaction has removed leave gaps, which offsets pass: rows are a fold of what is left', async () => {
  await using stack = await start({
    topicConfigs: {
      'cleanup.policy': 'compact',
      'segment.ms': '100',
      'min.cleanable.dirty.ratio': '0.01',
    },
    broker: { 'log.cleaner.backoff.ms': 100 },
  })
  for (let round = 0; round < 40; round += 1) await stack.publish(...deposits(30, 3))
  const published = (await stack.logEnds())[0] ?? 0
  await waitFor('compaction to remove records', 60_000, async () => {
    await stack.publish(...deposits(3, 3))
    return (await stack.records()).length < published / 2
  })
  // Else a record could be removed once it was applied, and before the oracle reads it.
  await stack.configureTopic({ 'cleanup.policy': 'delete' })
  await stack.publish(...deposits(50, 5))
  // A compaction whose last step was under way has ended then, or is undone.
  await stack.broker.kill()
  await restart(stack)
  const before = await stack.records()
  stack.projector({ 'batch.records.max': 20, 'fetch.bytes.max': 1 })
  await stack.caughtUp('accounts')
  const offsets = before.map(({ offset }) => offset)
  expect((await stack.records()).map(({ offset }) => offset)).toEqual(offsets)
  const gapCount = offsets.filter((offset, index) => offset > (offsets[index - 1] ?? -1) + 1).length
  expect(gapCount).toBeGreaterThan(0)
  await expectOracle(stack)
  expect((await stack.checkpoints('accounts')).get(0)).toBe((await stack.logEnds())[0])
})

test('SIGTERM under load ends the batches in flight, leaves the group, and loses nothing', async () => {
  await using stack = await start({ partitions: 4 })
  const app = await running(stack, { 'batch.records.max': 50, 'session.timeout.ms': 60_000 })
  const blocker = await stack.pool.connect()
  await blocker.query('begin; lock table rm_accounts_v1.account in exclusive mode')
  for (let round = 0; round < 5; round += 1) await stack.publish(...deposits(4_000, 100))
  await waitFor('every partition to have a batch in flight', 60_000, async () => {
    const { rowCount } = await stack.pool.query(
      "select from pg_locks where relation = 'rm_accounts_v1.account'::regclass and not granted",
    )
    return rowCount === 4
  })
  const before = await stack.checkpoints('accounts')
  const stopped = app.stop()
  await waitFor('the stop to begin', 60_000, () =>
    Promise.resolve(app.logLines.some((line) => line.includes('"stopping"'))),
  )
  await blocker.query('commit')
  blocker.release()
  await stopped
  await expectOrderlyStop(stack, app, 'fairlead-projector-accounts-v1')
  const inFlight = [...(await stack.checkpoints('accounts'))].map(
    ([partition, end]) => end - (before.get(partition) ?? 0),
  )
  // One batch of each partition, and no other.
  expect(inFlight.filter((count) => count > 0 && count <= 50)).toHaveLength(4)
  stack.projector()
  await stack.caughtUp('accounts')
  await expectOracle(stack)
})

test('one connection for many partitions is slow, and no dead lock', async () => {
  await using stack = await start({ partitions: 8 })
  await stack.publish(...deposits(4_000, 200))
  const app = stack.projector({ 'database.connections.max': 1, 'batch.records.max': 100 })
  await stack.caughtUp('accounts')
  await stack.hasHealth(app, CHECK, /^ok$/)
  await expectOracle(stack)
})

test('one connection is enough for handlers in SQL, sums and tenants, too', async () => {
  const projections = join(import.meta.dirname, 'all-forms.ts')
  await using stack = await start({ partitions: 4, projections })
  const events = Array.from({ length: 400 }, (_, index) =>
    AccountEvents.Deposited({ accountId: `account-${index % 20}`, amount: index, note: 'branch' }),
  )
  const records = await stack.encode(...events)
  for (const name of ['acme', 'globex']) {
    const tenant = ['tenant', Buffer.from(name)] as const
    await stack.publishRaw(
      ...records.map((record) => ({ ...record, headers: [...(record.headers ?? []), tenant] })),
    )
  }
  stack.projector({
    'database.connections.max': 1,
    'batch.records.max': 100,
    'tenant.header': 'tenant',
  })
  const { letters, ...expected } = await foldForms(stack)
  expect(letters.size).toBeGreaterThan(2)
  for (const [form, read] of Object.entries(FORMS)) {
    await stack.caughtUp(form)
    expect([form, await readLetters(stack, form)]).toEqual([form, letters])
    expect([form, await read(stack)]).toEqual([form, expected[form as Form]])
  }
})

test('an event of 50 MB is applied; one that its table cannot take is parked as data', async () => {
  const bytesMax = 60_000_000
  await using stack = await start({
    broker: {
      'message.max.bytes': bytesMax,
      'socket.request.max.bytes': 2 * bytesMax,
      'replica.fetch.max.bytes': bytesMax,
    },
    topicConfigs: { 'max.message.bytes': String(bytesMax) },
  })
  const app = await running(stack)
  const large = (accountId: string) =>
    AccountEvents.Deposited({ accountId, amount: 1, note: 'x'.repeat(50_000_000) })
  await stack.publish(large('large'))
  await stack.caughtUp('accounts')
  await stack.pool.query(`create index on rm_accounts_v1.account (note) where id = 'too-large'`)
  await stack.publish(large('too-large'), ...deposits(10))
  await stack.caughtUp('accounts')
  const { rows } = await stack.pool.query(
    `select key, stage, error_code as code, octet_length(value) > 50000000 as whole
     from evt.dead_letter`,
  )
  expect(rows).toEqual([{ key: 'too-large', stage: 'write', code: '54000', whole: true }])
  await stack.hasHealth(app, CHECK, /^ok$/)
  const { rows: expected } = await foldAccounts(stack)
  expect(await readAccounts(stack)).toEqual(expected.filter(({ id }) => id !== 'too-large'))
})
