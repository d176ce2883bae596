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

test('a session that is lent is not idle for long, behind what it is lent for within it, too', async () => {
  const session = await BuildSession.open(database.url, 1n, new AbortController().signal)
  if (session === null) throw new Error('nobody else has the job')
  const limit = async (): Promise<unknown> => {
    const { rows } = await sql<{ value: string }>`
      select current_setting('idle_in_transaction_session_timeout') as value`.execute(session.db)
    return rows[0]?.value
  }
  try {
    const limits = await session.lend(async () => [await session.lend(limit), await limit()])
    expect([...limits, await limit()]).toEqual(['10s', '10s', '0'])
  } finally {
    await session.close()
  }
})
