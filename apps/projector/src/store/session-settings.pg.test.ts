import { testDatabase } from '@fairlead/testing'
import { type Kysely, sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { BuildSession } from '../rebuild/build-session.ts'
import { type Database, openDatabase } from './database.ts'

const SETTINGS = [
  `datestyle = 'SQL, DMY'`,
  'extra_float_digits = -3',
  `timezone = 'America/New_York'`,
  `bytea_output = 'escape'`,
  `default_transaction_isolation = 'repeatable read'`,
]

let database: Awaited<ReturnType<typeof testDatabase>>
const open: Database[] = []

function opened(): Database {
  const db = openDatabase({ url: database.url, connectionsMax: 1 })
  open.push(db)
  return db
}

beforeEach(async () => {
  database = await testDatabase()
  const name = new URL(database.url).pathname.slice(1)
  const db = opened()
  for (const setting of SETTINGS) {
    await sql`alter database ${sql.id(name)} set ${sql.raw(setting)}`.execute(db)
  }
})

afterEach(async () => {
  await Promise.all(open.splice(0).map((db) => db.destroy()))
  await database.drop()
})

async function expectOurForms(db: Kysely<unknown>): Promise<void> {
  const { rows } = await sql`
    select timestamptz '2026-02-01T10:20:30.456Z' as at, date '2026-02-01' as day,
      0.1::float8 + 0.2 as sum, '\\x00ff'::bytea as bytes,
      current_setting('transaction_isolation') as isolation`.execute(db)
  expect(rows).toEqual([
    {
      at: new Date('2026-02-01T10:20:30.456Z'),
      day: '2026-02-01',
      sum: 0.1 + 0.2,
      bytes: Buffer.of(0, 255),
      isolation: 'read committed',
    },
  ])
}

test('how values are written is not for the settings of a database to say', async () => {
  await expectOurForms(opened())
})

test('nor is it in the session of a rebuild', async () => {
  const { signal } = new AbortController()
  const session = await BuildSession.open(database.url, 1n, signal)
  if (session === null) throw new Error('nobody else has the job')
  try {
    await expectOurForms(session.db)
  } finally {
    await session.close()
  }
})
