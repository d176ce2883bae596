import { join } from 'node:path'
import { formatLsn, lsn } from '@fairlead/base'
import {
  type CommitToken,
  formatCommitToken,
  joinCommitTokens,
  parseCommitToken,
} from '@fairlead/outbox'
import { createPool, migrate } from '@fairlead/postgres'
import { type TestDatabase, createKysely, testDatabase } from '@fairlead/testing'
import fastify from 'fastify'
import { type Kysely, sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Projections, StaleReadError, createProjections, readYourWrites } from './index.ts'

const TOPIC = 'outbox.event.order'
const orders = { name: 'orders', sources: [{ topic: TOPIC }] }
const PARTITIONS = JSON.stringify({ [TOPIC]: { partitionCount: 2, before: [] } })
/** With two partitions, `abc` is in partition 1 and `foobar` in 0. */
const KEY_HASHES = { abc: 479470107, foobar: -790332482 & 0x7fff_ffff }

let database: TestDatabase
let db: Kysely<unknown>
let queries: string[]
/** Called with each answer of the database. */
let onLook: () => void
let projections: Projections

beforeEach(async () => {
  database = await testDatabase()
  await migrate({
    url: database.url,
    directory: join(import.meta.dirname, '../../../sql/migrations'),
  })
  db = createKysely<unknown>(createPool({ url: database.url, max: 2, applicationName: 'test' }))
  await sql`insert into evt.projection (name, live_version) values ('orders', 2)`.execute(db)
  await sql`
    insert into evt.projection_version (projection_id, version, state, schema_name, code_hash,
      partitions)
    values (1, 1, 'standby', 'rm_orders_v1', '', ${PARTITIONS}),
      (1, 2, 'live', 'rm_orders_v2', '', ${PARTITIONS})`.execute(db)
  await sql`
    insert into evt.checkpoint (projection_id, version, topic, part, next_offset)
    select 1, version, ${TOPIC}, part, 0 from (values (1), (2)) as v(version),
      (values (0), (1)) as p(part)`.execute(db)
  queries = []
  onLook = () => undefined
  projections = watchedProjections()
})

/** Their queries are in `queries`. */
function watchedProjections(): Projections {
  return createProjections({
    db: db.withPlugin({
      transformQuery: ({ node }) => {
        queries.push(node.kind)
        return node
      },
      transformResult: ({ result }) => {
        onLook()
        return Promise.resolve(result)
      },
    }),
  })
}

/** For a condition, however slow the machine is. */
const until = (assertion: () => Promise<void> | void): Promise<void> =>
  vi.waitFor(assertion, { timeout: 60_000 })

afterEach(async () => {
  await db.destroy()
  await database.drop()
})

async function apply(
  partition: number,
  commitLsn: bigint,
  transactions: readonly number[] = [],
  eventCounts: Readonly<Record<string, number>> = {},
) {
  await sql`
    update evt.checkpoint set source_lsn = ${formatLsn(lsn(commitLsn))}::pg_lsn,
      recent_transactions = ${transactions}::bigint[],
      recent_event_counts = ${JSON.stringify(eventCounts)}::jsonb
    where version = 2 and part = ${partition}`.execute(db)
}

const token = (commit: {
  readonly below: bigint
  readonly transactionId?: string
  /** One for each event. */
  readonly keys?: readonly (keyof typeof KEY_HASHES)[]
  readonly modulus?: number
}): CommitToken => {
  const modulus = commit.modulus ?? 2 ** 31
  const counts = new Map<number, number>()
  for (const key of commit.keys ?? ['abc']) {
    const residue = KEY_HASHES[key] % modulus
    counts.set(residue, (counts.get(residue) ?? 0) + 1)
  }
  return formatCommitToken({
    lsn: lsn(commit.below),
    transactionId: commit.transactionId ?? '812',
    written: new Map([[TOPIC, { modulus, counts }]]),
  })
}

/** As outboxes made them that did not count events. */
const tokenOfVersion1 = (topics: unknown) =>
  `1.${Buffer.from(JSON.stringify(['0/64', '812', topics])).toString('base64url')}`

