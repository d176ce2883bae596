import { join } from 'node:path'
import { createPool } from '@fairlead/postgres'
import { expect, test } from 'vitest'
import { avroDecoder } from '../support/oracle.ts'
import { ProjectionStack } from '../support/projection-stack.ts'
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts'
import { waitFor } from '../support/wait-for.ts'
import { type AccountRow, foldAccounts, readAccounts, readLetters } from './account-oracle.ts'
import { AccountEvents, nextTrail } from './accounts.ts'
import { writeDeposit } from './write-deposit.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const WRITERS = 32
const TRANSACTIONS_PER_WRITER = 20
const ACCOUNTS = 12
const COMMIT_DELAY_MAX_MS = 20

const start = (partitions = 1): Promise<ProjectionStack> =>
  ProjectionStack.start({
    events: AccountEvents,
    projections: join(import.meta.dirname, 'accounts.ts'),
    partitions,
    // Else the broker refuses what is an hour ahead.
    topicConfigs: { 'message.timestamp.after.max.ms': String(365 * DAY_MS) },
  })

async function published(stack: ProjectionStack, count: number): Promise<void> {
  await waitFor(`${count} events on the topic`, 60_000, async () => {
    return (await stack.logEnds()).reduce((sum, end) => sum + end, 0) === count
  })
  await stack.caughtUp('accounts')
}

test('transactions that interleave in the source are applied in the order of their commits', async () => {
  await using stack = await start()
  await stack.relayWithSlot()
  stack.projector()
  const [one, two] = [await stack.pool.connect(), await stack.pool.connect()]
  await one.query('begin')
  await writeDeposit(stack, { accountId: 'a', amount: 1 }, one)
  await two.query('begin')
  await writeDeposit(stack, { accountId: 'a', amount: 2 }, two)
  await two.query('commit')
  await writeDeposit(stack, { accountId: 'a', amount: 3 }, one)
  await one.query('commit')
  one.release()
  two.release()
  await published(stack, 3)
  expect(await readAccounts(stack)).toEqual([
    { id: 'a', events: 3, balance: 6, trail: [2, 1, 3].reduce(nextTrail, 0n) },
  ])
})

test(`${WRITERS} writers at once, who commit late: applied in the order of their commits, none dropped`, async () => {
  await using stack = await start(4)
  await stack.relayWithSlot()
  stack.projector()
  await stack.pool.query(`select pg_create_logical_replication_slot('oracle', 'test_decoding')`)
  const pool = createPool({ url: stack.postgres.url, max: WRITERS, applicationName: 'writers' })
  await Promise.all(
    Array.from({ length: WRITERS }, async (_, writer) => {
      const random = seededRandom(writer)
      for (let count = 0; count < TRANSACTIONS_PER_WRITER; count += 1) {
        await writeAndCommitLate(stack, pool, random)
      }
    }),
  )
  await pool.end()
  const { rows, eventCount, overtakenCount } = await foldCommits(stack)
  // Else the order of the commits is that of the inserts.
  expect(overtakenCount).toBeGreaterThan(eventCount / 10)
  await published(stack, eventCount)
  expect(await readAccounts(stack)).toEqual(rows)
})

/** One to four events of any account; what is written first is not what is committed first. */
async function writeAndCommitLate(
  stack: ProjectionStack,
  pool: ProjectionStack['pool'],
  random: SeededRandom,
): Promise<void> {
  const session = await pool.connect()
  await session.query('begin')
  for (let left = 1 + random.int(4); left > 0; left -= 1) {
    await writeDeposit(
      stack,
      { accountId: `account-${random.int(ACCOUNTS)}`, amount: 1 + random.int(1_000) },
      session,
    )
    await session.query('select pg_sleep($1)', [random.int(COMMIT_DELAY_MAX_MS) / 1_000])
  }
  await session.query(random.int(8) === 0 ? 'rollback' : 'commit')
  session.release()
}

/**
 * A fold of what Postgres itself says was committed, in that order. An event is overtaken when one that
 * was written after it, to the same account, was committed before it.
 */
async function foldCommits(stack: ProjectionStack) {
  const { rows: changes } = await stack.pool.query<{ text: string }>(
    `select data as text from pg_logical_slot_get_changes('oracle', null, null)
     where data like 'table outbox.events: INSERT:%'`,
  )
  const decode = avroDecoder({ registry: stack.registry.url })
  const rows = new Map<string, AccountRow>()
  const newest = new Map<string, string>()
  let overtakenCount = 0
  for (const { text } of changes) {
    const valueOf = (column: string) =>
      new RegExp(`(?:^| )${column}\\[[^\\]]+\\]:'([^']*)'`).exec(text)?.[1] ?? ''
    const id = valueOf('aggregateid')
    const { amount } = await decode(Buffer.from(valueOf('payload').slice(2), 'hex'))
    const row = rows.get(id) ?? { id, events: 0, balance: 0, trail: 0n }
    rows.set(id, {
      id,
      events: row.events + 1,
      balance: row.balance + Number(amount),
      trail: nextTrail(row.trail, Number(amount)),
    })
    const writtenAt = valueOf('created_at')
    if (writtenAt < (newest.get(id) ?? '')) overtakenCount += 1
    else newest.set(id, writtenAt)
  }
  const sorted = [...rows.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1))
  return { rows: sorted, eventCount: changes.length, overtakenCount }
}

test('what the relay publishes again after its crash is dropped by its position in the source', async () => {
  await using stack = await start()
  await stack.relayWithSlot()
  const app = stack.projector()
  for (let amount = 1; amount <= 30; amount += 1)
    await writeDeposit(stack, { accountId: 'a', amount })
  await published(stack, 30)
  const before = await readAccounts(stack)
  expect(before).toMatchObject([{ events: 30 }])

  // The same records, as a relay sends them that did not get to confirm them.
  const records = await stack.records()
  await stack.publishRaw(
    ...records.slice(-20).map(({ key, value, headers }) => ({ key, value, headers })),
  )
  await published(stack, 50)
  expect(await readAccounts(stack)).toEqual(before)
  await stack.hasMetric(app, 'projection_events_total', 20, { result: 'duplicate' })
  await writeDeposit(stack, { accountId: 'a', amount: 31 })
  await published(stack, 51)
  expect(await readAccounts(stack)).toMatchObject([{ events: 31 }])
})

test('clocks that jump change nothing; an event from beyond tomorrow is parked', async () => {
  await using stack = await start()
  const app = stack.projector()
  const [record] = await stack.encode(AccountEvents.Deposited({ accountId: 'a', amount: 5 }))
  const now = Date.now()
  const times = [now, now - HOUR_MS, now + DAY_MS - HOUR_MS, now, now - 30 * DAY_MS]
  await stack.publishRaw(...times.map((timestampMs) => ({ ...record, timestampMs })))
  await stack.caughtUp('accounts')
  expect(await readAccounts(stack)).toEqual((await foldAccounts(stack)).rows)
  expect(await readLetters(stack)).toEqual(new Map())
  await stack.hasMetric(app, 'projection_lag_seconds', 0)

  await stack.publishRaw({ ...record, key: Buffer.from('b'), timestampMs: now + 2 * DAY_MS })
  await stack.caughtUp('accounts')
  const { rows } = await stack.pool.query('select key, stage, error_message from evt.dead_letter')
  expect(rows).toMatchObject([
    { key: 'b', stage: 'decode', error_message: expect.stringMatching(/ahead of the clock/) },
  ])
})
