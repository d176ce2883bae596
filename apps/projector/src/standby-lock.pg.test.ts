import { type TestDatabase, testDatabase } from '@fairlead/testing'
import pg from 'pg'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
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

function contend(name: string) {
  const seen = { isHeld: false, isStandby: false, warnings: [] as string[] }
  const lock = new StandbyLock({
    name,
    goneAfterMs: 10_000,
    databaseUrl: database.url,
    logger: { info: () => undefined, warn: (_fields, message) => seen.warnings.push(message) },
    onStandby: () => {
      seen.isStandby = true
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
