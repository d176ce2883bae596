import { type TestDatabase, testDatabase } from '@fairlead/testing'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Database, openDatabase } from '../store/database.ts'
import { until } from '../testing/until.test-fixture.ts'
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
  // Rows of a page each, for one of which the condition of the index waits.
  await sql`create table public.slow (id int) with (fillfactor = 10)`.execute(db)
  await sql`alter table public.slow add column pad text default repeat('x', 1000)`.execute(db)
  await sql`insert into public.slow select generate_series(1, 400)`.execute(db)
  await sql`
    create function public.waits(int) returns bool immutable language plpgsql
    as 'begin if $1 = 200 then perform pg_advisory_lock_shared(1); end if; return true; end'`.execute(
    db,
  )
  const session = await BuildSession.open(database.url, 1n, new AbortController().signal)
  if (session === null) throw new Error('another session has the job')
  const measure = measureIndexes(db, session.pid, {
    total: 1_000,
    done: () => 500,
    current: () => 500,
  })
  try {
    expect(await measure()).toEqual({ done: 500, total: 1_000 })
    await db.connection().execute(async (holder) => {
      await sql`select pg_advisory_lock(1)`.execute(holder)
      const building = sql`create index on public.slow (id) where public.waits(id)`.execute(
        session.db,
      )
      await until(async () => {
        const { done } = await measure()
        expect(done).toBeGreaterThan(500)
        expect(done).toBeLessThan(1_000)
      })
      await sql`select pg_advisory_unlock(1)`.execute(holder)
      await building
    })
  } finally {
    await session.close()
  }
})
