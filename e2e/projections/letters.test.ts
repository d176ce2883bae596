import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createClusterAdmin, partitionOfKey } from '@fairlead/kafka'
import { expect, test } from 'vitest'
import { OrderEvents } from '../../examples/shop/src/events.ts'
import { CLI_ENVIRONMENT, fairlead } from '../support/cli.ts'
import { run } from '../support/command.ts'
import { ROOT } from '../support/platform.ts'
import { ProjectionStack } from '../support/projection-stack.ts'
import type { RunningApp } from '../support/running-app.ts'
import { waitFor } from '../support/wait-for.ts'
import { foldAccounts, readAccounts, readLetters } from './account-oracle.ts'
import { AccountEvents, nextTrail } from './accounts.ts'

/** Moves both keys that are refused. */
const PARTITIONS_LATER = 7
const WHY = ['--reason', 'the table takes them now']
const ADVISORY_LOCK = 4_711

const start = (partitions = 1): Promise<ProjectionStack> =>
  ProjectionStack.start({
    events: AccountEvents,
    projections: join(import.meta.dirname, 'accounts.ts'),
    partitions,
  })

const deposit = (accountId: string, amount: number) =>
  AccountEvents.Deposited({ accountId, amount })

async function dlq(app: RunningApp, ...argv: readonly string[]) {
  return fairlead(['dlq', ...argv, '--projector', app.url, '--yes'])
}

/** The table refuses the accounts whose number ends in `digits`, until it is `healed`. */
async function refuse(stack: ProjectionStack, digits: string): Promise<void> {
  await stack.pool.query(`
    create function refuse() returns trigger language plpgsql as $$ begin
      if new.id ~ '[${digits}]$' then
        raise exception 'account % is refused', new.id using errcode = '23514';
      end if;
      return new;
    end $$;
    create trigger refuse before insert or update on rm_accounts_v1.account
      for each row execute function refuse()`)
}

const heal = (stack: ProjectionStack) =>
  stack.pool.query('drop trigger refuse on rm_accounts_v1.account')

/** However late it is killed, a drain has not ended: it waits once so many letters are applied. */
async function holdDrainBack(
  stack: ProjectionStack,
  letterCount: number,
): Promise<() => Promise<void>> {
  const holder = await stack.pool.connect()
  await holder.query(`select pg_advisory_lock(${ADVISORY_LOCK})`)
  await stack.pool.query(`
    create function hold_back() returns trigger language plpgsql as $$ begin
      if (select count(*) from evt.dead_letter_log) >= ${letterCount} then
        perform pg_advisory_xact_lock_shared(${ADVISORY_LOCK});
      end if;
      return null;
    end $$;
    create trigger held_back before insert on evt.dead_letter_log
      for each statement execute function hold_back()`)
  return async () => {
    await holder.query(`select pg_advisory_unlock(${ADVISORY_LOCK})`)
    holder.release()
    await stack.pool.query('drop trigger held_back on evt.dead_letter_log')
  }
}

async function isHeldBack(stack: ProjectionStack): Promise<void> {
  await waitFor('the drain to wait behind some letters', 60_000, async () => {
    const { rowCount } = await stack.pool.query(
      "select from pg_locks where locktype = 'advisory' and objid = $1 and not granted",
      [ADVISORY_LOCK],
    )
    return rowCount === 1
  })
}

/** Nothing is parked any more, and every event is in the rows. */
async function isHealed(stack: ProjectionStack): Promise<void> {
  await stack.caughtUp('accounts')
  await waitFor('the last key to be released', 60_000, async () => {
    const { rowCount } = await stack.pool.query('select from evt.parked_key')
    return rowCount === 0
  })
  expect(await readLetters(stack)).toEqual(new Map())
  expect(await readAccounts(stack)).toEqual((await foldAccounts(stack)).rows)
}

/** A projector whose table exists, and refuses some accounts. */
async function refusing(stack: ProjectionStack, digits: string): Promise<RunningApp> {
  const app = stack.projector({ 'parked.keys.per.minute.max': 100_000 })
  await stack.publish(deposit('account-first', 1))
  await stack.caughtUp('accounts')
  await refuse(stack, digits)
  return app
}

