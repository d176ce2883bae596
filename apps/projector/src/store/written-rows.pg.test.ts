import { type TestDatabase, testDatabase } from '@fairlead/testing'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { accountId, accounts } from '../testing/accounts.test-fixture.ts'
import { addKey, createTable } from './columns.ts'
import { type Database, openDatabase } from './database.ts'
import { type WrittenRows, WrittenRowsTable } from './written-rows.ts'

let database: TestDatabase
let db: Database
let table: WrittenRowsTable

beforeEach(async () => {
  database = await testDatabase()
  db = openDatabase({ url: database.url, connectionsMax: 1 })
  await createTable(db, accounts.table, 'public')
  await addKey(db, accounts.table, 'public')
  table = new WrittenRowsTable(accounts.table, 'public.account')
})

afterEach(async () => {
  await db.destroy()
  await database.drop()
})

/** So many accounts, written by one transaction, whose number it answers. */
async function writeAccounts(count: number): Promise<number> {
  const writtenBy = await db.transaction().execute(async (trx) => {
    await sql`insert into account select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid,
      0, 0, now(), null from generate_series(0, ${count - 1}::int) as n`.execute(trx)
    return table.transactionId(trx)
  })
  await sql`analyze account`.execute(db)
  return writtenBy ?? Number.NaN
}

const NOTHING: WrittenRows = { updates: [], deletes: [], kept: [] }

function write(rows: Partial<WrittenRows>): Promise<boolean> {
  return db.transaction().execute((trx) => table.write(trx, { ...NOTHING, ...rows }))
}

const changed = (index: number) => ({
  id: accountId(index),
  balance: 1,
  total: 1n,
  last_at: new Date(0),
  note: null,
})

test('rows are looked up by their keys, and the table is not read for them', async () => {
  const writtenBy = await writeAccounts(50_000)
  const indexes = Array.from({ length: 2_000 }, (_, index) => index * 20)
  await db.transaction().execute(async (trx) => {
    const isWritten = await table.write(trx, {
      updates: indexes.map((index) => ({ row: changed(index), writtenBy })),
      deletes: indexes.map((index) => ({ key: accountId(index + 1), writtenBy })),
      kept: indexes.map((index) => ({ key: accountId(index + 2), writtenBy })),
    })
    expect(isWritten).toBe(true)
    const { rows } = await sql`select seq_tup_read::int as "read"
      from pg_stat_xact_user_tables where relname = 'account'`.execute(trx)
    expect(rows).toEqual([{ read: 0 }])
  })
  const { rows } = await sql`select count(*)::int as "rows", sum(balance)::int as balance
    from account`.execute(db)
  expect(rows).toEqual([{ rows: 48_000, balance: 2_000 }])
})

test('one row that another transaction has written is enough to refuse all', async () => {
  const writtenBy = await writeAccounts(3)
  await sql`update account set balance = 5 where id = ${accountId(1)}`.execute(db)
  const of = (index: number) => ({ key: accountId(index), writtenBy })
  for (const index of [0, 1, 2]) {
    const isUntouched = index !== 1
    expect(await write({ kept: [of(index)] })).toBe(isUntouched)
  }
  expect(
    await write({ updates: [0, 1].map((index) => ({ row: changed(index), writtenBy })) }),
  ).toBe(false)
  expect(await write({ deletes: [of(1), of(2)] })).toBe(false)
})

test('a transaction so long ago that its number may have come again tells nothing', async () => {
  const writtenBy = await writeAccounts(1)
  const anEpochAgo = writtenBy - 2 ** 32
  expect(await write({ kept: [{ key: accountId(0), writtenBy: anEpochAgo }] })).toBe(false)
})

test('a column may have the name of anything in the statements', async () => {
  const columns = { fold_key: 'text', fold_writer: 'integer', t: 'integer', n: 'integer' }
  const odd = { name: 'odd', keyColumn: 'fold_key', columns }
  await createTable(db, odd, 'public')
  await addKey(db, odd, 'public')
  await sql`insert into odd select key, 0, 0, 0 from unnest(array['a', 'b', 'c']) as key`.execute(
    db,
  )
  const { rows: writers } = await sql<{ xmin: string }>`select xmin::text from odd`.execute(db)
  const writtenBy = Number(writers[0]?.xmin)
  const rows = new WrittenRowsTable(odd, 'public.odd')
  const isWritten = await db.transaction().execute((trx) =>
    rows.write(trx, {
      updates: [{ row: { fold_key: 'a', fold_writer: 1, t: 2, n: 3 }, writtenBy }],
      deletes: [{ key: 'b', writtenBy }],
      kept: [{ key: 'c', writtenBy }],
    }),
  )
  expect(isWritten).toBe(true)
  const { rows: left } = await sql`select * from odd order by fold_key`.execute(db)
  expect(left).toEqual([
    { fold_key: 'a', fold_writer: 1, t: 2, n: 3 },
    { fold_key: 'c', fold_writer: 0, t: 0, n: 0 },
  ])
})
