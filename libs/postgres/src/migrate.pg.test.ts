import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestDatabase, testDatabase } from '@fairlead/testing'
import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { migrate } from './index.ts'

let database: TestDatabase
let directory: string

beforeEach(async () => {
  database = await testDatabase()
  directory = await mkdtemp(join(tmpdir(), 'migrate-'))
})

afterEach(async () => {
  await database.drop()
  await rm(directory, { recursive: true })
})

const write = (name: string, sql: string) => writeFile(join(directory, name), sql)
const run = () => migrate({ url: database.url, directory })

async function count(sql: string): Promise<number> {
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  try {
    return (await client.query(sql)).rowCount ?? 0
  } finally {
    await client.end()
  }
}

test('files are applied once, in the order of their numbers', async () => {
  await write('0002-second.sql', 'insert into t values (2)')
  await write('0001-first.sql', 'create table t (n integer)')
  await write('notes.txt', 'not SQL')
  expect(await run()).toEqual(['0001-first.sql', '0002-second.sql'])
  expect(await run()).toEqual([])
  expect(await count('select from t')).toBe(1)
})

test('many apps that start at once apply each file once', async () => {
  await write('0001-first.sql', 'create table t (n integer); insert into t values (1)')
  const applied = await Promise.all([run(), run(), run(), run()])
  expect(applied.flat()).toEqual(['0001-first.sql'])
  expect(await count('select from t')).toBe(1)
})

test('a role that may make nothing starts on a database that has everything', async () => {
  await write('0001-first.sql', 'create table t (n integer)')
  await run()
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  const role = `reader_${process.pid}`
  try {
    await client.query(`create role ${role};
      grant usage on schema fairlead to ${role}; grant select on fairlead.migration to ${role};
      set role ${role}`)
    expect(await migrate({ client, directory })).toEqual([])
    await write('0002-second.sql', 'create table other (n integer)')
    await expect(migrate({ client, directory })).rejects.toThrow('0002-second.sql failed')
  } finally {
    await client.query(`reset role; drop owned by ${role}; drop role ${role}`)
    await client.end()
  }
})

test('a file that was edited after it was applied is refused', async () => {
  await write('0001-first.sql', 'create table t (n integer)')
  await run()
  await write('0001-first.sql', 'create table t (n bigint)')
  await expect(run()).rejects.toMatchObject({ code: 'EDITED' })
})

test('two files with one number are refused', async () => {
  await write('0001-first.sql', 'select 1')
  await write('0001-other.sql', 'select 1')
  await expect(run()).rejects.toMatchObject({ code: 'DUPLICATE_NUMBER' })
})

test('a file that fails leaves nothing of itself, and what comes before it stays', async () => {
  await write('0001-first.sql', 'create table t (n integer)')
  await write('0002-broken.sql', 'insert into t values (1); select from nowhere')
  await expect(run()).rejects.toMatchObject({ code: 'FAILED' })
  expect(await count('select from t')).toBe(0)
  expect(await count('select from fairlead.migration')).toBe(1)
})
