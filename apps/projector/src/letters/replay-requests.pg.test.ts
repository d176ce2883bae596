import { createHttpServer, Health } from '@fairlead/service'
import { type TestDatabase, testDatabase } from '@fairlead/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { setPaused } from '../store/versions.ts'
import { takeStrictly } from '../strict-requests.ts'
import { accountId, accounts, deposited } from '../testing/accounts.test-fixture.ts'
import { MemoryLog } from '../testing/memory-log.test-fixture.ts'
import { type TestProjector, startProjector } from '../testing/projector.test-fixture.ts'
import { addLetterRoutes } from './letter-routes.ts'
import { until } from '../testing/until.test-fixture.ts'

const ANA = { actor: 'ana', reason: 'the bank was closed' }

let database: TestDatabase
let running: TestProjector
let http: ReturnType<typeof createHttpServer>

beforeEach(async () => {
  database = await testDatabase()
  const log = new MemoryLog('outbox.event.account', 1)
  log.append(0, deposited(accountId(1), 0), deposited(accountId(2), 0))
  running = startProjector(database.url, log, [accounts])
  const { projector, metrics } = running
  http = createHttpServer({ name: 'projector', version: 'test', health: new Health(), metrics })
  takeStrictly(http)
  const payloads = { load: () => Promise.reject(new Error('nothing is edited here')) }
  addLetterRoutes(http, { db: projector.operatorDb, runners: () => projector.runners, payloads })
  await http.ready()
  await bothParked()
})

afterEach(async () => {
  await http.close()
  await running.projector.stop()
  await database.drop()
})

const bothParked = () => until(async () => expect(await list('/keys', 'keys')).toHaveLength(2))

async function list(path: string, of: string): Promise<readonly Record<string, unknown>[]> {
  const { body } = await get(path)
  return (body[of] ?? []) as readonly Record<string, unknown>[]
}

async function get(path: string) {
  const response = await http.inject({ method: 'GET', url: `/dead-letters${path}` })
  return { status: response.statusCode, body: response.json<Record<string, unknown>>() }
}

async function replay(key: string): Promise<string> {
  const payload = { projection: 'accounts', key, ...ANA }
  const response = await http.inject({ method: 'POST', url: '/dead-letters/replay', payload })
  return response.json<{ request: string }>().request
}

test('a replay of a paused version says who paused it, and ends once it goes on', async () => {
  await setPaused(running.projector.db, { name: 'accounts', pausedBy: 'ben' })
  running.projector.refresh()
  const request = await replay(accountId(1))
  const paused = { request, projection: 'accounts', version: 1, pausedBy: 'ben', pendingKeys: 1 }
  expect((await get(`/replays/${request}`)).body).toMatchObject(paused)

  await setPaused(running.projector.db, { name: 'accounts', pausedBy: null })
  running.projector.refresh()
  await until(async () => {
    const over = { ...paused, pausedBy: null, pendingKeys: 0, failedKeys: 1, replayed: 0 }
    expect((await get(`/replays/${request}`)).body).toMatchObject(over)
  })
})

test('a replay is told with the keys that failed in it when a later one has taken them', async () => {
  const first = await replay(accountId(1))
  const progress = async (request: string) => (await get(`/replays/${request}`)).body
  const over = { pendingKeys: 0, failedKeys: 1, replayed: 0 }
  await until(async () => expect(await progress(first)).toMatchObject(over))
  const second = await replay(accountId(1))
  await until(async () => expect(await progress(second)).toMatchObject(over))
  expect(await progress(first)).toMatchObject(over)
  const payload = { projection: 'accounts', key: accountId(1), ...ANA }
  await http.inject({ method: 'POST', url: '/dead-letters/discard', payload })
  await until(async () => expect(await list('/keys', 'keys')).toHaveLength(1))
  expect(await progress(first)).toMatchObject(over)
})

test('replays are listed page by page, the newest first', async () => {
  const requests = [
    await replay(accountId(1)),
    await replay(accountId(2)),
    await replay(accountId(1)),
  ]
  const [first, second, third] = requests
  const listed = async (query: string) =>
    (await list(`/replays?${query}`, 'replays')).map(({ request }) => request)
  expect(await listed('projection=accounts')).toEqual([third, second, first])
  expect(await listed('limit=2')).toEqual([third, second])
  expect(await listed(`limit=2&after=${String(second)}`)).toEqual([first])
  expect(await listed('version=2')).toEqual([])
  const unknown = '00000000-0000-4000-8000-000000000000'
  expect(await get(`/replays?after=${unknown}`)).toMatchObject({
    status: 404,
    body: { code: 'NOT_FOUND', message: `there is no replay ${unknown}` },
  })
  expect((await get('/replays?projection=acounts')).status).toBe(404)
})

test('what was done is listed page by page, the newest first', async () => {
  for (const id of [1, 2]) {
    const payload = { projection: 'accounts', key: accountId(id), ...ANA }
    await http.inject({ method: 'POST', url: '/dead-letters/discard', payload })
  }
  const keys = async (query: string) => (await list(`/log?limit=1${query}`, 'actions'))[0]
  const newest = await keys('')
  const next = await keys(`&after=${String(newest?.['id'])}`)
  expect([newest?.['key'], next?.['key']]).toEqual([accountId(2), accountId(1)])
  expect(await keys(`&after=${String(next?.['id'])}`)).toBeUndefined()
})
