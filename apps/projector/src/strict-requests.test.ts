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
    oneOf: [{ required: ['key'] }, { required: ['all'] }],
    properties: {
      key: { type: 'string' },
      all: { const: true },
      count: { type: 'integer', default: 7 },
    },
  }
  const querystring = {
    type: 'object',
    additionalProperties: false,
    properties: {
      version: { type: 'integer', not: { const: 0 } },
      kind: { enum: ['failed', 'blocked'] },
    },
  }
  http.post('/order', { schema: { body, querystring } }, ({ body: taken, query }) => ({
    taken,
    query,
  }))
  http.post('/pause', { schema: { querystring } }, ({ query }) => ({ query }))
  http.get('/lag', () => ({ lag: 0 }))
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
  [{ key: 'a', count: '7' }, '', /body\/count must be integer/],
  [{}, '', /body must have one of key, all, and no more than one/],
  [{ key: 'a', all: true }, '', /body must have one of key, all, and no more than one/],
  [{ all: 1 }, '', /body\/all must be true/],
  [{ key: 'a' }, '?vresion=2', /querystring has "vresion"/],
  [{ key: 'a' }, '?version=two', /querystring\/version must be integer/],
  [{ key: 'a' }, '?version=0', /querystring\/version must not be 0/],
  [{ key: 'a' }, '?kind=dead', /querystring\/kind must be one of failed, blocked/],
  [{ key: 'a' }, '?version=%00', /NUL/],
] as const)('%j%s is refused, however often it comes', async ([payload, query, message]) => {
  for (let time = 0; time < 2; time += 1) {
    const answer = await order(payload, query)
    expect(answer.statusCode).toBe(400)
    expect(answer.json<{ message: string }>().message).toMatch(message)
  }
})

test('a body is refused where none is looked at, so that nobody takes it for a part of the order', async () => {
  const pause = { method: 'POST', url: '/pause?version=2' } as const
  for (const payload of [undefined, {}]) {
    const paused = await http.inject({ ...pause, ...(payload && { payload }) })
    expect(paused.json()).toEqual({ query: { version: 2 } })
  }
  const refused = await http.inject({ ...pause, payload: { by: 'ana' } })
  expect(refused.statusCode).toBe(400)
  expect(refused.json<{ message: string }>().message).toMatch(/takes no body/)
  const nowhere = await http.inject({ method: 'POST', url: '/pose', payload: { by: 'ana' } })
  expect(nowhere.statusCode).toBe(404)
})

test.for([
  ['GET', '/order', 405, 'POST'],
  ['DELETE', '/pause?version=2', 405, 'POST'],
  ['POST', '/lag', 405, 'GET, HEAD'],
  ['PUT', '/letters/7/value', 405, 'DELETE'],
  ['DELETE', '/letters/7', 404, undefined],
  ['GET', '/orders', 404, undefined],
] as const)('%s %s is refused with %i', async ([method, url, status, allowed]) => {
  http.delete('/letters/:id/value', () => ({}))
  const answer = await http.inject({ method, url })
  expect(answer.statusCode).toBe(status)
  expect(answer.headers.allow).toBe(allowed)
  expect(answer.json<{ message: string }>().message).toContain(method)
})

test('a route without a query refuses one', async () => {
  expect((await http.inject('/lag')).json()).toEqual({ lag: 0 })
  const refused = await http.inject('/lag?version=2')
  expect(refused.statusCode).toBe(400)
  expect(refused.json<{ message: string }>().message).toBe(
    'querystring has "version", which is unknown here',
  )
})
