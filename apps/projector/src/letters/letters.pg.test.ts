import type { AnyEvent, Row, SqlContext } from '@fairlead/projection'
import { EncodeError, withWirePrefix } from '@fairlead/serde'
import { createHttpServer, Health } from '@fairlead/service'
import { type TestDatabase, testDatabase } from '@fairlead/testing'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Database, openDatabase } from '../store/database.ts'
import { discardLetters, findVersion } from '../store/letter-orders.ts'
import { takeStrictly } from '../strict-requests.ts'
import { accountId, accounts, deposited, totals } from '../testing/accounts.test-fixture.ts'
import { MemoryLog } from '../testing/memory-log.test-fixture.ts'
import { type TestProjector, startProjector } from '../testing/projector.test-fixture.ts'
import { addLetterRoutes } from './letter-routes.ts'

const TOPIC = 'outbox.event.account'
const ANA = { actor: 'ana', reason: 'the bank was closed' }

let database: TestDatabase
let db: Database
let log: MemoryLog
let running: TestProjector
let http: ReturnType<typeof createHttpServer>

beforeEach(async () => {
  database = await testDatabase()
  db = openDatabase({ url: database.url, connectionsMax: 3 })
  log = new MemoryLog(TOPIC, 2)
})

afterEach(async () => {
  await http.close()
  await running.projector.stop()
  await db.destroy()
  await database.drop()
})

async function serve(
  projections: Parameters<typeof startProjector>[2] = [accounts],
  options: Parameters<typeof startProjector>[3] = {},
): Promise<void> {
  running = startProjector(database.url, log, projections, options)
  const { projector, metrics } = running
  http = createHttpServer({ name: 'projector', version: 'test', health: new Health(), metrics })
  takeStrictly(http)
  addLetterRoutes(http, {
    db: projector.db,
    runners: () => projector.runners,
    payloads: {
      load: async (subject) => ({
        subject,
        schemaId: 1,
        version: 1,
        schemaType: 'AVRO',
        encode: (json) => {
          if (typeof JSON.parse(json).amount !== 'number')
            throw new EncodeError('no int', '.amount')
          return withWirePrefix(1, Buffer.from(json))
        },
      }),
    },
  })
  await http.ready()
  await until(() => expect(running.health.get('database')).toBe(true))
}

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

async function ask(method: Method, url: string, payload?: object) {
  const response = await http.inject({ method, url, ...(payload === undefined ? {} : { payload }) })
  return { status: response.statusCode, body: response.json<Record<string, unknown>>() }
}

const until = (assertion: () => Promise<void> | void): Promise<void> =>
  vi.waitFor(assertion, { timeout: 60_000, interval: 20 })

async function appliedUpTo(...offsets: readonly number[]): Promise<void> {
  await until(async () => {
    const { rows } = await sql<{ next: number }>`
      select next_offset::int as next from evt.checkpoint order by projection_id, part`.execute(db)
    expect(rows.map(({ next }) => next)).toEqual(offsets)
  })
}

async function balances(): Promise<Readonly<Record<string, number>>> {
  const { rows } = await sql<{ id: string; balance: number }>`
    select id, balance from public.account`.execute(db)
  return Object.fromEntries(rows.map(({ id, balance }) => [id, balance]))
}

async function letters(): Promise<readonly unknown[]> {
  const { rows } = await sql`
    select key, log_offset::int as "offset", kind, attempts from evt.dead_letter
    order by part, log_offset`.execute(db)
  return rows
}

async function parkedKeys(): Promise<readonly string[]> {
  const { rows } = await sql<{ key: string }>`select key from evt.parked_key order by key`.execute(
    db,
  )
  return rows.map(({ key }) => key)
}

async function idAt(offset: number): Promise<string> {
  const { rows } = await sql<{ id: bigint }>`
    select id from evt.dead_letter where log_offset = ${offset}`.execute(db)
  return String(rows[0]?.id)
}

/** Differs for every other order of the amounts. */
const folded = (...amounts: readonly number[]): number =>
  amounts.reduce((balance, amount) => (balance * 31 + amount) % 1_000_003, 0)

/** A handler that refuses nothing once it is cured: as if what it asks had been away. */
function curable() {
  const state = { isCured: false }
  const deposit = (row: Row, { data }: AnyEvent): Row => {
    const { amount } = data as { readonly amount: number }
    if (amount < 0 && !state.isCured) throw new RangeError('nothing deposited')
    return { ...row, balance: (Number(row['balance']) * 31 + amount) % 1_000_003 }
  }
  return { state, projection: { ...accounts, on: { Deposited: deposit } } }
}