/** What the first look says: nobody waits for longer than for the answer of a second one. */
async function isFresh(text: string, options = {}): Promise<boolean> {
  const over = new AbortController()
  const second = Promise.withResolvers<false>()
  let lookCount = 0
  onLook = () => {
    lookCount += 1
    if (lookCount === 2) second.resolve(false)
  }
  const waiting = projections
    .waitFor(orders, text, { ...options, timeout: '1h', signal: over.signal })
    .then(({ fresh }) => fresh)
  const answer = await Promise.race([waiting, second.promise])
  over.abort()
  await waiting.catch(() => undefined)
  return answer
}

describe('a read is fresh', () => {
  test('not before the partition of its key has a checkpoint, whatever others have', async () => {
    await sql`delete from evt.checkpoint where version = 2 and part = 1`.execute(db)
    await apply(0, 500n)
    expect(await isFresh(token({ below: 100n }))).toBe(false)
    await sql`update evt.projection_version set partitions = '{}'`.execute(db)
    expect(await isFresh(token({ below: 100n, keys: ['foobar'] }))).toBe(false)
  })

  test.for([
    { live: 1, ahead: 2 },
    { live: 2, ahead: 1 },
  ])(
    'by what version $live has applied, which is live, though version $ahead is ahead',
    async ({ live, ahead }) => {
      await sql`update evt.projection set live_version = ${live}`.execute(db)
      await sql`
      update evt.checkpoint set source_lsn = '0/1000', recent_transactions = '{812}'
      where version = ${ahead}`.execute(db)
      expect(await isFresh(token({ below: 100n }))).toBe(false)
      await sql`update evt.projection set live_version = ${ahead}`.execute(db)
      expect(await isFresh(token({ below: 100n }))).toBe(true)
    },
  )

  test('once a commit at or above the bound is applied, and not one below it', async () => {
    await apply(1, 99n)
    expect(await isFresh(token({ below: 100n }))).toBe(false)
    await apply(1, 100n)
    expect(await isFresh(token({ below: 100n }))).toBe(true)
  })

  test('once its own transaction is applied, though no later one has come', async () => {
    await apply(1, 90n, [700, 811])
    expect(await isFresh(token({ below: 100n }))).toBe(false)
    await apply(1, 95n, [811, 812, 813])
    expect(await isFresh(token({ below: 100n }))).toBe(true)
  })

  test('not while a part of its transaction is applied, as when a batch ends in the middle of it', async () => {
    const two = token({ below: 100n, keys: ['abc', 'abc', 'foobar'] })
    await apply(0, 95n, [812])
    await apply(1, 95n, [812])
    expect(await isFresh(two)).toBe(false)
    await apply(1, 95n, [812], { 812: 2 })
    expect(await isFresh(two)).toBe(true)
  })

  test('once a later commit is applied, however many of its events are counted', async () => {
    await apply(1, 100n, [812])
    expect(await isFresh(token({ below: 100n, keys: ['abc', 'abc'] }))).toBe(true)
  })

  test('by the sum of the partitions, when its token does not tell them apart', async () => {
    const bulk = token({ below: 100n, keys: ['abc', 'abc', 'foobar'], modulus: 1 })
    await apply(1, 95n, [812], { 812: 2 })
    expect(await isFresh(bulk)).toBe(false)
    expect(await isFresh(bulk, { key: 'abc' })).toBe(false)
    await apply(0, 95n, [812])
    expect(await isFresh(bulk)).toBe(true)
    await apply(0, 100n, [])
    expect(await isFresh(bulk)).toBe(false)
    await apply(1, 101n, [])
    expect(await isFresh(bulk)).toBe(true)
  })

  test.for([
    { key: 'abc', of: 1, other: 0 },
    { key: 'foobar', of: 0, other: 1 },
  ])('by partition $of for $key, when its token does not tell them apart', async (at) => {
    const bulk = token({ below: 100n, keys: ['abc', 'foobar'], modulus: 1 })
    await apply(at.other, 100n)
    expect(await isFresh(bulk, { key: at.key })).toBe(false)
    await apply(at.other, 0n)
    await apply(at.of, 100n)
    expect(await isFresh(bulk, { key: at.key })).toBe(true)
    expect(await isFresh(bulk)).toBe(false)
  })

  test('by the partitions of its keys, when their number divides what it counts by', async () => {
    const many = token({ below: 100n, keys: ['abc', 'abc'], modulus: 960 })
    await apply(1, 95n, [812])
    expect(await isFresh(many)).toBe(false)
    await apply(1, 95n, [812], { 812: 2 })
    expect(await isFresh(many)).toBe(true)
  })

  test('with a key that the transaction did not write, at once', async () => {
    expect(await isFresh(token({ below: 100n }), { key: 'foobar' })).toBe(true)
    expect(queries).toEqual([])
  })

  test('for tokens that were handed out before events were counted', async () => {
    await apply(1, 95n, [812])
    expect(await isFresh(tokenOfVersion1({ [TOPIC]: [KEY_HASHES.abc] }))).toBe(true)
    expect(await isFresh(tokenOfVersion1({ [TOPIC]: Object.values(KEY_HASHES) }))).toBe(false)
    expect(await isFresh(tokenOfVersion1({ [TOPIC]: null }))).toBe(false)
    await apply(0, 100n)
    await apply(1, 100n)
    expect(await isFresh(tokenOfVersion1({ [TOPIC]: null }))).toBe(true)
  })

  test('by the partitions of its keys, or by that of the key asked for', async () => {
    await apply(1, 100n)
    expect(await isFresh(token({ below: 100n, keys: ['abc', 'foobar'] }))).toBe(false)
    expect(await isFresh(token({ below: 100n, keys: ['abc', 'foobar'] }), { key: 'abc' })).toBe(
      true,
    )
    expect(await isFresh(token({ below: 100n, keys: ['abc', 'foobar'] }), { key: 'foobar' })).toBe(
      false,
    )
  })

  test('only when all writes of a joined token are applied', async () => {
    const both = joinCommitTokens(
      token({ below: 50n, keys: ['foobar'] }),
      token({ below: 100n, transactionId: '900' }),
    )
    await apply(1, 100n)
    expect(await isFresh(both)).toBe(false)
    await apply(0, 51n)
    expect(await isFresh(both)).toBe(true)
  })

  test('without looking again at a write that was seen, of which a forged token may name hundreds', async () => {
    const both = joinCommitTokens(
      token({ below: 50n, keys: ['foobar'] }),
      token({ below: 100n, transactionId: '900' }),
    )
    await apply(0, 51n)
    const waiting = projections.waitFor(orders, both, { timeout: '1h' })
    await until(() => expect(queries.length).toBeGreaterThan(1))
    await apply(0, 1n)
    await apply(1, 100n)
    expect((await waiting).fresh).toBe(true)
  })

  test('never for a token that does not name all writes; those that it names are waited for', async () => {
    const many = joinCommitTokens(
      ...Array.from({ length: 100 }, (_, index) =>
        token({ below: 100n, transactionId: String(900 + index) }),
      ),
    )
    await apply(1, 100n)
    // It is not the end of this time that ends the wait.
    const { fresh } = await projections.waitFor(orders, many, { timeout: '1h' })
    expect(fresh).toBe(false)
  })

  test('at once when the projection does not read the topic, without a query', async () => {
    const others = { name: 'orders', sources: [{ topic: 'elsewhere' }] }
    expect((await projections.waitFor(others, token({ below: 1n }))).fresh).toBe(true)
    expect(queries).toEqual([])
  })

  test('not before the projection has ever run', async () => {
    const unknown = { name: 'unknown', sources: [{ topic: TOPIC }] }
    await expect(
      projections.waitFor(unknown, token({ below: 1n }), { timeout: '30ms' }),
    ).rejects.toThrow(StaleReadError)
  })
})

