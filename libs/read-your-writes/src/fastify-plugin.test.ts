import { lsn } from '@fairlead/base'
import { type CommitToken, formatCommitToken, joinCommitTokens } from '@fairlead/outbox'
import fastify from 'fastify'
import { connect } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import { Kysely, PostgresDialect } from 'kysely'
import {
  type Projections,
  type ReadYourWritesOptions,
  createProjections,
  readYourWrites,
} from './index.ts'
import { checkedTimeoutMs } from './projections.ts'

const projections: Projections = {
  waitFor: () => Promise.resolve({ fresh: true, waitedMs: 0 }),
  unapplied: (_projections, token) => Promise.resolve(token as CommitToken),
}

/** What types refuse, behind a cast. */
const register = async (options: Readonly<Record<string, unknown>>) => {
  const app = fastify()
  await app.register(readYourWrites, { projections, ...options } as ReadYourWritesOptions)
  return app
}

describe('the plugin is refused', () => {
  test.for([
    ['without anything to wait for', {}, 'reads names the projections'],
    ['with what is no projection to wait for', { reads: [undefined] }, 'not for undefined'],
    ['with a timeout that is no duration', { reads: [], timeout: '5' }, '"5" is not a duration'],
    [
      'with another way to be late',
      { reads: [], onTimeout: 'wait' },
      "'throw' or 'stale', not wait",
    ],
  ] as const)('%s', async ([, options, message]) => {
    await expect(register(options)).rejects.toThrow(message)
  })
})

test('who waits for what is no projection is told so', async () => {
  const pool = () => Promise.reject(new Error('nobody needs the database'))
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) })
  for (const given of [undefined, null, {}, { name: 'orders' }]) {
    await expect(createProjections({ db }).waitFor(given as never, '')).rejects.toThrow(
      'reads wait for projections, as defineProjection returns them',
    )
  }
})

test('tokens of one answer are joined, and other cookies stay', async () => {
  const app = await register({ reads: [] })
  const tokens = [7n, 8n].map((position) =>
    formatCommitToken({ lsn: lsn(position), transactionId: `${position}`, written: new Map() }),
  )
  app.post('/orders', (_request, reply) => {
    void reply.header('set-cookie', 'session=1')
    for (const token of tokens) reply.commitToken(token)
    return reply.header('set-cookie', 'theme=dark').send({ ok: true })
  })
  const answer = await app.inject({ method: 'POST', url: '/orders' })
  expect(answer.headers['x-consistency-token']).toBe(joinCommitTokens(...tokens))
  expect(answer.headers['set-cookie']).toEqual([
    'session=1',
    expect.stringContaining(`consistency-token=${joinCommitTokens(...tokens)};`),
    'theme=dark',
  ])
})

test('what no outbox made is not handed out as a token', async () => {
  const app = await register({ reads: [] })
  app.post('/orders', (_request, reply) => reply.commitToken('garbage' as never).send({ ok: true }))
  const answer = await app.inject({ method: 'POST', url: '/orders' })
  expect(answer.statusCode).toBe(500)
  expect(answer.headers).not.toHaveProperty('x-consistency-token')
})

test('a read waits no longer than a timer can, and not no time at all', () => {
  expect(checkedTimeoutMs({ timeout: '25d' })).toBe(2 ** 31 - 1)
  expect(checkedTimeoutMs({})).toBe(2_000)
})

const aToken = formatCommitToken({ lsn: lsn(7n), transactionId: '7', written: new Map() })
const orders = { name: 'orders', sources: [{ topic: 'outbox.event.order' }] }

test('what no route answers waits for nothing', async () => {
  const waitFor = vi.fn<Projections['waitFor']>()
  const app = await register({ projections: { ...projections, waitFor }, reads: [orders] })
  for (const text of [aToken, 'garbage']) {
    const headers = { 'x-consistency-token': text }
    expect((await app.inject({ url: '/nowhere', headers })).statusCode).toBe(404)
  }
  expect(waitFor).not.toHaveBeenCalled()
})

test('a client that goes away is not waited for, and its handler does not run', async () => {
  const waits: (AbortSignal | undefined)[] = []
  const waitFor: Projections['waitFor'] = (_projection, _token, { signal } = {}) => {
    waits.push(signal)
    return new Promise((_resolve, reject) => {
      signal?.addEventListener('abort', () => reject(new Error('over')))
    })
  }
  const app = await register({ projections: { ...projections, waitFor }, reads: [orders] })
  const handler = vi.fn(() => ({}))
  const onError = vi.fn()
  app.get('/orders', handler)
  app.addHook('onError', onError)
  const url = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
  const client = connect(Number(url.port), url.hostname)
  client.write(`GET /orders HTTP/1.1\r\nhost: a\r\nx-consistency-token: ${aToken}\r\n\r\n`)
  await vi.waitFor(() => expect(waits).toHaveLength(1))
  client.destroy()
  await vi.waitFor(() => expect(waits[0]?.aborted).toBe(true))
  await nextTurn()
  expect(handler).not.toHaveBeenCalled()
  expect(onError).not.toHaveBeenCalled()
  await app.close()
})
