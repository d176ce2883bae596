import { CutOffProxy, testDatabase } from '@fairlead/testing'
import pg from 'pg'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createPool } from './index.ts'
import type { PoolOptions } from './pool.ts'

test('a connection that dies while it is in use fails its next statement, not the process', async () => {
  const { pool, url } = await openPool()
  const client = await pool.connect()
  const ended = new Promise((resolve) => client.once('end', resolve))
  await terminate(url, client)
  await ended
  await expect(client.query('select 1')).rejects.toThrow('not queryable')
  client.release(true)
  await expect(pool.query('select 1 as one')).resolves.toMatchObject({ rows: [{ one: 1 }] })
})

test('a connection that dies while it is idle is reported and replaced', async () => {
  const { pool, url, warnings } = await openPool()
  const client = await pool.connect()
  client.release()
  const reported = new Promise((resolve) => pool.once('error', resolve))
  await terminate(url, client)
  await reported
  expect(warnings).toEqual(['an idle connection was lost'])
  await expect(pool.query('select 1 as one')).resolves.toMatchObject({ rows: [{ one: 1 }] })
})

test('a statement whose client is gone ends where that is asked for, and its locks with it', async () => {
  const { pool, proxy, url } = await openPoolOverProxy({ endsWithClient: true })
  const client = await pool.connect()
  await client.query('set statement_timeout = 0; begin; select pg_advisory_xact_lock(1)')
  const slept = client.query('select pg_sleep(3600)')
  await Promise.all([
    expect(slept).rejects.toThrow(/terminated|ECONNRESET/),
    isSleeping(url, client).then(() => proxy.down()),
  ])
  client.release(true)
  proxy.up()
  await expect(pool.query('select pg_advisory_xact_lock(1)')).resolves.toMatchObject({
    rowCount: 1,
  })
})

test('a connection whose server does not answer is no longer used', async () => {
  const { pool, proxy } = await openPoolOverProxy({ statementTimeoutMs: 5_000 })
  const client = await pool.connect()
  const { processID } = client as { readonly processID?: number }
  proxy.hold()
  await expect(client.query('begin')).rejects.toThrow('timeout')
  await expect(client.query('rollback')).rejects.toThrow('not queryable')
  client.release()
  // Were it still there, it would answer now.
  proxy.release()
  const { rows } = await pool.query<{ pid: number }>('select pg_backend_pid() as pid')
  expect(rows[0]?.pid).not.toBe(processID)
})

async function openPoolOverProxy(
  options: Pick<PoolOptions, 'statementTimeoutMs' | 'endsWithClient'>,
) {
  const database = await testDatabase()
  const proxy = await CutOffProxy.inFrontOf(database.url)
  const pool = createPool({ url: proxy.url, max: 1, applicationName: 'pool-test', ...options })
  onTestFinished(async () => {
    await pool.end()
    await proxy.close()
    await database.drop()
  })
  return { pool, proxy, url: database.url }
}

async function openPool() {
  const database = await testDatabase()
  const warnings: string[] = []
  const ignore = () => undefined
  const warn = (_fields: object, message: string) => void warnings.push(message)
  const logger = { debug: ignore, info: ignore, warn, error: ignore }
  const pool = createPool({ url: database.url, max: 2, applicationName: 'pool-test', logger })
  onTestFinished(async () => {
    await pool.end()
    await database.drop()
  })
  return { url: database.url, pool, warnings }
}

async function isSleeping(url: string, client: object): Promise<void> {
  const observer = new pg.Client({ connectionString: url })
  await observer.connect()
  const { processID } = client as { readonly processID: number }
  await vi.waitFor(
    async () => {
      const { rowCount } = await observer.query(
        `select from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'`,
        [processID],
      )
      expect(rowCount).toBe(1)
    },
    { timeout: 60_000 },
  )
  await observer.end()
}

/** Ends the session of a client, as an administrator or a crash of the server does. */
async function terminate(url: string, client: object): Promise<void> {
  const administrator = new pg.Client({ connectionString: url })
  await administrator.connect()
  const { processID } = client as { readonly processID: number }
  await administrator.query('select pg_terminate_backend($1)', [processID])
  await administrator.end()
}
