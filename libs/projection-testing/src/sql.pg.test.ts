import { createKysely, createPool } from '@fairlead/postgres'
import { type TestDatabase, testDatabase } from '@fairlead/testing'
import { type Kysely, sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { chaos } from './chaos.ts'
import { given } from './given.ts'
import { Orders, revenue } from './orders.test-fixture.ts'

let database: TestDatabase
let db: Kysely<never>

beforeEach(async () => {
  database = await testDatabase()
  db = createKysely<never>(createPool({ url: database.url, max: 2, applicationName: 'test' }))
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
  const report = await chaos(revenue, history, { db, runs: 20, seed: 1 })
  expect(report.crashes).toBeGreaterThan(10)
})

test('a projection that writes outside of its transaction is found out', async () => {
  await sql`create table public.seen (cents bigint)`.execute(db)
  const leaking = {
    ...revenue,
    on: {
      OrderPaid: async () => {
        await sql`insert into public.seen values (1)`.execute(db)
        const { rows } = await sql<{ count: string }>`
          select count(*) from public.seen`.execute(db)
        if (Number(rows[0]?.count) > 12) throw new RangeError('seen too often')
      },
    },
  }
  const history = Array.from({ length: 6 }, (_, index) => paid(`o${index}`, 1n))
  await expect(chaos(leaking, history, { db, runs: 3, seed: 1 })).rejects.toThrow(
    'depends on more than the order',
  )
})
