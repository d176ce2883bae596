import { describe, expect, expectTypeOf, test } from 'vitest'
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
  }>()
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