test('events that arrive while their key drains queue behind it, and are live after it', async () => {
  await using stack = await start(2)
  const app = await refusing(stack, '5')
  const round = (from: number, count: number) =>
    Array.from({ length: count }, (_, index) => deposit(`account-${index % 10}`, from + index))
  await stack.publish(...round(1, 20_000))
  await stack.caughtUp('accounts')
  await heal(stack)

  const { rows: parked } = await stack.pool.query<{ id: string }>(
    'select max(id) as id from evt.dead_letter',
  )
  const letGo = await holdDrainBack(stack, 600)
  const replay = dlq(app, 'replay', 'accounts', '--all', ...WHY)
  await isHeldBack(stack)
  for (let from = 1; from < 2_000; from += 50) await stack.publish(...round(from, 50))
  await letGo()
  expect(await replay).toMatchObject({ exitCode: 0 })
  await stack.publish(...round(7, 100))
  await isHealed(stack)
  const { rowCount: arrivedMeanwhile } = await stack.pool.query(
    "select from evt.dead_letter_log where (letter->>'id')::bigint > $1",
    [parked[0]?.id],
  )
  expect(arrivedMeanwhile).toBeGreaterThan(0)
}, 300_000)

test('a drain that fails again keeps what it did; one that is killed goes on', async () => {
  await using stack = await start()
  let app = await refusing(stack, '57')
  await stack.publish(
    ...Array.from({ length: 6_000 }, (_, index) => deposit('account-5', index + 1)),
  )
  // The head of the other key is refused by its handler, whatever the table takes.
  await stack.publish(deposit('account-7', 5), deposit('account-7', 0), deposit('account-7', 9))
  await stack.caughtUp('accounts')
  await heal(stack)

  expect(await dlq(app, 'replay', 'accounts', '--key', 'account-7', ...WHY)).toMatchObject({
    exitCode: 1,
    stdout: expect.stringMatching(/letters replayed: 1\nkeys that failed again: 1\n/) as string,
  })
  const parked = await stack.pool.query(`select kind, error_message as message from evt.dead_letter
    where key = 'account-7' order by log_offset`)
  expect(parked.rows).toEqual([
    { kind: 'failed', message: 'account account-7: nothing deposited' },
    { kind: 'blocked', message: null },
  ])

  const letGo = await holdDrainBack(stack, 600)
  await dlq(app, 'replay', 'accounts', '--key', 'account-5', '--no-wait', ...WHY)
  await isHeldBack(stack)
  const applied = await stack.pool.query('select from evt.dead_letter_log limit 600')
  expect(applied.rowCount).toBe(600)
  await app.stop('SIGKILL')
  await letGo()
  expect((await readLetters(stack)).size).toBeGreaterThan(2)
  app = stack.projector()
  await waitFor('the key to be released', 60_000, async () => {
    const { rows } = await stack.pool.query('select key from evt.parked_key')
    return rows.length === 1
  })
  await app.ready()
  const { stdout } = await dlq(app, 'list', 'accounts', '--kind', 'failed', '--json')
  const [{ id, partition, offset }] = JSON.parse(stdout) as [
    { id: string; partition: number; offset: number },
  ]
  const value = JSON.stringify({ accountId: 'account-7', amount: 'much', note: '' })
  expect(await dlq(app, 'edit', id, '--value', value, ...WHY)).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(/breaks the schema: .*amount/) as string,
  })
  const original = await stack.pool.query<{ value: Buffer; edited: Buffer | null }>(
    'select value, edited_value as edited from evt.dead_letter where id = $1',
    [id],
  )
  expect(original.rows[0]?.edited).toBeNull()

  const edited = JSON.stringify({ accountId: 'account-7', amount: 4, note: 'four' })
  expect(await dlq(app, 'edit', id, '--value', edited, ...WHY)).toMatchObject({ exitCode: 0 })
  const dry = await dlq(app, 'replay', 'accounts', '--id', id, '--dry-run')
  expect(dry).toMatchObject({ exitCode: 0 })
  expect(dry.stdout).toMatch(/- balance: 5\n\+ balance: 9\n/)
  expect(await dlq(app, 'replay', 'accounts', '--all', ...WHY)).toMatchObject({ exitCode: 0 })
  expect(await readLetters(stack)).toEqual(new Map())
  const { rows } = await foldAccounts(stack, new Map([[`${partition}@${offset}`, 4]]))
  expect(rows).toMatchObject([
    { id: 'account-5', events: 6_000 },
    { id: 'account-7', events: 3, balance: 18 },
    { id: 'account-first' },
  ])
  expect(await readAccounts(stack)).toEqual(rows)
  const log = await dlq(app, 'log', 'accounts', '--limit', '4', '--json')
  expect(JSON.parse(log.stdout)).toMatchObject([
    { action: 'replay', key: 'account-7' },
    { action: 'replay', key: 'account-7' },
    { action: 'edit', letterId: id, reason: WHY[1] },
    { action: 'replay' },
  ])
}, 300_000)

