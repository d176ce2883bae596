import type { SqlProjection } from '@fairlead/projection'
import {
  type ProjectionAdmin,
  type RebuildProgress,
  createProjectionAdmin,
} from '@fairlead/projection-admin'
import { createHttpServer, Health } from '@fairlead/service'
import { type TestDatabase, testDatabase } from '@fairlead/testing'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { addRoutes } from './routes.ts'
import { takeStrictly } from './strict-requests.ts'
import { accountId, accounts, deposited, totals } from './testing/accounts.test-fixture.ts'
import { MemoryLog } from './testing/memory-log.test-fixture.ts'
import { type TestProjector, startProjector } from './testing/projector.test-fixture.ts'

let database: TestDatabase
let log: MemoryLog
let running: TestProjector
let http: ReturnType<typeof createHttpServer>
let admin: ProjectionAdmin

beforeEach(async () => {
  database = await testDatabase()
  log = new MemoryLog('outbox.event.account', 1)
  log.append(0, deposited(accountId(0), 5), deposited(accountId(1), 7))
})

afterEach(async () => {
  await http.close()
  await running.projector.stop()
  await database.drop()
})

async function serve(projections: Parameters<typeof startProjector>[2]): Promise<void> {
  running = startProjector(database.url, log, projections)
  const { projector, metrics } = running
  http = createHttpServer({ name: 'projector', version: 'test', health: new Health(), metrics })
  takeStrictly(http)
  addRoutes(http, {
    db: projector.db,
    log: log.open(),
    registered: () => projector.registered,
    runners: () => projector.runners,
    rateOf: (schemaName) => projector.rateOf(schemaName),
    onChange: () => projector.refresh(),
  })
  admin = createProjectionAdmin({ url: await http.listen({ port: 0, host: '127.0.0.1' }) })
}

const until = (assertion: () => Promise<void>): Promise<void> =>
  vi.waitFor(assertion, { timeout: 60_000, interval: 20 })

const hasState = (name: string, version: number, state: string): Promise<void> =>
  until(async () => {
    const found = (await admin.versions(name)).find((each) => each.version === version)
    expect(found?.state).toBe(state)
  })

test('a version is rebuilt with progress, verified, promoted and taken back', async () => {
  await serve([accounts, { ...accounts, version: 2 }])
  await hasState('accounts', 2, 'ready')
  const rebuild = await admin.rebuild('accounts')
  const seen: RebuildProgress[] = []
  for await (const progress of rebuild) seen.push(progress)
  expect(rebuild.version).toBe(2)
  expect(seen.at(-1)).toMatchObject({ state: 'ready', phase: 'ready', done: 2, total: 2 })
  expect(await admin.verify('accounts', { version: 2 })).toMatchObject({
    isEqual: true,
    rowCount: 2,
  })
  expect(await rebuild.promote()).toMatchObject({ live: 2, previous: 1 })
  expect(await admin.rollback('accounts')).toMatchObject({ live: 1, previous: 2 })
})

test('a status tells what readers see, how far it is behind, and who paused it', async () => {
  await serve([accounts])
  await hasState('accounts', 1, 'running')
  const idle = { live: 1, building: null, lagRecords: 0, lagSeconds: 0, parkedKeys: 0 }
  await until(async () =>
    expect(await admin.status('accounts')).toEqual({ ...idle, pausedBy: null }),
  )
  await admin.pause('accounts', { by: 'ana' })
  await hasState('accounts', 1, 'paused')
  log.append(0, deposited(accountId(0), 1))
  await until(async () =>
    expect(await admin.status('accounts')).toMatchObject({ pausedBy: 'ana', lagRecords: 1 }),
  )
  await admin.resume('accounts')
  await until(async () =>
    expect(await admin.status('accounts')).toEqual({ ...idle, pausedBy: null }),
  )
})

test('a rebuild that is aborted ends its progress with the reason, and its version is retired', async () => {
  const gate = Promise.withResolvers<void>()
  const stuck: SqlProjection = {
    ...totals,
    version: 2,
    on: { ...totals.on, Deposited: () => gate.promise },
  }
  await serve([totals, stuck])
  await hasState('totals', 2, 'building')
  expect((await admin.status('totals')).building).toBe(2)
  await expect(admin.rebuild('totals')).rejects.toMatchObject({ code: 'BUSY' })
  await http.inject({ method: 'POST', url: '/projections/totals/abort?version=2&by=ana' })
  const rebuild = await admin.rebuild('totals')
  const watch = rebuild[Symbol.asyncIterator]()
  expect((await watch.next()).value).toMatchObject({ state: 'building' })
  await rebuild.abort({ by: 'ben' })
  await expect(watch.next()).rejects.toMatchObject({
    code: 'REBUILD_FAILED',
    message: 'aborted by ben',
  })
  gate.resolve()
  await admin.retire('totals', 2)
  await hasState('totals', 2, 'retired')
})

test('what is refused has the code of the projector, and one that is away is told', async () => {
  await serve([accounts])
  await hasState('accounts', 1, 'running')
  await expect(admin.promote('accounts', 9)).rejects.toMatchObject({ code: 'UNKNOWN_VERSION' })
  const away = createProjectionAdmin({ url: 'http://127.0.0.1:1' })
  await expect(away.versions()).rejects.toMatchObject({ code: 'NETWORK', retryable: true })
})
