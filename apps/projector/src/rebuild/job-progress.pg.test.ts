import { type TestDatabase, testDatabase } from '@fairlead/testing'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Database, openDatabase } from '../store/database.ts'
import { BuildSession } from './build-session.ts'
import { measureIndexes } from './job-progress.ts'

let database: TestDatabase
let db: Database

beforeEach(async () => {
  database = await testDatabase()
  db = openDatabase({ url: database.url, connectionsMax: 2 })
})

afterEach(async () => {
  await db.destroy()
  await database.drop()
})

test('an index that is being built counts by the blocks of its table that were read', async () => {
  // Rows of a page each, for which the condition of the index takes its time.
  await sql`create table public.slow (id int) with (fillfactor = 10)`.execute(db)
  await sql`alter table public.slow add column pad text default repeat('x', 1000)`.execute(db)
  await sql`insert into public.slow select generate_series(1, 400)`.execute(db)
  await sql`
    create function public.waits(int) returns bool immutable language plpgsql
    as 'begin perform pg_sleep(0.005); return true; end'`.execute(db)
  const session = await BuildSession.open(database.url, 1n, new AbortController().signal)
  if (session === null) throw new Error('another session has the job')
  const measure = measureIndexes(db, session.pid, {
    total: 1_000,
    done: () => 500,
    current: () => 500,
  })
  try {
    expect(await measure()).toEqual({ done: 500, total: 1_000 })
    const building = sql`create index on public.slow (id) where public.waits(id)`.execute(
      session.db,
    )
    await vi.waitFor(
      async () => {
        const { done } = await measure()
        expect(done).toBeGreaterThan(500)
        expect(done).toBeLessThan(1_000)
      },
      { timeout: 30_000, interval: 20 },
    )
    await building
  } finally {
    await session.close()
  }
})