test('a replayed key is drained in order, and its next event is live again', async () => {
  const { state, projection } = curable()
  await serve([projection])
  log.append(0, deposited(accountId(1), 1), deposited(accountId(1), -2), deposited(accountId(1), 3))
  log.append(0, deposited(accountId(2), 7), deposited(accountId(1), 4))
  await appliedUpTo(5, 0)
  expect(await balances()).toEqual({ [accountId(1)]: 1, [accountId(2)]: 7 })
  expect(await parkedKeys()).toEqual([accountId(1)])

  state.isCured = true
  const order = { projection: 'accounts', key: accountId(1), ...ANA }
  const { status, body } = await ask('POST', '/dead-letters/replay', order)
  expect({ status, keys: body['keys'] }).toEqual({ status: 200, keys: 1 })
  await until(async () => expect(await parkedKeys()).toEqual([]))
  expect((await balances())[accountId(1)]).toBe(folded(1, -2, 3, 4))
  expect(await letters()).toEqual([])
  expect((await ask('GET', `/dead-letters/replays/${String(body['request'])}`)).body).toMatchObject(
    {
      pendingKeys: 0,
      failedKeys: 0,
      replayed: 3,
    },
  )

  log.append(0, deposited(accountId(1), 1))
  await appliedUpTo(6, 0)
  expect((await balances())[accountId(1)]).toBe(folded(1, -2, 3, 4, 1))
  const { actions } = (await ask('GET', '/dead-letters/log?projection=accounts')).body
  expect(actions).toMatchObject(
    Array.from({ length: 3 }, () => ({ ...ANA, action: 'replay', key: accountId(1) })),
  )
})

test('a letter that fails again ends the replay of its key: what was applied stays applied', async () => {
  const { state, projection } = curable()
  await serve([projection])
  log.append(0, deposited(accountId(1), -1), deposited(accountId(1), 2))
  log.append(
    0,
    { ...deposited(accountId(1), 1), value: Buffer.from('{') },
    deposited(accountId(1), 3),
  )
  await appliedUpTo(4, 0)

  state.isCured = true
  const order = { projection: 'accounts', all: true, ...ANA }
  const { body } = await ask('POST', '/dead-letters/replay', order)
  await until(async () => {
    const progress = await ask('GET', `/dead-letters/replays/${String(body['request'])}`)
    expect(progress.body).toMatchObject({ pendingKeys: 0, failedKeys: 1, replayed: 2 })
  })
  expect(await balances()).toEqual({ [accountId(1)]: folded(-1, 2) })
  expect(await letters()).toEqual([
    { key: accountId(1), offset: 2, kind: 'failed', attempts: 1 },
    { key: accountId(1), offset: 3, kind: 'blocked', attempts: 0 },
  ])
  log.append(0, deposited(accountId(1), 5))
  await appliedUpTo(5, 0)
  expect(await letters()).toHaveLength(3)
})

test('events that arrive while their key drains queue behind it, and none overtakes another', async () => {
  const { state, projection } = curable()
  await serve([projection], { batchRecordsMax: 7 })
  const amounts = Array.from({ length: 1_500 }, (_, index) => (index === 0 ? -1 : index))
  const append = (...some: readonly number[]) =>
    log.append(0, ...some.map((amount) => deposited(accountId(1), amount)))
  append(...amounts.slice(0, 1_200))
  await appliedUpTo(1_200, 0)

  state.isCured = true
  await ask('POST', '/dead-letters/replay', { projection: 'accounts', all: true, ...ANA })
  for (const amount of amounts.slice(1_200)) append(amount)
  await appliedUpTo(amounts.length, 0)
  await until(async () => expect(await parkedKeys()).toEqual([]))
  expect(await letters()).toEqual([])
  expect(await balances()).toEqual({ [accountId(1)]: folded(...amounts) })
})

test('one letter is replayed alone, and only at the head of its key', async () => {
  const { state, projection } = curable()
  await serve([projection])
  log.append(0, deposited(accountId(1), -5), deposited(accountId(1), 2), deposited(accountId(1), 3))
  await appliedUpTo(3, 0)
  state.isCured = true
  const replay = async (id: string) =>
    ask('POST', '/dead-letters/replay', { projection: 'accounts', id, ...ANA })
  expect(await replay(await idAt(1))).toMatchObject({ status: 409, body: { code: 'NOT_THE_HEAD' } })
  expect(await replay('999')).toMatchObject({ status: 404 })
  expect(await replay(await idAt(0))).toMatchObject({ status: 200 })
  await until(async () => expect(await letters()).toHaveLength(2))
  expect(await parkedKeys()).toEqual([accountId(1)])
  expect(await balances()).toEqual({ [accountId(1)]: -5 })
})

test('letters of one cause are replayed together, at the rate that was asked for', async () => {
  const { state, projection } = curable()
  await serve([projection])
  for (let index = 0; index < 10; index += 1) log.append(index % 2, deposited(accountId(index), -1))
  log.append(0, { ...deposited(accountId(99), 1), value: Buffer.from('{') })
  await appliedUpTo(6, 5)
  const { causes } = (await ask('GET', '/dead-letters/causes')).body as {
    causes: { fingerprint: string; keys: number; errorClass: string }[]
  }
  expect(causes).toMatchObject([
    { keys: 10, errorClass: 'RangeError' },
    { keys: 1, errorClass: 'DecodeError' },
  ])

  state.isCured = true
  const startedMs = performance.now()
  const order = {
    projection: 'accounts',
    fingerprint: causes[0]?.fingerprint,
    lettersPerSecond: 2,
    ...ANA,
  }
  expect((await ask('POST', '/dead-letters/replay', order)).body).toMatchObject({ keys: 10 })
  await until(async () => expect(await parkedKeys()).toEqual([accountId(99)]))
  // Five of each partition, two a second: the last one comes two seconds after the first two.
  expect(performance.now() - startedMs).toBeGreaterThan(1_900)
})

