import { describe, expect, expectTypeOf, test } from 'vitest'
import type { AvroRead, AvroWrite } from './avro-types.ts'
import { defineEvents } from './define-events.ts'

const MONEY = {
  type: 'record',
  name: 'Money',
  fields: [
    { name: 'cents', type: 'long' },
    { name: 'currency', type: 'string', default: 'EUR' },
  ],
} as const

const OrderPlaced = {
  type: 'record',
  name: 'OrderPlaced',
  namespace: 'shop',
  fields: [
    { name: 'orderId', type: 'string' },
    { name: 'total', type: MONEY },
    { name: 'parts', type: { type: 'array', items: 'Money' }, default: [] },
    { name: 'byName', type: { type: 'map', values: 'shop.Money' }, default: {} },
    { name: 'refund', type: ['null', 'Money'], default: null },
    { name: 'fees', type: ['null', { type: 'array', items: ['null', 'Money'] }], default: null },
  ],
} as const

const OrderEvents = defineEvents({
  topic: 'outbox.event.order',
  key: 'orderId',
  events: { OrderPlaced },
})

const euros = (cents: bigint) => ({ cents, currency: 'EUR' })

describe('a field with a default may be left out', () => {
  test('of a record in a record, an array, a map and a union', () => {
    const { data } = OrderEvents.OrderPlaced({
      orderId: 'o1',
      total: { cents: 1n },
      parts: [{ cents: 2n }, { cents: 3n, currency: 'USD' }],
      byName: { shipping: { cents: 4n } },
      refund: { cents: 5n },
      fees: [null, { cents: 6n }],
    })
    expect(data).toEqual({
      orderId: 'o1',
      total: euros(1n),
      parts: [euros(2n), { cents: 3n, currency: 'USD' }],
      byName: { shipping: euros(4n) },
      refund: euros(5n),
      fees: [null, euros(6n)],
    })
  })

  test('by its type, while its reader always gets it', () => {
    type Written = AvroWrite<typeof OrderPlaced>
    type Money = { readonly cents: bigint; readonly currency?: string }
    expectTypeOf<Written['total']>().toEqualTypeOf<Money>()
    expectTypeOf<NonNullable<Written['parts']>[number]>().toEqualTypeOf<Money>()
    expectTypeOf<NonNullable<Written['byName']>>().toEqualTypeOf<Readonly<Record<string, Money>>>()
    expectTypeOf<NonNullable<Written['refund']>>().toEqualTypeOf<Money>()
    expectTypeOf<NonNullable<Written['fees']>>().toEqualTypeOf<readonly (Money | null)[]>()
    type Read = AvroRead<typeof OrderPlaced>
    expectTypeOf<Read['total']>().toEqualTypeOf<Required<Money>>()
    expectTypeOf<Read['parts']>().toEqualTypeOf<readonly Required<Money>[]>()
    expectTypeOf<Read>().toExtend<Written>()
    const mistakes = (): void => {
      // @ts-expect-error -- cents have no default
      OrderEvents.OrderPlaced({ orderId: 'o1', total: { currency: 'EUR' } })
      // @ts-expect-error -- a field that there is not
      OrderEvents.OrderPlaced({ orderId: 'o1', total: { cents: 1n, note: '' } })
    }
    expect(mistakes).toBeTypeOf('function')
  })

  test('of a record that holds records of its own type, however deep', () => {
    const Commented = {
      type: 'record',
      name: 'Commented',
      fields: [
        { name: 'id', type: 'string' },
        { name: 'text', type: 'string', default: '' },
        { name: 'replies', type: { type: 'array', items: 'Commented' }, default: [] },
      ],
    } as const
    const { Commented: commented } = defineEvents({
      topic: 't',
      key: 'id',
      events: { Commented },
    })
    const { data } = commented({ id: 'a', replies: [{ id: 'b', replies: [{ id: 'c' }] }] })
    expect(data).toEqual({
      id: 'a',
      text: '',
      replies: [{ id: 'b', text: '', replies: [{ id: 'c', text: '', replies: [] }] }],
    })
    const endless: { id: string; replies: object[] } = { id: 'a', replies: [] }
    endless.replies.push(endless)
    // The encoder says that it nests too deeply.
    expect(commented(endless as never).data).toMatchObject({ id: 'a' })
  })
})

test('what is left out says which record of a union it is, as to the encoder', () => {
  const record = (name: string, ...fields: readonly object[]) => ({ type: 'record', name, fields })
  const card = record('Card', { name: 'number', type: 'string' })
  const transfer = record(
    'Transfer',
    { name: 'iban', type: 'string' },
    { name: 'bic', type: 'string', default: 'unknown' },
  )
  const { Paid } = defineEvents({
    topic: 't',
    key: 'id',
    events: {
      Paid: {
        type: 'record',
        name: 'Paid',
        fields: [
          { name: 'id', type: 'string' },
          { name: 'by', type: ['null', card, transfer] },
        ],
      },
    },
  })
  const paidBy = (by: unknown) => (Paid({ id: 'p', by } as never).data as { by: unknown }).by
  expect(paidBy({ iban: 'DE' })).toEqual({ iban: 'DE', bic: 'unknown' })
  expect(paidBy({ number: '4' })).toEqual({ number: '4' })
  // The encoder refuses them, and tells what it was given.
  for (const wrong of [{ iban: 'DE', number: '4' }, 'DE', { bic: 'x' }]) {
    expect(paidBy(wrong)).toBe(wrong)
  }
})

test('a record of a union that would be another one with its default is left as it is', () => {
  const fieldsOf = (...lacking: readonly object[]) => [
    { name: 'x', type: 'string' },
    { name: 'y', type: 'string', ...lacking[0] },
  ]
  const full = { type: 'record', name: 'Full', fields: fieldsOf() }
  const short = { type: 'record', name: 'Short', fields: fieldsOf({ default: '' }) }
  const { A } = defineEvents({
    topic: 't',
    key: 'id',
    events: {
      A: {
        type: 'record',
        name: 'A',
        fields: [
          { name: 'id', type: 'string' },
          { name: 'either', type: [full, short] },
        ],
      },
    },
  })
  expect(A({ id: 'a', either: { x: '1' } } as never).data).toEqual({ id: 'a', either: { x: '1' } })
})
