import { describe, expect, expectTypeOf, test } from 'vitest'
import type { AvroRead } from './avro-types.ts'
import { type EventOf, defineEvents } from './define-events.ts'

const OrderEvents = defineEvents({
  topic: 'outbox.event.order',
  key: 'orderId',
  events: {
    OrderPlaced: {
      type: 'record',
      name: 'OrderPlaced',
      fields: [
        { name: 'orderId', type: { type: 'string', logicalType: 'uuid' } },
        { name: 'customerId', type: 'string' },
        { name: 'placedAt', type: { type: 'long', logicalType: 'timestamp-millis' } },
        {
          name: 'channel',
          type: { type: 'enum', name: 'Channel', symbols: ['web', 'store'] },
          default: 'web',
        },
        { name: 'note', type: ['null', 'string'], default: null },
        { name: 'tags', type: { type: 'array', items: 'string' }, default: [] },
        { name: 'discount', type: 'long', default: 0 },
        { name: 'rank', type: { type: 'long', js: 'number' }, default: 7 },
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
  },
})

describe('event constructors', () => {
  test('take the key from its field and fill in the defaults', () => {
    const placedAt = new Date(0)
    const event = OrderEvents.OrderPlaced({ orderId: 'o1', customerId: 'c1', placedAt })

    expect(event).toEqual({
      type: 'OrderPlaced',
      topic: 'outbox.event.order',
      key: 'o1',
      data: {
        orderId: 'o1',
        customerId: 'c1',
        placedAt,
        channel: 'web',
        note: null,
        tags: [],
        discount: 0n,
        rank: 7,
      },
    })
    expect(OrderEvents.OrderPlaced.eventType).toBe('OrderPlaced')
  })

  test('a given value wins over the default, null included', () => {
    const placedAt = new Date(0)
    const event = OrderEvents.OrderPlaced({
      orderId: 'o1',
      customerId: 'c1',
      placedAt,
      channel: 'store',
      note: 'ring twice',
    })
    expect(event.data).toMatchObject({ channel: 'store', note: 'ring twice' })
  })

  test('an event type cannot take a name of the set itself', () => {
    const topic = {
      type: 'record',
      name: 'topic',
      fields: [{ name: 'id', type: 'string' }],
    } as const
    expect(() => defineEvents({ topic: 't', key: 'id', events: { topic } })).toThrow(TypeError)
  })
})

test('an upcast takes the shape of an older version, and returns that of today', () => {
  const fields = [
    { name: 'id', type: 'string' },
    { name: 'cents', type: 'long' },
  ] as const
  const Paid = { type: 'record', name: 'Paid', fields } as const
  const set = { topic: 't', key: 'id', events: { Paid } } as const
  const events = defineEvents({
    ...set,
    upcast: {
      Paid: {
        1: (old: { id: string; euros: number }) => ({
          id: old.id,
          cents: BigInt(old.euros) * 100n,
        }),
      },
    },
  })
  expect(events.upcasts['Paid']?.[1]?.({ id: 'p', euros: 3 } as never)).toEqual({
    id: 'p',
    cents: 300n,
  })
  const mistakes = (): void => {
    const numbered = { Paid: { 1: () => ({ id: '', cents: 1 }) } }
    // @ts-expect-error -- today's cents are a bigint
    defineEvents({ ...set, upcast: numbered })
    // @ts-expect-error -- no such event type
    defineEvents({ ...set, upcast: { Refunded: { 1: () => ({ id: '', cents: 1n }) } } })
  }
  expect(mistakes).toBeTypeOf('function')
})

test('the types of events come from their schemas', () => {
  expectTypeOf<EventOf<typeof OrderEvents, 'OrderPlaced'>['data']>().toEqualTypeOf<{
    readonly orderId: string
    readonly customerId: string
    readonly placedAt: Date
    readonly channel: 'web' | 'store'
    readonly note: string | null
    readonly tags: readonly string[]
    readonly discount: bigint
    readonly rank: number
  }>()
  expectTypeOf<
    AvroRead<{ readonly type: 'string'; readonly js: 'number' }>
  >().toEqualTypeOf<string>()
  expectTypeOf<EventOf<typeof OrderEvents>['type']>().toEqualTypeOf<'OrderPlaced' | 'ItemAdded'>()

  const mistakes = (): void => {
    // @ts-expect-error -- no such symbol of the enum
    OrderEvents.OrderPlaced({ orderId: '', customerId: '', placedAt: new Date(0), channel: 'fax' })
    // @ts-expect-error -- a field without default is missing
    OrderEvents.ItemAdded({ orderId: 'o1', qty: 1 })
    // @ts-expect-error -- a long is a bigint
    OrderEvents.ItemAdded({ orderId: 'o1', qty: 1, price: 1 })
    const placed = {
      type: 'record',
      name: 'Placed',
      fields: [{ name: 'orderId', type: 'string' }],
    } as const
    // @ts-expect-error -- the key is a field that every event type has
    defineEvents({ topic: 't', key: 'sku', events: { placed } })
  }
  expect(mistakes).toBeTypeOf('function')
})

describe('a type that is defined once, and named where it comes again', () => {
  const PaymentEvents = defineEvents({
    topic: 'outbox.event.payment',
    key: 'id',
    events: {
      Refunded: {
        type: 'record',
        name: 'Refunded',
        namespace: 'shop.pay',
        fields: [
          { name: 'id', type: 'string' },
          {
            name: 'amount',
            type: {
              type: 'record',
              name: 'Money',
              fields: [
                { name: 'units', type: 'long' },
                {
                  name: 'currency',
                  type: { type: 'enum', name: 'shop.Currency', symbols: ['EUR', 'USD'] },
                },
              ],
            },
          },
          { name: 'fee', type: 'Money', default: { units: 5, currency: 'EUR' } },
          { name: 'others', type: { type: 'array', items: ['null', 'shop.pay.Money'] } },
          { name: 'currency', type: { type: 'shop.Currency' } },
          { name: 'of', type: ['null', 'Refunded'], default: null },
        ],
      },
    },
  })
  const amount = { units: 1n, currency: 'USD' } as const

  test('has its type wherever its name stands', () => {
    type Money = { readonly units: bigint; readonly currency: 'EUR' | 'USD' }
    type Refunded = EventOf<typeof PaymentEvents, 'Refunded'>['data']
    expectTypeOf<Refunded['amount']>().toEqualTypeOf<Money>()
    expectTypeOf<Refunded['fee']>().toEqualTypeOf<Money>()
    expectTypeOf<Refunded['others']>().toEqualTypeOf<readonly (Money | null)[]>()
    expectTypeOf<Refunded['currency']>().toEqualTypeOf<'EUR' | 'USD'>()
    expectTypeOf<NonNullable<Refunded['of']>['fee']>().toEqualTypeOf<Money>()
    const mistakes = (): void => {
      const rest = { id: 'r', amount, others: [] }
      // @ts-expect-error -- no such symbol of the enum
      PaymentEvents.Refunded({ ...rest, currency: 'GBP' })
    }
    expect(mistakes).toBeTypeOf('function')
  })

  test('has its own defaults where its full name stands, beside another one of its name', () => {
    const units = (name: string, type: string) =>
      ({ type: 'record', name, fields: [{ name: 'units', type }] }) as const
    const { Priced } = defineEvents({
      topic: 'outbox.event.price',
      key: 'id',
      events: {
        Priced: {
          type: 'record',
          name: 'Priced',
          fields: [
            { name: 'id', type: 'string' },
            { name: 'a', type: ['null', units('shop.Money', 'bytes')], default: null },
            { name: 'b', type: ['null', units('bank.Money', 'long')], default: null },
            { name: 'price', type: 'shop.Money', default: { units: '\u0001' } },
          ],
        },
      },
    })
    expect(Priced({ id: 'p' }).data).toMatchObject({ price: { units: Uint8Array.of(1) } })
  })

  test('has its defaults there, too', () => {
    const { data } = PaymentEvents.Refunded({ id: 'r', amount, others: [null], currency: 'EUR' })
    expect(data).toMatchObject({ fee: { units: 5n, currency: 'EUR' }, of: null })
  })
})
