import type { FastifyInstance } from 'fastify'
import { type Kysely, sql } from 'kysely'
import type { ShopDatabase } from './database.ts'
import type { OrderRequest, OrderService } from './order-service.ts'
import { TRAFFIC_RATE_MAX } from './config.ts'
import { orderSummary } from './projections.ts'
import { readStats } from './stats.ts'
import type { Traffic } from './traffic.ts'

const UUID = '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'

// Postgres has no text with NUL in it.
const NAME = { type: 'string', minLength: 1, maxLength: 200, pattern: '^[^\\u0000]*$' } as const

const orderBody = {
  type: 'object',
  required: ['customerId', 'sku', 'quantity', 'unitPriceCents'],
  additionalProperties: false,
  properties: {
    customerId: NAME,
    sku: NAME,
    quantity: { type: 'integer', minimum: 1, maximum: 1_000_000 },
    unitPriceCents: { type: 'integer', minimum: 0, maximum: 1_000_000_000 },
  },
} as const

const orderParams = {
  type: 'object',
  required: ['id'],
  properties: { id: { type: 'string', pattern: UUID } },
} as const

const trafficBody = {
  type: 'object',
  required: ['ordersPerSecond'],
  additionalProperties: false,
  properties: { ordersPerSecond: { type: 'integer', minimum: 0, maximum: TRAFFIC_RATE_MAX } },
} as const

const STARTING = { error: 'the shop is starting' }

/** The shop's HTTP API, on a server with the plugin `readYourWrites`. */
export function addRoutes(
  http: FastifyInstance,
  shop: {
    readonly database: Kysely<ShopDatabase>
    /** Undefined until the schemas are registered. */
    readonly service: () => OrderService | undefined
    readonly traffic: () => Traffic | undefined
  },
): void {
  http.get('/stats', () => readStats(shop.database))

  http.post<{ Body: OrderRequest }>(
    '/orders',
    { schema: { body: orderBody } },
    async (request, reply) => {
      const service = shop.service()
      if (service === undefined) return reply.code(503).send(STARTING)
      const { orderId, token } = await service.place(request.body)
      return reply.commitToken(token).code(201).send({ orderId })
    },
  )

  http.post<{ Params: { id: string } }>(
    '/orders/:id/payment',
    { schema: { params: orderParams } },
    async (request, reply) => {
      const token = await shop.service()?.pay(request.params.id)
      if (token === undefined) return reply.code(503).send(STARTING)
      if (token === null) return reply.code(404).send({ error: 'no such open order' })
      return reply.commitToken(token).send({ paid: true })
    },
  )

  http.put<{ Body: { ordersPerSecond: number } }>(
    '/traffic',
    { schema: { body: trafficBody } },
    (request, reply) => {
      const traffic = shop.traffic()
      if (traffic === undefined) return reply.code(503).send(STARTING)
      traffic.ordersPerSecond = request.body.ordersPerSecond
      return reply.send({ ordersPerSecond: traffic.ordersPerSecond })
    },
  )

  // The read model, not the order table: what a customer sees, a moment after the write. Who brings the
  // token of the write waits for it.
  http.get<{ Params: { id: string } }>(
    '/orders/:id',
    { schema: { params: orderParams }, config: { readYourWrites: [orderSummary] } },
    async (request, reply) => {
      const summary = await sql`
        select * from public.order_summary where order_id = ${request.params.id}
      `.execute(shop.database)
      return summary.rows[0] ?? reply.code(404).send({ error: 'no such order (yet)' })
    },
  )
}
