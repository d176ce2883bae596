import { FloodBreaker } from '@fairlead/projection'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { BatchSize } from './batch-size.ts'
import { HeldPartition } from './held-partition.ts'
import { LetterDrain } from './letter-drain.ts'
import { RecordReader } from './log/prepare-records.ts'
import { PauseGate } from './pause-gate.ts'
import { ReplayOrders } from './replay-orders.ts'
import { Recovery } from './recovery.ts'
import type { Database } from './store/database.ts'
import { registerProjection } from './store/register.ts'
import type { ProjectionPartition } from './store/registered-projection.ts'
import { JsonSerde, accounts } from './testing/accounts.test-fixture.ts'
import { MemoryLog } from './testing/memory-log.test-fixture.ts'
import {
  type MigratedDatabase,
  migratedDatabase,
} from './testing/migrated-database.test-fixture.ts'
import { WorkerTroubles } from './worker-troubles.ts'

const TOPIC = 'outbox.event.account'
const MINUTE_MS = 60_000
const silent = (): void => undefined

let database: MigratedDatabase

beforeEach(async () => {
  database = await migratedDatabase()
})

afterEach(() => database.close())

/** A worker's drain of a partition with a parked key. */
async function openDrain(
  partition: ProjectionPartition,
  {
    db,
    ...of
  }: {
    readonly db: Database
    readonly nowMs: () => number
    readonly replayOrders: ReplayOrders
  },
) {
  await sql`insert into evt.parked_key (projection_id, version, topic, part, key)
    values (${partition.projectionId}, 1, ${TOPIC}, ${partition.partition},
      ${`key-${partition.partition}`})`.execute(db)
  const { signal } = new AbortController()
  const common = {
    db,
    log: new MemoryLog(TOPIC, 2).open(),
    partition,
    signal,
    ...of,
    breaker: new FloodBreaker({ parkedKeysMax: 1 }),
    troubles: new WorkerTroubles(silent),
    observer: { held: silent, wentBack: silent, failed: silent, drained: silent },
  }
  const held = new HeldPartition(common)
  await held.parkedKeys.reload()
  const batchSize = new BatchSize({
    recordsMax: 1,
    projectionRecordsMax: undefined,
    fetchBytesMax: 1,
  })
  const drain = new LetterDrain({
    ...common,
    reader: new RecordReader(accounts, new JsonSerde(), { nowMs: () => 0, aheadMaxMs: 1 }),
    gate: new PauseGate(),
    held,
    portions: { mayShareKeys: false },
    recovery: new Recovery({ ...common, held, batchSize }),
    effectsSignal: signal,
  })
  return { drain, held }
}

test('a worker whose parked keys others have released stops asking what to replay', async () => {
  const { db } = database
  const partition = { ...(await registerProjection(db, accounts)), topic: TOPIC, partition: 0 }
  let elapsedMs = 0
  const nowMs = (): number => elapsedMs
  const replayOrders = new ReplayOrders({ db, nowMs })
  const { drain, held } = await openDrain(partition, { db, nowMs, replayOrders })
  const holdsAny = async (): Promise<boolean> => {
    elapsedMs += MINUTE_MS
    expect(await drain.drainUntil(Promise.resolve())).toBe(true)
    return held.parkedKeys.mayHoldAny
  }
  expect(await holdsAny()).toBe(true)
  await sql`delete from evt.parked_key`.execute(db)
  expect(await holdsAny()).toBe(false)
})

test('partitions with parked keys look together whether somebody wants a replay, five times a second', async () => {
  const registered = await registerProjection(database.db, accounts)
  const looks: string[] = []
  let elapsedMs = 0
  const nowMs = (): number => elapsedMs
  const db = database.db.withPlugin({
    transformQuery: ({ node }) => {
      const text = JSON.stringify(node)
      if (text.includes('drain_requested_at is not null')) looks.push(text)
      return node
    },
    transformResult: ({ result }) => Promise.resolve(result),
  })
  const replayOrders = new ReplayOrders({ db, nowMs })
  const drains = await Promise.all(
    [0, 1].map((partition) =>
      openDrain({ ...registered, topic: TOPIC, partition }, { db, nowMs, replayOrders }),
    ),
  )
  const drainAll = () => Promise.all(drains.map(({ drain }) => drain.drainUntil(Promise.resolve())))
  await drainAll()
  elapsedMs += 199
  await drainAll()
  expect(looks).toHaveLength(1)
  await sql`update evt.parked_key set drain_request = gen_random_uuid(),
    drain_requested_at = clock_timestamp(), drain_actor = 'ana', drain_reason = 'a test'
    where part = 1`.execute(database.db)
  expect((await replayOrders.latest()).has({ ...registered, topic: TOPIC, partition: 1 })).toBe(
    false,
  )
  elapsedMs += 1
  const look = await replayOrders.latest()
  const has = [0, 1].map((partition) => look.has({ ...registered, topic: TOPIC, partition }))
  expect([has, looks.length]).toEqual([[false, true], 2])
})
