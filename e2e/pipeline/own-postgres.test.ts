import { existsSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { expect, test } from 'vitest'
import { query } from '../support/oracle.ts'
import { RunningPlatform } from '../support/platform.ts'
import { startSystemPostgres, systemBinaries } from '../support/system-postgres.ts'
import { waitFor } from '../support/wait-for.ts'

const FOLLOW_MS = 60_000
const server = systemBinaries() ?? 'the embedded server'

async function versionOf(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query<{ server_version: string }>('show server_version')
  await client.end()
  return rows[0]?.server_version ?? ''
}

test(`npm start with DATABASE_URL runs on a Postgres of one's own (${server})`, async () => {
  await using postgres = await startSystemPostgres({ wal_level: 'logical' })
  await using platform = await RunningPlatform.start(['--rate', '50'], {
    DATABASE_URL: postgres.url,
  })
  const { endpoints } = platform
  expect(endpoints.postgres).toBe(postgres.url)
  expect(existsSync(join(platform.dataDirectory, 'postgres'))).toBe(false)
  await waitFor('the first rows', FOLLOW_MS, async () => {
    const rows = await query<{ count: string }>(endpoints, 'select count(*) from order_summary')
    return Number(rows[0]?.count) > 100
  })
  await waitFor('every order older than a second to have its row', FOLLOW_MS, async () => {
    const missing = await query(
      endpoints,
      `select id from shop.orders where placed_at < now() - interval '1 second'
         and not exists (select from public.order_summary where order_id = orders.id)
         and not exists (select from evt.parked_key where key = orders.id::text)`,
    )
    return missing.length === 0
  })
  process.stdout.write(`the platform ran on PostgreSQL ${await versionOf(postgres.url)}\n`)
})

test('npm start tells what a Postgres lacks whose log cannot be decoded', async () => {
  await using postgres = await startSystemPostgres({ wal_level: 'replica' })
  const started = RunningPlatform.start([], { DATABASE_URL: postgres.url })
  await expect(started).rejects.toThrow(
    'the Postgres of DATABASE_URL has wal_level = replica: set wal_level = logical, and restart it',
  )
})
