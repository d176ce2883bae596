import { test } from 'node:test'
import { given } from '@fairlead/projection-testing'
import { PurchaseEvents, purchases } from './purchases.ts'

await test('what a book cost is less its discount', () =>
  given(purchases)
    .events(
      PurchaseEvents.BookBought({
        bookId: 'b1',
        price: { cents: 1_200n, currency: 'USD' },
        discount: { cents: 200n, currency: 'USD' },
      }),
    )
    .then([{ book_id: 'b1', cents: 1_000n, currency: 'USD' }]))
