import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'

export type TestDatabase = {
  readonly url: string
  /** Ends every session of the database and drops it, with its replication slots. */
  drop(): Promise<void>
}

/** A fresh, empty database on the server of the run: for `*.pg.test.ts`. */
export async function testDatabase(): Promise<TestDatabase> {
  const serverUrl = inject('postgresUrl')
  const name = `test_${randomUUID().replaceAll('-', '')}`
  await administer(serverUrl, `create database ${name}`)
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return {
    url: url.href,
    drop: async () => {
      await administer(serverUrl, DROP_SLOTS, [name])
      await administer(serverUrl, `drop database ${name} with (force)`)
    },
  }
}

/** A slot that is in use cannot be dropped, so its reader is ended first. */
const DROP_SLOTS = `
  select pg_terminate_backend(active_pid, 60000), pg_drop_replication_slot(slot_name)
  from pg_replication_slots where database = $1`

async function administer(url: string, sql: string, values: readonly string[] = []): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(sql, [...values])
  } finally {
    await client.end()
  }
}
