import { type FoldProjection, remove } from '@fairlead/projection'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { accounts, deposited } from './testing/accounts.test-fixture.ts'
import { type Balance, RebuildFixture, balances, until } from './testing/rebuild.test-fixture.ts'

let fixture: RebuildFixture

beforeEach(async () => {
  fixture = await RebuildFixture.open()
})

afterEach(() => fixture.close())

const ID = '00000000-0000-4000-8000-00000000abcd'
const IN_CAPITALS = ID.toUpperCase()
const CLOSED = -1

/** Closes an account at an amount below zero. */
const closing = (version: number): FoldProjection => ({
  ...accounts,
  version,
  on: {
    Deposited: (row, event, enriched) => {
      const { amount } = event.data as { readonly amount: number }
      return amount < 0 ? remove : (accounts.on['Deposited']?.(row, event, enriched) ?? row)
    },
  },
})

type Case = {
  readonly what: string
  readonly deposits: readonly Balance[]
  readonly left: readonly Balance[]
}

describe.for<Case>([
  {
    what: 'is closed under the other one',
    deposits: [
      [ID, 3],
      [ID, 5],
      [IN_CAPITALS, CLOSED],
    ],
    left: [],
  },
  {
    what: 'is closed under the other one, and opened again',
    deposits: [
      [ID, 3],
      [IN_CAPITALS, CLOSED],
      [ID, 5],
    ],
    left: [[ID, 5]],
  },
  {
    what: 'is only ever seen in capitals, and once as it is',
    deposits: [
      [IN_CAPITALS, 3],
      [ID, CLOSED],
    ],
    left: [],
  },
])('a row whose key comes in two spellings $what:', ({ deposits, left }) => {
  const records = deposits.map((deposit) => deposited(...deposit))

  test('in one batch', async () => {
    fixture.log.append(0, ...records.slice(0, 1))
    fixture.start([closing(1)])
    await fixture.hasBalances('public', [[ID, 3]])
    fixture.log.append(0, ...records.slice(1))
    await until(async () => {
      const { rows } = await sql`
        select from evt.checkpoint where part = 0 and next_offset = ${records.length}`.execute(
        fixture.db,
      )
      expect(rows).toHaveLength(1)
    })
    expect(await fixture.balancesIn('public')).toEqual(left)
  })

  test('in a rebuild', async () => {
    fixture.log.append(0, ...records)
    fixture.start([closing(1), closing(2)])
    await fixture.hasState('accounts', 2, 'ready')
    expect(await fixture.balancesIn('rm_accounts_v2')).toEqual(left)
  })

  test('in a rebuild of the tables of a tenant', async () => {
    const tenant = ['tenant', Buffer.from('acme')] as const
    fixture.log.append(0, ...deposits.map((deposit) => deposited(...deposit, [tenant])))
    const apart = [1, 2].map((version) => ({ ...closing(version), tenants: 'schema' as const }))
    fixture.start(apart, { tenantHeader: 'tenant' })
    await fixture.hasState('accounts', 2, 'ready')
    expect(await fixture.balancesIn('rm_accounts_v2_t1')).toEqual(left)
  })

  test('in a rebuild that has written rows already', async () => {
    // As many as are folded before the memory is looked at.
    fixture.appendDeposits(1_000, 1)
    fixture.log.append(0, ...records)
    fixture.start([closing(1), closing(2)], { rebuildMemoryBytesMax: 1 })
    await fixture.hasState('accounts', 2, 'ready')
    expect(await fixture.balancesIn('rm_accounts_v2')).toEqual([...balances(1_000), ...left])
  })
})
