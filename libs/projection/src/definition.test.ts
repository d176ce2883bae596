import { defineEvents } from '@fairlead/avro'
import { expect, test } from 'vitest'
import { defineProjection, remove } from './definition.ts'
import { tables } from './table.ts'

const OrderEvents = defineEvents({
  topic: 'outbox.event.order',
  key: 'orderId',
  events: {
    OrderPlaced: {
      type: 'record',
      name: 'OrderPlaced',
      fields: [
        { name: 'orderId', type: 'string' },
        { name: 'placedAt', type: { type: 'long', logicalType: 'timestamp-millis' } },
      ],
    },
    ItemAdded: {
      type: 'record',
      name: 'ItemAdded',
      fields: [
        { name: 'orderId', type: 'string' },
        { name: 'qty', type: 'int' },
        { name: 'price', type: 'long' },
      ],
    },
    OrderCancelled: {
      type: 'record',
      name: 'OrderCancelled',
      fields: [{ name: 'orderId', type: 'string' }],
    },
  },
})

type DB = {
  order_summary: {
    order_id: string
    status: 'new' | 'placed'
    items: number
    total: bigint
    updated_at: Date
    note: string | null
  }
  revenue_by_day: { day: string; revenue: bigint }
}

const t = tables<DB>()
const orderSummaryTable = t('order_summary', 'order_id', {
  order_id: 'uuid',
  status: 'text',
  items: 'integer',
  total: 'bigint',
  updated_at: 'timestamptz',
  note: 'text null',
})
const header = { name: 'order_summary', version: 3, from: OrderEvents, into: orderSummaryTable }
const initial = (order_id: string) => ({
  order_id,
  status: 'new' as const,
  items: 0,
  total: 0n,
  updated_at: new Date(0),
  note: null,
})

test('a fold infers its types and keeps what it needs to run', () => {
  const projection = defineProjection({
    ...header,
    errors: {
      classify: (error) => (error instanceof RangeError ? 'park' : undefined),
      retry: { retries: 5, base: '100ms', max: '30s' },
    },
  }).fold({
    initial: (order_id) => ({
      order_id,
      status: 'new',
      items: 0,
      total: 0n,
      updated_at: new Date(0),
      note: null,
    }),
    on: {
      OrderPlaced: (row, event) => ({ ...row, status: 'placed', updated_at: event.data.placedAt }),
      ItemAdded: (row, event) => ({
        ...row,
        items: row.items + event.data.qty,
        total: row.total + event.data.price * BigInt(event.data.qty),
      }),
      OrderCancelled: () => remove,
    },
  })

  expect(projection).toMatchObject({
    kind: 'fold',
    name: 'order_summary',
    version: 3,
    table: { name: 'order_summary', keyColumn: 'order_id' },
    retry: { retries: 5, baseMs: 100, maxMs: 30_000 },
  })
})

test('an SQL projection infers its types', () => {
  const projection = defineProjection({
    name: 'revenue_by_day',
    version: 1,
    from: OrderEvents,
    schema: t,
  }).sql({
    migrate: async (db) => {
      await db.schema.createTable('revenue_by_day').addColumn('day', 'date').execute()
    },
    on: {
      ItemAdded: async (event, { trx }) => {
        const day = event.at.toISOString().slice(0, 10)
        await trx
          .insertInto('revenue_by_day')
          .values({ day, revenue: event.data.price })
          .onConflict((conflict) =>
            conflict.column('day').doUpdateSet((row) => ({
              revenue: row('revenue_by_day.revenue', '+', event.data.price),
            })),
          )
          .execute()
      },
    },
  })
  expect(projection).toMatchObject({ kind: 'sql', name: 'revenue_by_day', version: 1 })
})

test('mistakes do not compile', () => {
  const mistakes = (): void => {
    const base = defineProjection(header)
    // @ts-expect-error -- no such event
    base.fold({ initial, on: { OrderTeleported: (row) => row } })
    // @ts-expect-error -- a status outside the union of the column
    base.fold({ initial, on: { OrderPlaced: (row) => ({ ...row, status: 'teleported' }) } })
    // @ts-expect-error -- an int is a number, a long a bigint
    base.fold({ initial, on: { ItemAdded: (r, e) => ({ ...r, total: r.total + e.data.qty }) } })
    // @ts-expect-error -- no such column
    t('revenue_by_day', 'days', { day: 'date', revenue: 'bigint' })
    // @ts-expect-error -- a bigint does not fit an integer column
    t('revenue_by_day', 'day', { day: 'date', revenue: 'integer' })
  }
  expect(mistakes).toBeTypeOf('function')
})

test.for([
  { name: 'Order', version: 1 },
  { name: 'order-summary', version: 1 },
  { name: 'order_summary', version: 0 },
  { name: 'order_summary', version: 1.5 },
])('$name version $version is refused', ({ name, version }) => {
  expect(() => defineProjection({ ...header, name, version })).toThrow(TypeError)
})
