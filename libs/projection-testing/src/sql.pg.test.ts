import { createPool } from '@fairlead/postgres'
import { type TestDatabase, createKysely, testDatabase } from '@fairlead/testing'
import { type Kysely, type Transaction, sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { chaos } from './chaos.ts'
import { given } from './given.ts'
import { Orders, revenue } from './orders.test-fixture.ts'

let database: TestDatabase
let db: Kysely<unknown>

beforeEach(async () => {
  database = await testDatabase()
  db = createKysely<unknown>(createPool({ url: database.url, max: 2, applicationName: 'test' }))
})

afterEach(async () => {
  await db.destroy()
  await database.drop()
})

const paid = (orderId: string, cents: bigint) => Orders.OrderPaid({ orderId, cents })

test('a projection in SQL is tested in a schema of its own, which is gone afterwards', async () => {
  const outcome = given(revenue, { db }).events(paid('o1', 5n), paid('o2', 0n), paid('o3', 7n))
  await outcome.then([{ orders: 2 }], { parked: ['o2'] })
  await expect(outcome.then([{ orders: 2 }])).rejects.toThrow('nothing paid')
  const { rows } = await sql`
    select nspname from pg_namespace where nspname like 'test_revenue%'`.execute(db)
  expect(rows).toEqual([])
})

test('crashes behind each statement leave the sums right', async () => {
  const history = [paid('o1', 5n), paid('o2', 0n), paid('o3', 7n), paid('o1', 1n), paid('o2', 2n)]
  const report = await chaos(revenue, history, { db, runs: 30, seed: 1 })
  expect(report.crashes).toBeGreaterThan(5)
})

test('statements of a projection that keeps tenants apart run as the tenant of the event', async () => {
  const orders = {
    ...revenue,
    tenants: 'row' as const,
    on: {
      OrderPaid: async (_event: unknown, { trx }: { readonly trx: Transaction<unknown> }) => {
        const tables = trx.withTables<{ revenue: { orders: number } }>()
        const length = sql<number>`length(current_setting('app.tenant'))`
        await tables.updateTable('revenue').set({ orders: length }).execute()
      },
    },
  }
  const outcome = given(orders, { db, tenant: 'acme' }).events(paid('o1', 5n))
  await outcome.then([{ orders: 4 }])
})

test('a handler that counts its calls is found out', async () => {
  let calls = 0
  const counting = {
    ...revenue,
    on: {
      OrderPaid: async (_event: unknown, { trx }: { readonly trx: Transaction<unknown> }) => {
        calls += 1
        const tables = trx.withTables<{ revenue: { cents: number } }>()
        await tables.updateTable('revenue').set({ cents: calls }).execute()
      },
    },
  }
  const history = [paid('o1', 1n), paid('o2', 1n)]
  await expect(chaos(counting, history, { db, runs: 3, seed: 1 })).rejects.toThrow(
    'depends on more than the order',
  )
})
