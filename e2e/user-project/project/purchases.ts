import { defineEvents } from '@fairlead/avro'
import { defineProjection, tables } from '@fairlead/projection'
import { BookBought } from './definitions.ts'

export const PurchaseEvents = defineEvents({
  topic: 'outbox.event.purchase',
  key: 'bookId',
  events: { BookBought },
})

type ReadModel = { purchase: { book_id: string; cents: bigint; currency: 'EUR' | 'USD' } }

export const purchases = defineProjection({
  name: 'purchases',
  version: 1,
  from: PurchaseEvents,
  into: tables<ReadModel>()('purchase', 'book_id', {
    book_id: 'text',
    cents: 'bigint',
    currency: 'text',
  }),
}).fold({
  initial: (book_id) => ({ book_id, cents: 0n, currency: 'EUR' }),
  on: {
    BookBought: (row, { data: { price, discount } }) => ({
      ...row,
      cents: price.cents - (discount?.cents ?? 0n),
      currency: price.currency,
    }),
  },
})
