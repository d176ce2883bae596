import { type Projection, remove } from '@fairlead/projection'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Database } from '../store/database.ts'
import type { Job } from '../store/jobs.ts'
import { accountId, accounts, deposited, undecodable } from '../testing/accounts.test-fixture.ts'
import type { MemoryLog } from '../testing/memory-log.test-fixture.ts'
import { RebuildFixture, balances, until } from '../testing/rebuild.test-fixture.ts'

let fixture: RebuildFixture
let db: Database
let log: MemoryLog

beforeEach(async () => {
  fixture = await RebuildFixture.open()
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
