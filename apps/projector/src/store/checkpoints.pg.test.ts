import { lsn } from '@fairlead/base'
import { FencedError } from '@fairlead/projection'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { accounts } from '../testing/accounts.test-fixture.ts'
import {
  type HeldCheckpoint,
  holdFence,
  moveCheckpoint,
  raiseFence,
  readCheckpoint,
  takeOver,
  writeCheckpoints,
} from './checkpoints.ts'
import type { Database } from './database.ts'
import { registerProjection } from './register.ts'
import type { ProjectionPartition } from './registered-projection.ts'
import {
  type MigratedDatabase,
  migratedDatabase,
} from '../testing/migrated-database.test-fixture.ts'
import { createTables } from './version-tables.ts'

const TOPIC_ID = '00000000-0000-4000-8000-00000000000a'

let database: MigratedDatabase
let db: Database
let partition: ProjectionPartition

beforeEach(async () => {
  database = await migratedDatabase()
  db = database.db
  partition = {
    ...(await registerProjection(db, accounts)),
    topic: 'outbox.event.account',
    partition: 4,
  }
})

afterEach(() => database.close())

const move = (held: HeldCheckpoint, nextOffset: number): Promise<void> =>
  db.transaction().execute((trx) =>
    moveCheckpoint(trx, partition, {
      from: held.progress,
      to: { ...held.progress, nextOffset },
      fence: held.fence,
      leaderEpoch: 3,
      turn: 'shared',
    }),
  )

test('a partition begins where it is told, and is found where it was left', async () => {
  expect(await readCheckpoint(db, partition)).toBeUndefined()
  const held = await takeOver(db, partition, { offset: 17, topicId: TOPIC_ID })
  expect(held.progress).toEqual({ nextOffset: 17, source: null, eventTimeMs: null })
  await move(held, 20)
  const next = await takeOver(db, partition, { offset: 17, topicId: TOPIC_ID })
  expect(next.progress.nextOffset).toBe(20)
  expect(next).toMatchObject({ topicId: TOPIC_ID, leaderEpoch: 3 })
  expect(next.fence).toBeGreaterThan(held.fence)
})

test('how far a transaction is applied is found where it was left', async () => {
  const { progress, fence } = await takeOver(db, partition, { offset: 0, topicId: TOPIC_ID })
  const recentTransactions = [
    { transactionId: '811', eventCount: 1 },
    { transactionId: '812', eventCount: 3 },
    { transactionId: '9007199254740993', eventCount: 2 },
  ]
  const source = { commitLsn: lsn(20n), index: 1, commitTimeMs: 500, recentTransactions }
  const to = { ...progress, source, nextOffset: 6 }
  const moved = { from: progress, to, fence, leaderEpoch: 3, turn: 'shared' } as const
  await db.transaction().execute((trx) => moveCheckpoint(trx, partition, moved))
  expect((await readCheckpoint(db, partition))?.progress).toEqual(to)

  const elsewhere = { topic: partition.topic, partition: 5, progress: to }
  await db
    .transaction()
    .execute((trx) =>
      writeCheckpoints(trx, partition, [elsewhere], { [partition.topic]: TOPIC_ID }),
    )
  expect((await readCheckpoint(db, { ...partition, partition: 5 }))?.progress).toEqual(to)
})

test('the owner before cannot move the checkpoint, wherever it is', async () => {
  const before = await takeOver(db, partition, { offset: 0, topicId: TOPIC_ID })
  const after = await takeOver(db, partition, { offset: 0, topicId: TOPIC_ID })
  await expect(move(before, 5)).rejects.toThrow(FencedError)
  await move(after, 5)
  expect((await readCheckpoint(db, partition))?.progress.nextOffset).toBe(5)
})

test('the owner before holds no fence and raises none; a raised one is the only one', async () => {
  const before = await takeOver(db, partition, { offset: 0, topicId: TOPIC_ID })
  const after = await takeOver(db, partition, { offset: 0, topicId: TOPIC_ID })
  const hold = (fence: bigint): Promise<void> =>
    db.transaction().execute((trx) => holdFence(trx, partition, fence))
  const raise = (fence: bigint): Promise<bigint> =>
    db.transaction().execute((trx) => raiseFence(trx, partition, { fence, turn: 'shared' }))
  await expect(hold(before.fence)).rejects.toThrow(FencedError)
  await expect(raise(before.fence)).rejects.toThrow(FencedError)
  await hold(after.fence)
  const fence = await raise(after.fence)
  expect(fence).toBeGreaterThan(after.fence)
  await expect(hold(after.fence)).rejects.toThrow(FencedError)
  await expect(move(after, 5)).rejects.toThrow(FencedError)
  await move({ ...after, fence }, 5)
})

test.for(['building', 'failed', 'retired'])(
  'a partition of a version that is %s is taken over by nobody',
  async (state) => {
    const before = await takeOver(db, partition, { offset: 0, topicId: TOPIC_ID })
    await sql`update evt.projection_version set state = ${state}`.execute(db)
    for (const at of [partition, { ...partition, partition: 5 }]) {
      await expect(takeOver(db, at, { offset: 0, topicId: TOPIC_ID })).rejects.toMatchObject({
        code: 'NOT_RUNNING',
      })
      expect((await readCheckpoint(db, at))?.fence).toBe(
        at === partition ? before.fence : undefined,
      )
    }
  },
)

test('an owner of a former life of the version cannot move the checkpoint of this one', async () => {
  const before = await takeOver(db, partition, { offset: 0, topicId: TOPIC_ID })
  await db.transaction().execute((trx) => createTables(trx, partition, { isBulk: false }))
  const after = await takeOver(db, partition, { offset: 0, topicId: TOPIC_ID })
  expect(after.progress).toEqual(before.progress)
  await expect(move(before, 5)).rejects.toThrow(FencedError)
})

test('an owner whose take-over the database has lost cannot move the checkpoint of the next one', async () => {
  const before = await takeOver(db, partition, { offset: 0, topicId: TOPIC_ID })
  const lost = await takeOver(db, partition, { offset: 0, topicId: TOPIC_ID })
  await sql`update evt.checkpoint set fence = ${before.fence}`.execute(db)
  const next = await takeOver(db, partition, { offset: 0, topicId: TOPIC_ID })
  expect(next.progress).toEqual(lost.progress)
  await expect(move(lost, 5)).rejects.toThrow(FencedError)
  await move(next, 5)
})

test('a clock that was set back lowers no fence', async () => {
  const before = await takeOver(db, partition, { offset: 0, topicId: TOPIC_ID })
  await sql`update evt.checkpoint set fence = fence + 3600000000`.execute(db)
  const ahead = before.fence + 3_600_000_000n
  expect((await takeOver(db, partition, { offset: 0, topicId: TOPIC_ID })).fence).toBe(ahead + 1n)
})

test('a batch that was committed cannot be committed again', async () => {
  const held = await takeOver(db, partition, { offset: 0, topicId: TOPIC_ID })
  await move(held, 5)
  await expect(move(held, 5)).rejects.toThrow(FencedError)
})

test('a take-over waits for the batch that is committing', async () => {
  const held = await takeOver(db, partition, { offset: 0, topicId: TOPIC_ID })
  const taken = await db.transaction().execute(async (trx) => {
    await moveCheckpoint(trx, partition, {
      from: held.progress,
      to: { ...held.progress, nextOffset: 5 },
      fence: held.fence,
      leaderEpoch: 3,
      turn: 'shared',
    })
    return { next: takeOver(db, partition, { offset: 0, topicId: TOPIC_ID }) }
  })
  expect((await taken.next).progress.nextOffset).toBe(5)
})
