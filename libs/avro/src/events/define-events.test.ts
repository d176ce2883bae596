import { describe, expect, expectTypeOf, test } from 'vitest'
import type { AvroRead, FieldDefinition } from './avro-types.ts'
import { type EventOf, type NewEvent, defineEvents } from './define-events.ts'

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

const keyedBy = (type: unknown, ...more: readonly FieldDefinition[]) => ({
  topic: 'outbox.event.t',
  key: 'id' as never,
  events: { A: { type: 'record', name: 'A', fields: [{ name: 'id', type }, ...more] } } as const,
})

describe('a definition is refused', () => {
  const timestamp = { type: 'long', logicalType: 'timestamp-millis' }
  const rule = 'and a key is a text, a number, a boolean or a symbol of an enum, and always there'

  test.for([
    ['whose key is a timestamp', timestamp, 'id is timestamp-millis, '],
    ['whose key may be null', ['null', 'string'], 'id is a union of null, string, '],
    ['whose key is bytes', 'bytes', 'id is bytes, '],
    ['whose key is a record', { type: 'record', name: 'R', fields: [] }, 'id is record, '],
    ['whose key is a list', { type: 'array', items: 'string' }, 'id is array, '],
  ] as const)('%s', ([, type, message]) => {
    expect(() => defineEvents(keyedBy(type))).toThrow(`A of outbox.event.t: ${message}${rule}`)
  })

  test.for([
    ['without its key field', { ...keyedBy('string'), key: 'x' as never }, 'has no field x'],
    ['with an unknown type', keyedBy('string', { name: 'b', type: 'strng' }), '/fields/1/type'],
    ['with a field twice', keyedBy('string', { name: 'id', type: 'int' }), 'Duplicate field id'],
    ['with another default', keyedBy('string', { name: 'b', type: 'int', default: 'x' }), 'b'],
  ] as const)('%s', ([, definition, message]) => {
    expect(() => defineEvents(definition)).toThrow(message)
  })

  test.for([
    [{ B: { 1: () => ({}) } }, 'upcast.B is of no event type of the set'],
    [{ A: { 0: () => ({}) } }, 'upcast.A is by versions, which are integers from 1, not by 0'],
    [{ A: { 1: 'x' } }, 'upcast.A.1 is a function, not string'],
  ] as const)('whose upcasts are %j', ([upcast, message]) => {
    expect(() => defineEvents({ ...keyedBy('string'), upcast: upcast as never })).toThrow(message)
  })

  test('that is an enum, or nothing', () => {
    const events = { A: { type: 'enum', name: 'A', symbols: ['x'] } as never }
    expect(() => defineEvents({ ...keyedBy('string'), events })).toThrow('no enum has')
    const nothing = { A: undefined as never }
    expect(() => defineEvents({ ...keyedBy('string'), events: nothing })).toThrow('A of outbox')
  })
})

test.for([
  ['int', 5],
  ['long', 5n],
  [{ type: 'long', js: 'number' }, 5],
  [{ type: 'enum', name: 'E', symbols: ['x'] }, 'x'],
  [['string', 'int'], 'x'],
] as const)('a key is of type %j', ([type, value]) => {
  const { A } = defineEvents(keyedBy(type))
  expect(A({ id: value } as never).key).toBe(String(value))
})

test('an event without its key is not made', () => {
  const { A } = defineEvents(keyedBy('string'))
  expect(() => A({} as never)).toThrow('A of outbox.event.t lacks id, which is its key')
})

test('a field may have the name of what every object has', () => {
  const names = ['__proto__', 'constructor']
  const fields = names.map((name) => ({ name, type: 'string', default: 'left out' }))
  const A = { type: 'record', name: 'A', fields }
  const set = defineEvents({ topic: 't', key: '__proto__', events: { A } } as never)
  const make = (set as unknown as { readonly A: (data: object) => NewEvent }).A
  const data = JSON.parse('{"__proto__":"given","constructor":"left out"}')
  expect(make(JSON.parse('{"__proto__":"given"}'))).toEqual({
    type: 'A',
    topic: 't',
    key: 'given',
    data,
  })
})

