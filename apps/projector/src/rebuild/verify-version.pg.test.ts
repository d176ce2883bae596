import { type Projection, remove } from '@fairlead/projection'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Database } from '../store/database.ts'
import { type Job, readJob, requestJob } from '../store/jobs.ts'
import { promote, rollback } from '../store/promote.ts'
import { readVersion } from '../store/versions.ts'
import {
  BranchEvents,
  accountId,
  accounts,
  activity,
  deposited,
  totals,
  undecodable,
  visited,
} from '../testing/accounts.test-fixture.ts'
import type { MemoryLog } from '../testing/memory-log.test-fixture.ts'
import { RebuildFixture, balances, until } from '../testing/rebuild.test-fixture.ts'

let fixture: RebuildFixture
let db: Database
let log: MemoryLog

beforeEach(async () => {
  fixture = await RebuildFixture.open([BranchEvents.topic])
  ;({ db, log } = fixture)
})

afterEach(() => fixture.close())

function verify(request: Job['request'] = { sample: 100 }): Promise<Job | undefined> {
  return fixture.runJob('accounts', { version: 1, kind: 'verify', request })
}

test('verification names the keys whose rows are not what the log says', async () => {
  fixture.appendDeposits(60, 6)
  fixture.start([accounts])
  await fixture.hasBalances('public', balances(10, 10, 10, 10, 10, 10))
  expect(await verify()).toMatchObject({
    state: 'done',
    result: { isEqual: true, rowCount: 6, comparedKeys: 6 },
  })

  await sql`update rm_accounts_v1.account set balance = 99 where id = ${accountId(1)}`.execute(db)
  await sql`delete from rm_accounts_v1.account where id = ${accountId(2)}`.execute(db)
  await sql`
    insert into rm_accounts_v1.account (id, balance, total, last_at)
    values (${accountId(9)}, 1, 1, now())`.execute(db)
  expect((await verify())?.result).toMatchObject({
    isEqual: false,
    different: [accountId(1)],
    missing: [accountId(2)],
    surplus: [accountId(9)],
  })
})

test('rows are compared however the log spells their keys', async () => {
  const id = '00000000-0000-4000-8000-00000000abcd'
  log.append(0, deposited(id.toUpperCase(), 1), deposited(id, 2))
  fixture.start([accounts])
  await fixture.hasBalances('public', [[id, 3]])
  expect((await verify())?.result).toMatchObject({ isEqual: true, comparedKeys: 1 })
})

test('keys with an event that was set aside are left out', async () => {
  const huge = 2_147_483_647
  log.append(0, deposited(accountId(0), 1), undecodable(accountId(0)))
  log.append(0, deposited(accountId(0), 5))
  log.append(1, deposited(accountId(1), huge), deposited(accountId(1), 1))
  log.append(1, deposited(accountId(2), 1))
  fixture.start([accounts])
  await until(async () => expect(await fixture.letters(1)).toHaveLength(3))
  await fixture.hasBalances('public', balances(1, huge, 1))
  expect(await verify()).toMatchObject({
    state: 'done',
    result: { isEqual: true, comparedKeys: 1, failingKeys: 2 },
  })
})

test('what the rows should be is not said of a log that has lost its beginning', async () => {
  log.append(0, deposited(accountId(0), 1))
  fixture.start([accounts])
  await fixture.hasBalances('public', balances(1))
  log.removeBefore(1)
  log.append(0, deposited(accountId(0), 1))
  await fixture.hasBalances('public', balances(2))
  expect(await verify()).toMatchObject({
    state: 'failed',
    reason: expect.stringMatching(/begins at offset 1: .* is not known/),
  })
  expect((await verify({ acceptMissingHistory: true }))?.result).toMatchObject({
    isEqual: false,
    different: [accountId(0)],
  })
})

test('of many keys that have no row any more, as many are folded as were asked for', async () => {
  const closing: Projection = {
    ...accounts,
    on: {
      Deposited: (row, event, enriched) => {
        const next = accounts.on['Deposited']?.(row, event, enriched) ?? row
        return typeof next === 'object' && next['balance'] === 0 ? remove : next
      },
    },
  }
  for (let account = 0; account < 1_000; account += 1) {
    log.append(0, deposited(accountId(account), 1), deposited(accountId(account), -1))
  }
  log.append(0, deposited(accountId(1_000), 1))
  fixture.start([closing])
  await fixture.hasBalances('public', [[accountId(1_000), 1]])
  const result = (await verify({ sample: 10 }))?.result as Readonly<Record<string, unknown>>
  expect(result).toMatchObject({ isEqual: true })
  expect(result['comparedKeys']).toBeLessThan(20)
})

test('more rows than the log has keys of are too many, whichever keys were drawn', async () => {
  fixture.appendDeposits(60, 60)
  fixture.start([accounts])
  await until(async () => expect(await fixture.balancesIn('public')).toHaveLength(60))
  const drawn = { sample: 1 }
  expect((await verify(drawn))?.result).toMatchObject({ isEqual: true, logKeyCount: 60 })
  await sql`
    insert into rm_accounts_v1.account (id, balance, total, last_at)
    select gen_random_uuid(), 1, 1, now() from generate_series(1, 1)`.execute(db)
  expect((await verify(drawn))?.result).toMatchObject({ isEqual: false, rowCount: 61 })
})

