import { FloodBreaker } from '@fairlead/projection'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { BatchSize } from './batch-size.ts'
import { HeldPartition } from './held-partition.ts'
import { LetterDrain } from './letter-drain.ts'
import { RecordReader } from './log/prepare-records.ts'
import { PauseGate } from './pause-gate.ts'
import { Recovery } from './recovery.ts'
import { registerProjection } from './store/register.ts'
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

test('a worker whose parked keys others have released stops asking what to replay', async () => {
  const { db } = database
  const partition = { ...(await registerProjection(db, accounts)), topic: TOPIC, partition: 0 }
  await sql`insert into evt.parked_key (projection_id, version, topic, part, key)
    values (${partition.projectionId}, 1, ${TOPIC}, 0, 'a')`.execute(db)
  let nowMs = 0
  const { signal } = new AbortController()
  const common = {
    db,
    log: new MemoryLog(TOPIC, 1).open(),
    partition,
    signal,
    nowMs: () => nowMs,
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
  const holdsAny = async (): Promise<boolean> => {
    nowMs += MINUTE_MS
    expect(await drain.drainUntil(Promise.resolve())).toBe(true)
    return held.parkedKeys.mayHoldAny
  }
  expect(await holdsAny()).toBe(true)
  await sql`delete from evt.parked_key`.execute(db)
  expect(await holdsAny()).toBe(false)
})
