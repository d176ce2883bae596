import { createPool } from '@fairlead/postgres'
import { type TestDatabase, createKysely, testDatabase } from '@fairlead/testing'
import type { SqlContext, SqlProjection } from '@fairlead/projection'
import { type Kysely, type Transaction, sql } from 'kysely'
import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { chaos } from './chaos.ts'
import { given } from './given.ts'
import { valueTypes } from './index.ts'
import { Orders, revenue } from './orders.test-fixture.ts'

let database: TestDatabase
let db: Kysely<unknown>

const open = (types: { readonly types?: pg.CustomTypesConfig }): Kysely<unknown> =>
  createKysely(createPool({ url: database.url, max: 2, applicationName: 'test', ...types }))

beforeEach(async () => {
  database = await testDatabase()
  db = open({ types: valueTypes(pg.types) })
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

test('statements that name no schema are about the tables of the projection', async () => {
  const written: SqlProjection = {
    ...revenue,
    on: {
      OrderPaid: async (_event, { trx }) => {
        await sql`update revenue set orders = orders + 1`.execute(trx)
      },
    },
  }
  await given(written, { db })
    .events(paid('o1', 5n), paid('o2', 7n))
    .then([{ orders: 2 }])
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

type Context = SqlContext<unknown, unknown>

/** Payments as they come, one row each. */
const payments = (more: Partial<SqlProjection> = {}): SqlProjection => ({
  ...revenue,
  name: 'payments',
  migrate: async (trx: Kysely<unknown>) => {
    await trx.schema
      .createTable('payment')
      .addColumn('cents', 'bigint')
      .addColumn('order_id', 'text')
      .addColumn('note', 'text')
      .execute()
  },
  on: {
    OrderPaid: async ({ data, key }, { trx, enriched }: Context) => {
      const { cents } = data as { readonly cents: bigint }
      const payment = { cents, order_id: key, note: String(enriched) }
      const tables = trx.withTables<{ payment: typeof payment }>()
      await tables.insertInto('payment').values(payment).execute()
    },
  },
  ...more,
})

test('rows are in the order of all of their columns', async () => {
  await given(payments(), { db })
    .events(paid('o2', 10n), paid('o1', 10n), paid('o3', 9n))
    .then([{ cents: 9n }, { order_id: 'o1' }, { order_id: 'o2' }])
})

test('rows of a partitioned table are those of one table', async () => {
  const migrate = async (trx: Kysely<unknown>): Promise<void> => {
    await sql`create table ${sql.table('payment')} (cents bigint, order_id text, note text, raw json)
      partition by list (order_id)`.execute(trx)
    await sql`create table ${sql.table('payment_rest')} partition of ${sql.table('payment')} default`.execute(
      trx,
    )
  }
  await given(payments({ migrate }), { db })
    .events(paid('o1', 5n))
    .then([{ order_id: 'o1' }])
})

test('what is looked up is given to handlers in SQL, too', async () => {
  const enrich = () => 'of a look-up'
  await given(payments({ enrich }), { db, enriched: 'given' })
    .events(paid('o1', 5n))
    .then([{ note: 'given' }])
  await given(payments({ enrich }), { db })
    .events(paid('o1', 5n))
    .then([{ note: 'of a look-up' }])
  const enrichEach = ({ key }: { readonly key: string }) => key
  const each = given(payments({ enrichEach }), { db, enriched: 'given' })
  await each.events(paid('o1', 5n)).then([{ note: 'given' }])
})

test('enrich is asked once for a batch, not once for each of its events', async () => {
  const asked: number[] = []
  const enrich = (events: readonly unknown[]): number => asked.push(events.length)
  const on = { OrderPaid: () => Promise.resolve() }
  const history = [paid('o1', 5n), paid('o2', 3n), paid('o3', 7n), paid('o4', 1n)]
  await chaos(payments({ enrich, on }), history, { db, runs: 5, seed: 1 })
  expect(Math.max(...asked)).toBeGreaterThan(1)
})

test('a crash behind every statement of a batch is tried, and a rebuild', async () => {
  const report = await chaos(revenue, [paid('o1', 5n), paid('o2', 3n)], { db, runs: 1, seed: 1 })
  const splits = 2
  // Begin, two statements for each event, commit.
  expect(report.ways).toBe(splits + 1 + 6)
})

test('a handler that leaves other rows in a rebuild is found out', async () => {
  const told = payments({
    on: {
      OrderPaid: async (_event: unknown, { trx, replay }: Context) => {
        const tables = trx.withTables<{ payment: { note: string } }>()
        await tables
          .insertInto('payment')
          .values({ note: `replay ${replay}` })
          .execute()
      },
    },
  })
  await expect(chaos(told, [paid('o1', 1n)], { db, runs: 1, seed: 1 })).rejects.toThrow(
    'in a rebuild',
  )
})

test('a pool with other types than live is refused', async () => {
  const other = open({})
  try {
    const outcome = given(revenue, { db: other }).events(paid('o1', 5n))
    await expect(outcome.then([{ orders: 1 }])).rejects.toThrow('types: valueTypes(pg.types)')
  } finally {
    await other.destroy()
  }
})