test('rows of changes that commute are compared, too', async () => {
  for (let day = 0; day < 10; day += 1) {
    log.append(day % 2, deposited(`day ${day}`, day + 1), deposited(`day ${day}`, 100))
    log.appendTo(BranchEvents.topic, 0, visited('b1', `day ${day}`))
  }
  // The key of one topic is not that of another: visits of the branch "day 3" are applied.
  log.append(0, deposited('day 3', 0), deposited('day 3', 5))
  log.appendTo(BranchEvents.topic, 0, visited('day 3', 'day 4'))
  fixture.start([activity])
  const verifyActivity = async () =>
    (
      await fixture.runJob('activity', {
        version: 1,
        kind: 'verify',
        request: { sample: 100 },
      })
    )?.result
  const visitsOf = async () =>
    (await sql`select day, visits from public.activity order by day`.execute(db)).rows
  await until(async () => {
    expect(await visitsOf()).toContainEqual({ day: 'day 4', visits: 2 })
    expect(await fixture.letters(1)).toHaveLength(2)
  })
  expect(await verifyActivity()).toMatchObject({
    isEqual: true,
    rowCount: 10,
    logKeyCount: 10,
    comparedKeys: 9,
    failingKeys: 1,
  })
  await sql`update rm_activity_v1.activity set sum = sum + 1 where day = 'day 4'`.execute(db)
  await sql`update rm_activity_v1.activity set last = 'none' where day = 'day 5'`.execute(db)
  expect(await verifyActivity()).toMatchObject({
    isEqual: false,
    different: ['day 4', 'day 5'],
  })
})

test('rows of handlers in SQL are counted, beside those that readers see', async () => {
  log.append(0, deposited('monday', 5), deposited('tuesday', 5), deposited('monday', 1))
  fixture.start([totals, { ...totals, version: 2 }])
  await fixture.hasState('totals', 2, 'ready')
  const liveDays = async () => (await sql`select day from public.day_total`.execute(db)).rows
  await until(async () => expect(await liveDays()).toHaveLength(2))
  await sql`delete from rm_totals_v1.day_total where day = 'tuesday'`.execute(db)
  const job = await fixture.runJob('totals', { version: 2, kind: 'verify', request: {} })
  expect(job?.result).toMatchObject({
    isEqual: null,
    comparedKeys: 0,
    tables: [{ name: 'day_total', rowCount: 2, liveRowCount: 1 }],
  })
})

const swap = { lagRecordsMax: 0, acceptParked: false, acceptLostEffects: false, timeoutMs: 9_000 }

test('a version is shown behind its verification, unless rows differ', async () => {
  const verifyLater = () =>
    fixture.runJob('accounts', { version: 2, kind: 'verify', request: { promote: swap } })
  fixture.appendDeposits(20, 2)
  fixture.start([accounts, { ...accounts, version: 2 }])
  await fixture.hasState('accounts', 2, 'ready')
  await sql`update rm_accounts_v2.account set balance = 99 where id = ${accountId(1)}`.execute(db)
  expect(await verifyLater()).toMatchObject({
    state: 'done',
    result: { isEqual: false, promoted: null },
  })
  await fixture.hasState('accounts', 1, 'live')
  await sql`update rm_accounts_v2.account set balance = 10`.execute(db)
  expect(await verifyLater()).toMatchObject({
    state: 'done',
    result: { isEqual: true, promoted: { live: 2, previous: 1 } },
  })
  await fixture.hasState('accounts', 2, 'live')
})

test('a version that was taken back is not shown again by the job that showed it', async () => {
  const versions = [accounts, { ...accounts, version: 2 }]
  fixture.appendDeposits(20, 2)
  fixture.start(versions)
  await fixture.hasState('accounts', 2, 'ready')
  await fixture.stopAll()
  const target = { name: 'accounts', version: 2 }
  const { projectionId } = await readVersion(db, target)
  const job = { projectionId, version: 2, kind: 'verify', request: { promote: swap } } as const
  const id = await requestJob(db, job)
  // As when its process dies behind the swap.
  await promote(db, { ...swap, ...target })
  await rollback(db, { ...swap, name: 'accounts' })

  fixture.start(versions)
  await until(async () => expect((await readJob(db, id))?.state).toMatch(/done|failed/))
  expect(await readJob(db, id)).toMatchObject({
    state: 'failed',
    reason: expect.stringMatching(/^accounts was promoted or rolled back .* since this was asked/),
    result: { isEqual: true, comparedKeys: 2 },
  })
  expect(await readVersion(db, target)).toMatchObject({ state: 'standby', liveVersion: 1 })
})

test('rows that each tenant has of his own are compared beside those that all have in one table', async () => {
  log.append(0, deposited(accountId(0), 1, [['tenant', Buffer.from('acme')]]))
  const apart = { ...accounts, version: 2, tenants: 'schema' as const }
  fixture.start([accounts, apart], { tenantHeader: 'tenant' })
  await fixture.hasState('accounts', 2, 'ready')
  const job = await fixture.runJob('accounts', { version: 2, kind: 'verify', request: {} })
  expect(job).toMatchObject({
    reason: null,
    result: { isEqual: true, rowCount: 1, liveRowCount: null },
  })
})

test('rows are drawn from all of the table, its end included', async () => {
  fixture.appendDeposits(1_600, 1_600)
  fixture.start([accounts])
  await until(async () => expect(await fixture.balancesIn('public')).toHaveLength(1_600))
  await sql`
    insert into rm_accounts_v1.account (id, balance, total, last_at)
    select gen_random_uuid(), 1, 1, now() from generate_series(1, 400)`.execute(db)
  const result = (await verify({ sample: 200 }))?.result as { readonly surplus: readonly string[] }
  expect(result.surplus).not.toEqual([])
})
