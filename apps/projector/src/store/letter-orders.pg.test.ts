import type { Letter } from '@fairlead/projection'
import { type Transaction, sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { accounts, deposited } from '../testing/accounts.test-fixture.ts'
import {
  type MigratedDatabase,
  migratedDatabase,
} from '../testing/migrated-database.test-fixture.ts'
import { until } from '../testing/until.test-fixture.ts'
import { releaseLetters } from '../rebuild/parked-keys.ts'
import type { Database } from './database.ts'
import {
  type LetterSelection,
  type VersionIds,
  discardLetters,
  editLetter,
  requestReplay,
} from './letter-orders.ts'
import { lockKeys, readDueLetters, settleLetters } from './letter-queue.ts'
import { StaleKeysError, parkLetters } from './park-letters.ts'
import { registerProjection } from './register.ts'
import { type ProjectionPartition, versionOf } from './registered-projection.ts'
import { replayRequest } from './replay-requests.ts'

const TOPIC = 'outbox.event.account'
const ANA = { actor: 'ana', reason: 'the bank was closed' }

let database: MigratedDatabase
let db: Database
let partition: ProjectionPartition
let version: VersionIds

beforeEach(async () => {
  database = await migratedDatabase()
  db = database.db
  const registered = await registerProjection(db, accounts)
  partition = { ...registered, topic: TOPIC, partition: 0 }
  version = versionOf(registered)
})

afterEach(() => database.close())

/** Sets events of one key aside, at these offsets, and answers the ids of their letters. */
async function park(key: string, ...offsets: readonly number[]): Promise<readonly bigint[]> {
  const letters = offsets.map(
    (offset, index): Letter => ({
      key,
      tenant: '',
      eventType: 'Deposited',
      record: { ...deposited(key, 1), topic: TOPIC, partition: 0, offset, timestampMs: 0 },
      cause:
        index > 0
          ? { kind: 'blocked' }
          : {
              kind: 'failed',
              stage: 'handle',
              errorClass: 'RangeError',
              errorCode: '',
              errorMessage: 'no',
              errorStack: '',
              fingerprint: '0123456789abcdef',
              attempts: 1,
              failureClass: 'code',
              mayPass: false,
              isOfTenant: false,
            },
    }),
  )
  const setAside = { letters, parkedKeys: new Set([key]) }
  await db.transaction().execute((trx) => parkLetters(trx, partition, setAside))
  const { rows } = await sql<{ id: bigint }>`
    select id from evt.dead_letter where key = ${key} order by id`.execute(db)
  return rows.map(({ id }) => id)
}

const byId = (id: bigint | undefined): LetterSelection => ({ by: 'id', id: id ?? 0n })

const replay = (selection: LetterSelection, lettersPerSecond?: number) =>
  requestReplay(db, version, selection, { ...ANA, lettersPerSecond })

const due = () => readDueLetters(db, partition, { resting: [], lettersMax: 500 })

const dueIds = async () => (await due()).letters.map(({ id }) => id)

/** Applies what is due, as far as this table knows. */
async function drain(): Promise<void> {
  const queue = await due()
  await db.transaction().execute(async (trx) => {
    await lockKeys(trx, partition, queue)
    await settleLetters(trx, partition, {
      isTimed: false,
      appliedIds: queue.letters.map(({ id }) => id),
      outcomes: queue.keys.map((key) => ({
        key,
        appliedCount: queue.letters.filter((letter) => letter.key === key.key).length,
        failed: undefined,
      })),
    })
  })
}

/** Whoever was asked last waits for a lock. */
async function isWaiting(): Promise<void> {
  await until(async () => {
    const { rows } = await sql`select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`.execute(db)
    expect(rows).toHaveLength(1)
  })
}

/** While a drain holds the keys; it takes their first letter with it. */
async function whileDraining<T>(order: () => Promise<T>): Promise<T> {
  const { ordering } = await db.transaction().execute(async (trx) => {
    await sql`select from evt.parked_key for update`.execute(trx)
    const ordering = order()
    // Whoever waits for it sees how it ends.
    ordering.catch(() => undefined)
    await isWaiting()
    await sql`delete from evt.dead_letter
      where id = (select min(id) from evt.dead_letter)`.execute(trx)
    return { ordering }
  })
  return ordering
}

describe('while a drain holds the key', () => {
  test('an edit of a letter that it applies is refused, and not noted', async () => {
    const [first] = await park('a', 0, 1)
    const editing = whileDraining(() =>
      editLetter(db, { ...ANA, id: first ?? 0n, value: Buffer.from('{}') }),
    )
    await expect(editing).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const { rows } = await sql`select from evt.dead_letter_log`.execute(db)
    expect(rows).toEqual([])
  })

  test('a replay of a letter that it applies is refused: the one behind it is none that was asked for', async () => {
    const [first] = await park('a', 0, 1)
    const ordering = whileDraining(() => replay(byId(first)))
    await expect(ordering).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await dueIds()).toEqual([])
  })
})

