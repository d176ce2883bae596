import { OperationalError } from '@fairlead/base'
import type { Projection } from '@fairlead/projection'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { EventLog, Membership } from './log/event-log.ts'
import type { ProjectorOptions } from './projector.ts'
import { setPaused } from './store/versions.ts'
import { accountId, accounts, deposited, totals } from './testing/accounts.test-fixture.ts'
import { RebuildFixture, until } from './testing/rebuild.test-fixture.ts'

/** Of workers that have not ended. */
const HEARTBEAT = 'projection_heartbeat_timestamp_seconds'

let fixture: RebuildFixture
let logged: string[]

beforeEach(async () => {
  fixture = await RebuildFixture.open()
  logged = []
})

afterEach(() => fixture.close())

const keep = (_fields: object, message: string): void => void logged.push(message)
const logger = { debug: keep, info: keep, warn: keep, error: keep }

/** Applies one event, so that there is a worker. */
async function startWorking(
  projections: readonly Projection[],
  options: Partial<ProjectorOptions> = {},
) {
  fixture.log.append(0, deposited(accountId(0), 1))
  const started = fixture.start(projections, { logger, ...options })
  await until(() => expect(fixture.log.committed.get(0)).toBe(1))
  return started
}

/** Until the function is called that it returns. */
async function lockAccounts(): Promise<() => Promise<void>> {
  const release = Promise.withResolvers<void>()
  const isLocked = Promise.withResolvers<void>()
  const locking = fixture.db.transaction().execute(async (trx) => {
    await sql`lock table rm_accounts_v1.account in exclusive mode`.execute(trx)
    isLocked.resolve()
    await release.promise
  })
  await isLocked.promise
  return () => {
    release.resolve()
    return locking
  }
}

function batchWaits(): Promise<void> {
  return until(async () => {
    const waiting = await sql`select from pg_locks where not granted
      and relation = 'rm_accounts_v1.account'::regclass`.execute(fixture.db)
    expect(waiting.rows).toHaveLength(1)
  })
}

function expectStoppedByItself(): void {
  expect(logged).toContain('partitions revoked')
  expect(logged).not.toContainEqual(expect.stringMatching(/not all has ended/))
}

test('a stop waits for no statement of a job, and leaves the job to others at once', async () => {
  const slow: Projection = {
    ...totals,
    version: 2,
    migrate: async (db) => void (await sql`select pg_sleep(3600)`.execute(db)),
  }
  const { projector } = await startWorking([totals, slow])
  const sessions = async () =>
    (
      await sql`select from pg_stat_activity where datname = current_database()
        and application_name = 'fairlead-projector-rebuild' and query like '%pg_sleep%'`.execute(
        fixture.db,
      )
    ).rows.length
  await until(async () => expect(await sessions()).toBe(1))
  await projector.stop()
  expectStoppedByItself()
  await until(async () => expect(await sessions()).toBe(0))
})

test('a stop waits for no answer of the log about a version that catches up', async () => {
  const asked = Promise.withResolvers<never>()
  let askedCount = 0
  const open = fixture.log.open()
  const log: EventLog = {
    ...open,
    partitionCount: (topic) => {
      if (logged.every((message) => message !== 'a job is done')) return open.partitionCount(topic)
      askedCount += 1
      return asked.promise
    },
    close: async () => {
      asked.reject(
        new OperationalError('the client is closed', { code: 'CLOSED', retryable: false }),
      )
      await open.close()
    },
  }
  asked.promise.catch(() => undefined)
  const { projector } = await startWorking([accounts, { ...accounts, version: 2 }], { log })
  await until(() => expect(askedCount).toBeGreaterThan(0))
  await projector.stop()
  expectStoppedByItself()
})

test('a batch that does not end is not waited for: others get its partition before the process ends', async () => {
  const { projector } = await startWorking([accounts])
  const unlock = await lockAccounts()
  fixture.log.append(0, deposited(accountId(0), 1))
  await batchWaits()
  await projector.stop()
  expect(logged.slice(-2)).toEqual([
    'partitions revoked',
    'not all has ended in time: transactions that are under way are rolled back',
  ])
  await unlock()
})

/** A log some of whose calls are others, and whether the last fetch from it was ended. */
function watchedLog(others: (membership: Membership) => Partial<Membership>) {
  let fetched: AbortSignal | undefined
  const open = fixture.log.open()
  const log: EventLog = {
    ...open,
    join: async (options) => {
      const membership = await open.join(options)
      return {
        ...membership,
        fetch: (request) => {
          fetched = request.signal
          return membership.fetch(request)
        },
        ...others(membership),
      }
    },
  }
  return { log, isStopped: () => fetched?.aborted === true }
}

test('workers end at once, whatever the broker takes to store the offsets of the group', async () => {
  const stored = Promise.withResolvers<void>()
  let isStoring = false
  const { log, isStopped } = watchedLog((membership) => ({
    commit: async (positions) => {
      await membership.commit(positions)
      // Where the partition was begun may be told before its first batch.
      if (positions.every(({ offset }) => offset === 0)) return
      isStoring = true
      await stored.promise
    },
  }))
  const { projector } = await startWorking([accounts], { log })
  await until(() => expect(isStoring).toBe(true))
  const stopped = projector.stop()
  await until(() => expect(isStopped()).toBe(true))
  stored.resolve()
  await stopped
  expectStoppedByItself()
})

test('workers end at once, whatever the broker takes to let the member go', async () => {
  const left = Promise.withResolvers<void>()
  const { log, isStopped } = watchedLog((membership) => ({
    close: async () => {
      await left.promise
      await membership.close()
    },
  }))
  const { projector } = await startWorking([accounts], { log })
  const stopped = projector.stop()
  await until(() => expect(isStopped()).toBe(true))
  left.resolve()
  await stopped
  expectStoppedByItself()
})

test('a stop waits for nobody who has paused the version, and tells the group what was applied', async () => {
  const { projector, health, metrics } = await startWorking([accounts], { batchRecordsMax: 1 })
  const unlock = await lockAccounts()
  fixture.log.append(0, deposited(accountId(0), 1), deposited(accountId(0), 1))
  await batchWaits()
  await setPaused(fixture.db, { name: 'accounts', pausedBy: 'the test' })
  await until(() => expect(health.get('projection accounts v1')).toMatch(/paused by the test/))
  await unlock()
  await fixture.hasBalances('public', [[accountId(0), 2]])
  await projector.stop()
  expect(fixture.log.committed.get(0)).toBe(2)
  const beating = await metrics.registry.getSingleMetric(HEARTBEAT)?.get()
  expect(beating?.values).toEqual([])
})
