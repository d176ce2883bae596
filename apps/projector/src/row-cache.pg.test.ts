import { type FoldProjection, remove } from '@fairlead/projection'
import type { Metrics } from '@fairlead/service'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { accountId, accounts, deposited } from './testing/accounts.test-fixture.ts'
import { OneTopicFixture, balances, until } from './testing/one-topic.test-fixture.ts'

let fixture: OneTopicFixture
let depositCount = 0

beforeEach(async () => {
  fixture = await OneTopicFixture.open()
  depositCount = 0
})

afterEach(() => fixture.close())

/** Appends deposits into the first account, one batch after the other. */
async function deposit(...amounts: readonly number[]): Promise<void> {
  for (const amount of amounts) await apply(accountId(0), amount)
}

async function apply(key: string, amount: number): Promise<void> {
  fixture.log.append(0, deposited(key, amount))
  depositCount += 1
  await until(async () => expect(await fixture.nextOffset()).toBe(depositCount))
}

async function valueOf({ registry }: Metrics, name: string, result?: string): Promise<number> {
  const metric = await registry.getSingleMetric(name)?.get()
  const values = metric?.values.filter(
    ({ labels }) => result === undefined || labels['result'] === result,
  )
  return values?.reduce((sum, { value }) => sum + value, 0) ?? 0
}

const hits = (metrics: Metrics) => valueOf(metrics, 'projection_row_cache_rows_total', 'hit')
const misses = (metrics: Metrics) => valueOf(metrics, 'projection_row_cache_rows_total', 'miss')
const off = (metrics: Metrics) => valueOf(metrics, 'projection_row_cache_rows_total', 'off')
const bytes = (metrics: Metrics) => valueOf(metrics, 'projection_row_cache_bytes')
const stale = (metrics: Metrics) => valueOf(metrics, 'projection_row_cache_stale_total')

const ACCOUNT = sql`rm_accounts_v1.account`

/** Deposits of 7 take the account away, and of 9 leave it as it is, unless its balance is negative. */
const closing: FoldProjection = {
  ...accounts,
  on: {
    Deposited: (row, event) => {
      const amount = (event.data as { amount: number }).amount
      if (amount === 7) return remove
      if (amount === 9 && (row['balance'] as number) >= 0) return row
      if (amount === 9) return { ...row, balance: 0, total: 0n }
      const next = accounts.on['Deposited']?.(row, event)
      if (next === undefined) throw new TypeError('deposits are handled')
      return next
    },
  },
}

test('a row that comes again for the second time is not read again', async () => {
  const { metrics } = fixture.start([accounts])
  await deposit(1, 2, 3)
  expect(await fixture.readAccounts()).toEqual(balances(6))
  await until(async () =>
    expect([await misses(metrics), await hits(metrics), await stale(metrics)]).toEqual([2, 1, 0]),
  )
  expect(await bytes(metrics)).toBeGreaterThan(100)
})

test('without memory for rows, each batch reads its own', async () => {
  const { metrics } = fixture.start([accounts], { rowCacheBytesMax: 0 })
  await deposit(1, 2, 3)
  expect(await fixture.readAccounts()).toEqual(balances(6))
  expect([await misses(metrics), await hits(metrics)]).toEqual([0, 0])
})

test('where nearly all rows are new, none are kept, until most of them were there before', async () => {
  const { metrics } = fixture.start([accounts])
  const depositIntoEach = async (): Promise<void> => {
    for (let index = 0; index < 1_000; index += 1) {
      fixture.log.append(0, deposited(accountId(index), 1))
    }
    depositCount += 1_000
    await until(async () => expect(await fixture.nextOffset()).toBe(depositCount))
  }
  await depositIntoEach()
  expect(await bytes(metrics)).toBe(0)
  await deposit(1)
  await until(async () => expect(await off(metrics)).toBe(1))
  // A window of rows that are all there, and then rows that are kept.
  for (let round = 0; round < 3; round += 1) await depositIntoEach()
  await until(async () => expect(await bytes(metrics)).toBeGreaterThan(10_000))
  await deposit(1)
  await until(async () => expect(await hits(metrics)).toBe(1_001))
  expect(await stale(metrics)).toBe(0)
  expect((await fixture.readAccounts())[0]).toMatchObject({ balance: 6 })
})

test('a row that somebody has changed is read again', async () => {
  const { metrics } = fixture.start([accounts])
  await deposit(1, 2)
  await sql`update ${ACCOUNT} set balance = 100, total = 100`.execute(fixture.db)
  await deposit(3)
  expect(await fixture.readAccounts()).toEqual(balances(103))
  expect(await stale(metrics)).toBe(1)
  await deposit(4)
  expect(await fixture.readAccounts()).toEqual(balances(107))
  expect(await stale(metrics)).toBe(1)
})

test('a row that somebody has deleted begins anew', async () => {
  const { metrics } = fixture.start([accounts])
  await deposit(1, 2)
  await sql`delete from ${ACCOUNT}`.execute(fixture.db)
  await deposit(3)
  expect(await fixture.readAccounts()).toEqual(balances(3))
  expect(await stale(metrics)).toBe(1)
})

test('a row that somebody has put in the place of a deleted one is read', async () => {
  const { metrics } = fixture.start([accounts])
  await deposit(1, 2)
  await fixture.db.transaction().execute(async (trx) => {
    await sql`create temporary table kept on commit drop as select * from ${ACCOUNT}`.execute(trx)
    await sql`delete from ${ACCOUNT}`.execute(trx)
    await sql`insert into ${ACCOUNT} select id, 50, 50, last_at, note from kept`.execute(trx)
  })
  await deposit(3)
  expect(await fixture.readAccounts()).toEqual(balances(53))
  expect(await stale(metrics)).toBe(1)
})

