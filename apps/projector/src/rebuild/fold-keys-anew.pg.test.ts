import { OperationalError } from '@fairlead/base'
import { type Projection, keyText } from '@fairlead/projection'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { EventLog } from '../log/event-log.ts'
import { pause } from '../pause.ts'
import { takeOver } from '../store/checkpoints.ts'
import type { Database } from '../store/database.ts'
import type { Job } from '../store/jobs.ts'
import { lockKeys, readDueLetters } from '../store/letter-queue.ts'
import { listActions } from '../store/list-letters.ts'
import { StaleKeysError } from '../store/park-letters.ts'
import {
  BranchEvents,
  accountId,
  accounts,
  activity,
  deposited,
  undecodable,
  visited,
} from '../testing/accounts.test-fixture.ts'
import { type MemoryLog, TOPIC_ID } from '../testing/memory-log.test-fixture.ts'
import { RebuildFixture, balances, until } from '../testing/rebuild.test-fixture.ts'
import { SWAP_BACKOFF } from './fold-keys-anew.ts'

vi.mock('../pause.ts', { spy: true })

let fixture: RebuildFixture
let db: Database
let log: MemoryLog

beforeEach(async () => {
  fixture = await RebuildFixture.open([BranchEvents.topic])
  ;({ db, log } = fixture)
})

afterEach(() => fixture.close())

function foldAnew(...keys: readonly string[]): Promise<Job | undefined> {
  return fixture.runJob('accounts', { version: 1, kind: 'keys', request: { keys } })
}

describe('the rows of some keys', () => {
  test('are folded anew while the version follows the log', async () => {
    fixture.appendDeposits(30, 3)
    fixture.start([accounts])
    await fixture.hasBalances('public', balances(10, 10, 10))
    await sql`update rm_accounts_v1.account set balance = 99 where id <> ${accountId(2)}`.execute(
      db,
    )
    log.append(0, deposited(accountId(0), 1))
    expect(await foldAnew(accountId(0))).toMatchObject({ state: 'done' })
    log.append(0, deposited(accountId(0), 1))
    await fixture.hasBalances('public', balances(12, 99, 10))
  })

  test('are found however the log and the order spell them', async () => {
    const id = '00000000-0000-4000-8000-00000000abcd'
    log.append(0, deposited(id.toUpperCase(), 1), deposited(id, 2), deposited(`{${id}}`, 4))
    fixture.start([accounts])
    await fixture.hasBalances('public', [[id, 7]])
    await sql`update rm_accounts_v1.account set balance = 99`.execute(db)
    for (const spelling of [id, id.toUpperCase(), id.replaceAll('-', '')]) {
      expect(await foldAnew(spelling)).toMatchObject({ state: 'done', result: { rows: 1 } })
      expect(await fixture.balancesIn('public')).toEqual([[id, 7]])
    }
  })

  test('are found while live batches have all connections, and wait for the swap', async () => {
    const id = '00000000-0000-4000-8000-00000000abcd'
    const append = (): void => log.append(0, deposited(id.toUpperCase(), 1))
    append()
    fixture.start([accounts], { databaseConnectionsMax: 1 })
    await fixture.hasBalances('public', [[id, 1]])
    const appending = setInterval(append, 1)
    try {
      expect(await foldAnew(id)).toMatchObject({ state: 'done', result: { rows: 1 } })
    } finally {
      clearInterval(appending)
    }
  })

  test('are refused when the table could not have them', async () => {
    fixture.appendDeposits(1, 1)
    fixture.start([accounts])
    await fixture.hasBalances('public', balances(1))
    expect(await foldAnew('not-a-uuid')).toMatchObject({
      state: 'failed',
      reason: '"not-a-uuid" is no key of account: id is of type uuid',
    })
  })

  test('stay as they are when one of their events fails', async () => {
    log.append(0, deposited(accountId(0), 1), deposited(accountId(0), 0))
    fixture.start([accounts])
    await until(async () => expect(await fixture.letters(1)).toHaveLength(1))
    const job = await foldAnew(accountId(0))
    expect(job).toMatchObject({
      state: 'failed',
      reason: expect.stringMatching(/offset 1, fails: nothing deposited\. .* pass over it/),
    })
    // The reason is logged, and the key may be a person's.
    expect(job?.reason).not.toContain(accountId(0))
    expect(await fixture.balancesIn('public')).toEqual(balances(1))
  })

  test('stay as they are when one of their events cannot be decoded', async () => {
    log.append(0, deposited(accountId(0), 1), undecodable(accountId(0)))
    log.append(0, deposited(accountId(0), 5))
    fixture.start([accounts])
    await until(async () => expect(await fixture.letters(1)).toHaveLength(2))
    const letters = await fixture.letters(1)
    expect(await foldAnew(accountId(0))).toMatchObject({
      state: 'failed',
      reason: expect.stringMatching(/offset 1, fails: no JSON/),
    })
    expect(await fixture.balancesIn('public')).toEqual(balances(1))
    expect(await fixture.letters(1)).toEqual(letters)
  })
})

