import { chaos, given } from '@fairlead/projection-testing'
import { test } from 'vitest'
import { OrderEvents } from './events.ts'
import { orderSummary } from './projections.ts'

const placed = (orderId: string, quantity: number) =>
  OrderEvents.OrderPlaced({
    orderId,
    customerId: 'ana',
    sku: 'tea',
    quantity,
    unitPriceCents: 250n,
    placedAt: new Date('2026-05-05T00:00:00Z'),
  })
const changed = (orderId: string, quantity: number) =>
  OrderEvents.OrderQuantityChanged({ orderId, quantity })
const paid = (orderId: string) =>
  OrderEvents.OrderPaid({ orderId, amountCents: 750n, paidAt: new Date('2026-05-06T00:00:00Z') })

test('a summary has the total of the last quantity, and what became of the order', async () => {
  await given(orderSummary)
    .events(placed('o1', 2), changed('o1', 3), paid('o1'), placed('o2', 1))
    .then([
      { order_id: 'o1', quantity: 3, total_cents: 750n, status: 'paid' },
      { order_id: 'o2', quantity: 1, total_cents: 250n, status: 'placed', paid_at: null },
    ])
})

test('a quantity that is not positive parks its order, and no other', async () => {
  await given(orderSummary)
    .events(placed('o1', 2), changed('o1', -1), paid('o1'), placed('o2', 1))
    .then([{ order_id: 'o1', quantity: 2, status: 'placed' }, { order_id: 'o2' }], {
      parked: ['o1'],
    })
})

test('whatever happens between log and table, the summaries are the same', async () => {
  await chaos(orderSummary, (random) =>
    ['o1', 'o2', 'o3'].flatMap((id) => [
      placed(id, Math.ceil(random() * 5)),
      changed(id, Math.floor(random() * 4)),
      paid(id),
    ]),
  )
})
