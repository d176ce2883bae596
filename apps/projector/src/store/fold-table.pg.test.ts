import type { Row } from '@fairlead/projection'
import { type TestDatabase, testDatabase } from '@fairlead/testing'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { accountId, accounts } from '../testing/accounts.test-fixture.ts'
import { addKey, createTable } from './columns.ts'
import { type Database, openDatabase } from './database.ts'
import { FoldTable } from './fold-table.ts'

let database: TestDatabase
let db: Database
let table: FoldTable

beforeEach(async () => {
  database = await testDatabase()
  db = openDatabase({ url: database.url, connectionsMax: 1 })
  await createTable(db, accounts.table, 'public')
  await addKey(db, accounts.table, 'public')
  table = new FoldTable(accounts, 'public')
})

afterEach(async () => {
  await db.destroy()
  await database.drop()
})

function account(index: number): Row {
  const balance = index % 1_000
  return {
    id: accountId(index),
    balance,
    total: BigInt(balance),
    last_at: new Date(1_700_000_000_000 + index),
    note: null,
  }
}

function write(rows: readonly Row[]): Promise<void> {
  return db.transaction().execute((trx) => table.write(trx, { upserts: rows, deletes: [] }))
}

test('rows are loaded by the key that was asked for, however it is spelled', async () => {
  const id = 'abcdef00-0000-4000-8000-000000000000'
  const row = { ...account(7), id }
  await write([row])
  const absent = accountId(8)
  const rows = await table.load(db, [absent, id.toUpperCase(), id])
  expect([...rows]).toEqual([
    [id.toUpperCase(), row],
    [id, row],
  ])
})

test('rows of a batch are looked up by their keys, and the table is not read for them', async () => {
  await write(Array.from({ length: 50_000 }, (_, index) => account(index)))
  await sql`analyze account`.execute(db)
  const keys = Array.from({ length: 8_000 }, (_, index) => accountId(index * 6))
  await db.transaction().execute(async (trx) => {
    expect((await table.load(trx, keys)).size).toBe(8_000)
    const { rows } = await sql`select seq_tup_read::int as "read"
      from pg_stat_xact_user_tables where relname = 'account'`.execute(trx)
    expect(rows).toEqual([{ read: 0 }])
  })
})
