import { fastify } from 'fastify'
import { expect, test } from 'vitest'
import { addRoutes } from './routes.ts'

test('an order that no text of Postgres can hold is the fault of who sends it', async () => {
  const http = fastify()
  addRoutes(http, {
    database: undefined as never,
    service: () => expect.unreachable('an order that is refused reaches no service'),
    traffic: () => undefined,
  })
  const order = { customerId: 'ana\u0000', sku: 'tea', quantity: 1, unitPriceCents: 1 }
  const { statusCode } = await http.inject({ method: 'POST', url: '/orders', payload: order })
  expect(statusCode).toBe(400)
})
