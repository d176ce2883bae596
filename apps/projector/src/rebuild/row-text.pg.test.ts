import type { Table } from '@fairlead/projection'
import { copyIn } from '@fairlead/postgres'
import { type TestDatabase, testDatabase } from '@fairlead/testing'
import { sql } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { columnArrays } from '../store/columns.ts'
import { VALUE_TYPES } from '../store/database.ts'
import { kyselyOfClient } from '../store/kysely.ts'
import { copyStatement, copyText } from './row-text.ts'

let database: TestDatabase
let client: pg.Client

beforeAll(async () => {
  database = await testDatabase()
  client = new pg.Client({ connectionString: database.url, types: VALUE_TYPES })
  await client.connect()
})

afterAll(async () => {
  await client.end()
  await database.drop()
})

/** The code of a fold may well make them: nobody looks at the types of a row while it runs. */
const VALUES = [
  ['boolean', 1],
  ['boolean', 'yes'],
  ['text', new Date('2026-01-31T12:00:00Z')],
  ['text', { amount: 1, note: 'a\tb' }],
  ['text', new Uint8Array([1, 255])],
  ['text', 12n],
  ['text', false],
  ['date', new Date('2026-01-31T12:00:00Z')],
  ['bytea', '\\x6162'],
  ['numeric', 1.5],
  ['integer', '7'],
  ['bigint', '\\N'],
  ['double precision', -0],
  ['jsonb', new Date('2026-01-31T12:00:00Z')],
  ['timestamptz', '2026-01-31 12:00:00+01'],
] as const

test.for(VALUES)(
  'a rebuild makes of %s what a live batch makes of it: %s',
  async ([type, value]) => {
    const table: Table = { name: 'made', keyColumn: 'value', columns: { value: type } }
    const db = kyselyOfClient(client)
    const stored = async (write: () => Promise<unknown>): Promise<unknown> => {
      await sql`create temporary table made (value ${sql.raw(type)})`.execute(db)
      try {
        await write()
        return (await sql<{ value: unknown }>`select value from made`.execute(db)).rows
      } catch (error) {
        return (error as { readonly code?: string }).code?.slice(0, 2)
      } finally {
        await sql`drop table made`.execute(db)
      }
    }
    const live = await stored(() =>
      sql`insert into made select * from unnest(${columnArrays(table, [{ value }])})`.execute(db),
    )
    const copied = await stored(() =>
      copyIn(client, copyStatement(table, 'made'), copyText(table, [{ value }])),
    )
    expect(copied).toEqual(live)
  },
)
