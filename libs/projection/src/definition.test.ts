import { defineEvents } from '@fairlead/avro'
import { expect, test } from 'vitest'
import type { BatchBounds } from './batch-bounds.ts'
import { defineProjection, remove } from './definition.ts'
import { definitionText } from './definition-text.ts'
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
      retryParked: { retries: 3, max: '2h' },
      // As of a setting that is not there, where the compiler lets undefined stand for that.
      park: { maxPerKey: 1_000, ...({ maxKeys: undefined } as object) },
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
    parkLimits: { maxPerKey: 1_000 },
  })
  // How long after it was parked is left to the projector.
  expect(projection.retryParked).toEqual({ retries: 3, maxMs: 7_200_000 })
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
    type Optional = { note: { id: string; length?: number; tags: unknown } }
    // @ts-expect-error -- a row has all columns: what may be missing is null, and no jsonb
    tables<Optional>()('note', 'id', { id: 'text', length: 'jsonb', tags: 'jsonb null' })
  }
  expect(mistakes).toBeTypeOf('function')
})

const PaymentEvents = defineEvents({
  topic: 'outbox.event.payment',
  key: 'day',
  events: {
    Paid: {
      type: 'record',
      name: 'Paid',
      fields: [
        { name: 'day', type: 'string' },
        { name: 'amount', type: 'long' },
        { name: 'paidAt', type: { type: 'long', logicalType: 'timestamp-millis' } },
      ],
    },
  },
})

type Totals = {
  totals: { day: string; revenue: bigint; payments: number; last_at: Date; note: string | null }
}
const totalsTable = tables<Totals>()('totals', 'day', {
  day: 'text',
  revenue: 'bigint',
  payments: 'integer',
  last_at: 'timestamptz',
  note: 'text null',
})
const totals = {
  name: 'totals',
  version: 1,
  from: [OrderEvents, PaymentEvents],
  into: totalsTable,
} as const
const columns = { revenue: 'inc', payments: 'inc', last_at: 'max', note: 'min' } as const

test('changes that commute may come from several topics', () => {
  const projection = defineProjection(totals).commutative({
    columns: { revenue: 'inc', payments: 'inc', last_at: 'max', note: 'min' },
    on: {
      Paid: ({ data }) => ({ revenue: data.amount, payments: 1, last_at: data.paidAt }),
      OrderPlaced: ({ data }) => ({ last_at: data.placedAt, note: data.orderId }),
    },
  })
  expect(projection).toMatchObject({ kind: 'commutative', operations: columns })
  expect(projection.sources.map(({ topic }) => topic)).toEqual([
    'outbox.event.order',
    'outbox.event.payment',
  ])
})

test('what does not commute is refused over several topics, with the reason', () => {
  const from = [OrderEvents, PaymentEvents] as const
  const reason = /outbox\.event\.order and outbox\.event\.payment.*no order among each other/
  expect(() => defineProjection({ ...header, from }).fold({ initial, on: {} })).toThrow(reason)
  const sql = { name: 'x', version: 1, from, schema: t }
  const migrate = () => Promise.resolve()
  expect(() => defineProjection(sql).sql({ migrate, on: {} })).toThrow(reason)
})