test('letters that fail again have the rate that was asked for, too', async () => {
  const { projection } = curable()
  await serve([projection])
  log.append(0, ...Array.from({ length: 5 }, (_, index) => deposited(accountId(index), -1)))
  await appliedUpTo(5, 0)
  const startedMs = performance.now()
  const order = { projection: 'accounts', all: true, lettersPerSecond: 2, ...ANA }
  const { body } = await ask('POST', '/dead-letters/replay', order)
  await until(async () => {
    const progress = await ask('GET', `/dead-letters/replays/${String(body['request'])}`)
    expect(progress.body).toMatchObject({ pendingKeys: 0, failedKeys: 5, replayed: 0 })
  })
  expect(performance.now() - startedMs).toBeGreaterThan(1_900)
})

test('a discarded head leaves the rest to a replay; a key without letters is released', async () => {
  await serve()
  log.append(0, deposited(accountId(1), 0), deposited(accountId(1), 2), deposited(accountId(2), 0))
  await appliedUpTo(3, 0)
  const discard = async (selection: object) =>
    ask('POST', '/dead-letters/discard', { projection: 'accounts', ...ANA, ...selection })
  expect((await discard({ id: await idAt(0) })).body).toEqual({ discarded: 1 })
  expect(await letters()).toMatchObject([{ offset: 1, kind: 'blocked' }, { offset: 2 }])
  expect((await discard({ key: accountId(2) })).body).toEqual({ discarded: 1 })
  expect(await parkedKeys()).toEqual([accountId(1)])

  await ask('POST', '/dead-letters/replay', { projection: 'accounts', key: accountId(1), ...ANA })
  log.append(0, deposited(accountId(2), 5))
  await until(async () => expect(await parkedKeys()).toEqual([]))
  await appliedUpTo(4, 0)
  expect(await balances()).toEqual({ [accountId(1)]: 2, [accountId(2)]: 5 })
  expect(await discard({ all: true })).toMatchObject({ status: 404 })
})

test('a key whose letters are discarded is released where no projector runs, too', async () => {
  await serve()
  log.append(0, deposited(accountId(1), 0), deposited(accountId(2), 0), deposited(accountId(2), 1))
  await appliedUpTo(3, 0)
  await running.projector.stop()
  const version = await findVersion(db, 'accounts', 1)
  const head = { by: 'id', id: BigInt(await idAt(1)) } as const
  expect(await discardLetters(db, version, head, ANA)).toEqual({ discarded: 1 })
  const first = { by: 'key', key: accountId(1) } as const
  expect(await discardLetters(db, version, first, ANA)).toEqual({ discarded: 1 })
  expect(await parkedKeys()).toEqual([accountId(2)])
})

test('an edit is checked against the schema, and applied in the place of the original', async () => {
  await serve()
  log.append(0, deposited(accountId(1), 0), deposited(accountId(1), 2))
  await appliedUpTo(2, 0)
  const id = await idAt(0)
  const original = (await ask('GET', `/dead-letters/${id}?reveal=true`)).body['valueBase64']
  const edit = async (value: object) => ask('PUT', `/dead-letters/${id}/value`, { value, ...ANA })

  const refused = await edit({ accountId: accountId(1), amount: 'much' })
  expect(refused).toMatchObject({ status: 422, body: { code: 'EDIT_REFUSED' } })
  expect(await edit({ accountId: accountId(2), amount: 40 })).toMatchObject({
    status: 422,
    body: {
      code: 'EDIT_REFUSED',
      message: expect.stringContaining(`"${accountId(2)}" in accountId`),
    },
  })
  expect((await ask('GET', `/dead-letters/${id}`)).body).toMatchObject({ isEdited: false })

  expect(await edit({ accountId: accountId(1), amount: 40 })).toMatchObject({ status: 200 })
  expect((await ask('GET', `/dead-letters/${id}?reveal=true`)).body).toMatchObject({
    isEdited: true,
    value: { amount: 40 },
    valueBase64: original,
  })
  const note = 'n'.repeat(2_000_000)
  expect(await edit({ accountId: accountId(1), amount: 40, note })).toMatchObject({ status: 200 })
  await ask('DELETE', `/dead-letters/${id}/value`, ANA)
  expect((await ask('GET', `/dead-letters/${id}`)).body).toMatchObject({ isEdited: false })

  await edit({ accountId: accountId(1), amount: 40 })
  await ask('POST', '/dead-letters/replay', { projection: 'accounts', all: true, ...ANA })
  await until(async () => expect(await balances()).toEqual({ [accountId(1)]: 42 }))
})

