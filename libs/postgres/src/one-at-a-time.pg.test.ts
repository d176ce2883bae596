import { testDatabase } from '@fairlead/testing'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { oneAtATime } from './index.ts'

test('queries of several callers run one after the other, and the queue of pg stays empty', async () => {
  const client = await connected()
  const warnings: string[] = []
  const warn = ({ message }: Error) => void warnings.push(message)
  process.on('warning', warn)
  onTestFinished(() => void process.off('warning', warn))
  const answers = await Promise.all(
    [1, 2, 3, 4].map((n) => client.query<{ n: number }>('select $1::int as n', [n])),
  )
  expect(answers.map(({ rows }) => rows[0]?.n)).toEqual([1, 2, 3, 4])
  expect(warnings).toEqual([])
})

test('a query that fails leaves those behind it alone', async () => {
  const client = await connected()
  const failing = client.query('select 1 / 0')
  const next = client.query('select 1 as one')
  await expect(failing).rejects.toThrow('division by zero')
  await expect(next).resolves.toMatchObject({ rows: [{ one: 1 }] })
})

test('with the connection, everything that waits for its turn fails', async () => {
  const client = await connected()
  client.on('error', () => undefined)
  const waiting = [1, 2, 3].map(() => client.query('select pg_sleep(60)'))
  const outcomes = Promise.allSettled(waiting)
  await client.end()
  expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
})

async function connected(): Promise<pg.Client> {
  const database = await testDatabase()
  const client = oneAtATime(new pg.Client({ connectionString: database.url }))
  await client.connect()
  onTestFinished(async () => {
    await client.end()
    await database.drop()
  })
  return client
}
