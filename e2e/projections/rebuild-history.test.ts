import { join } from 'node:path'
import { createClusterAdmin, partitionOfKey } from '@fairlead/kafka'
import { createRegistryClient, withWirePrefix } from '@fairlead/serde'
import avsc from 'avsc'
import { expect, test } from 'vitest'
import type { ProjectionStack } from '../support/projection-stack.ts'
import { fairlead } from '../support/cli.ts'
import { waitFor } from '../support/wait-for.ts'
import type { AccountRow } from './account-oracle.ts'
import { CentEvents, OLD_DEPOSITED } from './account-upcasts.ts'
import { nextTrail } from './accounts.ts'
import {
  cli,
  deposits,
  hasState,
  liveRows,
  oracleRows,
  rebuildOf,
  release,
  rowsOf,
  startStack,
  stateOf,
} from './rebuild-stack.ts'
import { writeDeposit } from './write-deposit.ts'

const PARTITIONS_LATER = 5
const OUTBOX_EVENTS = 60

test('keys that move to new partitions keep their order, live and in a rebuild', async () => {
  await using stack = await startStack({ partitions: 2 })
  const [before, late, after] = [deposits(1_000), deposits(1_000, 1_000), deposits(2_000, 2_000)]
  await stack.publish(...before)
  const live = release(stack, 'accounts:1')
  await stack.caughtUp('accounts')

  // A whole partition is behind when its keys go on in another one.
  const blocker = await stack.pool.connect()
  await blocker.query('begin; select from evt.checkpoint where part = 0 for update')
  await stack.publish(...late)
  const cluster = createClusterAdmin({
    bootstrapServers: [stack.bootstrapServers],
    clientId: 'e2e',
  })
  await cluster.createPartitions(stack.topic, PARTITIONS_LATER, { validateOnly: false })
  await cluster.close()
  const moved = (await stack.encode(...after)).map((record) => {
    const partition = partitionOfKey(record.key ?? Buffer.of(), PARTITIONS_LATER)
    return { ...record, partition }
  })
  await stack.publishRaw(...moved)
  await waitFor('a key to wait for its former partition', 60_000, async () => {
    const answer = await cli(live, 'describe', 'accounts', '--json')
    return answer.stdout.includes('was in another partition')
  })
  await blocker.query('rollback')
  blocker.release()
  await stack.caughtUp('accounts')
  const expected = rowsInOrder([...before, ...late, ...after])
  expect(await liveRows(stack)).toEqual(expected)

  release(stack, 'accounts:2')
  await hasState(stack, 2, ['ready'])
  expect(await rowsOf(stack, 2)).toEqual(expected)
})

test('what the log has lost is not rebuilt in silence', async () => {
  await using stack = await startStack({ partitions: 1 })
  await stack.publish(...deposits(100))
  const live = release(stack, 'accounts:1')
  await stack.caughtUp('accounts')
  await trim(stack, 40)
  const second = release(stack, 'accounts:1,accounts:2')
  await hasState(stack, 2, ['failed'])
  expect((await rebuildOf(stack, 2))?.reason).toMatch(/begins at offset 40: .*retention/)
  const watched = await cli(second, 'rebuild', 'accounts', '--version', '2')
  expect(watched).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/retention/) })
  const refused = await cli(second, 'promote', 'accounts', '--version', '2')
  expect(refused).toMatchObject({ exitCode: 5, stderr: expect.stringMatching(/has failed/) })
  const keys = await cli(second, 'rebuild', 'accounts', '--key', 'account-1')
  expect(keys).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/Nothing was changed/) })

  const accepted = await cli(
    second,
    'rebuild',
    'accounts',
    '--version',
    '2',
    '--accept-missing-history',
  )
  expect(accepted.exitCode, accepted.stderr).toBe(0)
  expect(await rowsOf(stack, 2)).toEqual(await oracleRows(stack))
  expect(live.isRunning).toBe(true)
})

