import { createPool } from '@fairlead/postgres'
import { testDatabase } from '@fairlead/testing'
import { expect, test } from 'vitest'
import { CursorReader } from './table-reader.ts'

const KIBIBYTE = 1_024

/** Sizes of the rows of each fetch; they are SQL, of the number `n` of a row. */
async function fetched(sizes: string, rowCount: number): Promise<readonly (readonly number[])[]> {
  const database = await testDatabase()
  const pool = createPool({ url: database.url, max: 1, applicationName: 'cursor-test' })
  const client = await pool.connect()
  try {
    await client.query('begin')
    await client.query(
      `declare large cursor for select repeat('x', ${sizes}) from generate_series(1, ${rowCount}) as n`,
    )
    const cursor = new CursorReader(client, 'large')
    const fetches: number[][] = []
    while (!cursor.isAtEnd) {
      const rows = await cursor.next(100)
      fetches.push(rows.map(([value]) => value?.length ?? 0))
    }
    return fetches
  } finally {
    client.release(true)
    await pool.end()
    await database.drop()
  }
}

test.for([
  ['large', 256 * KIBIBYTE, 4],
  ['small', 10, 100],
] as const)('of %s rows no more are fetched at once than fit', async ([, size, countMax]) => {
  const fetches = await fetched(String(size), 300)
  expect(fetches.flat()).toEqual(Array.from({ length: 300 }, () => size))
  expect(Math.max(...fetches.map(({ length }) => length))).toBe(countMax)
})

test('rows that become larger are fetched one by one', async () => {
  const sizes = `case when n < 20 then 10 else ${2 * KIBIBYTE * KIBIBYTE} end`
  const fetches = await fetched(sizes, 40)
  const large = fetches.filter((fetch) => (fetch[0] ?? 0) > KIBIBYTE)
  expect(large.map(({ length }) => length)).toEqual(large.map(() => 1))
  expect(large.length).toBeGreaterThan(1)
  expect(fetches.flat().length).toBe(40)
})