test('a parked key that moves to a new partition is found there, and drained in the order of both', async () => {
  await using stack = await start(2)
  const app = await refusing(stack, '5')
  const round = (from: number) =>
    Array.from({ length: 20 }, (_, index) => deposit(`account-${index}`, from + index))
  await stack.publish(...round(1))
  await stack.caughtUp('accounts')

  const cluster = createClusterAdmin({
    bootstrapServers: [stack.bootstrapServers],
    clientId: 'e2e',
  })
  await cluster.createPartitions(stack.topic, PARTITIONS_LATER, { validateOnly: false })
  await cluster.close()
  const later = [...(await stack.encode(...round(50))), ...(await stack.encode(...round(90)))]
  const moved = later.map((record) => ({
    ...record,
    partition: partitionOfKey(record.key ?? Buffer.of(), PARTITIONS_LATER),
  }))
  await stack.publishRaw(...moved)
  await stack.caughtUp('accounts')
  const { rows } = await stack.pool.query(
    'select key, count(distinct part)::int as parts from evt.dead_letter group by key order by key',
  )
  expect(rows).toEqual([
    { key: 'account-15', parts: 2 },
    { key: 'account-5', parts: 2 },
  ])

  await heal(stack)
  expect(await dlq(app, 'replay', 'accounts', '--all', ...WHY)).toMatchObject({ exitCode: 0 })
  await stack.publishRaw(...moved.slice(0, 20))
  await stack.caughtUp('accounts')
  expect(await readLetters(stack)).toEqual(new Map())
  const trails = (await readAccounts(stack)).filter(({ id }) => id.endsWith('5'))
  expect(trails).toEqual(
    ['account-15', 'account-5'].map((id) => {
      const number = Number(id.slice('account-'.length))
      const amounts = [1, 50, 90, 50].map((from) => from + number)
      return {
        id,
        events: 4,
        balance: amounts.reduce((sum, amount) => sum + amount, 0),
        trail: amounts.reduce(nextTrail, 0n),
      }
    }),
  )
})

test('what cannot be done ends with the exit code that says why', async () => {
  await using stack = await start()
  const app = await refusing(stack, '5')
  await stack.publish(deposit('account-5', 1), deposit('account-5', 2))
  await stack.caughtUp('accounts')
  const exitCode = async (...argv: readonly string[]) => (await dlq(app, ...argv)).exitCode
  expect(await exitCode('replay', 'accounts')).toBe(2)
  expect(await exitCode('discard', 'accounts', '--all')).toBe(2)
  expect(await exitCode('replay', 'nothing', '--all')).toBe(3)
  expect(await exitCode('show', '999999')).toBe(3)
  const { stdout } = await dlq(app, 'list', 'accounts', '--kind', 'blocked', '--json')
  const [{ id }] = JSON.parse(stdout) as [{ id: string }]
  expect(await exitCode('replay', 'accounts', '--id', id)).toBe(5)
  expect(await exitCode('replay', 'accounts', '--all')).toBe(1)
  const shown = await dlq(app, 'show', id)
  expect(shown.stdout).toMatch(/kind: blocked\n(.*\n)*headers\neventType: Deposited\n/)
  const away = await fairlead(['dlq', 'list', '--projector', 'http://127.0.0.1:1'])
  expect(away).toMatchObject({ exitCode: 6, stderr: expect.stringMatching(/no projector/) })
  // Nobody can answer here, and nobody said --yes.
  const discard = ['dlq', 'discard', 'accounts', '--all', '--projector', app.url]
  const asked = await fairlead([...discard, ...WHY])
  expect(asked).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(/add --yes/) })
})

