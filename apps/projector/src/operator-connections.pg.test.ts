import { deepStrictEqual } from 'node:assert/strict'
import { type TestDatabase, testDatabase } from '@fairlead/testing'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Database, openDatabase } from './store/database.ts'
import { accountId, accounts, deposited } from './testing/accounts.test-fixture.ts'
import { MemoryLog } from './testing/memory-log.test-fixture.ts'
import { type TestProjector, startProjector } from './testing/projector.test-fixture.ts'
import { serveRoutes } from './testing/routes.test-fixture.ts'
import { until } from './testing/until.test-fixture.ts'

let database: TestDatabase
let db: Database
let log: MemoryLog
let running: TestProjector
let http: ReturnType<typeof serveRoutes>

beforeEach(async () => {
  database = await testDatabase()
  db = openDatabase({ url: database.url, connectionsMax: 2 })
  log = new MemoryLog('outbox.event.account', 1)
  running = startProjector(database.url, log, [accounts, { ...accounts, version: 2 }], {
    databaseConnectionsMax: 1,
    operatorConnectionsMax: 1,
  })
  http = serveRoutes(running, log.open())
  await until(async () => deepStrictEqual(await statesOf('accounts'), ['running', 'ready']))
})

afterEach(async () => {
  await http.close()
  await running.projector.stop()
  await db.destroy()
  await database.drop()
})

async function statesOf(name: string): Promise<readonly string[]> {
  const answer = await http.inject({ method: 'GET', url: `/projections/${name}` })
  const { projections = [] } = answer.json<{
    readonly projections?: readonly { readonly version: number; readonly state: string }[]
  }>()
  return projections.toSorted((a, b) => a.version - b.version).map(({ state }) => state)
}

test('what operators ask for is answered and obeyed while workers have all of their connections', async () => {
  const { metrics } = running
  await db.transaction().execute(async (trx) => {
    await sql`lock table rm_accounts_v1.account in exclusive mode`.execute(trx)
    log.append(0, deposited(accountId(0), 1))
    await until(async () => {
      const waiting = await sql`select from pg_locks where not granted
        and relation = 'rm_accounts_v1.account'::regclass`.execute(db)
      expect(waiting.rows).toHaveLength(1)
    })
    const pause = await http.inject({
      method: 'POST',
      url: '/projections/accounts/pause?version=1',
    })
    expect(pause.json()).toEqual({ paused: [1] })
    await until(async () => expect(await statesOf('accounts')).toEqual(['paused', 'ready']))
    expect(await metrics.registry.metrics()).toContain('dlq_depth')
  })
})
