import Fastify, { type FastifyInstance } from 'fastify'
import { beforeEach, expect, test } from 'vitest'
import { takeStrictly } from './strict-requests.ts'

let http: FastifyInstance

beforeEach(() => {
  http = Fastify()
  takeStrictly(http)
  const body = {
    type: 'object',
    additionalProperties: false,
    properties: { key: { type: 'string' }, count: { type: 'integer', default: 7 } },
  }
  const querystring = {
    type: 'object',
    additionalProperties: false,
    properties: { version: { type: 'integer' } },
  }
  http.post('/order', { schema: { body, querystring } }, ({ body: taken, query }) => ({
    taken,
    query,
  }))
})

const order = (payload: object, query = '') =>
  http.inject({ method: 'POST', url: `/order${query}`, payload })

test('an order is taken as it is, with the defaults of what it leaves out', async () => {
  const answer = await order({ key: 'a' }, '?version=2')
  expect(answer.json()).toEqual({ taken: { key: 'a', count: 7 }, query: { version: 2 } })
})

test.for([
  [{ kye: 'a' }, '', /body has "kye", which is unknown here/],
  [{ key: null }, '', /body\/key must be string/],
  [{ count: '7' }, '', /body\/count must be integer/],
  [{}, '?vresion=2', /querystring has "vresion"/],
  [{}, '?version=two', /querystring\/version must be integer/],
  [{}, '?version=%00', /NUL/],
] as const)('%j%s is refused, however often it comes', async ([payload, query, message]) => {
  for (let time = 0; time < 2; time += 1) {
    const answer = await order(payload, query)
    expect(answer.statusCode).toBe(400)
    expect(answer.json<{ message: string }>().message).toMatch(message)
  }
})