test('those who wait share one query at a time, and there is none when nobody waits', async () => {
  const waiting = Promise.all(
    Array.from({ length: 500 }, () =>
      projections.waitFor(orders, token({ below: 100n }), { timeout: '100s' }),
    ),
  )
  await until(() => expect(queries.length).toBeGreaterThan(3))
  await apply(1, 100n)
  const results = await waiting
  expect(results.every(({ fresh }) => fresh)).toBe(true)
  const longestMs = Math.max(...results.map(({ waitedMs }) => waitedMs))
  expect(queries.length).toBeLessThan(2 + longestMs)
  const count = queries.length
  // Longer than any pause between two looks.
  await sql`select pg_sleep(0.2)`.execute(db)
  expect(queries.length).toBe(count)
})

test('a wait that times out says so, with the trouble of the database as its cause', async () => {
  await expect(
    projections.waitFor(orders, token({ below: 100n }), { timeout: '30ms' }),
  ).rejects.toMatchObject({ code: 'STALE_READ', statusCode: 503, retryable: true })
  await sql`alter table evt.checkpoint rename to away`.execute(db)
  // One that ends before a look has an answer knows of no trouble yet.
  await until(() =>
    expect(
      projections.waitFor(orders, token({ below: 100n }), { timeout: '30ms' }),
    ).rejects.toMatchObject({ cause: { code: '42P01' } }),
  )
})

