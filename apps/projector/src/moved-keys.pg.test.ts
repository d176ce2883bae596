import { OperationalError } from '@fairlead/base'
import { partitionOfKey } from '@fairlead/kafka'
import type { PreparedRecord } from '@fairlead/projection'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { EventLog } from './log/event-log.ts'
import { RecordReader } from './log/prepare-records.ts'
import { MovedKeys } from './moved-keys.ts'
import { writeCheckpoints } from './store/checkpoints.ts'
import type { Database } from './store/database.ts'
import { notePartitionCount } from './store/partition-growth.ts'
import { registerProjection } from './store/register.ts'
import type { RegisteredProjection } from './store/registered-projection.ts'
import { JsonSerde, accounts, deposited } from './testing/accounts.test-fixture.ts'
import { MemoryLog, TOPIC_ID } from './testing/memory-log.test-fixture.ts'
import {
  type MigratedDatabase,
  migratedDatabase,
} from './testing/migrated-database.test-fixture.ts'

const TOPIC = 'outbox.event.account'
const LONG_AGO_MS = 1_000_000
const SETTLED_MS = LONG_AGO_MS + 600_000

let database: MigratedDatabase
let db: Database
let registered: RegisteredProjection
let log: MemoryLog
let reader: RecordReader

beforeEach(async () => {
  database = await migratedDatabase()
  db = database.db
  registered = await registerProjection(db, accounts)
  log = new MemoryLog(TOPIC, 4)
  reader = new RecordReader(accounts, new JsonSerde(), { nowMs: () => Date.now(), aheadMaxMs: 1 })
})

afterEach(() => database.close())

/** A key that was in partition `from` of three, and is in partition `to` of four. */
function keyFrom(from: number, to = 3, firstIndex = 0): string {
  return keyWhere(
    [
      [3, from],
      [4, to],
    ],
    firstIndex,
  )
}

/** A key that is in these partitions of so many. */
function keyWhere(
  places: readonly (readonly [partitionCount: number, partition: number])[],
  firstIndex = 0,
): string {
  for (let index = firstIndex; ; index += 1) {
    const key = `key-${index}`
    const bytes = Buffer.from(key)
    if (places.every(([count, partition]) => partitionOfKey(bytes, count) === partition)) return key
  }
}

const at = (timestampMs: number, key: string) => ({ ...deposited(key, 1), timestampMs })

/** What a partition has, as of now. */
const records = (partition = 3): Promise<readonly PreparedRecord[]> =>
  reader.prepare(log.recordsOf(partition))

/** The partitions below 3 have applied so many of their records. */
async function applied(...counts: readonly number[]): Promise<void> {
  const positions = counts.map((nextOffset, partition) => ({
    topic: TOPIC,
    partition,
    progress: { nextOffset, source: null, eventTimeMs: null },
  }))
  const topicIds = { [TOPIC]: TOPIC_ID }
  await db.transaction().execute((trx) => writeCheckpoints(trx, registered, positions, topicIds))
}

/** Of partition 3, or another one, in a topic that had three partitions when the clock was at `LONG_AGO_MS`. */
async function movedKeys(
  clock: { nowMs: number; wallMs?: number },
  options: {
    readonly log?: Partial<EventLog>
    readonly seen?: readonly number[]
    readonly partition?: number
  } = {},
): Promise<MovedKeys> {
  const partition = { ...registered, topic: TOPIC, partition: options.partition ?? 3 }
  for (const partitionCount of options.seen ?? [3, 4]) {
    await notePartitionCount(db, partition, { partitionCount, nowMs: LONG_AGO_MS })
  }
  return MovedKeys.of({
    db,
    log: { ...log.open(), ...options.log },
    reader,
    partition,
    nowMs: () => clock.nowMs,
    wallMs: () => clock.wallMs ?? clock.nowMs,
  })
}

const { signal } = new AbortController()

test('an event waits for those of its own key alone, however far behind others of its former partition', async () => {
  const moved = await movedKeys({ nowMs: LONG_AGO_MS })
  log.append(0, at(1_000, keyFrom(0, 0)), at(1_001, keyFrom(0, 1)))
  log.append(3, at(2_000, keyFrom(0)))
  await applied(0, 0, 0)
  expect(await moved.permitted(await records(), signal)).toMatchObject({ count: 1 })
  log.append(0, at(1_002, keyFrom(0)))
  expect(await moved.permitted(await records(), signal)).toMatchObject({ count: 0 })
  await applied(2, 0, 0)
  expect(await moved.permitted(await records(), signal)).toMatchObject({ count: 0 })
  await applied(3, 0, 0)
  expect(await moved.permitted(await records(), signal)).toMatchObject({ count: 1 })
})

