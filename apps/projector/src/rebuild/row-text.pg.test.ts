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

const uncalled = (): void => undefined

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
  ['text', 'tab\t, lines\n\r\n, \\ and \\t, and again \t\n\r\\'],
  ['text', '\t'],
  ['text', '\n'],
  ['text', '\r'],
  ['text', '\\'],
  ['text', '\\N'],
  ['text', '\\.'],
  ['text', ''],
  ['text', 'null'],
  ['text', null],
  ['text', '\b\f\v\u0085\u2028\ufeff'],
  ['text', 'a\0b'],
  ['text', '\ud800'],
  ['text', uncalled],
  ['text', Symbol('none')],
  ['bytea', new Uint8Array([0, 9, 10, 13, 92, 78])],
  ['bytea', uncalled],
  ['numeric', 'NaN'],
  ['numeric', Number.POSITIVE_INFINITY],
  ['numeric', 1e308],
  ['numeric', ''],
  ['bigint', 2n ** 63n - 1n],
  ['bigint', -(2n ** 63n)],
  ['bigint', 2n ** 63n],
  ['smallint', -32_768],
  ['double precision', Number.NaN],
  ['double precision', Number.NEGATIVE_INFINITY],
  ['double precision', 5e-324],
  ['date', '4714-11-24 BC'],
  ['date', '-infinity'],
  ['timestamptz', 'infinity'],
  ['timestamptz', new Date(-210_866_803_200_000)],
  ['timestamptz', new Date(-210_866_803_200_001)],
  ['jsonb', { text: 'a\tb\n"\\\u2028', list: [[], [1, [null]]], none: undefined }],
  ['jsonb', 'null'],
  ['jsonb', null],
  ['jsonb', undefined],
  ['jsonb', -0],
  ['jsonb', 1e308],
  ['jsonb', '\ud800'],
  ['jsonb', '\0'],
  ['jsonb', uncalled],
  ['jsonb', { toJSON: () => undefined }],
] as const

test.for(VALUES)(
  'a rebuild makes of %s what a live batch makes of it: %o',
  async ([type, value]) => {
    const table: Table = { name: 'made', keyColumn: 'value', columns: { value: type } }
    const db = kyselyOfClient(client)
    const stored = async (write: () => Promise<unknown>): Promise<unknown> => {
      await sql`create temporary table made (value ${sql.raw(type)})`.execute(db)
      try {
        await write()
        return (await sql`select value, value::text as text from made`.execute(db)).rows
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