test('a flood of one cause pauses the partition; after the cure one command drains what it parked', async () => {
  await using stack = await start()
  const app = stack.projector()
  await stack.publish(deposit('account-first', 1))
  await stack.caughtUp('accounts')
  await refuse(stack, '0-9')
  // Few enough to be parked, and then everything at once.
  await stack.publish(...Array.from({ length: 15 }, (_, index) => deposit(`early-${index}`, 3)))
  await stack.caughtUp('accounts')
  await stack.publish(...Array.from({ length: 10_000 }, (_, index) => deposit(`key-${index}`, 5)))
  await stack.hasHealth(app, 'projection accounts v1', /would park .* keys for one cause/)
  expect(await stack.metric(app, 'projection_parked_keys')).toBeLessThanOrEqual(20)
  await waitFor('the flood to be counted', 60_000, async () => {
    return (await stack.metric(app, 'projection_errors_total', { error_class: 'flood' })) > 0
  })

  await heal(stack)
  // As a deployment of the cure would; the breaker itself tries again after a minute.
  await app.stop()
  const cured = stack.projector()
  await cured.ready()
  await stack.caughtUp('accounts')
  const causes = JSON.parse((await dlq(cured, 'causes', 'accounts', '--json')).stdout) as [
    { fingerprint: string; keys: number },
  ]
  expect(causes).toHaveLength(1)
  const [{ fingerprint, keys }] = causes
  expect(keys).toBeGreaterThanOrEqual(15)
  expect(
    await dlq(cured, 'replay', 'accounts', '--fingerprint', fingerprint, ...WHY),
  ).toMatchObject({ exitCode: 0 })
  await isHealed(stack)
}, 300_000)

test('ten thousand parked keys are drained by one command', async () => {
  await using stack = await start(2)
  const app = await refusing(stack, '0-9')
  await stack.publish(...Array.from({ length: 10_000 }, (_, index) => deposit(`key-${index}`, 5)))
  await stack.caughtUp('accounts')
  await stack.hasMetric(app, 'projection_parked_keys', 10_000)
  await heal(stack)
  const { stdout } = await dlq(app, 'causes', 'accounts', '--json')
  const [{ fingerprint }] = JSON.parse(stdout) as [{ fingerprint: string }]
  const replayed = await dlq(app, 'replay', 'accounts', '--fingerprint', fingerprint, '--json')
  expect(JSON.parse(replayed.stdout)).toMatchObject({ keys: 10_000, replayed: 10_000 })
  await isHealed(stack)
}, 300_000)

test('the commands of docs/projections-dead-letters.md work as printed, one after the other', async () => {
  await using stack = await ProjectionStack.start({
    events: OrderEvents,
    projections: join(ROOT, 'examples/shop/src/projections.ts'),
  })
  const orderId = '00000000-0000-4000-8000-000000000001'
  await stack.publish(
    OrderEvents.OrderQuantityChanged({ orderId, quantity: -1 }),
    OrderEvents.OrderQuantityChanged({ orderId, quantity: 1 }),
  )
  const app = stack.projector()
  await stack.caughtUp('order_summary')
  const text = readFileSync(join(ROOT, 'docs/projections-dead-letters.md'), 'utf8')
  const blocks = [...text.matchAll(/^```sh\n(.*?)^```/gms)].map(([, block = '']) => block)
  const commands = blocks.flatMap((block) => block.trim().split('\n'))
  expect(commands.length).toBeGreaterThan(6)
  for (const command of commands) {
    await run('bash', ['-o', 'pipefail', '-c', command], {
      cwd: ROOT,
      env: { ...CLI_ENVIRONMENT, FAIRLEAD_PROJECTOR: app.url },
    })
  }
}, 300_000)