test.for([
  { projection: accounts, table: 'account', column: 'balance' },
  { projection: totals, table: 'day_total', column: 'total' },
] as const)('a dry run of $table tells which rows would change, and changes none', async (row) => {
  await serve([row.projection])
  log.append(0, deposited(accountId(1), 1), deposited(accountId(1), 0), deposited(accountId(1), 3))
  log.append(0, deposited(accountId(2), 0))
  await appliedUpTo(4, 0)
  const { name } = row.projection
  const id = await idAt(1)
  await ask('PUT', `/dead-letters/${id}/value`, {
    value: { accountId: accountId(1), amount: 6 },
    ...ANA,
  })
  const run = await ask('POST', '/dead-letters/dry-run', { projection: name, all: true })
  expect(run).toMatchObject({
    status: 200,
    body: {
      appliedCount: 2,
      isCut: false,
      failed: [{ id: await idAt(3), errorClass: 'RangeError' }],
      changes: [{ table: row.table, before: { [row.column]: 1 }, after: { [row.column]: 10 } }],
    },
  })
  const one = await ask('POST', '/dead-letters/dry-run', { projection: name, id })
  expect(one.body).toMatchObject({ changes: [{ after: { [row.column]: 7 } }] })
  expect(await letters()).toHaveLength(3)
  log.append(0, deposited(accountId(3), 3))
  await appliedUpTo(5, 0)
})

test('a dry run tells rows that would be new, and of a partitioned table under its own name', async () => {
  let isKnown = false
  const { on, ...rest } = totals
  await serve([
    {
      ...rest,
      migrate: async (trx) => {
        await sql`create table ${sql.table('day_total')} (day text primary key, total bigint not null)
          partition by list (day)`.execute(trx)
        await sql`create table ${sql.table('day_total_monday')} partition of ${sql.table('day_total')}
          for values in ('monday')`.execute(trx)
        await sql`create table ${sql.table('day_total_other')} partition of ${sql.table('day_total')}
          default`.execute(trx)
      },
      on: {
        Deposited: async (event: AnyEvent, context: SqlContext<unknown, unknown>) => {
          if (!isKnown) throw new RangeError('nobody knows it')
          await on['Deposited']?.(event, context)
        },
      },
    } satisfies typeof totals,
  ])
  log.append(0, deposited('monday', 1), deposited('monday', 2), deposited('tuesday', 4))
  await appliedUpTo(3, 0)
  isKnown = true
  expect(
    await ask('POST', '/dead-letters/dry-run', { projection: 'totals', all: true }),
  ).toMatchObject({
    status: 200,
    body: {
      appliedCount: 3,
      // Keys come in any order.
      changes: expect.arrayContaining([
        { table: 'day_total', before: null, after: { day: 'monday', total: 3 } },
        { table: 'day_total', before: null, after: { day: 'tuesday', total: 4 } },
      ]),
    },
  })
})

test('a dry run tells numbers digit by digit, also those that are no doubles', async () => {
  let isKnown = false
  await serve([
    {
      ...totals,
      on: {
        Deposited: async (_event: unknown, { trx }: SqlContext<unknown, unknown>) => {
          if (!isKnown) throw new RangeError('nobody knows it')
          await sql`insert into ${sql.table('day_total')} (day, total)
            values ('monday', 9007199254740993), ('tuesday', 3)`.execute(trx)
        },
      },
    },
  ])
  log.append(0, deposited('monday', 1))
  await appliedUpTo(1, 0)
  isKnown = true
  const run = await ask('POST', '/dead-letters/dry-run', { projection: 'totals', all: true })
  expect(run.body['changes']).toEqual([
    { table: 'day_total', before: null, after: { day: 'monday', total: '9007199254740993' } },
    { table: 'day_total', before: null, after: { day: 'tuesday', total: 3 } },
  ])
})

test('a dry run says so when it leaves keys out', async () => {
  await serve()
  log.append(0, deposited(accountId(1), 0))
  await appliedUpTo(1, 0)
  const park = (count: number) =>
    sql`
    insert into evt.parked_key (projection_id, version, topic, part, key)
    select p.id, 1, ${TOPIC}, 0, 'key-' || n from evt.projection p, generate_series(1, ${count}::int) as n
    on conflict do nothing`.execute(db)
  const isCut = async () => {
    const run = await ask('POST', '/dead-letters/dry-run', { projection: 'accounts', all: true })
    return run.body['isCut']
  }
  await park(199)
  expect(await isCut()).toBe(false)
  await park(200)
  expect(await isCut()).toBe(true)
})

