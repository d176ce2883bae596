import {
  type AnyEvent,
  Attempts,
  FencedError,
  type FoldProjection,
  type Row,
} from '@fairlead/projection'
import { type Kysely, type KyselyPlugin, sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { drainLetters } from './drain-letters.ts'
import { RecordReader } from './log/prepare-records.ts'
import { readCheckpoint } from './store/checkpoints.ts'
import type { Database } from './store/database.ts'
import { discardLetters, editLetter, findVersion, requestReplay } from './store/letter-orders.ts'
import { lockKeys, readDueTries } from './store/letter-queue.ts'
import { listLetters, listParkedKeys } from './store/list-letters.ts'
import type { ProjectionPartition } from './store/registered-projection.ts'
import { setPaused } from './store/versions.ts'
import {
  JsonSerde,
  accountId,
  accounts,
  deposited,
  undecodable,
} from './testing/accounts.test-fixture.ts'
import { RebuildFixture, balances, until } from './testing/rebuild.test-fixture.ts'
import { TimedTries } from './timed-tries.ts'

const TOPIC = 'outbox.event.account'
const ANA = { actor: 'ana', reason: 'the bank was closed' }
const SOON = { retries: 10_000, baseMs: 20, maxMs: 50 }
const LATER = { retries: 10, baseMs: 3_600_000, maxMs: 3_600_000 }

let fixture: RebuildFixture
let db: Database

beforeEach(async () => {
  fixture = await RebuildFixture.open()
  ;({ db } = fixture)
})

afterEach(() => fixture.close())

/** Refuses amounts below zero, but those that are allowed by now; the order of amounts shows in the sum. */
function curable(retryParked: FoldProjection['retryParked'] = SOON) {
  const allowed = new Set<number>()
  const tried: number[] = []
  const deposit = (row: Row, { data }: AnyEvent): Row => {
    const { amount } = data as { readonly amount: number }
    tried.push(amount)
    if (amount < 0 && !allowed.has(amount)) throw new RangeError('the bank is closed')
    return { ...row, balance: after(Number(row['balance']), amount) }
  }
  const projection: FoldProjection = { ...accounts, retryParked, on: { Deposited: deposit } }
  return { allowed, tried, projection }
}

const after = (balance: number, amount: number): number => (balance * 31 + amount) % 1_000_003
const folded = (...amounts: readonly number[]): number => amounts.reduce(after, 0)

async function isAt(offset: number): Promise<void> {
  await until(async () => {
    const { rows } = await sql<{ next: number }>`
      select next_offset::int as next from evt.checkpoint where part = 0`.execute(db)
    expect(rows).toEqual([{ next: offset }])
  })
}

const append = (...amounts: readonly number[]): void =>
  fixture.log.append(0, ...amounts.map((amount) => deposited(accountId(0), amount)))

type Parked = {
  readonly attempts: number
  readonly tries: number
  /** By the clock of the database; null: never. */
  readonly dueInMs: number | null
}

async function parked(): Promise<readonly Parked[]> {
  const { rows } = await sql<Parked>`
    select attempts, timed_tries as tries,
      extract(epoch from next_try_at - clock_timestamp())::float8 * 1000 as "dueInMs"
    from evt.parked_key order by key`.execute(db)
  return rows
}

const isReleased = (): Promise<void> => until(async () => expect(await parked()).toEqual([]))

async function actions(): Promise<readonly unknown[]> {
  const { rows } = await sql`
    select actor, action, request is null as "isTimed" from evt.dead_letter_log order by id`.execute(
    db,
  )
  return rows
}

test('a parked key is tried again by itself: in order, whole, and live from then on', async () => {
  const { allowed, projection } = curable()
  const { metrics } = fixture.start([projection])
  append(1, -2, 3)
  fixture.log.append(0, deposited(accountId(1), 7))
  append(4)
  await isAt(5)
  expect(await fixture.balancesIn('public')).toEqual(balances(1, 7))
  await until(async () => expect((await parked())[0]?.tries).toBeGreaterThan(1))

  allowed.add(-2)
  await isReleased()
  expect(await fixture.balancesIn('public')).toEqual(balances(folded(1, -2, 3, 4), 7))
  append(5)
  await isAt(6)
  expect(await fixture.balancesIn('public')).toEqual(balances(folded(1, -2, 3, 4, 5), 7))
  const note = { actor: 'projector', action: 'retry', isTimed: true }
  expect(await actions()).toEqual([note, note, note])
  const retried = await metrics.registry.getSingleMetric('dlq_retried_total')?.get()
  expect(retried?.values).toContainEqual({
    labels: { projection: 'accounts', version: '1', result: 'retried' },
    value: 3,
  })
})

test('a key is tried so many times, and then waits for somebody', async () => {
  const { allowed, tried, projection } = curable({ ...SOON, retries: 3 })
  fixture.start([projection])
  append(-1, 2)
  await until(async () =>
    expect(await parked()).toEqual([{ attempts: 3, tries: 3, dueInMs: null }]),
  )
  expect(tried).toEqual([-1, -1, -1, -1])
  const page = { limit: 10, afterId: 0n }
  expect(await listLetters(db, page)).toMatchObject([
    { kind: 'failed', attempts: 4, nextTryAt: null },
    { kind: 'blocked', attempts: 0, nextTryAt: null },
  ])

  allowed.add(-1)
  const version = await findVersion(db, 'accounts', undefined)
  await requestReplay(db, version, { by: 'all' }, ANA)
  await isReleased()
  expect(await fixture.balancesIn('public')).toEqual(balances(folded(-1, 2)))
})

test('the next letter that fails has all of its tries before it', async () => {
  const { allowed, projection } = curable({ ...SOON, retries: 3 })
  fixture.start([projection])
  append(-1, 2, -3, 4)
  await until(async () => expect((await parked())[0]?.tries).toBe(3))
  allowed.add(-1)
  const version = await findVersion(db, 'accounts', undefined)
  await requestReplay(db, version, { by: 'all' }, ANA)
  await until(async () =>
    expect(await parked()).toEqual([{ attempts: 7, tries: 3, dueInMs: null }]),
  )
  expect(await fixture.balancesIn('public')).toEqual(balances(folded(-1, 2)))
})

describe('the time of the next try', () => {
  test('is by the clock of the database, with a random part', async () => {
    fixture.start([curable(LATER).projection])
    append(-1, 2)
    await isAt(2)
    const [key] = await parked()
    expect(key).toMatchObject({ attempts: 0, tries: 0 })
    expect(key?.dueInMs).toBeGreaterThan(1_700_000)
    expect(key?.dueInMs).toBeLessThan(3_601_000)
    const { keys } = await listParkedKeys(db, { limit: 1 })
    expect(keys[0]?.nextTryAt).toBeInstanceOf(Date)
    const letters = await listLetters(db, { limit: 10, afterId: 0n })
    expect(letters.map(({ nextTryAt }) => nextTryAt instanceof Date)).toEqual([true, false])
  })

  test('is kept while nobody has the partition, and met by whoever has it next', async () => {
    const { allowed, projection } = curable(LATER)
    const { projector } = fixture.start([projection])
    append(-1, 2)
    await isAt(2)
    await projector.stop()
    await sql`update evt.parked_key set next_try_at = clock_timestamp()`.execute(db)
    allowed.add(-1)
    fixture.start([projection])
    await isReleased()
    expect(await fixture.balancesIn('public')).toEqual(balances(folded(-1, 2)))
  })

  test('does not come where nothing heals', async () => {
    const classify = (error: unknown) => (error instanceof RangeError ? 'park' : undefined)
    fixture.start([{ ...curable(LATER).projection, classify }])
    append(-1)
    fixture.log.append(0, undecodable(accountId(1)), deposited('no-uuid', 1))
    await isAt(3)
    const { rows } = await sql<{ key: string }>`
      select key from evt.parked_key where next_try_at is not null`.execute(db)
    expect(rows).toEqual([{ key: 'no-uuid' }])
  })

  test('is gone once nothing is tried any more', async () => {
    const { projector } = fixture.start([curable(LATER).projection])
    append(-1)
    await isAt(1)
    expect((await parked())[0]?.dueInMs).not.toBeNull()
    await projector.stop()
    fixture.start([curable({ retries: 0 }).projection])
    await until(async () => expect((await parked())[0]?.dueInMs).toBeNull())
  })

  test('is what the projector says, but for what the projection says itself', async () => {
    const { projection } = curable({ retries: 0 })
    const table = { ...accounts.table, name: 'other_account' }
    const other = { ...curable().projection, retryParked: {}, name: 'others', table }
    fixture.start([projection, other], { parkedRetry: LATER })
    append(-1)
    await until(async () => {
      const { rows } = await sql`
        select p.name, k.next_try_at is not null as "isTimed"
        from evt.parked_key k join evt.projection p on p.id = k.projection_id order by 1`.execute(
        db,
      )
      expect(rows).toEqual([
        { name: 'accounts', isTimed: false },
        { name: 'others', isTimed: true },
      ])
    })
  })
})

test('a clock of the process that jumps changes neither what is applied nor when a key is due', async () => {
  const start = performance.now()
  const startMs = Date.now()
  let jumpMs = 0
  const clock = vi
    .spyOn(Date, 'now')
    .mockImplementation(() => startMs + jumpMs + (performance.now() - start))
  try {
    const { allowed, projection } = curable(LATER)
    const deposit = (amount: number, account: number) =>
      fixture.log.append(0, { ...deposited(accountId(account), amount), timestampMs: startMs })
    const { projector } = fixture.start([projection])
    jumpMs = 86_400_000
    deposit(-1, 0)
    deposit(1, 1)
    await isAt(2)
    expect((await parked())[0]?.dueInMs).toBeLessThan(3_601_000)
    jumpMs = -3_600_000
    deposit(2, 1)
    await isAt(3)
    await projector.stop()

    allowed.add(-1)
    jumpMs = 86_400_000
    const { projector: second } = fixture.start([projection])
    deposit(3, 1)
    await isAt(4)
    expect(await parked()).toMatchObject([{ attempts: 0, tries: 0 }])
    await second.stop()
    jumpMs = -3_600_000
    await sql`update evt.parked_key set next_try_at = clock_timestamp()`.execute(db)
    fixture.start([projection])
    await isReleased()
    expect(await fixture.balancesIn('public')).toEqual(balances(folded(-1), folded(1, 2, 3)))
  } finally {
    clock.mockRestore()
  }
})

describe('people come before the clock', () => {
  test('a replay is not counted as a try, and what it leaves has a time again', async () => {
    fixture.start([curable(LATER).projection])
    append(-1, 2)
    await isAt(2)
    await sql`update evt.parked_key set next_try_at = null, timed_tries = 2`.execute(db)
    const version = await findVersion(db, 'accounts', undefined)
    await requestReplay(db, version, { by: 'all' }, ANA)
    await until(async () => expect((await parked())[0]).toMatchObject({ attempts: 1, tries: 2 }))
    expect((await parked())[0]?.dueInMs).toBeGreaterThan(1_000_000)
  })

  test('a key that somebody wants replayed meanwhile is not tried', async () => {
    const { projector } = fixture.start([curable(LATER).projection])
    append(-1)
    await isAt(1)
    await projector.stop()
    await sql`update evt.parked_key set next_try_at = clock_timestamp()`.execute(db)
    const partition = partitionOf(projector.registered)
    const { queue } = await readDueTries(db, partition, 500)
    expect(queue.keys).toHaveLength(1)
    const version = await findVersion(db, 'accounts', undefined)
    await requestReplay(db, version, { by: 'all' }, ANA)
    const locked = db.transaction().execute((trx) => lockKeys(trx, partition, queue))
    await expect(locked).rejects.toThrow('somebody has asked for a replay')
    expect((await readDueTries(db, partition, 500)).queue.keys).toEqual([])
  })

  test('an edited letter is what the next try applies; a discarded one is not', async () => {
    const { projection } = curable(LATER)
    const { projector } = fixture.start([projection])
    append(-1, -2, 3)
    await isAt(3)
    await projector.stop()
    const version = await findVersion(db, 'accounts', undefined)
    const [first, second] = await listLetters(db, { limit: 10, afterId: 0n })
    await editLetter(db, { ...ANA, id: first?.id ?? 0n, value: deposited(accountId(0), 9).value })
    await discardLetters(db, version, { by: 'id', id: second?.id ?? 0n }, ANA)
    await sql`update evt.parked_key set next_try_at = clock_timestamp()`.execute(db)
    fixture.start([projection])
    await isReleased()
    expect(await fixture.balancesIn('public')).toEqual(balances(folded(9, 3)))
  })

  test('what is behind a discarded head has all of its tries before it', async () => {
    const { projection } = curable({ ...SOON, retries: 2 })
    const { projector } = fixture.start([projection])
    append(-1, -2, 3)
    await until(async () =>
      expect(await parked()).toEqual([{ attempts: 2, tries: 2, dueInMs: null }]),
    )
    await isAt(3)
    await projector.stop()
    const version = await findVersion(db, 'accounts', undefined)
    const [first, second, third] = await listLetters(db, { limit: 10, afterId: 0n })
    const discard = (id: bigint = 0n) => discardLetters(db, version, { by: 'id', id }, ANA)
    await discard(third?.id)
    expect(await parked()).toEqual([{ attempts: 2, tries: 2, dueInMs: null }])
    await discard(first?.id)
    const [key] = await parked()
    expect(key).toMatchObject({ tries: 0 })
    expect(key?.dueInMs).not.toBeNull()

    await sql`update evt.parked_key set next_try_at = clock_timestamp()`.execute(db)
    fixture.start([projection])
    await until(async () =>
      expect(await parked()).toEqual([{ attempts: 4, tries: 2, dueInMs: null }]),
    )
    expect(await listLetters(db, { limit: 10, afterId: 0n })).toMatchObject([{ id: second?.id }])
  })

  test('a paused projection tries nothing, and goes on where it was', async () => {
    const { allowed, tried, projection } = curable()
    const { health } = fixture.start([projection])
    append(-1)
    await until(async () => expect((await parked())[0]?.tries).toBeGreaterThan(0))
    await setPaused(db, { name: 'accounts', pausedBy: 'ana' })
    await until(() => expect(health.get('projection accounts v1')).toMatch(/ana/))
    await sql`update evt.parked_key set next_try_at = clock_timestamp()`.execute(db)
    const count = tried.length
    allowed.add(-1)
    append(2)
    await until(() => expect(fixture.log.recordsOf(0)).toHaveLength(2))
    await setPaused(db, { name: 'accounts', pausedBy: null })
    await isReleased()
    // The try that was under way when the pause was seen, and those of the two letters.
    expect(tried.length - count).toBeLessThanOrEqual(3)
    expect(await fixture.balancesIn('public')).toEqual(balances(folded(-1, 2)))
  })
})

describe('what cannot be tried for now holds nobody up', () => {
  const timesUp = () => sql`update evt.parked_key set next_try_at = clock_timestamp()`.execute(db)

  /** Two parked keys, the first of which cannot be looked up, as long as `failure` says so. */
  function lookingUp(failure: () => unknown, retryParked: FoldProjection['retryParked'] = SOON) {
    const { allowed, projection } = curable(retryParked)
    const enrichEach = ({ key }: AnyEvent): undefined => {
      const error = failure()
      if (key === accountId(0) && error !== undefined) throw error
    }
    return { allowed, projection: { ...projection, enrichEach } }
  }

  const away = () => Object.assign(new Error('away'), { code: 'ECONNREFUSED' })

  test('a peer that is away for a parked key', async () => {
    let error: unknown
    const { allowed, projection } = lookingUp(() => error, LATER)
    fixture.start([projection])
    append(-1, 2)
    fixture.log.append(0, deposited(accountId(1), -1))
    await isAt(3)
    await fixture.stopAll()
    allowed.add(-1)
    error = away()
    await timesUp()
    const { failures } = fixture.start([projection])
    fixture.log.append(0, deposited(accountId(2), 7))
    await isAt(4)
    // The first try of both keys shows only that something is wrong; then each is tried for itself.
    await until(async () => expect(await parked()).toMatchObject([{ attempts: 1, tries: 1 }]))
    expect((await parked())[0]?.dueInMs).toBeGreaterThan(1_000_000)
    expect(await fixture.balancesIn('public')).toEqual([
      [accountId(1), folded(-1)],
      [accountId(2), folded(7)],
    ])

    error = undefined
    await timesUp()
    fixture.log.append(0, undecodable(accountId(3)))
    await until(async () => expect(await parked()).toHaveLength(1))
    expect(failures).toEqual([])
  })

  test.each([
    ['a statement that takes too long', { code: '57014' }],
    ['a table that is not there', { code: '42P01' }],
  ])('%s, until the tries of the key are used up', async (message, code) => {
    let error: unknown
    const { projection } = lookingUp(() => error, { ...SOON, retries: 3 })
    fixture.start([{ ...projection, retryParked: LATER }])
    append(-1)
    await isAt(1)
    await fixture.stopAll()
    error = Object.assign(new Error(message), code)
    await timesUp()
    const { failures } = fixture.start([projection])
    fixture.log.append(0, deposited(accountId(1), 7))
    await isAt(2)
    await until(async () =>
      expect(await parked()).toEqual([{ attempts: 3, tries: 3, dueInMs: null }]),
    )
    fixture.log.append(0, deposited(accountId(1), 7))
    await isAt(3)
    expect(failures).toEqual([])
  })

  test('an event that the projection wants to stop for', async () => {
    let says: 'stop' | undefined
    const projection = { ...curable(LATER).projection, classify: () => says }
    fixture.start([projection])
    append(-1)
    await isAt(1)
    await fixture.stopAll()
    await timesUp()
    says = 'stop'
    fixture.start([projection])
    fixture.log.append(0, deposited(accountId(1), 7))
    await isAt(2)
    await until(async () => expect((await parked())[0]).toMatchObject({ attempts: 1, tries: 1 }))
    fixture.log.append(0, deposited(accountId(1), 7))
    await isAt(3)
  })

  test('a replay whose look-ups find nobody lets batches by', async () => {
    let error: unknown
    let failedCount = 0
    const { allowed, projection } = lookingUp(() => {
      if (error !== undefined) failedCount += 1
      return error
    }, LATER)
    fixture.start([projection])
    append(-1)
    await isAt(1)
    error = away()
    const version = await findVersion(db, 'accounts', undefined)
    await requestReplay(db, version, { by: 'all' }, ANA)
    for (const offset of [1, 2, 3]) {
      const before = failedCount
      await until(() => expect(failedCount).toBeGreaterThan(before))
      fixture.log.append(0, deposited(accountId(1), 7))
      await isAt(offset + 1)
    }
    expect(await parked()).toMatchObject([{ attempts: 0, tries: 0 }])
    allowed.add(-1)
    error = undefined
    await isReleased()
  })
})

function partitionOf(
  registered: readonly Omit<ProjectionPartition, 'topic' | 'partition'>[],
): ProjectionPartition {
  const [first] = registered
  if (first === undefined) throw new Error('nothing is registered')
  return { ...first, topic: TOPIC, partition: 0 }
}

describe('of a stopped projector', () => {
  let partition: ProjectionPartition

  beforeEach(async () => {
    const { projector } = fixture.start([curable(LATER).projection])
    append(-1, 2)
    await isAt(2)
    partition = partitionOf(projector.registered)
    await projector.stop()
  })

  test('an owner that was replaced changes nothing', async () => {
    await sql`update evt.parked_key set next_try_at = clock_timestamp()`.execute(db)
    const { queue } = await readDueTries(db, partition, 500)
    const held = await readCheckpoint(db, partition)
    await sql`update evt.checkpoint set fence = fence + 1`.execute(db)
    const before = await parked()
    const reader = new RecordReader(accounts, new JsonSerde(), {
      nowMs: () => Date.now(),
      aheadMaxMs: 86_400_000,
      tenantHeader: undefined,
    })
    const context = {
      db,
      partition,
      reader,
      fence: held?.fence ?? 0n,
      attempts: Attempts.none,
      hasMovedKeys: false,
      codeFailed: () => undefined,
      signal: new AbortController().signal,
      effectsSignal: new AbortController().signal,
    }
    await expect(drainLetters(context, queue, 'fast')).rejects.toThrow(FencedError)
    expect(await parked()).toMatchObject(before.map(({ attempts, tries }) => ({ attempts, tries })))
    expect(await listLetters(db, { limit: 10, afterId: 0n })).toHaveLength(2)
  })

  test('the database is asked when a key is due, or keys have changed, and once a minute', async () => {
    let askedCount = 0
    const counting: KyselyPlugin = {
      transformQuery: ({ node }) => {
        askedCount += 1
        return node
      },
      transformResult: async ({ result }) => result,
    }
    const asked: Kysely<unknown> = db.withPlugin(counting)
    let nowMs = 1_000
    const parkedKeys = { changeCount: 1 }
    let isOpen = false
    const tries = new TimedTries({
      db: asked,
      partition,
      breaker: { isOpen: () => isOpen },
      parkedKeys,
      nowMs: () => nowMs,
    })
    const isDue = async (): Promise<boolean> => (await tries.due(500)).keys.length > 0
    expect([await isDue(), await isDue(), await isDue()]).toEqual([false, false, false])
    expect(askedCount).toBe(1)
    parkedKeys.changeCount += 1
    expect([await isDue(), await isDue()]).toEqual([false, false])
    expect(askedCount).toBe(2)
    nowMs += 59_999
    expect(await isDue()).toBe(false)
    expect(askedCount).toBe(2)

    await sql`
      update evt.parked_key set next_try_at = clock_timestamp() + interval '10 s'`.execute(db)
    nowMs += 1
    expect(await isDue()).toBe(false)
    expect(askedCount).toBe(3)
    await sql`update evt.parked_key set next_try_at = clock_timestamp()`.execute(db)
    isOpen = true
    nowMs += 10_000
    expect(await isDue()).toBe(false)
    expect(askedCount).toBe(3)
    isOpen = false
    expect(await isDue()).toBe(true)
  })
})