test('a look that never has an answer holds nobody up for long', async () => {
  const never = new Promise<never>(() => undefined)
  let looks = 0
  const silent = db.withPlugin({
    transformQuery: ({ node }) => node,
    transformResult: ({ result }) => {
      looks += 1
      return looks === 1 ? never : Promise.resolve(result)
    },
  })
  const beside = createProjections({ db: silent })
  await apply(1, 100n)
  const { fresh } = await beside.waitFor(orders, token({ below: 100n }), { timeout: '1h' })
  expect(fresh).toBe(true)
})

test('a wait for what no projector has run here says so, and a write is not held up by it', async () => {
  const nobody = { name: 'nobody', sources: orders.sources }
  // One that ends before a look has an answer does not know it.
  await until(() =>
    expect(
      projections.waitFor(nobody, token({ below: 100n }), { timeout: '300ms' }),
    ).rejects.toThrow(
      'no version of nobody was live in this database for 300 ms: a projector has to',
    ),
  )
  queries.length = 0
  // Not those whose last look may be under way.
  await watchedProjections().unapplied([nobody], token({ below: 100n }))
  expect(queries).toHaveLength(1)
})

test('a wait ends with its signal', async () => {
  const over = new AbortController()
  const waiting = projections.waitFor(orders, token({ below: 100n }), {
    timeout: '1h',
    signal: over.signal,
  })
  const reason = new Error('nobody waits')
  over.abort(reason)
  await expect(waiting).rejects.toBe(reason)
  const before = { signal: over.signal }
  await expect(projections.waitFor(orders, token({ below: 1n }), before)).rejects.toBe(reason)
})

test('a read beyond those that may wait is answered at once, as after its timeout', async () => {
  const few = createProjections({ db, waitersMax: 1 })
  const waiting = few.waitFor(orders, token({ below: 100n }), { timeout: '20s' })
  const next = (onTimeout: 'throw' | 'stale') =>
    few.waitFor(orders, token({ below: 100n }), { timeout: '20s', onTimeout })
  expect(await next('stale')).toMatchObject({ fresh: false })
  await expect(next('throw')).rejects.toMatchObject({ code: 'STALE_READ', statusCode: 503 })
  await apply(1, 100n)
  expect(await waiting).toMatchObject({ fresh: true })
})

