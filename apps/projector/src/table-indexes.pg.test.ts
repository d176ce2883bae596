import { randomUUID } from 'node:crypto'
import type { CommutativeProjection, FoldProjection, TableIndex } from '@fairlead/projection'
import { tables } from '@fairlead/projection'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { accountId, accounts, activity, deposited } from './testing/accounts.test-fixture.ts'
import { RebuildFixture, balances, until } from './testing/rebuild.test-fixture.ts'

let fixture: RebuildFixture

beforeEach(async () => {
  fixture = await RebuildFixture.open(['outbox.event.branch'])
})

afterEach(() => fixture.close())

type DB = { account: { id: string; balance: number; note: string | null } }

/** The table options that a definition would have. */
function withOptions<P extends FoldProjection | CommutativeProjection>(
  projection: P,
  options: object,
): P {
  const { name, keyColumn, columns } = projection.table
  const define = tables<DB>() as unknown as (...args: readonly unknown[]) => P['table']
  return { ...projection, table: define(name, keyColumn, columns, options) }
}

const BY_BALANCE = { columns: ['balance'] }
const OPEN = { columns: ['last_at', 'balance'], where: 'balance > 0' }
const indexed = withOptions(accounts, { indexes: [BY_BALANCE, OPEN], fillfactor: 70 })

/** What `pg_indexes` says of those that are valid, beside the key. */
async function indexesIn(schema: string): Promise<readonly string[]> {
  const { rows } = await sql<{ definition: string }>`
    select substring(pg_get_indexdef(i.indexrelid) from 'USING .*') as definition
    from pg_index i join pg_class c on c.oid = i.indrelid
    join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${schema} and not i.indisprimary and i.indisvalid
    order by 1`.execute(fixture.db)
  return rows.map(({ definition }) => definition)
}

const BOTH = ['USING btree (balance)', 'USING btree (last_at, balance) WHERE (balance > 0)']

async function fillfactorIn(schema: string): Promise<readonly string[] | null> {
  const { rows } = await sql<{ options: readonly string[] | null }>`
    select reloptions as options from pg_class
    where oid = ${`${schema}.account`}::regclass`.execute(fixture.db)
  return rows[0]?.options ?? null
}

const ofTenant = (tenant: string, index: number) =>
  deposited(accountId(index), 1, [['tenant', Buffer.from(tenant)]])

describe('indexes and the fillfactor of a definition', () => {
  test('are there in the first version and in one that is rebuilt', async () => {
    fixture.appendDeposits(20, 2)
    fixture.start([indexed, { ...indexed, version: 2 }])
    await fixture.hasState('accounts', 2, 'ready')
    for (const schema of ['rm_accounts_v1', 'rm_accounts_v2']) {
      expect(await indexesIn(schema)).toEqual(BOTH)
      expect(await fillfactorIn(schema)).toEqual(['fillfactor=70'])
    }
    expect(await fixture.balancesIn('rm_accounts_v2')).toEqual(balances(10, 10))
  })

  test('are those of a commutative projection, too', async () => {
    const counted = withOptions(activity, { indexes: [{ columns: ['visits'] }] })
    fixture.appendDeposits(20, 2)
    fixture.start([counted, { ...counted, version: 2 }])
    await fixture.hasState('activity', 2, 'ready')
    for (const schema of ['rm_activity_v1', 'rm_activity_v2']) {
      expect(await indexesIn(schema)).toEqual(['USING btree (visits)'])
    }
  })

  test('are there in the tables of each tenant', async () => {
    const apart = { ...indexed, tenants: 'schema' as const }
    fixture.log.append(0, ofTenant('acme', 0), ofTenant('globex', 0))
    fixture.start([apart, { ...apart, version: 2 }], { tenantHeader: 'tenant' })
    await fixture.hasState('accounts', 2, 'ready')
    await until(async () => expect(await indexesIn('rm_accounts_v1_t2')).toEqual(BOTH))
    expect(await indexesIn('rm_accounts_v2_t1')).toEqual(BOTH)
    expect(await indexesIn('rm_accounts_v2_t2')).toEqual(BOTH)
    fixture.log.append(0, ofTenant('initech', 0))
    await until(async () => expect(await indexesIn('rm_accounts_v2_t3')).toEqual(BOTH))
  })

  test('are there where tenants share a table', async () => {
    const shared = { ...indexed, tenants: 'row' as const }
    fixture.log.append(0, ofTenant('acme', 0), ofTenant('globex', 1))
    fixture.start([shared, { ...shared, version: 2 }], { tenantHeader: 'tenant' })
    await fixture.hasState('accounts', 2, 'ready')
    expect(await indexesIn('rm_accounts_v2')).toEqual(BOTH)
    expect(await fixture.balancesIn('rm_accounts_v2')).toEqual(balances(1, 1))
  })
})

