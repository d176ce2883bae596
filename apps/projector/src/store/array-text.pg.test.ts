import { type TestDatabase, testDatabase } from '@fairlead/testing'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { arrayText } from './array-text.ts'
import { type Database, openDatabase } from './database.ts'

let database: TestDatabase
let db: Database

beforeAll(async () => {
  database = await testDatabase()
  db = openDatabase({ url: database.url, connectionsMax: 1 })
})

afterAll(async () => {
  await db.destroy()
  await database.drop()
})

const date = (text: string) => new Date(text)

test.for([
  ['integer', [0, -7, 2_147_483_647, null]],
  ['bigint', [0n, -1n, 9_223_372_036_854_775_807n, null]],
  ['double precision', [0.1, -1e300, Number.NaN, Number.POSITIVE_INFINITY, 5e-324]],
  ['boolean', [true, false, null]],
  [
    'text',
    [
      '',
      'plain',
      'null',
      'NULL',
      'nullable',
      'a b',
      '"',
      '\\',
      '\\"',
      '{}',
      ',',
      'ö😀',
      '\n\t',
      "'",
      null,
    ],
  ],
  ['uuid', ['00000000-0000-4000-8000-00000000abcd']],
  ['date', ['2026-01-31', null]],
  ['numeric', ['12345678901234567890.5', '-0.001']],
  ['bytea', [Buffer.from([]), Buffer.from([0, 255, 92, 34]), null]],
  [
    'timestamptz',
    [
      date('2026-01-31T23:59:59.123Z'),
      date('1969-12-31T23:59:59.001Z'),
      date('0001-01-01T00:00:00Z'),
      date('+012026-05-05T01:02:03.004Z'),
      date('-000043-03-15T12:00:00Z'),
      date('0000-06-01T00:00:00Z'),
      null,
    ],
  ],
] as const)('%s comes back as it was', async ([type, values]) => {
  const { rows } = await sql<{ value: unknown }>`
    select value from unnest(${arrayText(values)}::${sql.raw(type)}[])
      with ordinality as element(value, position) order by position`.execute(db)
  expect(rows.map(({ value }) => value)).toEqual(values)
})

test('jsonb comes back as it was', async () => {
  const values = [{ a: [1, 'x "y"'] }, ['z'], 'text', 7, null]
  const texts = values.map((value) => (value === null ? null : JSON.stringify(value)))
  const { rows } = await sql<{ value: unknown }>`
    select value from unnest(${arrayText(texts)}::jsonb[])
      with ordinality as element(value, position) order by position`.execute(db)
  expect(rows.map(({ value }) => value)).toEqual(values)
})
