import type { SqlProjection } from '@fairlead/projection'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { accountId, accounts, deposited, totals } from '../testing/accounts.test-fixture.ts'
import { RebuildFixture, balances } from '../testing/rebuild.test-fixture.ts'

const ROLE = 'row_security_test_projector'
const PASSWORD = 'row-security-test'

let fixture: RebuildFixture
/** Of a role that policies bind. */
let url: string

beforeEach(async () => {
  fixture = await RebuildFixture.open()
  await sql`
    do $$ begin
      create role ${sql.id(ROLE)} login password ${sql.lit(PASSWORD)};
    exception when duplicate_object or unique_violation then null;
    end $$`.execute(fixture.db)
  const of = new URL(fixture.url)
  await sql`grant create on database ${sql.id(of.pathname.slice(1))} to ${sql.id(ROLE)}`.execute(
    fixture.db,
  )
  await sql`grant create on schema public to ${sql.id(ROLE)}`.execute(fixture.db)
  of.username = ROLE
  of.password = PASSWORD
  url = of.href
})

afterEach(() => fixture.close())

const own = (table: string) =>
  sql.raw(`
  alter table ${table} enable row level security;
  alter table ${table} force row level security;
  create policy own on ${table} using (tenant = current_setting('app.tenant', true))`)

const tally: SqlProjection = {
  ...totals,
  name: 'tally',
  tenants: 'row',
  migrate: async (db) => {
    await sql`create table tally (tenant text, key text, count int, primary key (tenant, key))`.execute(
      db,
    )
    await own('tally').execute(db)
    await sql`create table event_count (count int)`.execute(db)
    await sql`insert into event_count values (0)`.execute(db)
  },
  on: {
    Deposited: async ({ tenant, key }, { trx }) => {
      await sql`
        insert into tally values (${tenant}, ${key}, 1)
        on conflict (tenant, key) do update set count = tally.count + 1`.execute(trx)
      await sql`update event_count set count = count + 1`.execute(trx)
    },
  },
}

test('rows of handlers in SQL are counted of every tenant, and once where they have no policy', async () => {
  const by = (tenant: string, index: number) =>
    deposited(`${tenant}-${index}`, 1, [['tenant', Buffer.from(tenant)]])
  fixture.log.append(0, by('acme', 1), by('acme', 2), by('globex', 1), by('acme', 1))
  fixture.startAt(url, [tally, { ...tally, version: 2 }], { tenantHeader: 'tenant' })
  await fixture.hasState('tally', 2, 'ready')
  const verify = { version: 2, kind: 'verify', request: {} } as const
  expect(await fixture.runJob('tally', verify)).toMatchObject({
    state: 'done',
    result: {
      rowCount: 4,
      liveRowCount: 4,
      tables: [
        { name: 'event_count', rowCount: 1, liveRowCount: 1 },
        { name: 'tally', rowCount: 3, liveRowCount: 3 },
      ],
    },
  })
})

describe('a policy that somebody makes on the table of a fold', () => {
  async function hide(schema: string): Promise<void> {
    await sql`alter table ${sql.table(`${schema}.account`)}
      enable row level security, force row level security`.execute(fixture.db)
    await sql`create policy large on ${sql.table(`${schema}.account`)} using (balance > 1)`.execute(
      fixture.db,
    )
  }

  beforeEach(async () => {
    fixture.log.append(0, deposited(accountId(0), 1), deposited(accountId(1), 2))
    fixture.startAt(url, [accounts, { ...accounts, version: 2 }])
    await fixture.hasState('accounts', 2, 'ready')
    await fixture.hasBalances('rm_accounts_v1', balances(1, 2))
  })

  test.for([
    ['verify', {}, 'rows that are there would be missing'],
    ['keys', { keys: [accountId(0)] }, 'Nothing was changed'],
  ] as const)('ends an order (%s) that it would falsify', async ([kind, request, consequence]) => {
    await hide('rm_accounts_v1')
    const job = await fixture.runJob('accounts', { version: 1, kind, request })
    expect(job).toMatchObject({
      state: 'failed',
      reason: expect.stringMatching(
        new RegExp(`^policies .* on rm_accounts_v1.account bind .*${consequence}`),
      ),
    })
    expect(await fixture.balancesIn('rm_accounts_v1')).toEqual(balances(1, 2))
  })

  test('keeps the rows of the live version from being counted, and no more', async () => {
    const verify = { version: 2, kind: 'verify', request: {} } as const
    const result = { isEqual: true, rowCount: 2 }
    expect(await fixture.runJob('accounts', verify)).toMatchObject({
      result: { ...result, liveRowCount: 2 },
    })
    await hide('rm_accounts_v1')
    expect(await fixture.runJob('accounts', verify)).toMatchObject({
      result: { ...result, liveRowCount: null },
    })
  })
})
