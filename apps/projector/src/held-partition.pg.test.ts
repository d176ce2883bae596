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

test('a partition that another worker has taken over is not held any more, under its fence either', async () => {
  const { db } = database
  const partition = { ...(await registerProjection(db, accounts)), topic: TOPIC, partition: 0 }
  const silent = (): void => undefined
  const hold = (): HeldPartition =>
    new HeldPartition({
      db,
      log: new MemoryLog(TOPIC, 1).open(),
      partition,
      observer: { held: silent, wentBack: silent },
      signal: new AbortController().signal,
    })
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
