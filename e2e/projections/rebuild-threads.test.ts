import { createClusterAdmin, partitionOfKey } from '@fairlead/kafka'
import { expect, test } from 'vitest'
import type { ProjectionStack } from '../support/projection-stack.ts'
import type { RunningApp } from '../support/running-app.ts'
import { waitFor } from '../support/wait-for.ts'
import { foldAccounts } from './account-oracle.ts'
import { AccountEvents, nextTrail } from './accounts.ts'
import {
  deposits,
  hasState,
  oracleRows,
  rebuildOf,
  release,
  rowsOf,
  startStack,
} from './rebuild-stack.ts'

/** So long a history is folded in threads. */
const EVENTS = 24_000
const BATCH_EVENTS = 4_000
const ADVISORY_LOCK = 4_711
const DAY_MS = 86_400_000
const EARLY = 'early'
const IN_THREADS = 'the rebuild folds in threads'
const IN_ONE_THREAD = 'the rebuild folds all partitions in one thread, in the order of their source'

test('a long history is folded in threads, with the letters of its poison, and of an event from beyond tomorrow', async () => {
  // Else the broker refuses that.
  const topicConfigs = { 'message.timestamp.after.max.ms': String(7 * DAY_MS) }
  await using stack = await startStack({ topicConfigs })
  await publish(stack)
  const poison = (number: number) =>
    AccountEvents.Deposited({ accountId: `account-${number}`, amount: 0 })
  await stack.publish(poison(1), poison(2), poison(3), ...deposits(1_000))
  const [early] = await stack.encode(AccountEvents.Deposited({ accountId: EARLY, amount: 1 }))
  await stack.publishRaw({ ...early, timestampMs: Date.now() + 2 * DAY_MS })
  release(stack, 'accounts:1')
  await stack.caughtUp('accounts')
  const second = release(stack, 'accounts:2')
  await hasState(stack, 2, ['ready'])
  expect(messages(second)).toContain(IN_THREADS)
  expect(messages(second)).not.toContain(IN_ONE_THREAD)
  const { rows, letters } = await foldAccounts(stack)
  expect(await rowsOf(stack, 2)).toEqual(rows.filter(({ id }) => id !== EARLY))
  expect(await lettersOf(stack, 2)).toEqual(await lettersOf(stack, 1))
  expect((await lettersOf(stack, 2)).size).toBe(letters.size + 1)
  const others = [...(await lettersOf(stack, 2))].filter(([at]) => !letters.has(at))
  expect(others).toMatchObject([[expect.any(String), 'failed']])
  // Of three accounts of 997: the poison, and what comes behind it.
  expect(letters.size).toBeGreaterThan(3)
})

test('threads that are killed while they fold leave the rebuild to the next process', async () => {
  await using stack = await startStack()
  await publish(stack)
  release(stack, 'accounts:1')
  await stack.caughtUp('accounts')
  const letGo = await holdBack(stack, 2)
  const first = release(stack, 'accounts:2')
  await waitFor('the threads', 60_000, () => messages(first).includes(IN_THREADS))
  await first.stop('SIGKILL')
  await letGo()
  const second = release(stack, 'accounts:2')
  await hasState(stack, 2, ['ready'])
  expect(messages(second)).toContain(IN_THREADS)
  expect(await rowsOf(stack, 2)).toEqual(await oracleRows(stack))
})

test('a rebuild stops in time while its threads fold', async () => {
  await using stack = await startStack()
  await publish(stack)
  release(stack, 'accounts:1')
  await stack.caughtUp('accounts')
  const first = release(stack, 'accounts:2')
  await waitFor('the threads', 60_000, () => messages(first).includes(IN_THREADS))
  await first.stop()
  expect(first.exitCode).toBe(0)
  expect((await rebuildOf(stack, 2))?.state).not.toBe('failed')
  release(stack, 'accounts:2')
  await hasState(stack, 2, ['ready'])
  expect(await rowsOf(stack, 2)).toEqual(await oracleRows(stack))
})

