import { testDatabase } from '@fairlead/testing'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { copyIn } from './index.ts'

async function connect(): Promise<pg.Client> {
  const database = await testDatabase()
  const client = new pg.Client({ connectionString: database.url })
  client.on('error', () => undefined)
  await client.connect()
  await client.query('create table t (n integer primary key, note text)')
  onTestFinished(async () => {
    await client.end().catch(() => undefined)
    await database.drop()
  })
  return client
}

const COPY = 'copy t (n, note) from stdin'

test('rows arrive whole wherever their chunks are cut, and are counted', async () => {
  const client = await connect()
  const text = Array.from({ length: 200_000 }, (_, n) => `${n}\tnote ${n}\n`).join('')
  const chunks = text.match(/[^]{1,70001}/g) ?? []
  expect(await copyIn(client, COPY, chunks)).toBe(200_000)
  const { rows } = await client.query(
    "select count(*)::int as count, count(*) filter (where note = 'note ' || n)::int as same from t",
  )
  expect(rows).toEqual([{ count: 200_000, same: 200_000 }])
})

test('rows may come as bytes, one chunk after the other', async () => {
  const client = await connect()
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    const all = Buffer.from('1\tä\n2\tb\n')
    for (const byte of all.keys()) yield all.subarray(byte, byte + 1)
  }
  expect(await copyIn(client, COPY, chunks())).toBe(2)
  const { rows } = await client.query('select n, note from t order by n')
  expect(rows).toEqual([
    { n: 1, note: 'ä' },
    { n: 2, note: 'b' },
  ])
})

test('a row that the server refuses leaves nothing, and the connection is usable', async () => {
  const client = await connect()
  await expect(copyIn(client, COPY, ['1\ta\n', 'one\tb\n'])).rejects.toMatchObject({
    code: '22P02',
  })
  const { rows } = await client.query('select from t')
  expect(rows).toEqual([])
  expect(await copyIn(client, COPY, ['1\ta\n'])).toBe(1)
})

test('chunks that cannot be made end the copy', async () => {
  const client = await connect()
  const failing = function* (): Generator<string> {
    yield '1\ta\n'
    throw new RangeError('no more')
  }
  await expect(copyIn(client, COPY, failing())).rejects.toThrow('no more')
  expect((await client.query('select from t')).rowCount).toBe(0)
})

test('a connection that is lost ends the copy', async () => {
  const client = await connect()
  const endless = function* (): Generator<string> {
    for (let n = 0; ; n += 1) {
      if (n === 100_000) client.connection.stream.destroy()
      yield `${n}\ta\n`
    }
  }
  await expect(copyIn(client, COPY, endless())).rejects.toThrow(/connection|terminated/i)
})