test('history that the outbox still has is published again: with an inbox each event counts once, live and rebuilt', async () => {
  await using stack = await startStack({ partitions: 1 })
  const relay = await stack.relayWithSlot()
  const live = release(stack, 'tally:1')
  const expected = new Map<string, { id: string; events: number; balance: number }>()
  for (let amount = 1; amount <= OUTBOX_EVENTS; amount += 1) {
    const accountId = `account-${amount % 7}`
    await writeDeposit(stack, { accountId, amount })
    const { events, balance } = expected.get(accountId) ?? { events: 0, balance: 0 }
    expected.set(accountId, { id: accountId, events: events + 1, balance: balance + amount })
  }
  const rows = async (version: number) =>
    (await stack.pool.query(`select * from rm_tally_v${version}.tally order by id`)).rows
  const once = [...expected.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const hasGrownTo = async (end: number) => {
    await waitFor(`${end} records`, 60_000, async () => (await stack.logEnds())[0] === end)
    await stack.caughtUp('tally')
  }
  await hasGrownTo(OUTBOX_EVENTS)
  await trim(stack, OUTBOX_EVENTS / 2)

  const started = await fairlead([
    'relay',
    'snapshot',
    'start',
    'outbox.events',
    '--relay',
    relay.url,
  ])
  expect(started).toMatchObject({ exitCode: 0, stderr: '' })
  await hasGrownTo(2 * OUTBOX_EVENTS)
  expect(await rows(1)).toEqual(once)

  const second = release(stack, 'tally:1,tally:2')
  await hasState(stack, 2, ['failed'], 'tally')
  const accepted = await cli(
    second,
    'rebuild',
    'tally',
    '--version',
    '2',
    '--accept-missing-history',
  )
  expect(accepted.exitCode, accepted.stderr).toBe(0)
  expect(await rows(2)).toEqual(once)
  expect(live.isRunning).toBe(true)
})

test('an event that no schema of today reads is never skipped: it stops the promotion', async () => {
  await using stack = await startStack({ partitions: 1 })
  await stack.publish(...deposits(10))
  const schema = JSON.stringify({
    type: 'record',
    name: 'Deposited',
    namespace: 'bank',
    fields: [{ name: 'accountId', type: 'string' }],
  })
  const id = await registerOld(stack, schema)
  const name = Buffer.from('account-1')
  const value = withWirePrefix(id, Buffer.concat([Buffer.from([name.length * 2]), name]))
  const headers = [['eventType', Buffer.from('Deposited')]] as const
  await stack.publishRaw({ key: name, value, headers: [...headers] })
  release(stack, 'accounts:1')
  await stack.caughtUp('accounts')
  const second = release(stack, 'accounts:2')
  await hasState(stack, 2, ['ready'])
  const refused = await cli(second, 'promote', 'accounts', '--version', '2')
  expect(refused).toMatchObject({ exitCode: 5, stderr: expect.stringMatching(/1 parked keys/) })
  const letters = await stack.pool.query<{ version: number; stage: string }>(
    'select version, stage from evt.dead_letter order by version',
  )
  expect(letters.rows).toEqual([
    { version: 1, stage: 'decode' },
    { version: 2, stage: 'decode' },
  ])
  const accepted = await cli(second, 'promote', 'accounts', '--version', '2', '--accept-parked')
  expect(accepted.exitCode, accepted.stderr).toBe(0)

  // A type that the definitions do not have at all stops the rebuild itself.
  await stack.publishRaw({ key: name, value, headers: [['eventType', Buffer.from('Teleported')]] })
  release(stack, 'accounts:3')
  await hasState(stack, 3, ['failed'])
  expect((await rebuildOf(stack, 3))?.reason).toMatch(/event of type Teleported/)
  expect(await stateOf(stack, 2)).toBe('live')
})

test('events of an old schema are upcast, live and in a rebuild', async () => {
  await using stack = await startStack({
    events: CentEvents,
    projections: join(import.meta.dirname, 'account-upcasts.ts'),
  })
  const registry = createRegistryClient({ url: stack.registry.url })
  const schema = JSON.stringify(OLD_DEPOSITED)
  const id = await registry.register(`${stack.topic}-bank.Deposited`, { schema })
  const oldType = avsc.Type.forSchema(JSON.parse(schema) as avsc.Schema)
  const publish = async (numbers: readonly number[]) => {
    const events = numbers.map((cents) => ({ accountId: `account-${cents % 7}`, cents }))
    const records = await stack.encode(...events.map((event) => CentEvents.Deposited(event)))
    await stack.publishRaw(
      ...records.map((record, index) => {
        const { accountId = '', cents = 0 } = events[index] ?? {}
        if (cents % 2 === 1) return record
        const old = oldType.toBuffer({ accountId, euros: cents })
        return { ...record, value: withWirePrefix(id, old) }
      }),
    )
  }
  const numbers = Array.from({ length: 200 }, (_, index) => index + 1)
  await publish(numbers.slice(0, 120))
  const first = stack.projector()
  await stack.caughtUp('accounts')
  await first.stop()
  await publish(numbers.slice(120))
  stack.projector({}, { VERSIONS: '2' })
  await stack.caughtUp('accounts')
  const amounts = numbers.map((number) => ({
    data: {
      accountId: `account-${number % 7}`,
      amount: number % 2 === 1 ? number : number * 100,
    },
  }))
  expect(await liveRows(stack)).toEqual(rowsInOrder(amounts))
  await hasState(stack, 2, ['ready'])
  expect(await rowsOf(stack, 2)).toEqual(rowsInOrder(amounts))
})

test('other code under a version that is known refuses to start', async () => {
  await using stack = await startStack({ partitions: 1 })
  release(stack, 'accounts:1')
  await hasState(stack, 1, ['live'])
  const changed = release(stack, 'accounts:1=reordered')
  await waitFor('the process to end', 60_000, () => !changed.isRunning)
  expect(changed.exitCode).not.toBe(0)
  expect(changed.logLines.join('\n')).toMatch(/Give the changed projection version 2/)
})

/** As retention does. */
async function trim(stack: ProjectionStack, offset: number): Promise<void> {
  const argv = ['topic', 'trim', stack.topic, '--before-offset', String(offset), '--yes']
  const trimmed = await fairlead(argv, { bootstrapServer: stack.bootstrapServers })
  expect(trimmed.exitCode, trimmed.stderr).toBe(0)
}

async function registerOld(stack: ProjectionStack, schema: string): Promise<number> {
  const registry = createRegistryClient({ url: stack.registry.url })
  return registry.register('bank.Deposited.of-old', { schema })
}

/** A fold of the events in the order in which they were published, whatever partition they went to. */
function rowsInOrder(
  events: readonly { readonly data: { readonly accountId: string; readonly amount: number } }[],
): readonly AccountRow[] {
  const rows = new Map<string, AccountRow>()
  for (const { data } of events) {
    const id = data.accountId
    const row = rows.get(id) ?? { id, events: 0, balance: 0, trail: 0n }
    rows.set(id, {
      id,
      events: row.events + 1,
      balance: row.balance + data.amount,
      trail: nextTrail(row.trail, data.amount),
    })
  }
  return [...rows.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
}
