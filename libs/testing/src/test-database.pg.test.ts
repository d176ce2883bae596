import pg from 'pg'
import { expect, test } from 'vitest'
import { testDatabase } from './index.ts'

test('a test database can decode its WAL, and goes with its slots', async () => {
  const database = await testDatabase()
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  client.on('error', () => undefined)
  await client.query("select pg_create_logical_replication_slot('left_behind', 'pgoutput')")
  const settings = await client.query('show wal_level')
  expect(settings.rows).toEqual([{ wal_level: 'logical' }])
  await client.end()
  await database.drop()
  await expect(new pg.Client({ connectionString: database.url }).connect()).rejects.toThrow(
    'does not exist',
  )
})
