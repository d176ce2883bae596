import { type AvroWrite, type RecordDefinition, defineEvents } from '@fairlead/avro'
import { type AnyEvent, type Row, defineProjection, tables } from '@fairlead/projection'
import { describe, expect, test } from 'vitest'
import { chaos } from './chaos.ts'
import { given } from './given.ts'
import { Orders, orderSummary, placed, revenue, sales } from './orders.test-fixture.ts'
import { eventWrittenWith } from './written-event.ts'

const paid = (orderId: string, cents: bigint) => Orders.OrderPaid({ orderId, cents })

test('events of a fold become rows, compared in the columns that are given', async () => {
  await given(orderSummary)
    .events(placed('o2', 1), placed('o1', 2), paid('o1', 700n))
    .then([
      { order_id: 'o1', status: 'paid', cents: 700n },
      { order_id: 'o2', status: 'placed' },
    ])
})

test('events happen one second after the other, from when the test says', async () => {
  await given(orderSummary, { at: new Date('2026-05-05T00:00:00Z') })
    .events(placed('o1', 1), paid('o1', 1n))
    .then([{ order_id: 'o1', changed_at: new Date('2026-05-05T00:00:01Z') }])
})

test('a row that is removed is not there', async () => {
  await given(orderSummary)
    .events(placed('o1', 1), Orders.OrderCancelled({ orderId: 'o1' }))
    .then([])
})

test.for([
  ['another value', [{ order_id: 'o1', status: 'paid' }]],
  ['a row too many', []],
  ['a row too few', [{ order_id: 'o1' }, { order_id: 'o2' }]],
  ['another key', [{ order_id: 'o2' }]],
] as const)('%s fails', async ([, rows]) => {
  await expect(given(orderSummary).events(placed('o1', 1)).then(rows)).rejects.toThrow(
    'rows of order_summary',
  )
})

test('a handler that throws fails, unless its key is expected to be parked', async () => {
  const outcome = given(orderSummary).events(placed('o1', 0), placed('o1', 1), placed('o2', 1))
  await expect(outcome.then([{ order_id: 'o2' }])).rejects.toThrow('quantity 0 is not positive')
  await outcome.then([{ order_id: 'o2' }], { parked: ['o1'] })
  await expect(outcome.then([{ order_id: 'o2' }], { parked: ['o1', 'o2'] })).rejects.toThrow(
    'keys that should be parked, and are not',
  )
})

test('what live headers refuse fails in a test, too', async () => {
  const cloning = {
    ...orderSummary,
    on: {
      OrderPlaced: (row: Row, event: AnyEvent) => ({
        ...row,
        quantity: Object.keys(structuredClone({ ...event.headers })).length,
        status: structuredClone(event).type,
      }),
    },
  }
  const outcome = given(cloning).events(placed('o1', 1))
  await expect(outcome.then([])).rejects.toThrow(/could not be cloned/)
  // Where events are looked at before, headers are texts already.
  await given({ ...cloning, enrich: () => null }, { db: {} as never })
    .events(placed('o1', 1))
    .then([{ order_id: 'o1', quantity: 0, status: 'OrderPlaced' }])
})

test('poison is parked at once, however often it would be tried again', async () => {
  const retrying = { ...orderSummary, retry: { retries: 5, baseMs: 100, maxMs: 100 } }
  await given(retrying)
    .events(placed('o1', 0), placed('o2', 1))
    .then([{ order_id: 'o2' }], { parked: ['o1'] })
  await chaos(retrying, [placed('o1', 0), placed('o2', 1)], { runs: 3, seed: 1 })
})

test('a commutative projection adds up', async () => {
  await given(sales)
    .events(placed('o1', 2), paid('o1', 700n), placed('o2', 1))
    .then([{ day: 'all', orders: 2, cents: 700n, largest: 700n }])
})

test('what is not read, what needs a database and what is only awaited are refused', async () => {
  const { Refunded } = Orders
  expect(() => Refunded({ orderId: 'o1' })).not.toThrow()
  await expect(
    given(sales)
      .events(Refunded({ orderId: 'o1' }))
      .then([]),
  ).resolves.toBeUndefined()
  const foreign = { ...placed('o1', 1), topic: 'elsewhere' }
  await expect(given(sales).events(foreign).then([])).rejects.toThrow('does not read OrderPlaced')
  await expect(given(revenue).events(placed('o1', 1)).then([])).rejects.toThrow('give { db }')
  await expect(Promise.resolve(given(sales).events() as unknown)).rejects.toThrow(
    'call .then(rows)',
  )
})

test('what is looked up is given, too', async () => {
  const enriched = {
    ...orderSummary,
    enrich: () => new Map(),
    on: {
      OrderPlaced: (row: object, _event: unknown, status: unknown) => ({ ...row, status }),
    },
  }
  await given(enriched, { enriched: 'from elsewhere' })
    .events(placed('o1', 1))
    .then([{ order_id: 'o1', status: 'from elsewhere' }])
  await expect(given(enriched).events(placed('o1', 1)).then([])).rejects.toThrow(
    'give { enriched }',
  )
})

