import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { HeldPartition } from './held-partition.ts'
import { registerProjection } from './store/register.ts'
import { accounts } from './testing/accounts.test-fixture.ts'
import { MemoryLog } from './testing/memory-log.test-fixture.ts'
import {
  type MigratedDatabase,
  migratedDatabase,
} from './testing/migrated-database.test-fixture.ts'

const TOPIC = 'outbox.event.account'

let database: MigratedDatabase

beforeEach(async () => {
  database = await migratedDatabase()
})

afterEach(() => database.close())

async function openPartition(): Promise<() => HeldPartition> {
  const { db } = database
  const partition = { ...(await registerProjection(db, accounts)), topic: TOPIC, partition: 0 }
  const silent = (): void => undefined
  return () =>
    new HeldPartition({
      db,
      log: new MemoryLog(TOPIC, 1).open(),
      partition,
      observer: { held: silent, wentBack: silent },
      signal: new AbortController().signal,
    })
}

test('a partition that another worker has taken over is not held any more, under its fence either', async () => {
  const hold = await openPartition()
  const former = hold()
  await former.takeOver()
  expect(await former.reload()).toBe(true)
  const next = hold()
  await next.takeOver()
  const { fence } = former
  expect(await former.reload()).toBe(false)
  expect(former.fence).toBe(fence)
  expect(await former.hasLostCommits()).toBe(false)
  expect(await next.reload()).toBe(true)
})

test('a fence below its own, or none, tells a worker of a database that has lost commits', async () => {
  const held = (await openPartition())()
  await held.takeOver()
  expect(await held.hasLostCommits()).toBe(false)
  await sql`update evt.checkpoint set fence = fence - 1`.execute(database.db)
  expect(await held.hasLostCommits()).toBe(true)
  await sql`delete from evt.checkpoint`.execute(database.db)
  expect(await held.hasLostCommits()).toBe(true)
})