test('a deletion is decided by the row that is there', async () => {
  const conditional: FoldProjection = {
    ...closing,
    on: {
      Deposited: (row, event) =>
        (event.data as { amount: number }).amount === 7 && row['balance'] === 100
          ? row
          : (closing.on['Deposited']?.(row, event) ?? row),
    },
  }
  const { metrics } = fixture.start([conditional])
  await deposit(1, 2)
  await sql`update ${ACCOUNT} set balance = 100, total = 100`.execute(fixture.db)
  await deposit(7)
  expect(await fixture.readAccounts()).toEqual(balances(100))
  expect(await stale(metrics)).toBe(1)
})

test('a row that was deleted by its event is not in memory any more', async () => {
  const { metrics } = fixture.start([closing])
  await deposit(1, 2, 7, 4)
  expect(await fixture.readAccounts()).toEqual(balances(4))
  expect(await stale(metrics)).toBe(0)
})

test('that a row stays as it is, is decided by the row that is there', async () => {
  const { metrics } = fixture.start([closing])
  await deposit(1, 1, 9)
  await until(async () => expect(await hits(metrics)).toBe(1))
  expect(await stale(metrics)).toBe(0)
  await sql`update ${ACCOUNT} set balance = -5, total = -5`.execute(fixture.db)
  await deposit(9)
  expect(await fixture.readAccounts()).toEqual(balances(0))
  expect(await stale(metrics)).toBe(1)
})

/** Takes no deposit once there are three. */
const bounded: FoldProjection = {
  ...accounts,
  on: {
    Deposited: (row, event) => {
      if ((row['balance'] as number) >= 3) throw new RangeError('the account is full')
      return accounts.on['Deposited']?.(row, event) ?? row
    },
  },
}

test('that an event fails, is decided by the row that is there', async () => {
  fixture.start([bounded])
  await deposit(1, 2)
  await sql`update ${ACCOUNT} set balance = 0, total = 0`.execute(fixture.db)
  await deposit(1)
  expect(await fixture.readAccounts()).toEqual(balances(1))
  expect(await fixture.letters()).toEqual([])
})

test('that an event stops the projection, is decided by the row that is there', async () => {
  fixture.start([{ ...bounded, classify: () => 'stop' }])
  await deposit(1, 2)
  await sql`update ${ACCOUNT} set balance = 0, total = 0`.execute(fixture.db)
  await deposit(1)
  expect(await fixture.readAccounts()).toEqual(balances(1))
})

test('what a trigger makes of a row is read', async () => {
  const { metrics } = fixture.start([accounts])
  await deposit(1)
  await sql`create function public.round_up() returns trigger language plpgsql as $$
    begin new.total = (new.total + 9) / 10 * 10; return new; end $$`.execute(fixture.db)
  await sql`create trigger round_up before insert or update on ${ACCOUNT}
    for each row execute function public.round_up()`.execute(fixture.db)
  await deposit(1, 1, 1)
  const [account] = await fixture.readAccounts()
  expect(account).toMatchObject({ balance: 4, total: 30n })
  expect(await stale(metrics)).toBe(0)
})

test('a key of another spelling finds the row that it had under the first', async () => {
  const lower = 'abcdef00-0000-4000-8000-000000000000'
  const { metrics } = fixture.start([accounts])
  for (const key of [lower, lower, lower.toUpperCase(), lower, lower]) await apply(key, 1)
  expect(await fixture.readAccounts()).toEqual([{ id: lower, balance: 5, total: 5n }])
  expect(await stale(metrics)).toBe(1)
})

test('rows that another owner of the partition has changed are read again', async () => {
  fixture.start([accounts])
  await deposit(1, 2)
  await fixture.db.transaction().execute(async (trx) => {
    await sql`update evt.checkpoint set fence = fence + 1, next_offset = 3`.execute(trx)
    await sql`update ${ACCOUNT} set balance = 13, total = 13`.execute(trx)
  })
  // The event of that commit: the worker comes to it, and is refused.
  fixture.log.append(0, deposited(accountId(0), 10))
  depositCount += 1
  await deposit(3)
  expect(await fixture.readAccounts()).toEqual(balances(16))
})

test('a worker that comes back after another one reads the rows that this one has changed', async () => {
  fixture.start([accounts])
  await deposit(1, 2)
  await fixture.stopAll()
  fixture.start([accounts])
  await deposit(3)
  expect(await fixture.readAccounts()).toEqual(balances(6))
})

test('a batch reads all of its rows when most of them are not in memory', async () => {
  const { metrics } = fixture.start([accounts])
  await deposit(1, 2)
  const { log } = fixture
  const release = Promise.withResolvers<void>()
  const held = Promise.withResolvers<void>()
  const holding = fixture.db.transaction().execute(async (trx) => {
    await sql`select from evt.checkpoint for update`.execute(trx)
    held.resolve()
    await release.promise
  })
  await held.promise
  log.append(0, deposited(accountId(0), 3))
  await until(async () => {
    const { rows } = await sql`
      select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`.execute(fixture.db)
    expect(rows).toHaveLength(1)
  })
  for (const index of [0, 1, 2]) log.append(0, deposited(accountId(index), 4))
  release.resolve()
  await holding
  await until(async () => expect(await fixture.nextOffset()).toBe(6))
  expect(await fixture.readAccounts()).toEqual(balances(10, 4, 4))
  await until(async () => expect(await hits(metrics)).toBe(1))
})