test('what is looked up for each event is asked for, or given; a look-up that fails parks its key', async () => {
  const lookedUp = {
    ...orderSummary,
    enrichEach: ({ key }: { readonly key: string }) => {
      if (key === 'o2') throw new RangeError('nobody knows o2')
      return `known ${key}`
    },
    on: {
      OrderPlaced: (row: object, _event: unknown, status: unknown) => ({ ...row, status }),
    },
  }
  await given(lookedUp)
    .events(placed('o1', 1), placed('o2', 1), placed('o3', 1))
    .then(
      [
        { order_id: 'o1', status: 'known o1' },
        { order_id: 'o3', status: 'known o3' },
      ],
      { parked: ['o2'] },
    )
  await given(lookedUp, { enriched: 'given' })
    .events(placed('o2', 1))
    .then([{ order_id: 'o2', status: 'given' }])
})

test('a handler is told whose its event is', async () => {
  const ofTenants = {
    ...orderSummary,
    on: {
      OrderPlaced: (row: object, { tenant }: { readonly tenant?: string }) => {
        if (tenant === 'globex') throw new RangeError('globex has no orders')
        return { ...row, status: tenant ?? 'nobody' }
      },
    },
  }
  const of = (tenant?: string) =>
    given(ofTenants, tenant === undefined ? {} : { tenant }).events(placed('o1', 1))
  await of('acme').then([{ status: 'acme' }])
  await of().then([{ status: 'nobody' }])
  await of('globex').then([], { parked: ['globex/o1'] })
})

test('what no column can hold fails as it would in a database, with the column', async () => {
  const inGrains = {
    ...orderSummary,
    on: {
      ...orderSummary.on,
      OrderPlaced: (row: Row, { data }: AnyEvent) => {
        const { quantity } = data as { readonly quantity: number }
        return { ...row, quantity: quantity * 2 ** 40 }
      },
    },
  }
  await expect(
    given(inGrains)
      .events(placed('o1', 1))
      .then([{ order_id: 'o1' }]),
  ).rejects.toThrow(
    /^OrderPlaced with key "o1" failed: order_summary\.quantity is integer, and cannot hold 1099511627776$/,
  )
  await given(inGrains)
    .events(placed('o1', 1), paid('o1', 1n))
    .then([], { parked: ['o1'] })
})

test.for([2.5, 2 ** 40, Number.NaN])('a quantity of %d is refused as by the outbox', async (of) => {
  await expect(given(orderSummary).events(placed('o1', of)).then([])).rejects.toThrow(
    'the outbox refuses OrderPlaced with key "o1": .quantity: a number is no int',
  )
})

const orderIdField = { name: 'orderId', type: 'string' } as const

test('an event of an older schema is resolved to that of the definition', async () => {
  const Noted = defineEvents({
    topic: 'outbox.event.order',
    key: 'orderId',
    events: {
      OrderPlaced: {
        type: 'record',
        name: 'OrderPlaced',
        fields: [
          orderIdField,
          { name: 'quantity', type: 'long' },
          { name: 'note', type: 'string', default: 'none' },
        ],
      },
    },
  })
  const noting = {
    ...orderSummary,
    sources: [Noted],
    on: {
      OrderPlaced: (row: Row, { data }: AnyEvent) => {
        const { quantity, note } = data as { readonly quantity: bigint; readonly note: string }
        return { ...row, cents: quantity, status: note }
      },
    },
  }
  const written = <const D extends RecordDefinition>(schema: D, data: AvroWrite<D>) =>
    given(noting).events(eventWrittenWith(Noted, { type: 'OrderPlaced', schema, data }))
  const first = {
    type: 'record',
    name: 'OrderPlaced',
    fields: [orderIdField, { name: 'quantity', type: 'int' }],
  } as const
  await written(first, { orderId: 'o1', quantity: 2 }).then([{ cents: 2n, status: 'none' }])

  const other = { ...first, fields: [orderIdField] } as const
  await expect(written(other, { orderId: 'o1' }).then([])).rejects.toThrow(
    /^OrderPlaced with key "o1" failed: .*quantity/,
  )
  await written(other, { orderId: 'o1' }).then([], { parked: ['o1'] })
})