test.for([Number.NaN, Number.NEGATIVE_INFINITY, -0])(
  'a default of %d is refused, which JSON makes another one of',
  (value) => {
    const fields = [
      { name: 'id', type: 'string' },
      { name: 'ratio', type: ['null', 'double'], default: value },
    ] as const
    const A = { type: 'record', name: 'A', fields } as const
    expect(() => defineEvents({ topic: 't', key: 'id', events: { A } })).toThrow(
      'A of t is none: JSON has no',
    )
  },
)

test('the key is no timestamp, and not null, by its type', () => {
  const mistakes = (): void => {
    const fields = [
      { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    ] as const
    // @ts-expect-error -- a Date has a text for people
    defineEvents({ topic: 't', key: 'at', events: { A: { type: 'record', name: 'A', fields } } })
    const nullable = [{ name: 'of', type: ['null', 'string'], default: null }] as const
    const A = { type: 'record', name: 'A', fields: nullable } as const
    // @ts-expect-error -- events without one would all have the key "null"
    defineEvents({ topic: 't', key: 'of', events: { A } })
  }
  expect(mistakes).toBeTypeOf('function')
})

test('a logical type on another type than its own says nothing of the value', () => {
  const Odd = defineEvents({
    topic: 't',
    key: 'id',
    events: {
      A: {
        type: 'record',
        name: 'A',
        fields: [
          { name: 'id', type: 'string' },
          { name: 'uuid', type: { type: 'fixed', name: 'U', size: 16, logicalType: 'uuid' } },
          { name: 'at', type: { type: 'int', logicalType: 'timestamp-millis' }, default: 7 },
          { name: 'text', type: { type: 'string', logicalType: 'timestamp-micros' } },
        ],
      },
    },
  })
  expectTypeOf<EventOf<typeof Odd>['data']>().toEqualTypeOf<{
    readonly id: string
    readonly uuid: Uint8Array
    readonly at: number
    readonly text: string
  }>()
  expect(Odd.A({ id: 'a', uuid: new Uint8Array(16), text: '' }).data.at).toBe(7)
})

test('a name means the type of the namespace around it, and beyond that the one without', () => {
  const units = <T extends string>(type: T) => [{ name: 'units', type }] as const
  const shopMoney = {
    type: 'record',
    name: 'Money',
    namespace: 'shop',
    fields: units('bytes'),
  } as const
  const bank = {
    type: 'record',
    name: 'bank.Money',
    fields: [
      ...units('long'),
      { name: 'of', type: ['null', 'Money'], default: null },
      { name: 'kind', type: 'Kind' },
    ],
  } as const
  const Priced = defineEvents({
    topic: 't',
    key: 'id',
    events: {
      Priced: {
        type: 'record',
        name: 'Priced',
        fields: [
          { name: 'id', type: 'string' },
          { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['a'] } },
          { name: 'shop', type: shopMoney },
          { name: 'bank', type: bank },
          { name: 'inShop', type: 'shop.Money' },
          { name: 'fee', type: 'bank.Money', default: { units: 3, kind: 'a' } },
        ],
      },
    },
  })
  type Data = EventOf<typeof Priced>['data']
  expectTypeOf<Data['inShop']['units']>().toEqualTypeOf<Uint8Array>()
  expectTypeOf<Data['fee']['units']>().toEqualTypeOf<bigint>()
  expectTypeOf<NonNullable<Data['bank']['of']>['units']>().toEqualTypeOf<bigint>()
  expectTypeOf<Data['bank']['kind']>().toEqualTypeOf<'a'>()
  const data = {
    id: 'p',
    kind: 'a',
    shop: { units: new Uint8Array() },
    inShop: { units: new Uint8Array() },
  } as const
  const written = Priced.Priced({ ...data, bank: { units: 1n, of: null, kind: 'a' } })
  expect(written.data.fee).toEqual({ units: 3n, of: null, kind: 'a' })
})

test('a default of a union is one of any of its branches', () => {
  const types = ['null', { type: 'long', logicalType: 'timestamp-millis' }] as const
  const { A } = defineEvents({
    topic: 't',
    key: 'id',
    events: {
      A: {
        type: 'record',
        name: 'A',
        fields: [
          { name: 'id', type: 'string' },
          { name: 'at', type: types, default: 5 },
          { name: 'bytes', type: ['null', 'bytes'], default: '\u0001' },
        ],
      },
    },
  })
  expect(A({ id: 'a' }).data).toEqual({ id: 'a', at: new Date(5), bytes: Uint8Array.of(1) })
})