test('of two events of one time that in the partition before waits for none, and the other one for it', async () => {
  const clock = { nowMs: LONG_AGO_MS }
  const later = await movedKeys(clock)
  const before = await movedKeys(clock, { partition: 0 })
  log.append(0, at(1_000, keyFrom(0)))
  log.append(3, at(1_000, keyFrom(0)))
  await applied(0, 0, 0)
  expect(await later.permitted(await records(), signal)).toMatchObject({ count: 0 })
  expect(await before.permitted(await records(0), signal)).toMatchObject({ count: 1 })
  await applied(1, 0, 0)
  expect(await later.permitted(await records(), signal)).toMatchObject({ count: 1 })
})

test('partitions that have got keys from each other do not take turns', async () => {
  const clock = { nowMs: LONG_AGO_MS }
  const [one, other] = [
    await movedKeys(clock, { partition: 0 }),
    await movedKeys(clock, { partition: 1 }),
  ]
  for (let ms = 1_000; ms < 1_100; ms += 2) {
    log.append(0, at(ms, keyFrom(1, 0)))
    log.append(1, at(ms + 1, keyFrom(0, 1)))
  }
  await applied(0, 0, 0)
  expect(await one.permitted(await records(0), signal)).toMatchObject({ count: 50 })
  expect(await other.permitted(await records(1), signal)).toMatchObject({ count: 50 })
})

test('a former partition with more than is looked through is waited for until it is not', async () => {
  const inner = log.open()
  const inParts: Partial<EventLog> = {
    read: async (request) => {
      const fetched = await inner.read(request)
      const read = fetched.records.slice(0, 200)
      return { ...fetched, records: read, nextOffset: request.fromOffset + read.length }
    },
  }
  const moved = await movedKeys({ nowMs: LONG_AGO_MS }, { log: inParts })
  for (let ms = 0; ms < 2_000; ms += 1) log.append(0, at(ms, keyFrom(0)))
  log.append(3, at(3_000, keyFrom(0, 3, 100)))
  await applied(0, 0, 0)
  for (let ask = 0; ask < 5; ask += 1) {
    expect(await moved.permitted(await records(), signal)).toMatchObject({ count: 0 })
  }
  await applied(1_500, 0, 0)
  expect(await moved.permitted(await records(), signal)).toMatchObject({ count: 1 })
})

test('what was looked through for the keys of one growth is looked through again for those of the next', async () => {
  const moved = await movedKeys({ nowMs: LONG_AGO_MS })
  const movesNext = keyWhere([
    [4, 0],
    [5, 3],
  ])
  log.append(0, at(1_000, keyFrom(0, 0)), at(1_001, movesNext))
  log.append(3, at(2_000, keyFrom(0)))
  await applied(0, 0, 0)
  expect(await moved.permitted(await records(), signal)).toMatchObject({ count: 1 })
  log.grow(5)
  log.append(3, at(3_000, movesNext))
  const late = (await records()).slice(1)
  expect(await moved.permitted(late, signal)).toMatchObject({ count: 0 })
  await applied(2, 0, 0)
  expect(await moved.permitted(late, signal)).toMatchObject({ count: 1 })
})

test('what a database has lost that its former partition had applied is waited for once more', async () => {
  const moved = await movedKeys({ nowMs: LONG_AGO_MS })
  log.append(0, at(1_000, keyFrom(0)), at(1_001, keyFrom(0, 0)), at(1_002, keyFrom(0, 0)))
  log.append(3, at(2_000, keyFrom(0)))
  await applied(1, 0, 0)
  expect(await moved.permitted(await records(), signal)).toMatchObject({ count: 1 })
  await applied(2, 0, 0)
  expect(await moved.permitted(await records(), signal)).toMatchObject({ count: 1 })
  await applied(0, 0, 0)
  expect(await moved.permitted(await records(), signal)).toMatchObject({ count: 0 })
})

test('a growth is not over while any partition of before lags, whatever keys arrive', async () => {
  const clock = { nowMs: SETTLED_MS }
  const moved = await movedKeys(clock)
  log.append(1, at(1_000, keyFrom(1)))
  await applied(0, 0, 0)
  log.append(3, at(2_000, keyFrom(0)))
  expect(await moved.permitted(await records(), signal)).toEqual({
    count: 1,
    moved: new Set([keyFrom(0)]),
    isOver: false,
  })
  log.append(3, at(3_000, keyFrom(1)))
  const late = (await records()).slice(1)
  expect(await moved.permitted(late, signal)).toMatchObject({ count: 0 })
  await applied(0, 1, 0)
  clock.nowMs += 1_000
  expect(await moved.permitted(late, signal)).toMatchObject({ count: 1, isOver: true })
  expect(await moved.permitted(late, signal)).toEqual({
    count: 1,
    moved: new Set(),
    isOver: false,
  })
})