describe('an upcast', () => {
  const first = {
    type: 'record',
    name: 'OrderPaid',
    fields: [
      { name: 'order', type: 'string' },
      { name: 'euros', type: 'int' },
    ],
  } as const
  const Upcast = defineEvents({
    topic: 'outbox.event.order',
    key: 'orderId',
    events: {
      OrderPaid: {
        type: 'record',
        name: 'OrderPaid',
        fields: [orderIdField, { name: 'cents', type: 'long' }],
      },
    },
    upcast: {
      OrderPaid: {
        1: ({ order, euros }: { readonly order: string; readonly euros: number }) => {
          if (euros < 0) throw new RangeError('paid back')
          return { orderId: order, cents: BigInt(euros) * 100n }
        },
      },
    },
  })
  const upcasting = { ...orderSummary, sources: [Upcast] }
  const old = (euros: number, version = 1) =>
    eventWrittenWith(Upcast, {
      type: 'OrderPaid',
      version,
      schema: first,
      data: { order: 'o1', euros },
      key: 'o1',
    })

  test('casts up what its version wrote, and no other', async () => {
    await given(upcasting)
      .events(old(7), Upcast.OrderPaid({ orderId: 'o1', cents: 1n }))
      .then([{ order_id: 'o1', cents: 701n }])
    await expect(given(upcasting).events(old(7, 2)).then([])).rejects.toThrow(
      'OrderPaid with key "o1" failed',
    )
    await chaos(upcasting, [old(7), old(1)], { runs: 3, seed: 1 })
  })

  test("casts nothing up that the definition's own schema wrote", async () => {
    const { OrderPaid } = Upcast.definitions
    const schema = { ...OrderPaid, fields: OrderPaid.fields.toReversed() }
    const paid = (written: typeof OrderPaid) =>
      eventWrittenWith(Upcast, {
        type: 'OrderPaid',
        version: 1,
        schema: written,
        data: { orderId: 'o1', cents: 5n },
      })
    await given(upcasting)
      .events(paid({ ...OrderPaid }))
      .then([{ order_id: 'o1', cents: 5n }])
    await expect(
      given(upcasting)
        .events(paid(schema as never))
        .then([]),
    ).rejects.toThrow('OrderPaid with key "o1" failed')
  })

  test('that throws parks its key', async () => {
    await expect(given(upcasting).events(old(-1)).then([])).rejects.toThrow('paid back')
    await given(upcasting)
      .events(old(-1))
      .then([], { parked: ['o1'] })
  })

  test('needs the version, and the key where the old schema does not have it', () => {
    const of = { type: 'OrderPaid', schema: first, data: { order: 'o1', euros: 1 } } as const
    expect(() => eventWrittenWith(Upcast, { ...of, key: 'o1' })).toThrow('give { version }')
    expect(() => eventWrittenWith(Upcast, { ...of, version: 1 })).toThrow('give { key }')
  })
})

test('a row is not expected to have a column that the table does not have', async () => {
  const outcome = given(orderSummary).events(placed('o1', 1))
  await expect(outcome.then([{ order_id: 'o1', statsu: undefined }])).rejects.toThrow(
    'order_summary has no column "statsu" to expect',
  )
})

test('a time that is none is refused', async () => {
  const at = new Date(Number.NaN)
  await expect(given(orderSummary, { at }).events(placed('o1', 1)).then([])).rejects.toThrow(
    'the first event happens at a time that is none',
  )
})

describe('the key of an event is a number in a column of numbers', () => {
  const Stock = defineEvents({
    topic: 'outbox.event.stock',
    key: 'id',
    events: {
      Counted: {
        type: 'record',
        name: 'Counted',
        fields: [
          { name: 'id', type: 'long' },
          { name: 'count', type: 'int' },
        ],
      },
    },
  })
  const into = tables<{ stock: { id: bigint; next: bigint; count: number } }>()('stock', 'id', {
    id: 'bigint',
    next: 'bigint',
    count: 'integer',
  })
  const stock = defineProjection({ name: 'stock', version: 1, from: Stock, into }).fold({
    initial: (id) => ({ id, next: id + 1n, count: 0 }),
    on: { Counted: (row, { data }) => ({ ...row, count: row.count + data.count }) },
  })

  test('of a fold', async () => {
    const counted = Stock.Counted({ id: 12n, count: 1 })
    await given(stock)
      .events(counted, counted)
      .then([{ id: 12n, next: 13n, count: 2 }])
  })

  test('and nothing else', async () => {
    const odd = { ...Stock.Counted({ id: 1n, count: 1 }), key: '01' }
    const outcome = given(stock).events(odd)
    await outcome.then([], { parked: ['01'] })
    await expect(outcome.then([])).rejects.toThrow(
      'stock.id is bigint, and the key of an event is "01", which is no text of such a number',
    )
  })

  test('of changes that commute', async () => {
    const table = tables<{ n: { id: number; count: number } }>()('n', 'id', {
      id: 'integer',
      count: 'integer',
    })
    const counts = defineProjection({
      name: 'n',
      version: 1,
      from: Stock,
      into: table,
    }).commutative({
      columns: { count: 'inc' },
      on: { Counted: ({ data }) => ({ count: data.count }) },
    })
    await given(counts)
      .events(Stock.Counted({ id: 7n, count: 2 }))
      .then([{ id: 7, count: 2 }])
  })
})
