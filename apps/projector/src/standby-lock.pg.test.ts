import { CutOffProxy, type TestDatabase, testDatabase } from '@fairlead/testing'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { StandbyLock } from './standby-lock.ts'

const SESSIONS = `from pg_stat_activity where application_name = 'fairlead-projector-standby'
  and datname = current_database()`

let database: TestDatabase
let client: pg.Client
let locks: StandbyLock[]

beforeEach(async () => {
  database = await testDatabase()
  client = new pg.Client({ connectionString: database.url })
  await client.connect()
  locks = []
})

afterEach(async () => {
  await Promise.all(locks.map((lock) => lock.release()))
  await client.end()
  await database.drop()
})

function contend(name: string, databaseUrl = database.url) {
  const seen = {
    isHeld: false,
    isStandby: false,
    warnings: [] as string[],
    database: undefined as true | string | undefined,
  }
  const lock = new StandbyLock({
    name,
    goneAfterMs: 10_000,
    databaseUrl,
    logger: { info: () => undefined, warn: (_fields, message) => seen.warnings.push(message) },
    onStandby: () => {
      seen.isStandby = true
    },
    onDatabase: (state) => {
      seen.database = state
    },
  })
  locks.push(lock)
  void lock.held.then((isHeld) => {
    seen.isHeld = isHeld
  })
  return { lock, seen }
}

const until = (assertion: () => void | Promise<void>) =>
  vi.waitFor(assertion, { timeout: 60_000, interval: 10 })

test('the first one has it, the next one when that releases it; other names are others', async () => {
  const first = contend('a')
  expect(await first.lock.held).toBe(true)
  const [second, other] = [contend('a'), contend('b')]
  expect(await other.lock.held).toBe(true)
  await until(() => expect(second.seen.isStandby).toBe(true))
  expect(second.seen.isHeld).toBe(false)

  await first.lock.release()
  expect(await second.lock.held).toBe(true)
  expect(other.seen.isStandby).toBe(false)
})

test('one that stands by can stop', async () => {
  const first = contend('a')
  await first.lock.held
  const second = contend('a')
  await until(() => expect(second.seen.isStandby).toBe(true))
  await second.lock.release()
  expect(await second.lock.held).toBe(false)
})

test('a session that ends frees the name, and the lock is asked for again', async () => {
  const first = contend('a')
  await first.lock.held
  await client.query(`select pg_terminate_backend(pid) ${SESSIONS}`)
  await until(() => expect(first.seen.warnings).toContainEqual(expect.stringContaining('lost')))
  // Its own, or that of nobody: the next one stands by as soon as the first has it again.
  await until(async () => {
    const { rows } = await client.query<{ count: number }>(
      `select count(*)::int as count from pg_locks where locktype = 'advisory' and granted
        and database = (select oid from pg_database where datname = current_database())`,
    )
    expect(rows[0]?.count).toBe(1)
  })
  const second = contend('a')
  await until(() => expect(second.seen.isStandby).toBe(true))
  await first.lock.release()
  expect(await second.lock.held).toBe(true)
})

test('whoever waits holds back no vacuum', async () => {
  const first = contend('a')
  await first.lock.held
  const second = contend('a')
  await until(() => expect(second.seen.isStandby).toBe(true))
  await until(async () => {
    const { rows } = await client.query(`select state, backend_xmin ${SESSIONS}`)
    expect(rows).toEqual([
      { state: 'idle', backend_xmin: null },
      { state: 'idle', backend_xmin: null },
    ])
  })
})

describe('behind a network that fails', () => {
  let proxy: CutOffProxy

  beforeEach(async () => {
    proxy = await CutOffProxy.inFrontOf(database.url)
  })

  afterEach(() => proxy.close())

  async function oneThatStandsBy() {
    const first = contend('a')
    await first.lock.held
    const second = contend('a', proxy.url)
    await until(() => expect(second.seen).toMatchObject({ isStandby: true, database: true }))
    return { first, second }
  }

  test('one that stands by says so each time that the database is away', async () => {
    const { second } = await oneThatStandsBy()
    const outage = async () => {
      proxy.down()
      await until(() => expect(second.seen.database).toBeTypeOf('string'))
      proxy.up()
      await until(() => expect(second.seen.database).toBe(true))
      return second.seen.warnings.splice(0).length
    }
    expect(await outage()).toBeGreaterThan(0)
    expect(await outage()).toBeGreaterThan(0)
  })

  test('whoever has worked does not stand by when another one takes over: it is told so', async () => {
    const first = contend('a', proxy.url)
    await first.lock.held
    const second = contend('a')
    await until(() => expect(second.seen.isStandby).toBe(true))
    proxy.down()
    expect(await second.lock.held).toBe(true)
    proxy.up()
    await until(() =>
      expect(first.seen.warnings).toContainEqual(expect.stringContaining('taken over')),
    )
    expect(first.seen.isStandby).toBe(false)
  })

  test('a lock that comes when the process stops begins nothing', async () => {
    const { first, second } = await oneThatStandsBy()
    proxy.hold()
    await until(() => expect(proxy.isHoldingAny).toBe(true))
    await first.lock.release()
    const released = second.lock.release()
    proxy.release()
    await released
    expect(await second.lock.held).toBe(false)
  })
})
