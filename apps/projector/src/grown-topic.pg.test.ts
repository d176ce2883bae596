import { partitionOfKey } from '@fairlead/kafka'
import type { Projection, SqlProjection } from '@fairlead/projection'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { accountId, accounts, deposited, totals } from './testing/accounts.test-fixture.ts'
import { MemoryLog } from './testing/memory-log.test-fixture.ts'
import { OneTopicFixture, TOPIC, until } from './testing/one-topic.test-fixture.ts'

let fixture: OneTopicFixture

beforeEach(async () => {
  fixture = await OneTopicFixture.open()
  fixture.log = new MemoryLog(TOPIC, 2)
})

afterEach(() => fixture.close())

/** A key that was in partition 0 of two, and is in partition 2 of four; `skipCount` of them are left out. */
function movedKey(skipCount = 0): string {
  let left = skipCount
  for (let index = 0; ; index += 1) {
    const key = accountId(index)
    const bytes = Buffer.from(key)
    if (partitionOfKey(bytes, 2) !== 0 || partitionOfKey(bytes, 4) !== 2) continue
    if (left === 0) return key
    left -= 1
  }
}

async function progress(): Promise<readonly number[]> {
  const { rows } = await sql<{ next: number }>`
    select next_offset::int as next from evt.checkpoint order by part`.execute(fixture.db)
  return rows.map(({ next }) => next)
}

async function waitingCount(): Promise<number> {
  const { rows } = await sql`select from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`.execute(fixture.db)
  return rows.length
}

async function balanceOf(key: string): Promise<unknown> {
  const { rows } = await sql`select balance from public.account where id = ${key}::uuid`.execute(
    fixture.db,
  )
  return rows[0]
}

/** Once the topic has four partitions, and workers know it. */
async function grown(): Promise<void> {
  fixture.log.grow(4)
  await fixture.log.rebalance()
  await until(async () => expect(await progress()).toHaveLength(4))
}

/** For workers that take their partitions from now on. */
async function growthIsLongAgo(): Promise<void> {
  await sql`update evt.projection_version set partitions
    = jsonb_set(partitions, array[${TOPIC}::text, 'before', '0', 'seenAtMs'], '0')`.execute(
    fixture.db,
  )
}

async function fencesOf(): Promise<readonly bigint[]> {
  const { rows } = await sql<{ fence: bigint }>`
    select fence from evt.checkpoint order by part`.execute(fixture.db)
  return rows.map(({ fence }) => fence)
}

/** Reads the row, and then writes it, as a fold does. */
const readingTotals: SqlProjection = {
  ...totals,
  on: {
    Deposited: async ({ data, key: day }, { trx }) => {
      const { rows } = await sql<{ total: bigint }>`
        select total from day_total where day = ${day}`.execute(trx)
      const { amount } = data as { readonly amount: number }
      const total = (rows[0]?.total ?? 0n) + BigInt(amount)
      await sql`
        insert into day_total (day, total) values (${day}, ${total})
        on conflict (day) do update set total = excluded.total`.execute(trx)
    },
  },
}

test.for<{ what: string; projection: Projection; table: string; column: string }>([
  { what: 'of a fold', projection: accounts, table: 'account', column: 'balance' },
  { what: 'of SQL', projection: readingTotals, table: 'day_total', column: 'total' },
])(
  'a producer that does not know of new partitions yet, and one that does, write events of one key $what',
  async ({ projection, table, column }) => {
    const key = movedKey()
    const { log, db } = fixture
    const amounts = async (): Promise<readonly number[]> => {
      const { rows } = await sql<{ amount: number }>`
        select ${sql.ref(column)}::int as amount from ${sql.table(`public.${table}`)}`.execute(db)
      return rows.map(({ amount }) => amount)
    }
    log.append(0, deposited(key, 1))
    fixture.start([projection])
    await until(async () => expect(await amounts()).toEqual([1]))
    await grown()
    const release = Promise.withResolvers<void>()
    const held = Promise.withResolvers<void>()
    const holding = db.transaction().execute(async (trx) => {
      await sql`select from ${sql.table(`public.${table}`)} for update`.execute(trx)
      held.resolve()
      await release.promise
    })
    await held.promise
    log.append(2, deposited(key, 2))
    await until(async () => expect(await waitingCount()).toBe(1))
    log.append(0, deposited(key, 4))
    await until(async () => expect(await waitingCount()).toBe(2))
    release.resolve()
    await holding
    await until(async () => expect(await progress()).toEqual([2, 0, 1, 0]))
    expect(await amounts()).toEqual([7])
  },
)

test('what comes late to the former partition of a key waits behind its letters, too', async () => {
  const key = movedKey()
  const { log } = fixture
  log.append(0, deposited(key, 1))
  fixture.start([accounts])
  await until(async () => expect(await progress()).toEqual([1, 0]))
  await grown()
  log.append(2, deposited(key, 0))
  await until(async () => expect(await progress()).toEqual([1, 0, 1, 0]))
  log.append(0, deposited(key, 4))
  await until(async () => expect(await progress()).toEqual([2, 0, 1, 0]))
  expect(await fixture.letters()).toMatchObject([
    { offset: 0, kind: 'failed' },
    { offset: 1, kind: 'blocked' },
  ])
})

/** The key is parked in its former partition, and what comes of it in its new one waits behind that. */
async function hasItSetAsideWhereItArrives(key: string): Promise<void> {
  const { log } = fixture
  const other = movedKey(1)
  // The growth is over with it.
  log.append(2, deposited(other, 1))
  await until(async () => expect(await balanceOf(other)).toEqual({ balance: 1 }))
  log.append(2, deposited(key, 4))
  await until(async () => expect(await progress()).toEqual([1, 0, 2, 0]))
  expect(await fixture.letters()).toMatchObject([
    { key, offset: 0, kind: 'failed' },
    { key, offset: 1, kind: 'blocked' },
  ])
}

test('a key that was parked before its topic grew is found where it arrives, once the growth is long ago', async () => {
  const key = movedKey()
  const { log } = fixture
  log.append(0, deposited(key, 0))
  fixture.start([accounts])
  await until(async () => expect(await progress()).toEqual([1, 0]))
  await grown()
  await fixture.stopAll()
  await growthIsLongAgo()
  fixture.start([accounts])
  await hasItSetAsideWhereItArrives(key)
})

test('a key that its former partition parks before the growth is over is found where it arrives thereafter', async () => {
  const key = movedKey()
  const { log } = fixture
  fixture.start([accounts])
  await until(async () => expect(await progress()).toEqual([0, 0]))
  await grown()
  await fixture.stopAll()
  await growthIsLongAgo()
  const fences = await fencesOf()
  fixture.start([accounts])
  await until(async () => {
    const now = await fencesOf()
    expect(now.filter((fence, part) => fence === fences[part])).toEqual([])
  })
  // Of a producer that does not know of the new partitions yet.
  log.append(0, deposited(key, 0))
  await until(async () => expect(await progress()).toEqual([1, 0, 0, 0]))
  await hasItSetAsideWhereItArrives(key)
})
