import { type TestDatabase, testDatabase } from '@fairlead/testing'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { BuildSession } from './build-session.ts'
import { openDatabase } from '../store/database.ts'

let database: TestDatabase
const { signal } = new AbortController()

beforeEach(async () => {
  database = await testDatabase()
})

afterEach(() => database.drop())

test.for(['statement_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout'])(
  'a job takes as long as it takes, whatever the database has as %s',
  async (setting) => {
    const db = openDatabase({ url: database.url, connectionsMax: 1 })
    const name = new URL(database.url).pathname.slice(1)
    await sql`alter database ${sql.id(name)} set ${sql.id(setting)} = '60s'`.execute(db)
    await db.destroy()
    const session = await BuildSession.open(database.url, 1n, signal)
    try {
      const { rows } = await sql`select current_setting(${setting}) as value`.execute(
        session?.db ?? db,
      )
      expect(rows).toEqual([{ value: '0' }])
      expect(await BuildSession.open(database.url, 1n, signal)).toBeNull()
    } finally {
      await session?.close()
    }
  },
)
