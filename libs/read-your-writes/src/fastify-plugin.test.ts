import { lsn } from '@fairlead/base'
import { type CommitToken, formatCommitToken, joinCommitTokens } from '@fairlead/outbox'
import fastify, { type FastifyInstance } from 'fastify'
import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
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

/** Waits until its signal fires. */
function endlessWait() {
  const signals: (AbortSignal | undefined)[] = []
  const waitFor: Projections['waitFor'] = (_projection, _token, { signal } = {}) => {
    signals.push(signal)
    return new Promise((_resolve, reject) => {
      const end = (): void => reject(new Error('over'))
      if (signal?.aborted === true) end()
      signal?.addEventListener('abort', end)
    })
  }
  return { signals, projections: { ...projections, waitFor } }
}

/** Of what takes a turn or two of the event loop. */
const SOON = { timeout: 60_000 }

async function readOver(app: FastifyInstance) {
  const url = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
  const client = connect(Number(url.port), url.hostname)
  client.write(`GET /orders HTTP/1.1\r\nhost: a\r\nx-consistency-token: ${aToken}\r\n\r\n`)
  return client
}

test('a client that goes away is not waited for, and its handler does not run', async () => {
  const { signals, projections: endless } = endlessWait()
  const app = await register({ projections: endless, reads: [orders] })
  const handler = vi.fn(() => ({}))
  const onError = vi.fn()
  app.get('/orders', handler)
  app.addHook('onError', onError)
  const client = await readOver(app)
  await vi.waitFor(() => expect(signals).toHaveLength(1), SOON)
  client.destroy()
  await vi.waitFor(() => expect(signals[0]?.aborted).toBe(true), SOON)
  await nextTurn()
  expect(handler).not.toHaveBeenCalled()
  expect(onError).not.toHaveBeenCalled()
  await app.close()
})

test('nor is one that has gone before its wait began', async () => {
  const { signals, projections: endless } = endlessWait()
  const app = fastify()
  const arrived = Promise.withResolvers<void>()
  app.addHook('onRequest', async (_request, { raw }) => {
    arrived.resolve()
    await once(raw, 'close')
  })
  await app.register(readYourWrites, { projections: endless, reads: [orders], timeout: '1h' })
  const handler = vi.fn(() => ({}))
  app.get('/orders', handler)
  const client = await readOver(app)
  await arrived.promise
  client.destroy()
  await vi.waitFor(() => expect(signals[0]?.aborted).toBe(true), SOON)
  await app.close()
  expect(handler).not.toHaveBeenCalled()
})

test.for([
  ['throw', 503],
  ['stale', 200],
] as const)(
  'a server that closes answers those who wait as after their timeout: %s',
  async ([onTimeout, status]) => {
    const { signals, projections: endless } = endlessWait()
    const app = await register({ projections: endless, reads: [orders], timeout: '1h', onTimeout })
    app.get('/orders', () => ({}))
    const client = await readOver(app)
    await vi.waitFor(() => expect(signals).toHaveLength(1), SOON)
    const [answer] = await Promise.all([text(client), app.close()])
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} .*connection: close`, 's'))
  },
)