test('a growth is over where every partition passes what it had then, though none is ever drained', async () => {
  const clock = { nowMs: SETTLED_MS }
  const moved = await movedKeys(clock)
  for (const partition of [0, 1, 2]) log.append(partition, at(1_000, 'before'))
  await applied(0, 0, 0)
  log.append(3, at(0, 'any'))
  const any = await records()
  expect(await moved.permitted(any, signal)).toMatchObject({ isOver: false })
  for (const partition of [0, 1, 2]) log.append(partition, at(1_000, 'behind'))
  await applied(1, 1, 1)
  clock.nowMs += 1_000
  expect(await moved.permitted(any, signal)).toMatchObject({ isOver: true })
})

test('a growth is not over before producers have heard of it', async () => {
  const moved = await movedKeys({ nowMs: SETTLED_MS - 1 })
  await applied(0, 0, 0)
  log.append(3, at(0, 'any'))
  expect(await moved.permitted(await records(), signal)).toMatchObject({ isOver: false })
})

test('a clock that is set ahead ends no growth, and one that is set back keeps none', async () => {
  const clock = { nowMs: 0, wallMs: LONG_AGO_MS }
  const moved = await movedKeys(clock)
  await applied(0, 0, 0)
  log.append(3, at(0, 'any'))
  clock.wallMs = SETTLED_MS
  expect(await moved.permitted(await records(), signal)).toMatchObject({ isOver: false })
  clock.wallMs = 0
  clock.nowMs = 600_000
  expect(await moved.permitted(await records(), signal)).toMatchObject({ isOver: true })
})

test('a growth that the broker which is asked hears of late is found by the first key that moved', async () => {
  const answers = [3, 3]
  const partitionCount = async (): Promise<number> => answers.shift() ?? 4
  const options = { log: { partitionCount }, seen: [3], partition: 1 }
  const moved = await movedKeys({ nowMs: LONG_AGO_MS }, options)
  log.append(0, at(1_000, keyFrom(0, 1)))
  log.append(1, at(2_000, keyFrom(0, 1)))
  expect(await moved.permitted(await records(1), signal)).toMatchObject({ count: 0 })
  await applied(1, 0, 0)
  expect(await moved.permitted(await records(1), signal)).toMatchObject({ count: 1 })
})

test('a new partition is not begun while the broker which is asked does not know that it is there', async () => {
  const answers = [3]
  const partitionCount = async (): Promise<number> => answers.shift() ?? 4
  const options = { log: { partitionCount }, seen: [3] }
  const early = movedKeys({ nowMs: LONG_AGO_MS }, options)
  await expect(early).rejects.toMatchObject({ retryable: true })
  log.append(0, at(1_000, keyFrom(0)))
  log.append(3, at(2_000, keyFrom(0)))
  const moved = await movedKeys({ nowMs: LONG_AGO_MS }, options)
  expect(await moved.permitted(await records(), signal)).toMatchObject({ count: 0 })
})

test('keys of a producer that chooses partitions otherwise are let pass', async () => {
  const moved = await movedKeys({ nowMs: LONG_AGO_MS }, { seen: [4] })
  log.append(3, at(2_000, keyFrom(0, 0)))
  expect(await moved.permitted(await records(), signal)).toMatchObject({ count: 1 })
})

test('what is in an open transaction of the former partition is waited for', async () => {
  let isCommitted = false
  const inner = log.open()
  const committed: Partial<EventLog> = {
    endOffset: async (topic, partition) => (isCommitted ? inner.endOffset(topic, partition) : 0),
    read: async (request) => {
      const fetched = await inner.read(request)
      return isCommitted ? fetched : { ...fetched, records: [], nextOffset: request.fromOffset }
    },
  }
  const moved = await movedKeys({ nowMs: LONG_AGO_MS }, { log: committed })
  log.append(0, at(1_000, keyFrom(0)))
  log.append(3, at(2_000, keyFrom(0)))
  await applied(0, 0, 0)
  expect(await moved.permitted(await records(), signal)).toMatchObject({ count: 0 })
  isCommitted = true
  expect(await moved.permitted(await records(), signal)).toMatchObject({ count: 0 })
  await applied(1, 0, 0)
  expect(await moved.permitted(await records(), signal)).toMatchObject({ count: 1 })
})

test('a former partition that nobody has had yet is waited for, and not read where its log does not begin', async () => {
  const inner = log.open()
  const shortened: Partial<EventLog> = {
    read: async (request) => {
      if (request.fromOffset >= 1) return inner.read(request)
      throw new OperationalError('gone', { code: 'OFFSET_OUT_OF_RANGE', retryable: false })
    },
  }
  const moved = await movedKeys({ nowMs: LONG_AGO_MS }, { log: shortened })
  for (const timestampMs of [1_000, 2_000]) log.append(0, at(timestampMs, keyFrom(0)))
  log.append(3, at(3_000, keyFrom(0)))
  expect(await moved.permitted(await records(), signal)).toMatchObject({ count: 0 })
  await applied(1, 0, 0)
  expect(await moved.permitted(await records(), signal)).toMatchObject({ count: 0 })
  await applied(2, 0, 0)
  expect(await moved.permitted(await records(), signal)).toMatchObject({ count: 1 })
})