test('a key that arrives at another partition is found there, and drained in the order of both', async () => {
  const { state, projection } = curable()
  await serve([projection])
  log.append(0, deposited(accountId(1), -1), deposited(accountId(1), 2))
  await appliedUpTo(2, 0)
  await log.rebalance()
  log.append(1, deposited(accountId(1), 3))
  await appliedUpTo(2, 1)
  expect(await letters()).toMatchObject([
    { kind: 'failed' },
    { kind: 'blocked' },
    { kind: 'blocked' },
  ])

  state.isCured = true
  await ask('POST', '/dead-letters/replay', { projection: 'accounts', all: true, ...ANA })
  await until(async () => expect(await parkedKeys()).toEqual([]))
  expect(await balances()).toEqual({ [accountId(1)]: folded(-1, 2, 3) })
  // Partition 0 has not heard of it yet.
  log.append(0, deposited(accountId(1), 1))
  await appliedUpTo(3, 1)
  expect(await balances()).toEqual({ [accountId(1)]: folded(-1, 2, 3, 1) })
  expect(await letters()).toEqual([])
})

test('a key that went through several partitions is drained in the order in which it did', async () => {
  const { state, projection } = curable()
  log = new MemoryLog(TOPIC, 3)
  await serve([projection])
  const end = [0, 0, 0]
  // Two growths, and at last a producer that has not heard of the second one.
  for (const [index, partition] of [2, 0, 1, 0].entries()) {
    log.append(partition, deposited(accountId(1), index === 0 ? -1 : index + 1))
    end[partition] = (end[partition] ?? 0) + 1
    await appliedUpTo(...end)
    await log.rebalance()
  }
  expect(await parkedKeys()).toEqual([accountId(1)])
  const first = (await ask('GET', '/dead-letters?kind=failed')).body['deadLetters'] as [
    { id: string },
  ]
  expect((await ask('GET', '/dead-letters/keys')).body).toMatchObject({
    keys: [{ headId: first[0].id, headKind: 'failed', partition: 0 }],
  })

  state.isCured = true
  const { id } = first[0]
  const head = await ask('POST', '/dead-letters/replay', { projection: 'accounts', id, ...ANA })
  expect(head).toMatchObject({ status: 200 })
  await ask('POST', '/dead-letters/replay', { projection: 'accounts', all: true, ...ANA })
  await until(async () => expect(await parkedKeys()).toEqual([]))
  expect(await balances()).toEqual({ [accountId(1)]: folded(-1, 2, 3, 4) })
})

test('letters are listed by projection, kind and page, with where they come from', async () => {
  await serve()
  log.append(0, deposited(accountId(1), 0, [['id', Buffer.from('event-1')]]))
  log.append(0, deposited(accountId(1), 1))
  await appliedUpTo(2, 0)
  const list = async (query: string) => {
    const { body } = await ask('GET', `/dead-letters?${query}`)
    return body['deadLetters'] as readonly { readonly id: string }[]
  }
  const all = await list('projection=accounts')
  expect(all).toMatchObject([
    {
      offset: 0,
      key: accountId(1),
      kind: 'failed',
      errorMessage: 'nothing deposited',
      messageId: 'event-1',
      schemaId: 1,
    },
    { offset: 1, key: accountId(1), kind: 'blocked', errorMessage: null },
  ])
  expect(await list(`after=${all[0]?.id}&limit=1`)).toMatchObject([{ offset: 1 }])
  expect(await list('kind=blocked')).toHaveLength(1)
  expect(await ask('GET', '/dead-letters?kind=lost')).toMatchObject({ status: 400 })
  expect((await ask('GET', '/dead-letters/keys?errorClass=RangeError')).body).toMatchObject({
    keys: [{ key: accountId(1), letters: 2, isDraining: false, headId: all[0]?.id }],
  })
  const shown = await ask('GET', `/dead-letters/${all[0]?.id}`)
  expect(shown.body).toMatchObject({
    value: { accountId: accountId(1), amount: 0 },
    codeHash: expect.stringMatching(/^[0-9a-f]{64}$/),
  })
  expect(shown.body).not.toHaveProperty('valueBase64')
})

test('lists of the live version are of no other one', async () => {
  await serve()
  log.append(0, deposited(accountId(1), 0))
  await appliedUpTo(1, 0)
  const listed = async (version: number | 'live') => {
    const query = `projection=accounts&version=${version}`
    const { deadLetters } = (await ask('GET', `/dead-letters?${query}`)).body
    const { keys } = (await ask('GET', `/dead-letters/keys?${query}`)).body
    return { deadLetters, keys }
  }
  const one = { deadLetters: [{ version: 1 }], keys: [{ version: 1 }] }
  expect(await listed(1)).toMatchObject(one)
  expect(await listed('live')).toMatchObject(one)
  await sql`update evt.projection set live_version = null`.execute(db)
  expect(await listed(1)).toMatchObject(one)
  expect(await listed('live')).toEqual({ deadLetters: [], keys: [] })
  expect(await ask('GET', '/dead-letters?version=newest')).toMatchObject({ status: 400 })
})