test('a log that is away while live batches wait for the swap does not hold them up', async () => {
  fixture.appendDeposits(4, 2)
  const inner = log.open()
  let isAway = false
  let hasRead = false
  let readsUnderLock = 0
  const away: EventLog = {
    ...inner,
    read: async (request) => {
      if (isAway) {
        readsUnderLock += 1
        throw new OperationalError('away', { code: 'NETWORK', retryable: true })
      }
      const fetched = await inner.read(request)
      if (hasRead) return fetched
      hasRead = true
      // What is read behind this is read while the live version stands still.
      log.append(0, deposited(accountId(0), 1))
      await fixture.hasBalances('public', balances(3, 2))
      isAway = true
      return fetched
    },
  }
  const { projector } = fixture.start([accounts], { log: away })
  await fixture.hasBalances('public', balances(2, 2))
  const done = foldAnew(accountId(0))
  const isWaiting = async (statement: string): Promise<boolean> => {
    const { rows } = await sql`
      select from pg_stat_activity where datname = current_database()
        and wait_event_type = 'Lock' and query ilike ${`%${statement}%`}`.execute(db)
    return rows.length > 0
  }
  await until(() => expect(isAway).toBe(true))
  const [registered] = projector.registered
  if (registered === undefined) throw new Error('nothing is registered')
  let count = 3
  /** A batch and a take-over while the job has its locks; false where it let go of them before the two came to them. */
  const areHeldUp = async (): Promise<boolean> => {
    const before = readsUnderLock
    await until(() => expect(readsUnderLock).toBeGreaterThan(before))
    log.append(0, deposited(accountId(0), 1))
    count += 1
    // Its batches would not be seen: the checkpoint was not there when the others were locked.
    const partition = { ...registered, topic: log.topic, partition: 7 + count }
    const taking = takeOver(db, partition, { offset: 0, topicId: TOPIC_ID })
    let haveGoneOn = false
    const goingOn = Promise.all([taking, fixture.hasBalances('public', balances(count, 2))])
    void goingOn.then(() => {
      haveGoneOn = true
    })
    let wereWaiting = false
    await until(async () => {
      const isBatchWaiting = await isWaiting('update evt.checkpoint')
      wereWaiting ||= isBatchWaiting && (await isWaiting('insert into evt.checkpoint'))
      expect(wereWaiting || haveGoneOn).toBe(true)
    })
    await goingOn
    return wereWaiting
  }
  while (!(await areHeldUp()));
  isAway = false
  expect(await done).toMatchObject({ state: 'done' })
  expect(await fixture.balancesIn('public')).toEqual(balances(count, 2))
})

test('a look-up that does not end while live batches wait for the swap does not hold them up', async () => {
  fixture.appendDeposits(4, 2)
  const inner = log.open()
  let isStuck = false
  let stuckCount = 0
  let hasRead = false
  const { promise: freed, resolve: free } = Promise.withResolvers<void>()
  const looking: Projection = {
    ...accounts,
    enrichEach: async ({ source: { partition, offset } }, { signal }) => {
      if (!isStuck || partition !== 0 || offset !== 2) return null
      stuckCount += 1
      signal.addEventListener('abort', () => free(), { once: true })
      return freed
    },
  }
  const growing: EventLog = {
    ...inner,
    read: async (request) => {
      const fetched = await inner.read(request)
      if (hasRead) return fetched
      hasRead = true
      // What is read behind this is read while the live version stands still.
      log.append(0, deposited(accountId(0), 1))
      await fixture.hasBalances('public', balances(3, 2))
      isStuck = true
      return fetched
    },
  }
  const warn = vi.fn()
  const silent = (): void => undefined
  const logger = { debug: silent, info: silent, warn, error: silent }
  fixture.start([looking], { log: growing, logger })
  await fixture.hasBalances('public', balances(2, 2))
  const done = foldAnew(accountId(0))
  await until(() => expect(stuckCount).toBeGreaterThan(0))
  await freed
  isStuck = false
  expect(await done).toMatchObject({ state: 'done' })
  expect(await fixture.balancesIn('public')).toEqual(balances(3, 2))
  expect(warn).not.toHaveBeenCalledWith(expect.anything(), 'a job waits')
  expect(pause).toHaveBeenCalledWith(1, SWAP_BACKOFF, expect.any(AbortSignal))
})