describe('a replay of one letter', () => {
  test('ends when that letter is discarded', async () => {
    const [first, second] = await park('a', 0, 1, 2)
    const { request } = await replay(byId(first))
    expect(await dueIds()).toEqual([first])
    await discardLetters(db, version, byId(first), ANA)
    expect(await dueIds()).toEqual([])
    expect(await replayRequest(db, request)).toMatchObject({ pendingKeys: 0, replayed: 0 })
    await replay(byId(second))
    expect(await dueIds()).toEqual([second])
  })

  test('goes on when one behind it is discarded', async () => {
    const [first, second] = await park('a', 0, 1, 2)
    await replay(byId(first))
    await discardLetters(db, version, byId(second), ANA)
    expect(await dueIds()).toEqual([first])
  })

  test('leaves a replay of its whole key whole, and at its rate', async () => {
    const [first, second] = await park('a', 0, 1)
    const whole = await replay({ by: 'all' }, 400)
    const one = await replay(byId(first))
    expect(await due()).toMatchObject({ request: one.request, lettersPerSecond: 400 })
    expect(await dueIds()).toEqual([first, second])
    await drain()
    expect(await replayRequest(db, whole.request)).toMatchObject({ pendingKeys: 0 })
    expect(await dueIds()).toEqual([])
  })
})

test('a replay of a whole key goes on behind a discarded head', async () => {
  const [first, second] = await park('a', 0, 1)
  await replay({ by: 'key', key: 'a' })
  await discardLetters(db, version, byId(first), ANA)
  expect(await dueIds()).toEqual([second])
})

test('a replay that another one has taken over since its letters were read reads them again', async () => {
  await park('a', 0, 1)
  await replay({ by: 'all' })
  const before = await due()
  await replay({ by: 'key', key: 'a' })
  const locked = db.transaction().execute((trx) => lockKeys(trx, partition, before))
  await expect(locked).rejects.toThrow(StaleKeysError)
})

describe('locks are taken in one order: nobody ends in a dead lock', () => {
  const holdKey = (trx: Transaction<unknown>, key: string) =>
    sql`select from evt.parked_key where key = ${key} for update`.execute(trx)

  test('a replay beside a drain of the same keys', async () => {
    // By their digests "a" comes first, in the table "b".
    for (const key of ['b', 'a']) await park(key, key.charCodeAt(0))
    await sql`analyze evt.parked_key`.execute(db)
    const { ordering } = await db.transaction().execute(async (trx) => {
      await holdKey(trx, 'a')
      const ordering = replay({ by: 'all' })
      ordering.catch(() => undefined)
      await isWaiting()
      await holdKey(trx, 'b')
      return { ordering }
    })
    expect(await ordering).toMatchObject({ keys: 2 })
  })

  test('rows that are folded anew beside a discard', async () => {
    await park('a', 0)
    const places = [{ topic: TOPIC, partition: 0, offset: 0 }]
    const { releasing } = await db.transaction().execute(async (trx) => {
      await holdKey(trx, 'a')
      const releasing = db
        .transaction()
        .execute((other) => releaseLetters(other, partition, places))
      releasing.catch(() => undefined)
      await isWaiting()
      await sql`update evt.dead_letter set edited_value = '{}'`.execute(trx)
      return { releasing }
    })
    await releasing
    expect((await sql`select from evt.parked_key`.execute(db)).rows).toEqual([])
  })
})