test('pages of parked keys skip none while those of the page before are released', async () => {
  await serve()
  await appliedUpTo(0, 0)
  // Those of one batch are parked at one time, and two topics have keys in common.
  await sql`
    insert into evt.parked_key (projection_id, version, topic, part, key, parked_at)
    select p.id, 1, topic, 0, 'key-' || n, timestamptz '2026-01-01 00:00:00.000001Z'
    from evt.projection p, unnest(array[${TOPIC}, 'a.b']) as topic, generate_series(1, 60) as n`.execute(
    db,
  )
  const seen: string[] = []
  let pages = 0
  for (let after = ''; ; ) {
    pages += 1
    const { body } = await ask('GET', `/dead-letters/keys?projection=accounts&limit=40${after}`)
    const keys = body['keys'] as readonly { readonly key: string; readonly topic: string }[]
    seen.push(...keys.map(({ key, topic }) => `${topic} ${key}`))
    await sql`delete from evt.parked_key
      where topic || ' ' || key = any(${seen}::text[])`.execute(db)
    const next = body['next'] as string | null
    if (next === null) break
    after = `&after=${encodeURIComponent(next)}`
  }
  expect(pages).toBe(3)
  expect(new Set(seen).size).toBe(120)
  expect(seen).toHaveLength(120)
  expect(await ask('GET', '/dead-letters/keys?after=40')).toMatchObject({ status: 400 })
})

test('a page of parked keys may end at one of a throw-away version', async () => {
  await serve()
  await appliedUpTo(0, 0)
  await sql`
    insert into evt.projection_version (projection_id, version, state, kind, schema_name, code_hash)
    select projection_id, -1, 'building', kind, 'rm_accounts_until', code_hash
    from evt.projection_version`.execute(db)
  await sql`
    insert into evt.parked_key (projection_id, version, topic, part, key, parked_at)
    select projection_id, version, ${TOPIC}, 0, 'key', timestamptz '2026-01-01 00:00:00Z'
    from evt.projection_version`.execute(db)
  const first = (await ask('GET', '/dead-letters/keys?limit=1')).body
  expect(first).toMatchObject({ keys: [{ version: -1 }] })
  const next = encodeURIComponent(String(first['next']))
  expect(await ask('GET', `/dead-letters/keys?limit=1&after=${next}`)).toMatchObject({
    status: 200,
    body: { keys: [{ version: 1 }], next: null },
  })
})

test('a letter whose schema is named in a header is replayed with its edited value', async () => {
  await serve()
  const header = ['__value_schema_id', Uint8Array.of(1, ...Buffer.alloc(16, 7))] as const
  const { value, ...record } = deposited(accountId(1), 0, [header])
  log.append(0, { ...record, value: value.subarray(5) })
  await appliedUpTo(1, 0)
  const id = await idAt(0)
  const edit = { value: { accountId: accountId(1), amount: 40 }, ...ANA }
  expect(await ask('PUT', `/dead-letters/${id}/value`, edit)).toMatchObject({ status: 200 })
  expect((await ask('GET', `/dead-letters/${id}`)).body).toMatchObject({ value: { amount: 40 } })
  await ask('POST', '/dead-letters/replay', { projection: 'accounts', id, ...ANA })
  await until(async () => expect(await balances()).toEqual({ [accountId(1)]: 40 }))
})

test('a dry run that cannot be had says why', async () => {
  let isStopping = false
  await serve([{ ...accounts, classify: () => (isStopping ? 'stop' : 'park') }])
  log.append(0, deposited(accountId(1), 0), deposited(accountId(1), 2))
  await appliedUpTo(2, 0)
  const dryRun = async (selection: object) => {
    const { status, body } = await ask('POST', '/dead-letters/dry-run', {
      projection: 'accounts',
      ...selection,
    })
    return [status, body['code']]
  }
  expect(await dryRun({ id: await idAt(1) })).toEqual([409, 'NOT_THE_HEAD'])
  expect(await dryRun({ id: '999' })).toEqual([404, 'NOT_FOUND'])
  isStopping = true
  expect(await dryRun({ all: true })).toEqual([409, 'STOPS_PROJECTION'])
  isStopping = false
  await db.transaction().execute(async (trx) => {
    await sql`lock table rm_accounts_v1.account in share row exclusive mode`.execute(trx)
    expect(await dryRun({ all: true })).toEqual([409, 'BUSY'])
  })
  expect(await dryRun({ all: true })).toEqual([200, undefined])
})

test('a dry run of a handler whose table is not there says that it stops the projection', async () => {
  let isCured = false
  await serve([
    {
      ...totals,
      on: {
        Deposited: async (_event: unknown, { trx }: SqlContext<unknown, unknown>) => {
          if (!isCured) throw new RangeError('nothing deposited')
          await sql`select from no_such_table`.execute(trx)
        },
      },
    },
  ])
  log.append(0, deposited('monday', 1))
  await appliedUpTo(1, 0)
  isCured = true
  expect(
    await ask('POST', '/dead-letters/dry-run', { projection: 'totals', all: true }),
  ).toMatchObject({
    status: 409,
    body: { code: 'STOPS_PROJECTION', message: expect.stringContaining('no_such_table') },
  })
})

