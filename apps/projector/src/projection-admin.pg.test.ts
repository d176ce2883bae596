import type { SqlProjection } from '@fairlead/projection'
import {
  type ProjectionAdmin,
  type RebuildProgress,
  createProjectionAdmin,
} from '@fairlead/projection-admin'
import { type TestDatabase, testDatabase } from '@fairlead/testing'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  accountId,
  accounts,
  deposited,
  totals,
  undecodable,
} from './testing/accounts.test-fixture.ts'
import { MemoryLog } from './testing/memory-log.test-fixture.ts'
import { type TestProjector, startProjector } from './testing/projector.test-fixture.ts'
import { serveRoutes } from './testing/routes.test-fixture.ts'
import { until } from './testing/until.test-fixture.ts'

let database: TestDatabase
let log: MemoryLog
let running: TestProjector
let http: ReturnType<typeof serveRoutes>
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
  http = serveRoutes(running, log.open())
  admin = createProjectionAdmin({ url: await http.listen({ port: 0, host: '127.0.0.1' }) })
}

const hasState = (name: string, version: number, state: string): Promise<void> =>
  until(async () => {
    const found = (await admin.versions(name)).find((each) => each.version === version)
    expect(found?.state).toBe(state)
  })

async function balanceIn(schemaName: string, account: number): Promise<number | undefined> {
  const { rows } = await sql<{ balance: number }>`
    select balance from ${sql.table(`${schemaName}.account`)}
    where id = ${accountId(account)}`.execute(running.projector.db)
  return rows[0]?.balance
}

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
  expect(await rebuild.rollback()).toMatchObject({ live: 1, previous: 2 })
  await expect(admin.rebuild('accounts', { version: 1 })).rejects.toMatchObject({
    code: 'LIVE',
    message: expect.stringMatching(/Give the projection version 3,/) as unknown,
  })
})

test('rows of some keys are folded anew in their place', async () => {
  await serve([accounts])
  await hasState('accounts', 1, 'running')
  await until(async () => expect(await balanceIn('public', 0)).toBe(5))
  await sql`update public.account set balance = 99`.execute(running.projector.db)
  const keys = [accountId(0), accountId(9)]
  expect(await admin.rebuildKeys('accounts', keys)).toEqual({ keys: 2, rows: 1 })
  expect(await balanceIn('public', 0)).toBe(5)
  expect(await balanceIn('public', 1)).toBe(99)
  await expect(admin.rebuildKeys('accounts', keys, { version: 7 })).rejects.toMatchObject({
    code: 'UNKNOWN_VERSION',
  })
})

test('a version of a moment has what was committed by then, until it is retired', async () => {
  await serve([accounts])
  await hasState('accounts', 1, 'running')
  const { version, schemaName } = await admin.rebuildUntil('accounts', new Date())
  expect(version).toBeLessThan(0)
  expect(await balanceIn(schemaName, 1)).toBe(7)
  await expect(admin.rebuildUntil('accounts', 'yesterday')).rejects.toThrow('yesterday')
  await admin.retire('accounts', version)
  const versions = await admin.versions('accounts')
  expect(versions.map((each) => each.version)).toEqual([1])
})

test('a version whose rows differ from the log is not shown, if so ordered', async () => {
  await serve([accounts, { ...accounts, version: 2 }])
  await hasState('accounts', 2, 'ready')
  const rows = sql.table('rm_accounts_v2.account')
  await sql`update ${rows} set balance = 99 where id = ${accountId(0)}`.execute(
    running.projector.db,
  )
  await expect(admin.promote('accounts', 2, { verify: true })).rejects.toMatchObject({
    code: 'ROWS_DIFFER',
    message: `accounts v2 is not shown: its rows differ from the log, those of ${accountId(0)}`,
  })
  expect((await admin.status('accounts')).live).toBe(1)
  await admin.rebuildKeys('accounts', [accountId(0)], { version: 2 })
  const accepting = { verify: true, sample: 10, acceptMissingHistory: true }
  expect(await admin.promote('accounts', 2, accepting)).toMatchObject({
    live: 2,
    previous: 1,
  })
})

test('a version that is refused once its rows are compared has the code of a promotion without that', async () => {
  log.append(0, undecodable(accountId(0)))
  await serve([accounts, { ...accounts, version: 2 }])
  await hasState('accounts', 2, 'ready')
  const refused = {
    code: 'PARKED_KEYS',
    message: expect.stringMatching(/^accounts v2 has 1 parked keys/) as unknown,
  }
  await expect(admin.promote('accounts', 2)).rejects.toMatchObject(refused)
  await expect(admin.promote('accounts', 2, { verify: true })).rejects.toMatchObject(refused)
})

test('what is ordered of a version that cannot have it done has a code that says so', async () => {
  await serve([totals])
  await hasState('totals', 1, 'running')
  await expect(admin.rebuildKeys('totals', ['1'])).rejects.toMatchObject({ code: 'NOT_A_FOLD' })
})

test('a tenant is made known once, before his first event', async () => {
  await serve([{ ...accounts, tenants: 'schema' }])
  await hasState('accounts', 1, 'running')
  const acme = await admin.addTenant('Acme & Co')
  expect(await admin.addTenant('Acme & Co')).toEqual(acme)
  expect(await admin.tenants()).toEqual([acme])
  const { rows } = await sql`select from ${sql.table(`${acme.schemaName}.account`)}`.execute(
    running.projector.db,
  )
  expect(rows).toEqual([])
})

test('a status tells what readers see, how far it is behind, and who paused it', async () => {
  await serve([accounts])
  await hasState('accounts', 1, 'running')
  const idle = {
    live: 1,
    building: null,
    lagRecords: 0,
    lagSeconds: 0,
    parkedKeys: 0,
    duplicatesKnownBy: ['offset', 'position'],
  }
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
    code: 'ABORTED',
    message: 'aborted by ben',
  })
  gate.resolve()
  expect(await admin.retire('totals', 2)).toEqual({ tenantsLeft: 0 })
  await hasState('totals', 2, 'retired')
})

test('what is refused has the code of the projector, and one that is away is told', async () => {
  await serve([accounts])
  await hasState('accounts', 1, 'running')
  await expect(admin.promote('accounts', 9)).rejects.toMatchObject({ code: 'UNKNOWN_VERSION' })
  const away = createProjectionAdmin({ url: 'http://127.0.0.1:1' })
  await expect(away.versions()).rejects.toMatchObject({ code: 'NETWORK', retryable: true })
})