test('a fold whose rows have another key than its events is refused, unless no order is needed', () => {
  const byDay = { ...header, key: () => 'all' } as const
  expect(() => defineProjection(byDay).fold({ initial, on: {} })).toThrow(
    /order_summary has rows of another key .*\.commutative\(.*order: 'none'/,
  )
  const declared = defineProjection({ ...byDay, order: 'none' }).fold({ initial, on: {} })
  expect(declared.mayShareRows).toBe(true)
})

test('an inbox keeps ids for an hour at least', () => {
  const define = (retention: '7d' | '59m') =>
    defineProjection({ ...header, inbox: { retention } }).fold({ initial, on: {} })
  expect(define('7d').inbox).toEqual({ retentionMs: 7 * 86_400_000 })
  expect(() => define('59m')).toThrow('keeps ids for an hour at least')
})

test('tenants are kept apart in one of two ways, which is part of the code of a version', () => {
  const define = (tenants?: 'row' | 'schema') =>
    defineProjection({ ...header, ...(tenants === undefined ? {} : { tenants }) }).fold({
      initial,
      on: {},
    })
  expect(define().tenants).toBeUndefined()
  expect(define('schema').tenants).toBe('schema')
  expect(() => define('table' as never)).toThrow(/by 'row' or 'schema', not by table/)
  const texts = [define(), define('row'), define('schema')].map(definitionText)
  expect(new Set(texts).size).toBe(3)
})

test('two event sets with one topic, or with an event type of one name, are refused', () => {
  const twice = { ...totals, from: [OrderEvents, OrderEvents] } as const
  expect(() => defineProjection(twice)).toThrow('reads outbox.event.order twice')
  const { ItemAdded } = OrderEvents.definitions
  const Cart = defineEvents({ topic: 'cart', key: 'orderId', events: { ItemAdded } })
  const both = { ...totals, from: [OrderEvents, Cart] } as const
  expect(() => defineProjection(both)).toThrow('give one of them another name')
})

test('an operation that a column cannot have is refused', () => {
  const numeric = tables<{ n: { id: string; amount: string } }>()('n', 'id', {
    id: 'text',
    amount: 'numeric',
  })
  const define = () =>
    defineProjection({ name: 'n', version: 1, from: OrderEvents, into: numeric }).commutative({
      columns: { amount: 'max' },
      on: {},
    })
  expect(define).toThrow('amount is numeric, which has no max')
})

test('what is looked up for a batch has its type in the handlers', () => {
  const projection = defineProjection({
    ...header,
    enrich: async (events, { db }) => {
      const days = events.map(({ at }) => at.toISOString())
      const rows = await db
        .selectFrom('revenue_by_day')
        .selectAll()
        .where('day', 'in', days)
        .execute()
      return new Map(rows.map(({ day, revenue }) => [day, revenue]))
    },
  }).fold({
    initial,
    on: {
      OrderPlaced: (row, _event, revenues) => ({ ...row, total: revenues.get('today') ?? 0n }),
    },
  })
  expect(projection.enrich).toBeTypeOf('function')
})

test('a projection of any form bounds its batches, which is no part of its code', () => {
  const bound = (batch?: BatchBounds) => {
    const { name, version, from, into } = header
    const common = { name, version, from, ...(batch === undefined ? {} : { batch }) }
    const columns = {
      status: 'max',
      items: 'inc',
      total: 'inc',
      updated_at: 'max',
      note: 'max',
    } as const
    return [
      defineProjection({ ...common, into }).fold({ initial, on: {} }),
      defineProjection({ ...common, into }).commutative({ columns, on: {} }),
      defineProjection({ ...common, schema: t }).sql({ migrate: async () => {}, on: {} }),
    ]
  }
  expect(bound({ max: 16 }).map(({ batchMax }) => batchMax)).toEqual([16, 16, 16])
  expect(bound().map((each) => 'batchMax' in each)).toEqual([false, false, false])
  expect(bound({ max: 16 }).map(definitionText)).toEqual(bound().map(definitionText))
  for (const max of [0, 100_001, 1.5, Number.NaN]) {
    expect(() => bound({ max })).toThrow(`batch.max is from 1 to 100000, not ${max}`)
  }
  expect(bound({ linger: '50ms' }).map(({ lingerMs }) => lingerMs)).toEqual([50, 50, 50])
  expect(bound({ linger: '1s' }).map(definitionText)).toEqual(bound().map(definitionText))
  expect(() => bound({ linger: '1.1s' })).toThrow('batch.linger is 1s at most, not 1.1s')
  // @ts-expect-error -- a length of time has a unit
  expect(() => bound({ linger: '5' })).toThrow('"5" is not a duration')
  const other = { max: 16, bytes: 5 }
  expect(() => bound(other)).toThrow('a batch has a max and a linger, and no bytes')
})

test('what is looked up for one event has its type in its handler', () => {
  const define = (concurrency?: number) =>
    defineProjection({
      ...header,
      ...(concurrency === undefined ? {} : { concurrency }),
      enrichEach: async ({ key }) => ({ owner: `owner of ${key}`, cents: 1n }),
    }).fold({
      initial,
      on: {
        OrderPlaced: (row, _event, { cents }) => ({ ...row, total: row.total + cents }),
      },
    })
  expect([define().concurrency, define(32).concurrency]).toEqual([undefined, 32])
  expect(definitionText(define(32))).toBe(definitionText(define()))
  const without = { ...define(), enrichEach: () => 'something else' }
  expect(definitionText(without)).not.toBe(definitionText(define()))
  for (const concurrency of [0, 257, 1.5, Number.NaN]) {
    expect(() => define(concurrency)).toThrow(`is from 1 to 256, not ${concurrency}`)
  }
  const both = { enrich: () => 1, enrichEach: () => 1 }
  expect(() => defineProjection({ ...header, ...both }).fold({ initial, on: {} })).toThrow(
    'what one of enrich and enrichEach returns',
  )
})

test('mistakes in changes do not compile', () => {
  const mistakes = (): void => {
    const base = defineProjection(totals)
    // @ts-expect-error -- a date cannot be added
    base.commutative({ columns: { ...columns, last_at: 'inc' }, on: {} })
    // @ts-expect-error -- a column has no operation
    base.commutative({ columns: { revenue: 'inc', payments: 'inc', last_at: 'max' }, on: {} })
    // @ts-expect-error -- a column that is not null, and is not counted, has to be there
    base.commutative({ columns, on: { Paid: ({ data }) => ({ revenue: data.amount }) } })
    // @ts-expect-error -- a bigint column takes no number
    base.commutative({ columns, on: { Paid: (e) => ({ revenue: 1, last_at: e.at }) } })
    const counts = t('revenue_by_day', 'day', { day: 'text', revenue: 'bigint' })
    const counted = defineProjection({ ...totals, into: counts })
    // @ts-expect-error -- no such column
    counted.commutative({ columns: { revenue: 'inc' }, on: { Paid: () => ({ revenu: 1n }) } })
    // @ts-expect-error -- no such event in either topic
    base.commutative({ columns, on: { Refunded: (e) => ({ last_at: e.at }) } })
    const enriched = defineProjection({ ...header, enrich: () => ({ total: 1n }) })
    // @ts-expect-error -- what was looked up is a bigint
    enriched.fold({ initial, on: { OrderPlaced: (r, _e, x) => ({ ...r, items: x.total }) } })
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