test('a dry run ends what it looks up when nobody waits for it any more', async () => {
  let isKnown = false
  const asked: AbortSignal[] = []
  await serve([
    {
      ...accounts,
      enrichEach: (_event, { signal }) => {
        if (!isKnown) throw new RangeError('nobody knows it')
        asked.push(signal)
        return new Promise(() => undefined)
      },
    },
  ])
  log.append(0, deposited(accountId(1), 1), deposited(accountId(2), 2))
  await appliedUpTo(2, 0)
  isKnown = true
  const url = await http.listen({ host: '127.0.0.1', port: 0 })
  const gone = new AbortController()
  const asking = fetch(`${url}/dead-letters/dry-run`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ projection: 'accounts', all: true }),
    signal: gone.signal,
  })
  await until(() => expect(asked).toHaveLength(1))
  gone.abort()
  await expect(asking).rejects.toMatchObject({ name: 'AbortError' })
  await until(() => expect(asked[0]?.aborted).toBe(true))

  const second = ask('POST', '/dead-letters/dry-run', { projection: 'accounts', all: true })
  await until(() => expect(asked).toHaveLength(2))
  await running.projector.stop()
  expect(await second).toMatchObject({ status: 503, body: { message: 'the projector stops' } })
  expect(asked.map(({ aborted }) => aborted)).toEqual([true, true])
})

test('a dry run lets its handlers begin no statement once it holds the batches up for too long', async () => {
  const statement = sql`select 1`
  let elapsedMs = 0
  await serve([
    {
      ...totals,
      on: {
        Deposited: async (_event: unknown, { trx, replay }: SqlContext<unknown, unknown>) => {
          if (!replay) throw new RangeError('not yet')
          elapsedMs += 6_000
          await statement.execute(trx)
        },
      },
    },
  ])
  log.append(0, deposited('monday', 1), deposited('tuesday', 2))
  await appliedUpTo(2, 0)
  const now = performance.now.bind(performance)
  vi.spyOn(performance, 'now').mockImplementation(() => now() + elapsedMs)
  try {
    const dryRun = { projection: 'totals', all: true }
    expect(await ask('POST', '/dead-letters/dry-run', dryRun)).toMatchObject({
      status: 409,
      body: { code: 'BUSY', message: expect.stringMatching(/not applied within 10000 ms/) },
    })
  } finally {
    vi.restoreAllMocks()
  }
})

test('a dry run whose handler waits for what never comes says so', async () => {
  let isKnown = false
  await serve([
    {
      ...totals,
      on: {
        Deposited: () => {
          if (!isKnown) throw new RangeError('nobody knows it')
          return new Promise<never>(() => undefined)
        },
      },
    },
  ])
  log.append(0, deposited('monday', 1))
  await appliedUpTo(1, 0)
  isKnown = true
  expect(await ask('POST', '/dead-letters/dry-run', { projection: 'totals', all: true })).toEqual({
    status: 503,
    body: {
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/^a handler waited for something else than the database/),
    },
  })
})

