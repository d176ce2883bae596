import {
  type FoldProjection,
  type SqlProjection,
  defineProjection,
  tables,
} from '@fairlead/projection'
import type { Generated } from 'kysely'
import { OrderEvents } from './events.ts'

type ReadModel = {
  order_summary: {
    order_id: string
    customer_id: string
    sku: string
    quantity: number
    total_cents: bigint
    status: 'new' | 'placed' | 'paid'
    placed_at: Date | null
    paid_at: Date | null
  }
  revenue_by_day: { day: string; revenue_cents: bigint; payments: Generated<number> }
}

const t = tables<ReadModel>()

/** One row per order, as a pure function of its events. */
export const orderSummary: FoldProjection = defineProjection({
  name: 'order_summary',
  version: 1,
  from: OrderEvents,
  into: t('order_summary', 'order_id', {
    order_id: 'uuid',
    customer_id: 'text',
    sku: 'text',
    quantity: 'integer',
    total_cents: 'bigint',
    status: 'text',
    placed_at: 'timestamptz null',
    paid_at: 'timestamptz null',
  }),
}).fold({
  initial: (order_id) => ({
    order_id,
    customer_id: '',
    sku: '',
    quantity: 0,
    total_cents: 0n,
    status: 'new',
    placed_at: null,
    paid_at: null,
  }),
  on: {
    OrderPlaced: (row, { data }) => ({
      ...row,
      customer_id: data.customerId,
      sku: data.sku,
      quantity: positive(data.quantity),
      total_cents: data.unitPriceCents * BigInt(data.quantity),
      status: 'placed',
      placed_at: data.placedAt,
    }),
    OrderQuantityChanged: (row, { data }) => ({
      ...row,
      quantity: positive(data.quantity),
      total_cents: (row.total_cents / BigInt(row.quantity)) * BigInt(data.quantity),
    }),
    OrderPaid: (row, { data }) => ({ ...row, status: 'paid', paid_at: data.paidAt }),
  },
})

/** What was paid on each day (UTC): relative updates, in the transaction of the checkpoint. */
export const revenueByDay: SqlProjection = defineProjection({
  name: 'revenue_by_day',
  version: 1,
  from: OrderEvents,
  schema: t,
}).sql({
  migrate: async (db) => {
    await db.schema
      .createTable('revenue_by_day')
      .addColumn('day', 'date', (column) => column.primaryKey())
      .addColumn('revenue_cents', 'bigint', (column) => column.notNull())
      .addColumn('payments', 'integer', (column) => column.notNull().defaultTo(1))
      .execute()
  },
  on: {
    OrderPaid: async ({ data }, { trx }) => {
      await trx
        .insertInto('revenue_by_day')
        .values({ day: data.paidAt.toISOString().slice(0, 10), revenue_cents: data.amountCents })
        .onConflict((conflict) =>
          conflict.column('day').doUpdateSet((row) => ({
            revenue_cents: row('revenue_by_day.revenue_cents', '+', data.amountCents),
            payments: row('revenue_by_day.payments', '+', 1),
          })),
        )
        .execute()
    },
  },
})

/** What the projector runs: the value of its `projections` key names this module. */
export const projections = [orderSummary, revenueByDay]

/** An event with such a quantity is poison: it is set aside, and the order's later events behind it. */
function positive(quantity: number): number {
  if (quantity <= 0) throw new RangeError(`quantity ${quantity} is not positive`)
  return quantity
}
