/** The tables of the shop, as Kysely sees them. Bigint columns are text on the way out of `pg`. */
export type ShopDatabase = {
  'shop.orders': {
    id: string
    customer_id: string
    sku: string
    quantity: number
    unit_price_cents: string | bigint
    status: 'placed' | 'paid'
    placed_at: Date
  }
}
