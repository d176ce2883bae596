import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { accountId, accounts, deposited, totals } from '../testing/accounts.test-fixture.ts'
import { OneTopicFixture, balances, until } from '../testing/one-topic.test-fixture.ts'

let fixture: OneTopicFixture

beforeEach(async () => {
  fixture = await OneTopicFixture.open()
})

afterEach(() => fixture.close())

describe('registration', () => {
  test('refuses other code under the same version', async () => {
    const first = fixture.start([accounts])
    await until(() => expect(first.health.get('database')).toBe(true))
    const changed = { ...accounts, on: { Deposited: (row: object) => ({ ...row, balance: 1 }) } }
    const second = fixture.start([changed])
    await until(() =>
      expect(String(second.failures[0])).toMatch(/accounts v1 is registered with other code/),
    )
  })

  test('refuses a table that somebody has altered', async () => {
    const first = fixture.start([accounts])
    await until(() => expect(first.health.get('database')).toBe(true))
    await first.projector.stop()
    await sql`alter table rm_accounts_v1.account add column extra text`.execute(fixture.db)
    const second = fixture.start([accounts])
    await until(() =>
      expect(String(second.failures[0])).toMatch(
        /rm_accounts_v1\.account has a column extra that is not defined/,
      ),
    )
  })

  test('refuses a table of a tenant that somebody has altered', async () => {
    const apart = { ...accounts, tenants: 'schema' as const }
    const options = { tenantHeader: 'tenant' }
    fixture.log.append(0, deposited(accountId(0), 1, [['tenant', Buffer.from('acme')]]))
    const first = fixture.start([apart], options)
    await until(async () => expect(await fixture.nextOffset()).toBe(1))
    await first.projector.stop()
    await sql`alter table rm_accounts_v1_t1.account alter column balance drop not null`.execute(
      fixture.db,
    )
    const second = fixture.start([apart], options)
    await until(() =>
      expect(String(second.failures[0])).toMatch(
        /rm_accounts_v1_t1\.account\.balance is integer null, and defined as integer\./,
      ),
    )
  })

  test('fills a later version beside the live one, and refuses an earlier one', async () => {
    const later = { ...accounts, version: 3 }
    const two = { ...accounts, version: 2 }
    fixture.log.append(0, deposited(accountId(0), 1))
    fixture.start([two])
    await until(async () => expect(await fixture.nextOffset()).toBe(1))
    fixture.start([later])
    await until(async () => {
      const { rows } = await sql`select balance from rm_accounts_v3.account`.execute(fixture.db)
      expect(rows).toEqual([{ balance: 1 }])
    })
    await sql`update rm_accounts_v3.account set balance = 100`.execute(fixture.db)
    expect(await fixture.readAccounts()).toEqual(balances(1))

    const earlier = fixture.start([{ ...accounts, version: 1 }])
    await until(() =>
      expect(String(earlier.failures[0])).toMatch(/older than version 2, which is live/),
    )
  })

  test('several projectors may start at once', async () => {
    fixture.log.append(0, deposited(accountId(0), 1))
    const started = [1, 2, 3].map(() => fixture.start([accounts, totals]))
    await until(() => {
      for (const { health } of started) expect(health.get('database')).toBe(true)
    })
    await until(async () => expect(await fixture.readAccounts()).toEqual(balances(1)))
    expect(started.flatMap(({ failures }) => failures)).toEqual([])
  })
})