describe('a row of several keys', () => {
  let isBroken = true
  /** One row per account, of events of any keys; fails while it is broken. */
  const shared: Projection = {
    ...accounts,
    mayShareRows: true,
    rowKey: ({ data }) => (data as { readonly accountId: string }).accountId,
    on: {
      Deposited: (row, event, enriched) => {
        const { amount } = event.data as { readonly amount: number }
        if (isBroken && amount === 13) throw new RangeError('broken')
        return accounts.on['Deposited']?.(row, event, enriched) ?? row
      },
    },
  }
  const of = (key: string, record: ReturnType<typeof deposited>) => ({
    ...record,
    key: Buffer.from(key),
  })

  test('is not folded past a key of which an event cannot be decoded', async () => {
    isBroken = false
    log.append(0, undecodable('ann'), of('ann', deposited(accountId(0), 1)))
    log.append(0, of('bob', deposited(accountId(0), 2)), of('bob', deposited(accountId(1), 4)))
    fixture.start([shared])
    await fixture.hasBalances('public', balances(2, 4))
    expect(await foldAnew(accountId(0))).toMatchObject({
      state: 'failed',
      reason: expect.stringMatching(/the event at .* comes behind one that cannot be decoded/),
    })
    expect(await foldAnew(accountId(1))).toMatchObject({ state: 'done' })
    expect(await fixture.balancesIn('public')).toEqual(balances(2, 4))
  })

  test('takes its letters out of a replay that has read them before', async () => {
    isBroken = true
    log.append(0, of('ann', deposited(accountId(0), 13)), of('ann', deposited(accountId(1), 1)))
    const { projector } = fixture.start([shared])
    await until(async () => expect(await fixture.letters(1)).toHaveLength(2))
    const [registered] = projector.registered
    if (registered === undefined) throw new Error('nothing is registered')
    const partition = { ...registered, topic: log.topic, partition: 0 }
    // Asked for in a partition of which nobody is the owner here, so that it is only read.
    await sql`
      update evt.parked_key set drain_request = gen_random_uuid(), drain_actor = 'ana', part = 9,
        drain_requested_at = clock_timestamp()`.execute(db)
    const elsewhere = { ...partition, partition: 9 }
    const replay = await readDueLetters(db, elsewhere, { resting: [], lettersMax: 500 })
    expect(replay.letters.map(({ record }) => keyText(record))).toEqual(['ann', 'ann'])

    isBroken = false
    expect(await foldAnew(accountId(0))).toMatchObject({ state: 'done' })
    expect(await fixture.balancesIn('public')).toEqual(balances(13))
    expect(await fixture.letters(1)).toMatchObject([{ key: 'ann', offset: 1, kind: 'blocked' }])
    expect(await listActions(db, { limit: 10 })).toMatchObject([
      { action: 'rebuild', actor: 'projector', key: 'ann', letterId: `${replay.letters[0]?.id}` },
    ])
    await expect(
      db.transaction().execute((trx) => lockKeys(trx, elsewhere, replay)),
    ).rejects.toThrow(StaleKeysError)
  })
})

test('rows of changes that commute are made anew while events of all their topics come in', async () => {
  const rowsOf = async () =>
    (
      await sql<{ day: string; sum: bigint; visits: number; last: string | null }>`
        select day, sum, visits, last from public.activity order by day`.execute(db)
    ).rows
  log.append(0, deposited('monday', 5), deposited('monday', 20), deposited('tuesday', 3))
  log.appendTo(BranchEvents.topic, 0, visited('b1', 'monday'))
  fixture.start([activity])
  const monday = { day: 'monday', sum: 25n, visits: 1, last: 'amount 5' }
  const tuesday = { day: 'tuesday', sum: 3n, visits: 0, last: 'amount 3' }
  await until(async () => expect(await rowsOf()).toEqual([monday, tuesday]))
  await sql`update rm_activity_v1.activity set sum = 99, last = 'x'`.execute(db)
  log.appendTo(BranchEvents.topic, 0, visited('b1', 'monday'))
  expect(
    await fixture.runJob('activity', {
      version: 1,
      kind: 'keys',
      request: { keys: ['monday'] },
    }),
  ).toMatchObject({ state: 'done', result: { keys: 1, rows: 1 } })
  log.appendTo(BranchEvents.topic, 0, visited('b2', 'monday'))
  await until(async () =>
    expect(await rowsOf()).toEqual([
      { ...monday, visits: 3 },
      { ...tuesday, sum: 99n, last: 'x' },
    ]),
  )
})