describe('of a replay one transaction takes no more than', () => {
  /** Letters that were applied, by transaction. */
  const countsApplied = async (): Promise<readonly number[]> => {
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from evt.dead_letter_log where action = 'replay'
      group by xmin order by min(id)`.execute(db)
    return rows.map(({ count }) => count)
  }

  /** Letters of one key, which are replayed once they can be applied. */
  const replayed = async (events: readonly ReturnType<typeof deposited>[], order: object) => {
    const { state, projection } = curable()
    await serve([projection])
    log.append(0, deposited(accountId(1), -1), ...events)
    await appliedUpTo(1 + events.length, 0)
    state.isCured = true
    const selected = { projection: 'accounts', key: accountId(1), ...ANA, ...order }
    await ask('POST', '/dead-letters/replay', selected)
    await until(async () => expect(await parkedKeys()).toEqual([]))
    return countsApplied()
  }

  test('a few letters at first, and more while they pass', async () => {
    const events = Array.from({ length: 399 }, () => deposited(accountId(1), 1))
    const counts = await replayed(events, {})
    expect(counts[0]).toBe(50)
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(400)
  })

  test('16 MiB of letters, with their headers', async () => {
    const header = Buffer.alloc(2_000_000)
    const events = Array.from({ length: 8 }, () => deposited(accountId(1), 1, [['x', header]]))
    const counts = await replayed(events, {})
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(9)
    expect(Math.max(...counts)).toBeLessThan(9)
  })

  test('what its rate allows in a quarter of a second', async () => {
    const events = Array.from({ length: 39 }, () => deposited(accountId(1), 1))
    const counts = await replayed(events, { lettersPerSecond: 80 })
    expect(counts).toEqual([20, 20])
  })
})

test('a replay that another one takes over is under way until that one ends', async () => {
  const { state, projection } = curable()
  await serve([projection])
  log.append(0, deposited(accountId(1), -1), deposited(accountId(1), 2))
  await appliedUpTo(2, 0)
  // Nobody drains there, so that both orders are under way.
  await sql`update evt.parked_key set part = 9`.execute(db)
  const order = async () =>
    (await ask('POST', '/dead-letters/replay', { projection: 'accounts', all: true, ...ANA })).body
  const progress = async ({ request }: Readonly<Record<string, unknown>>) =>
    (await ask('GET', `/dead-letters/replays/${String(request)}`)).body
  const [first, second] = [await order(), await order()]
  expect(await progress(first)).toMatchObject({ pendingKeys: 1 })
  expect(await progress(second)).toMatchObject({ pendingKeys: 1 })

  state.isCured = true
  await sql`update evt.parked_key set part = 0`.execute(db)
  await until(async () => expect(await parkedKeys()).toEqual([]))
  expect(await progress(first)).toMatchObject({ pendingKeys: 0, failedKeys: 0, replayed: 0 })
  expect(await progress(second)).toMatchObject({ pendingKeys: 0, failedKeys: 0, replayed: 2 })
  const never = await ask('GET', '/dead-letters/replays/00000000-0000-4000-8000-000000000000')
  expect(never).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } })
})

test('a replay at a rate holds up no other, and has its rate behind one without', async () => {
  const { state, projection } = curable()
  await serve([projection])
  const keys = Array.from({ length: 6 }, (_, index) => accountId(index))
  log.append(0, ...keys.map((key) => deposited(key, -1)))
  await appliedUpTo(6, 0)
  state.isCured = true
  const slow = keys.slice(0, 3)
  // Asked for at once, before the partition looks again.
  await sql`update evt.parked_key set part = 9`.execute(db)
  const replay = async (key: string, options: object = {}) =>
    ask('POST', '/dead-letters/replay', { projection: 'accounts', key, ...options, ...ANA })
  await replay(slow[0] ?? '', { lettersPerSecond: 1 })
  await sql`update evt.parked_key k set drain_request = s.drain_request,
      drain_requested_at = s.drain_requested_at, drain_actor = s.drain_actor,
      drain_reason = s.drain_reason,
      drain_letters_per_second = s.drain_letters_per_second
    from evt.parked_key s where s.drain_requested_at is not null
      and k.key = any(${slow}::text[])`.execute(db)
  for (const key of keys.slice(3)) await replay(key)
  await sql`update evt.parked_key set part = 0`.execute(db)
  await until(async () => expect(await parkedKeys()).toHaveLength(2))
  expect(slow).toEqual(expect.arrayContaining([...(await parkedKeys())]))
  await until(async () => expect(await parkedKeys()).toEqual([]))
})

test('lists are narrowed by what they are asked, or refuse it', async () => {
  await serve()
  log.append(0, deposited(accountId(1), 0), deposited(accountId(2), 0))
  await appliedUpTo(2, 0)
  await ask('POST', '/dead-letters/discard', { projection: 'accounts', key: accountId(1), ...ANA })
  const list = async (path: string, of: string) => {
    const { status, body } = await ask('GET', `/dead-letters${path}`)
    return status === 200 ? (body[of] as readonly unknown[]).length : status
  }
  expect(await list('/causes?version=1', 'causes')).toBe(1)
  expect(await list('/causes?version=2', 'causes')).toBe(0)
  expect(await list('/causes?tenant=acme', 'causes')).toBe(0)
  expect(await list(`/log?key=${accountId(1)}&version=1`, 'actions')).toBe(1)
  expect(await list(`/log?key=${accountId(2)}`, 'actions')).toBe(0)
  expect(await list('/log?version=2', 'actions')).toBe(0)
  const refused = [
    '/causes?kind=failed',
    '/log?actor=ana',
    '?versoin=1',
    '?version=99999999999',
    '?key=%00',
    '?tenant=',
    '/keys?offset=1e300',
    '/keys?olderThanMs=1e300',
  ]
  for (const path of refused) expect([path, await list(path, '')]).toEqual([path, 400])
  for (const path of ['', '/keys', '/causes', '/log']) {
    expect(await ask('GET', `/dead-letters${path}?projection=acounts`)).toMatchObject({
      status: 404,
      body: { message: expect.stringContaining('there is no projection acounts') },
    })
  }
})

test('orders that name nothing, or two things, or what there is not, are refused', async () => {
  await serve()
  const order = async (body: object) => (await ask('POST', '/dead-letters/replay', body)).status
  const all = { projection: 'accounts', all: true, ...ANA }
  expect(await ask('POST', '/dead-letters/replay', { ...all, versoin: 2 })).toMatchObject({
    status: 400,
    body: { message: 'body has "versoin", which is unknown here' },
  })
  expect(await order({ ...all, version: '2' })).toBe(400)
  expect(await order({ projection: 'accounts', ...ANA, tenant: null })).toBe(400)
  expect(await order({ projection: 'accounts', ...ANA, tenant: '' })).toBe(400)
  expect(await order({ projection: 'accounts', ...ANA, key: null })).toBe(400)
  expect(await order({ projection: 'accounts', ...ANA, key: 'a\0b' })).toBe(400)
  expect(await order({ ...all, reason: 'a\0b' })).toBe(400)
  expect(await order({ projection: 'accounts', ...ANA })).toBe(400)
  expect(await order({ projection: 'accounts', key: 'a', all: true, ...ANA })).toBe(400)
  expect(await order({ projection: 'accounts', all: true })).toBe(400)
  expect(await order({ projection: 'nothing', all: true, ...ANA })).toBe(404)
})
