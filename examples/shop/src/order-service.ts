import { randomUUID } from 'node:crypto'
import type { CommitToken, Outbox } from '@fairlead/outbox'
import type { Kysely } from 'kysely'
import type { ShopDatabase } from './database.ts'
import { OrderEvents } from './events.ts'

export type OrderRequest = {
  readonly customerId: string
  readonly sku: string
  readonly quantity: number
  readonly unitPriceCents: number
}

/** Whoever has the token can wait until a read model has the write. */
type Placed = { readonly orderId: string; readonly token: CommitToken }

/** Each method is one Postgres transaction: the business row and its event commit together. */
export class OrderService {
  readonly #database: Kysely<ShopDatabase>
  readonly #outbox: Outbox

  constructor(database: Kysely<ShopDatabase>, outbox: Outbox) {
    this.#database = database
    this.#outbox = outbox
  }

  async place(request: OrderRequest): Promise<Placed> {
    const orderId = randomUUID()
    const placedAt = new Date()
    const { customerId, sku, quantity } = request
    const unitPriceCents = BigInt(request.unitPriceCents)
    const { token } = await this.#outbox.transaction(this.#database, async (transaction) => {
      await transaction
        .insertInto('shop.orders')
        .values({
          id: orderId,
          customer_id: customerId,
          sku,
          quantity,
          unit_price_cents: unitPriceCents,
          status: 'placed',
          placed_at: placedAt,
        })
        .execute()
      await this.#outbox.append(
        transaction,
        OrderEvents.OrderPlaced({ orderId, customerId, sku, quantity, unitPriceCents, placedAt }),
      )
    })
    return { orderId, token }
  }

  /** False when there is no such order. */
  async changeQuantity(orderId: string, quantity: number): Promise<boolean> {
    return this.#database.transaction().execute(async (transaction) => {
      const changed = await transaction
        .updateTable('shop.orders')
        .set({ quantity })
        .where('id', '=', orderId)
        .executeTakeFirst()
      if (changed.numUpdatedRows === 0n) return false
      await this.#outbox.append(
        transaction,
        OrderEvents.OrderQuantityChanged({ orderId, quantity }),
      )
      return true
    })
  }

  /** Null when there is no such order, or it is paid already. */
  async pay(orderId: string): Promise<CommitToken | null> {
    const { result: isPaid, token } = await this.#outbox.transaction(
      this.#database,
      async (transaction) => {
        const order = await transaction
          .updateTable('shop.orders')
          .set({ status: 'paid' })
          .where('id', '=', orderId)
          .where('status', '=', 'placed')
          .returning(['quantity', 'unit_price_cents'])
          .executeTakeFirst()
        if (order === undefined) return false
        const amountCents = BigInt(order.unit_price_cents) * BigInt(order.quantity)
        await this.#outbox.append(
          transaction,
          OrderEvents.OrderPaid({ orderId, amountCents, paidAt: new Date() }),
        )
        return true
      },
    )
    return isPaid ? token : null
  }
}
