import { type NewEvent, defineEvents } from '@fairlead/avro'
import {
  type CommutativeProjection,
  type FoldProjection,
  type SqlProjection,
  defineProjection,
  remove,
  tables,
} from '@fairlead/projection'

const orderId = { name: 'orderId', type: 'string' } as const

export const Orders = defineEvents({
  topic: 'outbox.event.order',
  key: 'orderId',
  events: {
    OrderPlaced: {
      type: 'record',
      name: 'OrderPlaced',
      fields: [orderId, { name: 'quantity', type: 'int' }],
    },
    OrderPaid: {
      type: 'record',
      name: 'OrderPaid',
      fields: [orderId, { name: 'cents', type: 'long' }],
    },
    OrderCancelled: { type: 'record', name: 'OrderCancelled', fields: [orderId] },
    Refunded: { type: 'record', name: 'Refunded', fields: [orderId] },
  },
})

export const placed = (id: string, quantity: number): NewEvent =>
  Orders.OrderPlaced({ orderId: id, quantity })

type DB = {
  order_summary: {
    order_id: string
    status: 'new' | 'placed' | 'paid'
    quantity: number
    cents: bigint
    changed_at: Date
  }
  sales: { day: string; orders: number; cents: bigint; largest: bigint | null }
  revenue: { id: number; cents: bigint; orders: number }
}

const t = tables<DB>()

/** Throws for a quantity that is not positive. */
export const orderSummary: FoldProjection = defineProjection({
  name: 'order_summary',
  version: 1,
  from: Orders,
  into: t('order_summary', 'order_id', {
    order_id: 'text',
    status: 'text',
    quantity: 'integer',
    cents: 'bigint',
    changed_at: 'timestamptz',
  }),
}).fold({
  initial: (order_id) => ({
    order_id,
    status: 'new',
    quantity: 0,
    cents: 0n,
    changed_at: new Date(0),
  }),
  on: {
    OrderPlaced: (row, { data, at }) => {
      if (data.quantity <= 0) throw new RangeError(`quantity ${data.quantity} is not positive`)
      return { ...row, status: 'placed', quantity: data.quantity, changed_at: at }
    },
    OrderPaid: (row, { data, at }) => ({
      ...row,
      status: 'paid',
      cents: row.cents + data.cents,
      changed_at: at,
    }),
    OrderCancelled: () => remove,
  },
})

/** All orders in one row, whatever their keys. */
export const sales: CommutativeProjection = defineProjection({
  name: 'sales',
  version: 1,
  from: Orders,
  into: t('sales', 'day', {
    day: 'text',
    orders: 'integer',
    cents: 'bigint',
    largest: 'bigint null',
  }),
  key: () => 'all',
}).commutative({
  columns: { orders: 'inc', cents: 'inc', largest: 'max' },
  on: {
    OrderPlaced: ({ data }) => {
      if (data.quantity <= 0) throw new RangeError(`quantity ${data.quantity} is not positive`)
      return { orders: 1 }
    },
    OrderPaid: ({ data }) => ({ cents: data.cents, largest: data.cents }),
  },
})

/** In SQL: two statements for each payment. Throws for nothing paid. */
export const revenue: SqlProjection = defineProjection({
  name: 'revenue',
  version: 1,
  from: Orders,
  schema: t,
}).sql({
  migrate: async (db) => {
    await db.schema
      .createTable('revenue')
      .addColumn('id', 'integer', (column) => column.primaryKey())
      .addColumn('cents', 'bigint', (column) => column.notNull())
      .addColumn('orders', 'integer', (column) => column.notNull())
      .execute()
    await db.insertInto('revenue').values({ id: 1, cents: 0n, orders: 0 }).execute()
  },
  on: {
    OrderPaid: async ({ data }, { trx }) => {
      if (data.cents === 0n) throw new RangeError('nothing paid')
      await trx
        .updateTable('revenue')
        .set((row) => ({ cents: row('cents', '+', data.cents) }))
        .execute()
      await trx
        .updateTable('revenue')
        .set((row) => ({ orders: row('orders', '+', 1) }))
        .execute()
    },
  },
})
