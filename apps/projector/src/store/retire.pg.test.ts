import { type Table, tables } from '@fairlead/projection'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { accountId, accounts, deposited } from '../testing/accounts.test-fixture.ts'
import { RebuildFixture, until } from '../testing/rebuild.test-fixture.ts'
import { latestJob, requestJob } from './jobs.ts'
import { retire } from './retire.ts'
import { readVersion } from './versions.ts'

const { name, keyColumn, columns } = accounts.table
const define = tables() as unknown as (...args: readonly unknown[]) => Table
const indexedTable = define(name, keyColumn, columns, { indexes: [{ columns: ['balance'] }] })
const V2 = { name: 'accounts', version: 2 }

let fixture: RebuildFixture

beforeEach(async () => {
  fixture = await RebuildFixture.open()
})

afterEach(() => fixture.close())

/** Rows of version 2 are compared, and the log that is read for it does not answer. */
async function compareWithoutLog(): Promise<void> {
  const state = { isAway: false, isAsked: false }
  const log = fixture.absentLog(state)
  fixture.log.append(0, deposited(accountId(0), 1))
  fixture.start([accounts, { ...accounts, version: 2 }], { log })
  await fixture.hasState('accounts', 2, 'ready')
  await until(async () => expect(await fixture.jobSessions()).toEqual([]))
  state.isAway = true
  const { projectionId } = await readVersion(fixture.db, V2)
  await requestJob(fixture.db, { projectionId, version: 2, kind: 'verify', request: {} })
  await until(() => expect(state.isAsked).toBe(true))
}

describe('what is under way of a version ends as it is retired', () => {
  test('its rebuild, which waits for the log', async () => {
    fixture.log.append(0, deposited(accountId(0), 1))
    const state = { isAway: true, isAsked: false }
    const log = fixture.absentLog(state)
    fixture.start([accounts, { ...accounts, version: 2 }], { log })
    await until(() => expect(state.isAsked).toBe(true))
    expect(await fixture.jobSessions()).toHaveLength(1)
    await retire(fixture.db, V2)
    expect(await fixture.jobSessions()).toEqual([])
    const version = await readVersion(fixture.db, V2)
    expect(version).toMatchObject({ state: 'retired' })
    expect(await latestJob(fixture.db, { ...version, kind: 'rebuild' })).toMatchObject({
      state: 'failed',
      code: 'RETIRED',
    })
  })

  test('a comparison of its rows, which waits for the log', async () => {
    await compareWithoutLog()
    await retire(fixture.db, V2)
    expect(await fixture.jobSessions()).toEqual([])
  })

  test('and goes on where the version stays after all', async () => {
    await compareWithoutLog()
    const justPromoted = { ...V2, sincePromotionMinMs: 60_000 }
    await expect(retire(fixture.db, justPromoted)).rejects.toMatchObject({ code: 'LIVE' })
    expect(await fixture.jobSessions()).toHaveLength(1)
  })
})

test('an index that is being made of it, for which an older transaction is waited for, too', async () => {
  fixture.log.append(0, deposited(accountId(0), 1))
  fixture.start([accounts, { ...accounts, version: 2 }])
  await fixture.hasState('accounts', 2, 'ready')
  await fixture.stopAll()
  await fixture.db
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async (older) => {
      await sql`select from evt.projection`.execute(older)
      fixture.start([accounts, { ...accounts, version: 2, table: indexedTable }])
      await until(async () => {
        const { rows } = await sql`
          select from pg_stat_progress_create_index
          where relid = to_regclass('rm_accounts_v2.account')
            and phase like 'waiting for old snapshots'`.execute(fixture.db)
        expect(rows).toHaveLength(1)
      })
      await retire(fixture.db, V2)
    })
  expect(await readVersion(fixture.db, V2)).toMatchObject({ state: 'retired' })
})

test('what was wrong with a version, and who had paused it, is past as it is retired', async () => {
  fixture.log.append(0, deposited(accountId(0), 1))
  fixture.start([accounts, { ...accounts, version: 2 }])
  await fixture.hasState('accounts', 2, 'ready')
  await sql`
    update evt.projection_version set state = 'failed', reason = 'too many keys failed',
      paused_at = now(), paused_by = 'ana'
    where version = 2`.execute(fixture.db)
  await retire(fixture.db, V2)
  expect(await readVersion(fixture.db, V2)).toMatchObject({
    state: 'retired',
    reason: null,
    pausedBy: null,
  })
})

describe('tables of many tenants', () => {
  const TENANTS = 25
  const apart = { ...accounts, tenants: 'schema' as const }

  beforeEach(async () => {
    for (let index = 0; index < TENANTS; index += 1) {
      fixture.log.append(0, deposited(accountId(0), 1, [['tenant', Buffer.from(`t${index}`)]]))
    }
    fixture.start([apart, { ...apart, version: 2 }], { tenantHeader: 'tenant' })
    await fixture.hasState('accounts', 2, 'ready')
  })

  async function schemas(): Promise<readonly string[]> {
    const { rows } = await sql<{ name: string }>`
      select nspname as name from pg_namespace where nspname like 'rm_accounts_v2%'
      order by length(nspname), nspname`.execute(fixture.db)
    return rows.map(({ name }) => name)
  }

  test('go with few locks at a time, and those that somebody holds stay alone', async () => {
    const [held] = await schemas()
    const lockCounts: number[] = []
    const retired = await fixture.db.transaction().execute(async (trx) => {
      await sql`lock table ${sql.table(`${held}.account`)} in access share mode`.execute(trx)
      const retiring = retire(fixture.db, V2)
      await until(async () => {
        const { rows } = await sql<{ count: number }>`
          select count(*)::int as count from pg_locks where pid = (
            select pid from pg_locks where not granted and database =
              (select oid from pg_database where datname = current_database()) limit 1)`.execute(
          fixture.db,
        )
        expect(rows[0]?.count).toBeGreaterThan(0)
        lockCounts.push(rows[0]?.count ?? 0)
      })
      expect((await readVersion(fixture.db, V2)).state).toBe('retired')
      return retiring
    })
    expect(Math.max(...lockCounts)).toBeLessThan(40)
    expect(retired).toEqual({ tenantsLeft: 1 })
    expect(await schemas()).toEqual([held])
    const { rows: left } = await sql<{ schema: string }>`
      select schema_name as schema from evt.tenant_schema where version = 2`.execute(fixture.db)
    expect(left).toEqual([{ schema: held }])

    expect(await retire(fixture.db, V2)).toEqual({ tenantsLeft: 0 })
    expect(await schemas()).toEqual([])
  })

  test('go whoever else drops them at the same time', async () => {
    const retired = await Promise.all([retire(fixture.db, V2), retire(fixture.db, V2)])
    expect(retired).toEqual([{ tenantsLeft: 0 }, { tenantsLeft: 0 }])
    expect(await schemas()).toEqual([])
  })
})
