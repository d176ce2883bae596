import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { requestRebuild } from '../store/request-rebuild.ts'
import { accountId, accounts, deposited } from '../testing/accounts.test-fixture.ts'
import { RebuildFixture, until } from '../testing/rebuild.test-fixture.ts'
import { watchCopies } from '../testing/watch-copies.test-fixture.ts'

const TENANTS = 25
const apart = { ...accounts, tenants: 'schema' as const }
const V2 = { name: 'accounts', version: 2 }

let fixture: RebuildFixture

beforeEach(async () => {
  fixture = await RebuildFixture.open()
  for (let index = 0; index < TENANTS; index += 1) {
    fixture.log.append(0, deposited(accountId(0), 1, [['tenant', Buffer.from(`t${index}`)]]))
  }
  fixture.start([apart, { ...apart, version: 2 }], { tenantHeader: 'tenant' })
  await fixture.hasState('accounts', 2, 'ready')
})

afterEach(async () => {
  vi.restoreAllMocks()
  await fixture.close()
})

/** That a session has, or waits for. */
async function lockCount(pid: number): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from pg_locks where pid = ${pid}`.execute(fixture.db)
  return rows[0]?.count ?? 0
}

test('rows of many tenants are compared with few locks for each', async () => {
  const counts: number[] = []
  watchCopies(async ({ pid }) => void counts.push(await lockCount(pid)))
  const verify = { version: 2, kind: 'verify', request: { sample: 2 } } as const
  expect(await fixture.runJob('accounts', verify)).toMatchObject({
    state: 'done',
    result: { isEqual: true, rowCount: TENANTS, comparedKeys: TENANTS },
  })
  expect(counts).toHaveLength(TENANTS)
  expect(Math.max(...counts) / TENANTS).toBeLessThan(8)
})

test('tables of many tenants that are filled anew go some at a time', async () => {
  const { db } = fixture
  const { rows } = await sql<{ schema: string }>`
    select s.schema_name as schema from evt.tenant_schema s join evt.tenant t on t.id = s.tenant_id
    where s.version = 2 order by t.name`.execute(db)
  const last = rows.at(-1)?.schema
  await db.transaction().execute(async (trx) => {
    await sql`lock table ${sql.table(`${last}.account`)} in access share mode`.execute(trx)
    await requestRebuild(db, V2, {})
    await until(async () => {
      const { rows: left } = await sql<{ count: number }>`
        select count(*)::int as count from evt.tenant_schema where version = 2`.execute(db)
      expect(left[0]?.count).toBeLessThan(TENANTS)
    })
  })
  await fixture.hasState('accounts', 2, 'ready')
  const { rows: filled } = await sql<{ balance: number }>`
    select balance from ${sql.table(`${last}.account`)}`.execute(db)
  expect(filled).toEqual([{ balance: 1 }])
})