describe('the Fastify plugin', () => {
  let writes = 0

  async function openApp(onTimeout: 'throw' | 'stale', options = {}) {
    const app = fastify()
    await app.register(readYourWrites, {
      projections,
      reads: [orders],
      timeout: '30ms',
      onTimeout,
      ...options,
    })
    app.post<{ Body: { below: number } }>('/orders', (request, reply) => {
      writes += 1
      const below = BigInt(request.body.below)
      return reply.commitToken(token({ below, transactionId: `${below}` })).send({ ok: true })
    })
    app.get('/orders', () => ({ rows: [] }))
    app.get('/plain', { config: { readYourWrites: [] } }, () => ({ rows: [] }))
    return app
  }

  test('hands out the token of a write, and lets reads that bring it wait', async () => {
    const app = await openApp('stale')
    const patient = await openApp('stale', { timeout: '60s' })
    const write = await app.inject({ method: 'POST', url: '/orders', payload: { below: 100 } })
    const header = String(write.headers['x-consistency-token'])
    expect(write.headers['set-cookie']).toBe(
      `consistency-token=${header}; Path=/; Max-Age=60; HttpOnly; SameSite=Lax`,
    )
    const late = { url: '/orders', headers: { 'x-consistency-token': header } }
    expect((await app.inject(late)).headers['x-consistency']).toBe('stale')
    const read = (headers: Record<string, string>, url = '/orders') =>
      patient.inject({ url, headers })
    await apply(1, 100n)
    const cookie = { cookie: `a=b; consistency-token=${header}` }
    expect((await read(cookie)).headers['x-consistency']).toBe('fresh')
    expect((await read({})).headers['x-consistency']).toBeUndefined()
    expect((await read(cookie, '/plain')).headers['x-consistency']).toBeUndefined()
  })

  test('joins the tokens of one client', async () => {
    const app = await openApp('stale')
    const payload = { below: 100 }
    const first = await app.inject({ method: 'POST', url: '/orders', payload })
    const headers = { 'x-consistency-token': String(first.headers['x-consistency-token']) }
    const next = { method: 'POST', url: '/orders', payload: { below: 101 }, headers } as const
    const second = await app.inject(next)
    expect(String(second.headers['x-consistency-token']).split('~')).toHaveLength(2)
  })

  describe('of a client that writes all the time', () => {
    /** What it holds after it has written below each of these, and what was applied up to then. */
    async function held(app: Awaited<ReturnType<typeof openApp>>, belows: readonly number[]) {
      let headers: Record<string, string> = {}
      for (const below of belows) {
        const answer = await app.inject({
          method: 'POST',
          url: '/orders',
          payload: { below },
          headers,
        })
        headers = { 'x-consistency-token': String(answer.headers['x-consistency-token']) }
      }
      const [text = ''] = Object.values(headers)
      return parseCommitToken(text).map(({ lsn: at }) => Number(at))
    }
    const upTo = (from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_, index) => from + index)

    test('the writes leave the token that all projections have taken in', async () => {
      await apply(1, 107n)
      const app = await openApp('stale')
      expect(await held(app, upTo(101, 108))).toEqual(upTo(101, 108))
      // What is not found out in a moment stays.
      await until(async () => expect(await held(app, upTo(101, 109))).toEqual([108, 109]))
    })

    test('they stay when another projection of the app has not, or nobody here reads them', async () => {
      await apply(1, 200n)
      const behind = { name: 'unknown', sources: orders.sources }
      const app = await openApp('stale')
      app.get('/behind', { config: { readYourWrites: [behind] } }, () => ({ rows: [] }))
      expect(await held(app, upTo(101, 110))).toEqual(upTo(101, 110))
      const elsewhere = { name: 'orders', sources: [{ topic: 'elsewhere' }] }
      const other = await openApp('stale', { reads: [elsewhere] })
      expect(await held(other, upTo(101, 110))).toEqual(upTo(101, 110))
      const shared = await openApp('stale', { sharesCookie: true })
      expect(await held(shared, upTo(101, 110))).toEqual(upTo(101, 110))
    })

    test('a write is carried out though nobody can say which writes are over', async () => {
      await apply(1, 200n)
      const app = await openApp('stale')
      await sql`alter table evt.checkpoint rename to away`.execute(db)
      expect(await held(app, upTo(101, 110))).toEqual(upTo(101, 110))
    })
  })

  test('refuses a write with a foreign token before it is carried out', async () => {
    const app = await openApp('stale')
    const headers = { 'x-consistency-token': 'hello' }
    const before = writes
    const answer = await app.inject({
      method: 'POST',
      url: '/orders',
      payload: { below: 1 },
      headers,
    })
    expect([answer.statusCode, writes - before]).toEqual([400, 0])
  })

  test('answers a read that is late with 503, and a foreign token in a header with 400', async () => {
    const app = await openApp('throw')
    const late = { 'x-consistency-token': token({ below: 100n }) }
    const answer = await app.inject({ url: '/orders', headers: late })
    expect(answer.statusCode).toBe(503)
    expect(answer.json()).toMatchObject({ code: 'STALE_READ' })
    const foreign = { 'x-consistency-token': 'hello' }
    expect((await app.inject({ url: '/orders', headers: foreign })).statusCode).toBe(400)
    const cookie = { cookie: 'consistency-token=hello' }
    expect((await app.inject({ url: '/orders', headers: cookie })).statusCode).toBe(200)
  })
})
