import { setImmediate } from 'node:timers/promises'
import type { Metrics } from '@fairlead/service'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { EventLog, Membership } from './log/event-log.ts'
import { accountId, accounts, deposited } from './testing/accounts.test-fixture.ts'
import { OneTopicFixture, balances, errorsOf, until } from './testing/one-topic.test-fixture.ts'

let fixture: OneTopicFixture

beforeEach(async () => {
  fixture = await OneTopicFixture.open()
})

afterEach(() => fixture.close())

/** Transactions of batches so far. */
async function batchCount({ registry }: Metrics): Promise<number> {
  const metric = await registry.getSingleMetric('projection_batch_size')?.get()
  const counts = metric?.values.filter(
    (value) => 'metricName' in value && value.metricName === 'projection_batch_size_count',
  )
  return counts?.reduce((sum, { value }) => sum + value, 0) ?? 0
}

test('records below the checkpoint that a fetch brings again cost no transaction', async () => {
  const { db, log } = fixture
  const inner = log.open()
  let rewindCount = 0
  let rewoundCount = 0
  let beforeRewind = (): void => undefined
  const rewinding: EventLog = {
    ...inner,
    join: async (options) => {
      const membership = await inner.join(options)
      const fetch: Membership['fetch'] = (request) => {
        if (rewindCount === 0) return membership.fetch(request)
        rewindCount -= 1
        rewoundCount += 1
        beforeRewind()
        return membership.fetch({ ...request, fromOffset: 0 })
      }
      return { ...membership, fetch }
    },
  }
  log.append(0, deposited(accountId(0), 1), deposited(accountId(0), 2))
  const { metrics } = fixture.start([accounts], { log: rewinding })
  await until(async () => expect(await fixture.nextOffset()).toBe(2))
  const versionOfCheckpoint = async () =>
    (await sql<{ xmin: string }>`select xmin::text from evt.checkpoint`.execute(db)).rows[0]?.xmin
  const before = await versionOfCheckpoint()
  rewindCount = 3
  await until(() => expect(rewoundCount).toBe(3))
  expect(await versionOfCheckpoint()).toBe(before)
  expect(await batchCount(metrics)).toBe(1)

  // Some of them below it, and one that is not: it comes while no fetch waits that would bring it alone.
  beforeRewind = () => log.append(0, deposited(accountId(0), 4))
  rewindCount = 1
  await until(async () => expect(await fixture.nextOffset()).toBe(3))
  expect(await fixture.readAccounts()).toEqual(balances(7))
  await until(async () => expect(await batchCount(metrics)).toBe(2))
})

test('all that comes in while a batch is applied is one batch', async () => {
  const { db, log } = fixture
  log.append(0, deposited(accountId(0), 1))
  const { metrics } = fixture.start([accounts])
  await until(async () => expect(await fixture.nextOffset()).toBe(1))
  const release = Promise.withResolvers<void>()
  const held = Promise.withResolvers<void>()
  const holding = db.transaction().execute(async (trx) => {
    await sql`select from evt.checkpoint for update`.execute(trx)
    held.resolve()
    await release.promise
  })
  await held.promise
  log.append(0, deposited(accountId(0), 2))
  await until(async () => {
    const { rows } = await sql`
      select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`.execute(db)
    expect(rows).toHaveLength(1)
  })
  for (const amount of [3, 4, 5]) {
    log.append(0, deposited(accountId(0), amount))
    await setImmediate()
  }
  release.resolve()
  await holding
  await until(async () => expect(await fixture.nextOffset()).toBe(5))
  await until(async () => expect(await batchCount(metrics)).toBe(3))
  expect(await fixture.readAccounts()).toEqual(balances(15))
})

test('a batch that lingers has what comes in meanwhile', async () => {
  const { log } = fixture
  const inner = log.open()
  const filling: EventLog = {
    ...inner,
    join: async (options) => {
      const membership = await inner.join(options)
      const fetch: Membership['fetch'] = async (request) => {
        const fetched = await membership.fetch(request)
        if (fetched.nextOffset === 1) log.append(0, deposited(accountId(0), 2))
        return fetched
      }
      return { ...membership, fetch }
    },
  }
  log.append(0, deposited(accountId(0), 1))
  const { metrics } = fixture.start([{ ...accounts, lingerMs: 10 }], { log: filling })
  await until(async () => expect(await fixture.nextOffset()).toBe(2))
  await until(async () => expect(await batchCount(metrics)).toBe(1))
  expect(await fixture.readAccounts()).toEqual(balances(3))
})

test('a batch that the server cannot take is halved, and nothing of it parked', async () => {
  const { db, log } = fixture
  log.append(0, deposited(accountId(0), 1))
  fixture.start([accounts])
  await until(async () => expect(await fixture.nextOffset()).toBe(1))
  // As one whose statement has values of over a gigabyte is answered.
  await sql`create function too_much() returns trigger language plpgsql as $$ begin
    if (select count(*) from written) > 100 then
      raise exception 'invalid memory alloc request size 1073741824' using errcode = 'XX000';
    end if;
    return null; end $$`.execute(db)
  await sql`create trigger too_much after insert on rm_accounts_v1.account
    referencing new table as written for each statement execute function too_much()`.execute(db)
  const count = 150
  log.append(0, ...Array.from({ length: count }, (_, index) => deposited(accountId(index), 1)))
  await until(async () => expect(await fixture.nextOffset()).toBe(1 + count))
  expect(await fixture.readAccounts()).toEqual(
    balances(2, ...Array.from({ length: count - 1 }, () => 1)),
  )
  expect(await fixture.letters()).toEqual([])
})

test('a projection that bounds its batches has none that is larger', async () => {
  fixture.log.append(0, ...Array.from({ length: 5 }, (_, index) => deposited(accountId(index), 1)))
  const { metrics } = fixture.start([{ ...accounts, batchMax: 2 }])
  await until(async () => expect(await fixture.nextOffset()).toBe(5))
  await until(async () => expect(await batchCount(metrics)).toBe(3))
})

test('a worker that was revoked while the log did not answer takes the partition from nobody', async () => {
  const { db, log } = fixture
  const inner = log.open()
  const asked = Promise.withResolvers<void>()
  const answered = Promise.withResolvers<void>()
  let isFirst = true
  const slow: EventLog = {
    ...inner,
    topicId: async (topic) => {
      if (isFirst) {
        isFirst = false
        asked.resolve()
        await answered.promise
      }
      return inner.topicId(topic)
    },
  }
  const fence = async () =>
    (await sql<{ fence: bigint }>`select fence from evt.checkpoint`.execute(db)).rows[0]?.fence
  log.append(0, deposited(accountId(0), 1))
  const { metrics } = fixture.start([accounts], { log: slow })
  await asked.promise
  await log.rebalance()
  await until(async () => expect(await fixture.nextOffset()).toBe(1))
  const ofOwner = await fence()
  answered.resolve()
  await setImmediate()
  log.append(0, deposited(accountId(0), 2))
  await until(async () => expect(await fixture.nextOffset()).toBe(2))
  expect(await errorsOf(metrics, 'fenced')).toBe(0)
  expect(await fence()).toBe(ofOwner)
})