test('keys that were moved by new partitions are folded in their order, in one thread', async () => {
  await using stack = await startStack({ partitions: 2 })
  const before = deposits(EVENTS / 2)
  const after = deposits(EVENTS / 2, EVENTS / 2)
  await stack.publish(...before)
  release(stack, 'accounts:1')
  await stack.caughtUp('accounts')
  const cluster = createClusterAdmin({
    bootstrapServers: [stack.bootstrapServers],
    clientId: 'e2e',
  })
  await cluster.createPartitions(stack.topic, 5, { validateOnly: false })
  await cluster.close()
  const moved = (await stack.encode(...after)).map((record) => ({
    ...record,
    partition: partitionOfKey(record.key ?? Buffer.of(), 5),
  }))
  await stack.publishRaw(...moved)
  const second = release(stack, 'accounts:2')
  await hasState(stack, 2, ['ready'])
  expect(messages(second)).toContain(IN_ONE_THREAD)
  const trails = new Map<string, bigint>()
  for (const { key, data } of [...before, ...after]) {
    trails.set(key, nextTrail(trails.get(key) ?? 0n, (data as { readonly amount: number }).amount))
  }
  const rows = await rowsOf(stack, 2)
  expect(new Map(rows.map(({ id, trail }) => [id, trail]))).toEqual(trails)
})

test('a row whose key comes in capitals, too, is folded from all of its events, in one thread', async () => {
  await using stack = await startStack()
  const idOf = (number: number): string =>
    `00000000-0000-4000-8000-${(0xabcd_0000 + number).toString(16).padStart(12, '0')}`
  for (let from = 0; from < EVENTS; from += BATCH_EVENTS) {
    const uuids = Array.from({ length: BATCH_EVENTS }, (_, index) => idOf((from + index) % 97))
    await stack.publish(
      ...uuids.map((accountId) => AccountEvents.Deposited({ accountId, amount: 1 })),
    )
  }
  release(stack, 'accounts:1=by_uuid')
  await stack.caughtUp('accounts')
  await stack.publish(AccountEvents.Closed({ accountId: idOf(0).toUpperCase() }))
  await stack.caughtUp('accounts')
  const second = release(stack, 'accounts:2=by_uuid')
  await hasState(stack, 2, ['ready'])
  expect(messages(second)).toContain(IN_ONE_THREAD)
  const { rows } = await stack.pool.query<{ id: string; balance: number }>(
    'select id, balance from rm_accounts_v2.account order by id',
  )
  expect(rows.map(({ id }) => id)).toEqual(
    Array.from({ length: 96 }, (_, index) => idOf(index + 1)),
  )
})

test('rows that outgrow the memory of the threads are folded in one, and written in between', async () => {
  await using stack = await startStack()
  for (let from = 0; from < EVENTS; from += BATCH_EVENTS) {
    await stack.publish(...single(BATCH_EVENTS, from))
  }
  release(stack, 'accounts:1')
  await stack.caughtUp('accounts')
  const second = release(stack, 'accounts:2', { 'rebuild.memory.bytes.max': 1_048_576 })
  await hasState(stack, 2, ['ready'])
  expect(messages(second)).toContain(IN_ONE_THREAD)
  expect(await rowsOf(stack, 2)).toEqual(await oracleRows(stack))
})

/** However late it is killed, a rebuild has not ended: it waits where it stores its checkpoints. */
async function holdBack(stack: ProjectionStack, version: number): Promise<() => Promise<void>> {
  const holder = await stack.pool.connect()
  await holder.query(`select pg_advisory_lock(${ADVISORY_LOCK})`)
  await stack.pool.query(`
    create function public.wait_for_lock() returns trigger language plpgsql as $$
    begin
      perform pg_advisory_xact_lock_shared(${ADVISORY_LOCK});
      return new;
    end $$;
    create trigger held_back before insert on evt.checkpoint for each row
      when (new.version = ${version}) execute function public.wait_for_lock()`)
  return async () => {
    await holder.query(`select pg_advisory_unlock(${ADVISORY_LOCK})`)
    holder.release()
    await stack.pool.query('drop trigger held_back on evt.checkpoint')
  }
}

async function publish(stack: ProjectionStack): Promise<void> {
  for (let from = 0; from < EVENTS; from += BATCH_EVENTS) {
    await stack.publish(...deposits(BATCH_EVENTS, from))
  }
}

/** Deposits of an account each. */
function single(count: number, from: number) {
  return Array.from({ length: count }, (_, index) =>
    AccountEvents.Deposited({ accountId: `single-${from + index}`, amount: 1 }),
  )
}

function messages(app: RunningApp): readonly unknown[] {
  return app.logLines.map((line) => (JSON.parse(line) as { readonly msg: unknown }).msg)
}

async function lettersOf(
  stack: ProjectionStack,
  version: number,
): Promise<ReadonlyMap<string, 'failed' | 'blocked'>> {
  const { rows } = await stack.pool.query<{ at: string; kind: 'failed' | 'blocked' }>(
    "select part || '@' || log_offset as at, kind from evt.dead_letter where version = $1",
    [version],
  )
  return new Map(rows.map(({ at, kind }) => [at, kind]))
}
