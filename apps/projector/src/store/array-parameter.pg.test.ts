import { type TestDatabase, testDatabase } from '@fairlead/testing'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { arrayParameter } from './array-parameter.ts'
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

const VALUES = [
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
] as const

async function roundTrip(parameter: Buffer | string, type: string): Promise<readonly unknown[]> {
  const { rows } = await sql<{ value: unknown }>`
    select value from unnest(${parameter}::${sql.raw(type)}[])
      with ordinality as element(value, position) order by position`.execute(db)
  return rows.map(({ value }) => value)
}

test.for(VALUES)('%s comes back as it was', async ([type, values]) => {
  expect(await roundTrip(arrayText(values), type)).toEqual(values)
  expect(await roundTrip(arrayParameter(values, type), type)).toEqual(values)
  expect(await roundTrip(arrayParameter([], type), type)).toEqual([])
})

test.for(['integer', 'smallint', 'bigint', 'boolean', 'text', 'uuid', 'bytea', 'jsonb'])(
  'an array of %s without values but nulls is in the binary form',
  async (type) => {
    expect(arrayParameter([null, undefined], type)).toBeInstanceOf(Buffer)
    expect(await roundTrip(arrayParameter([null, undefined], type), type)).toEqual([null, null])
  },
)

const LONG_TEXT = 'ä'.repeat(3_000)

test.for([
  ['smallint', [0, -32_768, 32_767, -1]],
  ['integer', [-2_147_483_648, 2_147_483_647, -0, '12']],
  ['bigint', [-(2n ** 63n), 2n ** 63n - 1n, 12, '12']],
  ['double precision', [-0, Number.MIN_VALUE, Number.MAX_VALUE, Number.NEGATIVE_INFINITY, '1.5']],
  ['boolean', [true, false, 'yes']],
  ['text', ['x'.repeat(64), 'x'.repeat(65), `${'x'.repeat(63)}ä`, LONG_TEXT, '\ud800', 7, true]],
  ['uuid', ['0000ABCD-0000-4000-8000-00000000abcd', '{00000000-0000-4000-8000-00000000abcd}']],
  ['bytea', [new Uint8Array([1, 2]), Buffer.alloc(70_000, 5)]],
  [
    'timestamptz',
    [
      date('1700-01-01T00:00:00Z'),
      date('1999-12-31T23:59:59.999Z'),
      date('2000-01-01T00:00:00Z'),
      date('2100-06-30T12:34:56.789Z'),
      '2026-01-31 12:00+02',
    ],
  ],
] as const)('%s is what its text form says, one by one and together', async ([type, values]) => {
  const expected = await roundTrip(arrayText(values), type)
  const one = values.map(async (value) => (await roundTrip(arrayParameter([value], type), type))[0])
  expect(await Promise.all(one)).toEqual(expected)
  expect(await roundTrip(arrayParameter(values, type), type)).toEqual(expected)
})

test.for([
  ['smallint', 32_768, '22003'],
  ['integer', 2_147_483_648, '22003'],
  ['integer', 1.5, '22P02'],
  ['bigint', 2n ** 63n, '22003'],
  ['bigint', -(2n ** 63n) - 1n, '22003'],
  ['bigint', 0.5, '22P02'],
  ['boolean', 7, '22P02'],
  ['text', 'a\0b', '22021'],
  ['uuid', '00000000-0000-4000-8000-00000000abcx', '22P02'],
  ['uuid', '00000000-0000-4000-8000-00000000abc\u0161', '22P02'],
  ['jsonb', '{', '22P02'],
] as const)('%s refuses %s with %s, whichever the form', async ([type, value, code]) => {
  await expect(roundTrip(arrayText([value]), type)).rejects.toMatchObject({ code })
  await expect(roundTrip(arrayParameter([value], type), type)).rejects.toMatchObject({ code })
})

test('an invalid date is refused before the server sees it', () => {
  expect(() => arrayParameter([new Date(Number.NaN)], 'timestamptz')).toThrow(RangeError)
})

test('jsonb comes back as it was', async () => {
  const values = [{ a: [1, 'x "y"'] }, ['z'], 'text', 7, null]
  const texts = values.map((value) => (value === null ? null : JSON.stringify(value)))
  expect(await roundTrip(arrayText(texts), 'jsonb')).toEqual(values)
  expect(await roundTrip(arrayParameter(texts, 'jsonb'), 'jsonb')).toEqual(values)
})