describe('an index that is added to a version that follows the log', () => {
  const [byBalance] = indexed.table.indexes as readonly [TableIndex, TableIndex]

  test('is made while it is written to, in the place of one that a crash has left', async () => {
    fixture.appendDeposits(20, 2)
    fixture.start([accounts])
    await fixture.hasBalances('public', balances(10, 10))
    await fixture.stopAll()
    await sql`create index ${sql.id(byBalance.name)} on rm_accounts_v1.account (note)`.execute(
      fixture.db,
    )
    await sql`
      update pg_index set indisvalid = false
      where indexrelid = ${`rm_accounts_v1.${byBalance.name}`}::regclass`.execute(fixture.db)
    fixture.start([indexed])
    await until(async () => expect(await indexesIn('rm_accounts_v1')).toEqual(BOTH))
    fixture.appendDeposits(2, 2)
    await fixture.hasBalances('public', balances(11, 11))
  })

  test('is left out where a row has no place in it, and the version goes on', async () => {
    const noted = {
      ...accounts,
      on: {
        Deposited: (row: object) => ({
          ...row,
          note: Array.from({ length: 400 }, () => randomUUID()).join(''),
        }),
      },
    } as FoldProjection
    fixture.log.append(0, deposited(accountId(0), 1))
    fixture.start([noted])
    await until(async () => expect(await fixture.balancesIn('public')).toHaveLength(1))
    await fixture.stopAll()
    const errors: string[] = []
    const silent = (): void => undefined
    const error = (_fields: object, message: string): number => errors.push(message)
    fixture.start([withOptions(noted, { indexes: [{ columns: ['note'] }] })], {
      logger: { debug: silent, info: silent, warn: silent, error },
    })
    await until(() =>
      expect(errors).toEqual([expect.stringMatching(/^the index on \(note\) cannot be made/)]),
    )
    expect(await indexesIn('rm_accounts_v1')).toEqual([])
    const { rows } = await sql`
      select from pg_indexes where schemaname = 'rm_accounts_v1' and indexname like '%note%'`.execute(
      fixture.db,
    )
    expect(rows).toEqual([])
    fixture.log.append(0, deposited(accountId(1), 1))
    await until(async () => expect(await fixture.balancesIn('public')).toHaveLength(2))
  })

  test('is told where the disk has no room for it, and keeps no other one waiting', async () => {
    fixture.appendDeposits(20, 2)
    fixture.start([accounts, activity])
    await fixture.hasBalances('public', balances(10, 10))
    await until(async () => {
      const { rows } = await sql`select from rm_activity_v1.activity`.execute(fixture.db)
      expect(rows).not.toEqual([])
    })
    await fixture.stopAll()
    await sql`
      create function public.room(bigint) returns boolean language plpgsql immutable as
      $$ begin raise exception using errcode = 'disk_full', message = 'no space left'; end $$`.execute(
      fixture.db,
    )
    const warnings: unknown[] = []
    const silent = (): void => undefined
    const warn = (fields: object, message: string): number => warnings.push({ ...fields, message })
    fixture.start(
      [
        withOptions(accounts, {
          indexes: [{ columns: ['balance'], where: 'public.room(balance)' }, BY_BALANCE],
        }),
        withOptions(activity, { indexes: [{ columns: ['visits'] }] }),
      ],
      { logger: { debug: silent, info: silent, warn, error: silent } },
    )
    await until(async () => {
      expect(await indexesIn('rm_activity_v1')).toEqual(['USING btree (visits)'])
    })
    expect(await indexesIn('rm_accounts_v1')).toEqual(['USING btree (balance)'])
    expect(warnings).toContainEqual(
      expect.objectContaining({ reason: 'no space left', triedAgainInMs: 60_000 }),
    )
  })
})

test('a rebuild sets aside the event whose row has no place in an index, as a live version does', async () => {
  const long = Array.from({ length: 400 }, () => randomUUID()).join('')
  const noted = withOptions<FoldProjection>(
    {
      ...accounts,
      on: {
        Deposited: (row, event, enriched) => {
          const next = accounts.on['Deposited']?.(row, event, enriched) ?? row
          if (typeof next !== 'object') return next
          return { ...next, note: Number(next['balance']) > 1 ? long : 'short' }
        },
      },
    },
    { indexes: [{ columns: ['note'] }] },
  )
  fixture.log.append(0, deposited(accountId(0), 1), deposited(accountId(2), 1))
  fixture.log.append(1, deposited(accountId(1), 2), deposited(accountId(1), 3))
  fixture.start([noted, { ...noted, version: 2 }])
  await fixture.hasState('accounts', 2, 'ready')
  await until(async () => expect(await fixture.letters(1)).toHaveLength(2))
  const rows = [
    [accountId(0), 1],
    [accountId(2), 1],
  ] as const
  for (const version of [1, 2]) {
    expect(await fixture.letters(version)).toEqual([
      { key: accountId(1), part: 1, offset: 0, kind: 'failed', code: '54000' },
      { key: accountId(1), part: 1, offset: 1, kind: 'blocked', code: null },
    ])
    expect(await fixture.balancesIn(`rm_accounts_v${version}`)).toEqual(rows)
    expect(await indexesIn(`rm_accounts_v${version}`)).toEqual(['USING btree (note)'])
  }
})

test('a condition that Postgres does not take is told, with the index', async () => {
  const wrong = withOptions(accounts, { indexes: [{ columns: ['balance'], where: 'opne' }] })
  const { failures } = fixture.start([wrong])
  await until(() => expect(failures).toHaveLength(1))
  expect(String(failures[0])).toMatch(
    /rm_accounts_v1.account: the index on \(balance\) where opne cannot be made: column "opne" does not exist/,
  )
})
