import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RecordReader } from './log/prepare-records.ts'
import { ParkedKeys } from './parked-keys.ts'
import type { Database } from './store/database.ts'
import { registerProjection } from './store/register.ts'
import type { ProjectionPartition } from './store/registered-projection.ts'
import { JsonSerde, accounts, deposited } from './testing/accounts.test-fixture.ts'
import {
  type MigratedDatabase,
  migratedDatabase,
} from './testing/migrated-database.test-fixture.ts'

const TOPIC = 'outbox.event.account'
const NONE: ReadonlySet<string> = new Set()

let database: MigratedDatabase
let db: Database
let partition: ProjectionPartition

beforeEach(async () => {
  database = await migratedDatabase()
  db = database.db
  partition = { ...(await registerProjection(db, accounts)), topic: TOPIC, partition: 0 }
})

afterEach(() => database.close())

async function park(...keys: readonly string[]): Promise<void> {
  await sql`insert into evt.parked_key (projection_id, version, topic, part, key)
    select ${partition.projectionId}::int, 1, ${TOPIC}, 0, unnest(${keys}::text[])`.execute(db)
}

function recordsOf(...keys: readonly string[]) {
  const reader = new RecordReader(accounts, new JsonSerde(), { nowMs: () => 0, aheadMaxMs: 1 })
  return reader.prepare(
    keys.map((key, offset) => ({
      ...deposited(key, 1),
      topic: TOPIC,
      partition: 0,
      offset,
      timestampMs: 0,
    })),
  )
}

test('up to a limit all keys are known; those that moved here are asked for anew', async () => {
  await park('a', 'b')
  const parked = new ParkedKeys(db, partition, { keysMax: 3 })
  expect(parked.mayHoldAny).toBe(false)
  await parked.reload()
  expect(parked.mayHoldAny).toBe(true)
  await park('c', 'd')
  const records = await recordsOf('a', 'c', 'd')
  expect(await parked.among(records, NONE)).toEqual(new Set(['a', 'b']))
  expect(await parked.among(records, new Set(['c', 'x']))).toEqual(new Set(['a', 'b', 'c']))
  parked.released(new Set(['b', 'x']))
  expect(await parked.among(records, NONE)).toEqual(new Set(['a', 'c']))
})

test('beyond the limit the keys of the records at hand are asked for', async () => {
  await park('a', 'b', 'c')
  const parked = new ParkedKeys(db, partition, { keysMax: 2 })
  await parked.reload()
  expect(parked.mayHoldAny).toBe(true)
  expect(await parked.among(await recordsOf('c', 'x'), NONE)).toEqual(new Set(['c']))
  expect(await parked.among([], NONE)).toEqual(NONE)
})

test('a worker that parks more than it may hold goes on to ask', async () => {
  await park('a', 'b', 'c')
  const parked = new ParkedKeys(db, partition, { keysMax: 2 })
  parked.parked(new Set(['a', 'b', 'c']))
  expect(await parked.among(await recordsOf('c', 'x'), NONE)).toEqual(new Set(['c']))
  expect(parked.mayHoldAny).toBe(true)
})

test.each([{ keysMax: 3 }, { keysMax: 1 }])(
  'keys that others released are forgotten once none is left (%o)',
  async ({ keysMax }) => {
    await park('a', 'b')
    const parked = new ParkedKeys(db, partition, { keysMax })
    await parked.reload()
    await sql`delete from evt.parked_key where key = 'a'`.execute(db)
    await parked.forgetIfNone()
    expect(parked.mayHoldAny).toBe(true)
    await sql`delete from evt.parked_key`.execute(db)
    await parked.forgetIfNone()
    expect(parked.mayHoldAny).toBe(false)
    expect(await parked.among(await recordsOf('a', 'b'), NONE)).toEqual(NONE)
  },
)
