import type { FoldProjection, SqlProjection } from '@fairlead/projection'
import { type Kysely, sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { registerTenants } from '../store/tenant-schemas.ts'
import { accountId, accounts, deposited, totals } from '../testing/accounts.test-fixture.ts'
import { RebuildFixture, until } from '../testing/rebuild.test-fixture.ts'
import { watchCopies } from '../testing/watch-copies.test-fixture.ts'
import type { BuildSession } from './build-session.ts'

let fixture: RebuildFixture

beforeEach(async () => {
  fixture = await RebuildFixture.open()
})

afterEach(async () => {
  vi.restoreAllMocks()
  await fixture.close()
})

/** Objects that the session has a lock on. */
async function lockCount(db: Kysely<unknown>, pid: number): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(distinct (locktype, relation, classid, objid))::int as count
    from pg_locks where pid = ${pid}`.execute(db)
  return rows[0]?.count ?? 0
}

describe('tables of many tenants', () => {
  const TENANTS = 45
  const LOCKS_MAX = 250
  let lockCounts: number[]
  let cutAt: number | undefined

  const apart: SqlProjection = {
    ...totals,
    tenants: 'schema',
    migrate: async (db) => {
      await totals.migrate(db)
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db)
      lockCounts.push(await lockCount(db, rows[0]?.pid ?? 0))
      if (lockCounts.length === cutAt)
        await sql`select pg_terminate_backend(pg_backend_pid())`.execute(db)
    },
  }

  beforeEach(async () => {
    lockCounts = []
    cutAt = undefined
    fixture.start([accounts])
    await fixture.hasState('accounts', 1, 'live')
    await fixture.stopAll()
    const names = Array.from({ length: TENANTS }, (_, index) => `t${index}`)
    await registerTenants(fixture.db, names)
  })

  async function tableCount(version: number): Promise<number> {
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from evt.tenant_schema
      where version = ${version} and to_regclass(schema_name || '.day_total') is not null`.execute(
      fixture.db,
    )
    return rows[0]?.count ?? 0
  }

  test('are made some at a time', async () => {
    fixture.start([apart, { ...apart, version: 2 }], { tenantHeader: 'tenant' })
    await fixture.hasState('totals', 2, 'ready')
    expect(await tableCount(1)).toBe(TENANTS)
    expect(await tableCount(2)).toBe(TENANTS)
    expect(lockCounts).toHaveLength(2 * TENANTS)
    expect(Math.max(...lockCounts)).toBeLessThan(LOCKS_MAX)
  })

  test('are all made by a rebuild whose session was gone after some of them', async () => {
    cutAt = TENANTS + 30
    fixture.start([apart, { ...apart, version: 2 }], { tenantHeader: 'tenant' })
    await fixture.hasState('totals', 2, 'ready')
    expect(await tableCount(2)).toBe(TENANTS)
    expect(lockCounts.length).toBeGreaterThan(2 * TENANTS)
  })
})

describe('rows of many tenants', () => {
  const TENANTS = 130
  const ROUNDS = 16
  /** More than the column takes. */
  const REFUSED = 2 ** 31
  const apart: FoldProjection = { ...accounts, version: 2, tenants: 'schema' }
  let onCopy: (session: BuildSession) => Promise<void>

  beforeEach(() => {
    watchCopies((session) => onCopy(session))
  })

  function appendRounds(): void {
    for (let round = 0; round < ROUNDS; round += 1) {
      for (let index = 0; index < TENANTS; index += 1) append(index, 1)
    }
  }

  function append(tenant: number, amount: number): void {
    const header = ['tenant', Buffer.from(`t${tenant}`)] as const
    fixture.log.append(0, deposited(accountId(0), amount, [header]))
  }

  function start(): void {
    fixture.start([accounts, apart], { tenantHeader: 'tenant', rebuildMemoryBytesMax: 1 })
  }

  async function balances(): Promise<readonly number[]> {
    const { rows } = await sql<{ schema: string }>`
      select schema_name as schema from evt.tenant_schema where version = 2
      order by tenant_id`.execute(fixture.db)
    const found = await Promise.all(rows.map(({ schema }) => fixture.balancesIn(schema)))
    return found.flatMap((of) => of.map(([, balance]) => balance))
  }

  test('are written with locks of some of them at a time', async () => {
    const lockCounts: number[] = []
    onCopy = async ({ pid }) => {
      lockCounts.push(await lockCount(fixture.db, pid))
    }
    appendRounds()
    start()
    await fixture.hasState('accounts', 2, 'ready')
    expect(await balances()).toEqual(Array.from({ length: TENANTS }, () => ROUNDS))
    expect(Math.max(...lockCounts)).toBeLessThan(4 * TENANTS)
  })

  test.for([110, TENANTS + 110, 2 * TENANTS + 40])(
    'count once where the session is gone at table %s that is written to',
    async (cutAt) => {
      let copyCount = 0
      onCopy = async ({ pid }) => {
        copyCount += 1
        if (copyCount === cutAt) await sql`select pg_terminate_backend(${pid})`.execute(fixture.db)
      }
      appendRounds()
      start()
      await fixture.hasState('accounts', 2, 'ready')
      expect(await balances()).toEqual(Array.from({ length: TENANTS }, () => ROUNDS))
      expect(copyCount).toBeGreaterThan(cutAt)
    },
  )

  test('count once where one of the last is refused, and its key alone is parked', async () => {
    onCopy = () => Promise.resolve()
    for (let index = 0; index < TENANTS; index += 1) append(index, 1)
    // In the order of their names, this one comes last.
    append(99, REFUSED)
    start()
    await fixture.hasState('accounts', 2, 'ready')
    expect(await balances()).toEqual(Array.from({ length: TENANTS }, () => 1))
    await until(async () => expect(await fixture.letters(2)).toHaveLength(1))
  })
})
