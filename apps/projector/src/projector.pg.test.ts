import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { partitionOfKey } from '@fairlead/kafka'
import { migrate } from '@fairlead/postgres'
import type { FoldProjection, SqlProjection } from '@fairlead/projection'
import type { Metrics } from '@fairlead/service'
import { type CommitFate, CutOffProxy, type TestDatabase, testDatabase } from '@fairlead/testing'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Database, openDatabase } from './store/database.ts'
import {
  BranchEvents,
  accountId,
  accounts,
  activity,
  deposited,
  totals,
  visited,
} from './testing/accounts.test-fixture.ts'
import { MemoryLog } from './testing/memory-log.test-fixture.ts'
import { type TestProjector, startProjector } from './testing/projector.test-fixture.ts'

const TOPIC = 'outbox.event.account'
const MIGRATIONS = fileURLToPath(new URL('../../../sql/migrations', import.meta.url))

let database: TestDatabase
let db: Database
let log: MemoryLog
const running: TestProjector[] = []

beforeEach(async () => {
  database = await testDatabase()
  db = openDatabase({ url: database.url, connectionsMax: 3 })
  log = new MemoryLog(TOPIC, 1)
})

afterEach(async () => {
  await Promise.all(running.splice(0).map(({ projector }) => projector.stop()))
  await db.destroy()
  await database.drop()
})

function start(...options: Parameters<typeof startProjector>): TestProjector {
  const started = startProjector(...options)
  running.push(started)
  return started
}

const until = (assertion: () => Promise<void> | void): Promise<void> =>
  vi.waitFor(assertion, { timeout: 20_000, interval: 20 })

type Account = { id: string; balance: number; total: bigint }

async function readAccounts(): Promise<readonly Account[]> {
  const { rows } = await sql<Account>`
    select id, balance, total from public.account order by id`.execute(db)
  return rows
}

async function nextOffset(): Promise<number> {
  const { rows } = await sql<{ next: bigint }>`
    select next_offset as next from evt.checkpoint where part = 0 order by projection_id`.execute(
    db,
  )
  return Number(rows[0]?.next ?? -1)
}

async function letters(): Promise<readonly unknown[]> {
  const { rows } = await sql`
    select key, log_offset::int as "offset", kind, stage, error_class as error, error_code as code
    from evt.dead_letter order by log_offset`.execute(db)
  return rows
}

/** Of `projection_errors_total`. */
async function errorsOf({ registry }: Metrics, failureClass: string): Promise<number> {
  const metric = await registry.getSingleMetric('projection_errors_total')?.get()
  const ofClass = metric?.values.filter(({ labels }) => labels['error_class'] === failureClass)
  return ofClass?.reduce((sum, { value }) => sum + value, 0) ?? 0
}

/** By how it is distributed over so many partitions. */
function keyThat(isWanted: (partitionOf: (count: number) => number) => boolean): string {
  for (let index = 0; ; index += 1) {
    const key = `key-${index}`
    if (isWanted((count) => partitionOfKey(Buffer.from(key), count))) return key
  }
}

const balances = (...amounts: readonly number[]): readonly Account[] =>
  amounts.map((balance, index) => ({
    id: accountId(index),
    balance,
    total: BigInt(balance),
  }))

describe('a fold', () => {
  test('becomes rows behind a view, with the checkpoint behind the last record', async () => {
    log.append(
      0,
      deposited(accountId(0), 5),
      deposited(accountId(1), 7),
      deposited(accountId(0), 1),
    )
    start(database.url, log, [accounts])

    await until(async () => expect(await nextOffset()).toBe(3))
    expect(await readAccounts()).toEqual(balances(6, 7))
    await until(() => expect(log.committed.get(0)).toBe(3))
  })

  test('goes on where it was, after a restart and after a rebalance', async () => {
    log.append(0, deposited(accountId(0), 1))
    const first = start(database.url, log, [accounts])
    await until(async () => expect(await nextOffset()).toBe(1))
    await first.projector.stop()

    log.append(0, deposited(accountId(0), 2))
    start(database.url, log, [accounts])
    await until(async () => expect(await nextOffset()).toBe(2))
    await log.rebalance()
    log.append(0, deposited(accountId(0), 4))
    await until(async () => expect(await nextOffset()).toBe(3))
    expect(await readAccounts()).toEqual(balances(7))
  })

  test('parks the key of a poison event, and what follows it; all other keys go on', async () => {
    const [good, bad] = [accountId(0), accountId(1)]
    log.append(
      0,
      deposited(bad, 3),
      deposited(bad, 0),
      deposited(good, 1),
      deposited(bad, 9),
      deposited(good, 2),
    )
    start(database.url, log, [accounts])
    await until(async () => expect(await nextOffset()).toBe(5))
    log.append(0, deposited(bad, 9), deposited(good, 4))
    await until(async () => expect(await nextOffset()).toBe(7))

    expect(await readAccounts()).toEqual(balances(7, 3))
    const blocked = { key: bad, kind: 'blocked', stage: null, error: null, code: null }
    expect(await letters()).toEqual([
      { key: bad, offset: 1, kind: 'failed', stage: 'handle', error: 'RangeError', code: '' },
      { ...blocked, offset: 3 },
      { ...blocked, offset: 5 },
    ])
  })

  test('parks a key that no index entry could hold', async () => {
    const long = Array.from({ length: 400 }, () => randomUUID()).join('')
    log.append(0, deposited(long, 0), deposited(long, 1), deposited(accountId(0), 2))
    start(database.url, log, [accounts])
    await until(async () => expect(await nextOffset()).toBe(3))
    expect(await readAccounts()).toEqual(balances(2))
    expect(await letters()).toMatchObject([{ kind: 'failed' }, { kind: 'blocked' }])
  })

  test('finds the event whose row the database refuses', async () => {
    const huge = 2_147_483_647
    log.append(
      0,
      deposited(accountId(0), 1),
      deposited('not-a-uuid', 1),
      deposited(accountId(1), huge),
      deposited(accountId(1), 1),
      deposited(accountId(1), -1),
      deposited(accountId(0), 1),
    )
    start(database.url, log, [accounts])
    await until(async () => expect(await nextOffset()).toBe(6))

    expect(await readAccounts()).toEqual(balances(2, huge))
    expect(await letters()).toMatchObject([
      { key: 'not-a-uuid', offset: 1, kind: 'failed', code: '22P02' },
      { key: accountId(1), offset: 3, kind: 'failed', stage: 'write', code: '22003' },
      { key: accountId(1), offset: 4, kind: 'blocked' },
    ])
  })

  test('writes all rows of a batch at once but those that the database refuses', async () => {
    log.append(0, deposited(accountId(0), 1))
    start(database.url, log, [accounts])
    await until(async () => expect(await nextOffset()).toBe(1))
    // A sequence counts the statements that were taken back, too.
    await sql`create sequence written`.execute(db)
    await sql`create function count_written() returns trigger language plpgsql as $$ begin
      perform nextval('public.written'); return null; end $$`.execute(db)
    await sql`create trigger count_written after insert or update on rm_accounts_v1.account
      for each statement execute function count_written()`.execute(db)

    const round = (amount: number) =>
      Array.from({ length: 200 }, (_, index) => deposited(accountId(index), amount))
    log.append(
      0,
      ...round(1),
      deposited(accountId(7), 2_147_483_647),
      deposited(accountId(150), 0),
      ...round(2),
    )
    await until(async () => expect(await nextOffset()).toBe(403))
    const rows = await readAccounts()
    expect(rows).toEqual(
      balances(4, ...Array.from({ length: 199 }, (_, of) => (of === 6 || of === 149 ? 1 : 3))),
    )
    expect(await letters()).toMatchObject([
      { key: accountId(7), offset: 201, kind: 'failed', stage: 'write', code: '22003' },
      { key: accountId(150), offset: 202, kind: 'failed', stage: 'handle' },
      { key: accountId(7), offset: 210, kind: 'blocked' },
      { key: accountId(150), offset: 353, kind: 'blocked' },
    ])
    const written = await sql<{ count: bigint }>`select last_value as count from written`.execute(
      db,
    )
    expect(written.rows[0]?.count).toBeLessThan(60n)
  })

  test('comes to the same whichever rows the database refuses', async () => {
    const { projector } = start(database.url, log, [accounts], { parkedKeysPerMinuteMax: 100_000 })
    log.append(0, deposited(accountId(0), 1))
    await until(async () => expect(await nextOffset()).toBe(1))
    await projector.stop()
    // Amounts that overflow the balance sooner or later, or that the handler refuses.
    const amounts = [1, 2, 0, 1_500_000_000, 3]
    const random = (limit: number, seed: number) => (Math.imul(seed + 1, 0x9e37_79b1) >>> 8) % limit
    const events = Array.from({ length: 600 }, (_, index) => {
      const account = random(120, index)
      return {
        account,
        amount: account < 40 ? (amounts[random(5, index + 7_000)] ?? 1) : 1 + account,
      }
    })
    log.append(0, ...events.map(({ account, amount }) => deposited(accountId(account), amount)))
    start(database.url, log, [accounts], { parkedKeysPerMinuteMax: 100_000, batchRecordsMax: 250 })

    const sums = new Map([[0, 1]])
    const parked = new Map<number, number>()
    for (const [index, { account, amount }] of events.entries()) {
      const sum = (sums.get(account) ?? 0) + amount
      if (!parked.has(account) && amount > 0 && sum < 2 ** 31) sums.set(account, sum)
      else if (!parked.has(account)) parked.set(account, index + 1)
    }
    await until(async () => expect(await nextOffset()).toBe(601))
    const rows = await readAccounts()
    expect(new Map(rows.map(({ id, balance }) => [id, balance]))).toEqual(
      new Map([...sums].map(([account, sum]) => [accountId(account), sum])),
    )
    const { rows: failed } = await sql<{ key: string; at: number }>`
      select key, log_offset::int as at from evt.dead_letter where kind = 'failed'`.execute(db)
    expect(new Map(failed.map(({ key, at }) => [key, at]))).toEqual(
      new Map([...parked].map(([account, at]) => [accountId(account), at])),
    )
    expect(parked.size).toBeGreaterThan(10)
  })

  test('finds its row when the key is spelled otherwise', async () => {
    const id = '00000000-0000-4000-8000-00000000abcd'
    log.append(0, deposited(id, 1), deposited(id.toUpperCase(), 2))
    start(database.url, log, [accounts])
    await until(async () => expect(await nextOffset()).toBe(2))
    log.append(0, deposited(id.toUpperCase(), 4))
    await until(async () => expect(await nextOffset()).toBe(3))
    expect(await readAccounts()).toEqual([{ id, balance: 7, total: 7n }])
  })

  test('sets aside what cannot be decoded, under a key of its own when it has none', async () => {
    log.append(
      0,
      { ...deposited(accountId(0), 1), value: Buffer.from('{') },
      { ...deposited(accountId(1), 1), key: null },
      { ...deposited(accountId(2), 1), headers: [] },
      { ...deposited(accountId(3), 1), value: null },
      deposited(accountId(4), 1),
    )
    start(database.url, log, [accounts])
    await until(async () => expect(await nextOffset()).toBe(5))
    expect(await letters()).toMatchObject([
      { key: accountId(0), offset: 0, stage: 'decode', error: 'DecodeError' },
      { key: '0:1', offset: 1, stage: 'handle', code: '22P02' },
      { key: accountId(2), offset: 2, stage: 'decode' },
    ])
    expect((await readAccounts()).map(({ id }) => id)).toEqual([accountId(4)])
  })
})

test('a fold whose rows are shared by partitions loses no update', async () => {
  log = new MemoryLog(TOPIC, 4)
  const shared = { ...accounts, rowKey: () => accountId(0), mayShareRows: true }
  const eventCount = 40
  start(database.url, log, [shared], { batchRecordsMax: 1 })
  for (let partition = 0; partition < 4; partition += 1) {
    const records = Array.from({ length: eventCount }, () => deposited(accountId(partition), 1))
    log.append(partition, ...records)
  }
  await until(async () => expect(await readAccounts()).toEqual(balances(4 * eventCount)))
})

test('an SQL projection sets only the poison event aside', async () => {
  log.append(
    0,
    deposited('monday', 5),
    deposited('tuesday', 0),
    deposited('wednesday', -1),
    deposited('tuesday', 8),
    deposited('monday', 6),
  )
  start(database.url, log, [totals])
  await until(async () => expect(await nextOffset()).toBe(5))

  const { rows } = await sql`select day, total from public.day_total`.execute(db)
  expect(rows).toEqual([{ day: 'monday', total: 11n }])
  expect(await letters()).toMatchObject([
    { key: 'tuesday', offset: 1, kind: 'failed', error: 'RangeError' },
    { key: 'wednesday', offset: 2, kind: 'failed', code: '23514' },
    { key: 'tuesday', offset: 3, kind: 'blocked' },
  ])
})

describe('a commutative projection', () => {
  const readActivity = async () =>
    (await sql`select * from public.activity order by day`.execute(db)).rows

  test('adds up what two topics say of one row, batch by batch', async () => {
    log = new MemoryLog(TOPIC, 1, [BranchEvents.topic])
    start(database.url, log, [activity], { batchRecordsMax: 2 })
    log.append(0, deposited('monday', 5), deposited('monday', 20), deposited('tuesday', 3))
    log.appendTo(BranchEvents.topic, 0, visited('b1', 'monday'), visited('b2', 'wednesday'))
    await until(async () => {
      expect(await readActivity()).toEqual([
        { day: 'monday', deposits: 2, sum: 25n, visits: 1, last: 'amount 5' },
        { day: 'tuesday', deposits: 1, sum: 3n, visits: 0, last: 'amount 3' },
        { day: 'wednesday', deposits: 0, sum: 0n, visits: 1, last: null },
      ])
    })
    log.appendTo(BranchEvents.topic, 0, visited('b1', 'monday'))
    await until(async () => expect(await readActivity()).toMatchObject([{ visits: 2 }, {}, {}]))
    const { rows } = await sql`
      select topic, next_offset::int as next from evt.checkpoint order by topic`.execute(db)
    expect(rows).toEqual([
      { topic: TOPIC, next: 3 },
      { topic: BranchEvents.topic, next: 3 },
    ])
  })

  test('parks the key of a poison event, and of one that the database refuses', async () => {
    const huge = 2 ** 53
    log.append(
      0,
      deposited('monday', 5),
      deposited('tuesday', 0),
      deposited(Array.from({ length: 400 }, () => randomUUID()).join(''), 2),
      deposited('tuesday', 8),
      deposited('monday', huge),
    )
    start(database.url, log, [activity])
    await until(async () => expect(await nextOffset()).toBe(5))
    expect(await readActivity()).toMatchObject([{ day: 'monday', sum: BigInt(huge) + 5n }])
    expect(await letters()).toMatchObject([
      { offset: 1, kind: 'failed', stage: 'handle' },
      { offset: 2, kind: 'failed', stage: 'write' },
      { offset: 3, kind: 'blocked' },
    ])
  })
})

describe('what a projection looks up beside its events', () => {
  const enriched: FoldProjection = {
    ...accounts,
    enrich: async (events, { db: reader }) => {
      if (events.some(({ key }) => key === accountId(9))) throw new RangeError('account 9 is lost')
      const { rows } = await sql<{ id: string; name: string }>`
        select id::text, name from public.owner
        where id = any(${events.map(({ key }) => key)}::uuid[])`.execute(reader)
      lookUps.push(events.length)
      return new Map(rows.map(({ id, name }) => [id, name]))
    },
    on: {
      Deposited: (row, { key, at }, names) => ({
        ...row,
        last_at: at,
        note: (names as ReadonlyMap<string, string>).get(key) ?? null,
      }),
    },
  }
  const lookUps: number[] = []

  test('is asked for once per batch; a failure parks the key that it is about', async () => {
    await sql`create table public.owner as
      select ${accountId(1)}::uuid as id, 'Ana' as name`.execute(db)
    log.append(0, ...[0, 1, 2].map((index) => deposited(accountId(index), 1)))
    start(database.url, log, [enriched])
    await until(async () => expect(await nextOffset()).toBe(3))
    const notes = async () =>
      (await sql<{ note: string | null }>`select note from public.account order by id`.execute(db))
        .rows
    expect(await notes()).toEqual([{ note: null }, { note: 'Ana' }, { note: null }])
    expect(lookUps).toEqual([3])

    log.append(0, deposited(accountId(9), 1), deposited(accountId(3), 1))
    await until(async () => expect(await nextOffset()).toBe(5))
    expect(await notes()).toHaveLength(4)
    expect(await letters()).toMatchObject([{ offset: 3, kind: 'failed', error: 'RangeError' }])
  })
})

test('an event of a type that is not defined stops the partition in front of it', async () => {
  const unknown = { ...deposited(accountId(2), 1), headers: [['eventType', Buffer.from('Moved')]] }
  log.append(0, deposited(accountId(0), 1), deposited(accountId(1), 1))
  log.append(0, unknown as never, deposited(accountId(3), 1))
  const { health } = start(database.url, log, [accounts])
  await until(() =>
    expect(health.get('projection accounts v1')).toMatch(
      /faulted: outbox\.event\.account has an event of type Moved, which .* do not define/,
    ),
  )
  expect(await nextOffset()).toBe(2)
  expect(await readAccounts()).toEqual(balances(1, 1))
})

test('a time that no clock shows parks its key, or passes with its event', async () => {
  const at = (timestampMs: number, key: string) => ({ ...deposited(key, 1), timestampMs })
  const untimed = { ...totals, on: { Deposited: async () => undefined } }
  log.append(0, at(8.64e15, accountId(0)), at(-8.64e15, accountId(1)), at(8.64e15, accountId(2)))
  start(database.url, log, [untimed])
  await until(async () => expect(await nextOffset()).toBe(3))
  expect(await letters()).toMatchObject([
    { offset: 0, stage: 'decode' },
    { offset: 2, stage: 'decode' },
  ])
  log.append(0, at(-8.64e15, accountId(3)))
  await until(async () => expect(await nextOffset()).toBe(4))
  await log.rebalance()
  log.append(0, deposited(accountId(4), 1))
  await until(async () => expect(await nextOffset()).toBe(5))
})

test('what the relay publishes again is dropped', async () => {
  const header = (name: string, text: string) => [name, Buffer.from(text)] as const
  const event = (commit: number) =>
    deposited(accountId(0), 1, [
      header('cdc.lsn', `0/${commit}`),
      header('cdc.seq', '0'),
      header('cdc.ts', String(1_700_000_000_000 + commit)),
    ])
  log.append(0, event(1), event(2), event(3))
  const first = start(database.url, log, [accounts])
  await until(async () => expect(await nextOffset()).toBe(3))
  await first.projector.stop()

  log.append(0, event(2), event(3), event(4))
  start(database.url, log, [accounts])
  await until(async () => expect(await nextOffset()).toBe(6))
  expect(await readAccounts()).toEqual(balances(4))
})

describe('a connection that is cut at a commit', () => {
  test.for(['lost', 'unanswered'] as const)(
    'counts no event twice, and none never: %s',
    async (fate) => {
      // Every third commit of the migrations, too, would be a back-off for each of them.
      await migrate({ url: database.url, directory: MIGRATIONS })
      const proxy = await CutOffProxy.inFrontOf(database.url)
      // The migrations are not what this is about: each of them is a transaction, too.
      const first = start(database.url, log, [accounts], { batchRecordsMax: 1 })
      await until(() => expect(first.health.get('database')).toBe(true))
      await first.projector.stop()
      const eventCount = 60
      for (let index = 0; index < eventCount; index += 1) {
        log.append(0, deposited(accountId(index % 4), 1))
      }
      let commits = 0
      proxy.fateOfCommit = (): CommitFate => {
        commits += 1
        return commits % 3 === 0 ? fate : 'delivered'
      }
      start(proxy.url, log, [accounts], { batchRecordsMax: 5 })
      await until(async () => expect(await nextOffset()).toBe(eventCount))

      expect(await readAccounts()).toEqual(balances(15, 15, 15, 15))
      expect(await letters()).toEqual([])
      expect(commits).toBeGreaterThan(12)
      await Promise.all(running.splice(0).map(({ projector }) => projector.stop()))
      await proxy.close()
    },
  )
})

describe('events that are tried again', () => {
  const retrying = { ...accounts, retry: { retries: 2, baseMs: 1, maxMs: 5 } }

  test('are parked once each has had its attempts, however many there are', async () => {
    log.append(
      0,
      deposited(accountId(0), 0),
      deposited(accountId(1), 0),
      deposited(accountId(2), 1),
    )
    const { metrics } = start(database.url, log, [retrying])
    await until(async () => expect(await nextOffset()).toBe(3))
    expect(await readAccounts()).toMatchObject([{ id: accountId(2) }])
    const { rows } = await sql`select log_offset::int as "offset", attempts from evt.dead_letter
      order by 1`.execute(db)
    expect(rows).toEqual([
      { offset: 0, attempts: 3 },
      { offset: 1, attempts: 3 },
    ])
    // Two retries of each, and the failure that parked it.
    expect(await errorsOf(metrics, 'code')).toBe(6)
  })

  test('do not hold live events up when they fail again in a replay', async () => {
    log.append(0, deposited(accountId(0), 0), deposited(accountId(1), 0))
    start(database.url, log, [retrying])
    await until(async () => expect(await nextOffset()).toBe(2))
    await sql`update evt.parked_key set drain_request = gen_random_uuid(),
      drain_requested_at = clock_timestamp(), drain_actor = 'ana',
      drain_reason = 'a test'`.execute(db)
    const failed = async () =>
      (await sql`select attempts from evt.dead_letter where attempts > 3`.execute(db)).rows
    await until(async () => expect(await failed()).toEqual([{ attempts: 6 }, { attempts: 6 }]))
    log.append(0, deposited(accountId(2), 1))
    await until(async () => expect(await nextOffset()).toBe(3))
  })
})

test('an error message that is cut in the middle of a character is mirrored', async () => {
  const broken = () => {
    throw new RangeError(`${'x'.repeat(8_191)}\u{1f600}`)
  }
  const mirror = { topic: 'outbox.event.dead', groupIdPrefix: 'test' }
  log.append(0, deposited(accountId(0), 1))
  start(database.url, log, [{ ...accounts, on: { Deposited: broken } }], { mirror })
  await until(async () => expect(await nextOffset()).toBe(1))
  const { rows } = await sql<{ message: string }>`
    select headers->>'kafka_dlt-exception-message' as message from outbox.events`.execute(db)
  expect(rows[0]?.message).toMatch(/^x+\ufffd$/)
})

test('a copy in the mirror is the record: its key without the tenant, and its headers to the byte', async () => {
  const mirror = { topic: 'outbox.event.dead', groupIdPrefix: 'test' }
  const guid = Buffer.from([1, 0xff, 0xfe, 0])
  log.append(
    0,
    deposited(accountId(0), 0, [
      ['tenant', Buffer.from('acme')],
      ['__value_schema_id', guid],
      ['note', Buffer.from('größer')],
      ['nothing', null],
    ]),
  )
  start(database.url, log, [accounts], { mirror, tenantHeader: 'tenant' })
  await until(async () => expect(await nextOffset()).toBe(1))
  const { rows } = await sql<{ id: string; headers: Readonly<Record<string, unknown>> }>`
    select aggregateid as id, headers from outbox.events`.execute(db)
  expect(rows[0]?.id).toBe(accountId(0))
  expect(rows[0]?.headers).toMatchObject({
    tenant: 'acme',
    note: 'größer',
    nothing: null,
    'fairlead.dlq.base64.__value_schema_id': guid.toString('base64'),
  })
  expect(rows[0]?.headers).not.toHaveProperty('__value_schema_id')
})

test('an effect that throws at once is a failed effect, not a failed batch', async () => {
  const effective: SqlProjection = {
    ...totals,
    on: {
      Deposited: async (_event, { liveOnly }) => {
        liveOnly(() => {
          throw new Error('the mail server is away')
        })
      },
    },
  }
  log.append(0, deposited('monday', 1))
  const { metrics, health } = start(database.url, log, [effective])
  await until(async () => expect(await nextOffset()).toBe(1))
  log.append(0, deposited('monday', 1))
  await until(async () => expect(await nextOffset()).toBe(2))
  await until(async () => expect(await errorsOf(metrics, 'code')).toBe(2))
  expect(health.get('projection totals v1')).toBe(true)
  expect(await letters()).toEqual([])
})

test('more parked keys than a worker holds stop nothing', async () => {
  const { projector } = start(database.url, log, [accounts])
  log.append(0, deposited(accountId(0), 0))
  await until(async () => expect(await letters()).toHaveLength(1))
  await projector.stop()
  await sql`insert into evt.parked_key (projection_id, version, topic, part, key)
    select projection_id, version, topic, 0, 'parked-' || n
    from evt.parked_key, generate_series(1, 100000) as n`.execute(db)
  start(database.url, log, [accounts])
  log.append(0, deposited(accountId(0), 1), deposited(accountId(1), 2))
  await until(async () => expect(await nextOffset()).toBe(3))
  expect(await readAccounts()).toMatchObject([{ id: accountId(1) }])
  expect(await letters()).toMatchObject([{ kind: 'failed' }, { offset: 1, kind: 'blocked' }])
})

test('an event whose key moved does not overtake the letter that its former partition parks', async () => {
  const key = keyThat((of) => of(1) === 0 && of(2) === 1)
  const release = Promise.withResolvers<void>()
  const waiting: SqlProjection = {
    ...totals,
    on: {
      Deposited: async (event, context) => {
        if ((event.data as { readonly amount: number }).amount === 0) await release.promise
        await totals.on['Deposited']?.(event, context)
      },
    },
  }
  log.append(0, deposited('monday', 1))
  const before = start(database.url, log, [waiting])
  await until(async () => expect(await nextOffset()).toBe(1))
  await before.projector.stop()

  const grown = new MemoryLog(TOPIC, 2)
  const timestampMs = Date.now()
  grown.append(0, deposited('monday', 1), { ...deposited(key, 0), timestampMs })
  grown.append(1, { ...deposited(key, 6), timestampMs: timestampMs + 1 })
  const { health } = start(database.url, grown, [waiting])
  await until(() => expect(health.get('projection totals v1')).toMatch(/was in another partition/))
  release.resolve()
  await until(async () =>
    expect(await letters()).toMatchObject([
      { key, kind: 'blocked' },
      { key, kind: 'failed' },
    ]),
  )
  expect((await sql`select day from public.day_total`.execute(db)).rows).toEqual([
    { day: 'monday' },
  ])
})

test('a database that is down pauses the projection, which loses and parks nothing', async () => {
  const proxy = await CutOffProxy.inFrontOf(database.url)
  log.append(0, deposited(accountId(0), 1))
  const { health } = start(proxy.url, log, [accounts])
  await until(async () => expect(await nextOffset()).toBe(1))
  expect(health.get('projection accounts v1')).toBe(true)

  proxy.down()
  log.append(0, deposited(accountId(0), 2))
  await until(() => expect(health.get('projection accounts v1')).toMatch(/^partition 0 paused: /))
  proxy.up()
  await until(async () => expect(await nextOffset()).toBe(2))
  expect(await readAccounts()).toEqual(balances(3))
  expect(await letters()).toEqual([])
  await until(() => expect(health.get('projection accounts v1')).toBe(true))
  await Promise.all(running.splice(0).map(({ projector }) => projector.stop()))
  await proxy.close()
})

test('a registry that is away pauses the projection', async () => {
  const { serde, health } = start(database.url, log, [accounts])
  serde.isRegistryAway = true
  log.append(0, deposited(accountId(0), 1))
  await until(() => expect(health.get('projection accounts v1')).toMatch(/the registry is away/))
  serde.isRegistryAway = false
  await until(async () => expect(await readAccounts()).toEqual(balances(1)))
  expect(await letters()).toEqual([])
})

test('two workers that both believe to own the partition count each event once', async () => {
  const eventCount = 200
  for (let index = 0; index < eventCount / 2; index += 1) log.append(0, deposited(accountId(0), 1))
  const both = [1, 2].map(() => start(database.url, log, [accounts], { batchRecordsMax: 3 }))
  for (let index = 0; index < eventCount / 2; index += 1) log.append(0, deposited(accountId(0), 1))
  await until(async () => expect(await nextOffset()).toBe(eventCount))

  expect(await readAccounts()).toEqual(balances(eventCount))
  const fenced = await Promise.all(
    both.map(async ({ metrics }) => {
      const metric = await metrics.registry.getSingleMetric('projection_fenced_total')?.get()
      return metric?.values.reduce((sum, { value }) => sum + value, 0) ?? 0
    }),
  )
  expect(Math.max(...fenced)).toBeGreaterThan(0)
})

test('a flood of poison keys pauses the projection instead of parking them all', async () => {
  const { health } = start(database.url, log, [accounts], { parkedKeysPerMinuteMax: 5 })
  log.append(0, ...Array.from({ length: 50 }, (_, index) => deposited(accountId(index), 0)))
  await until(() =>
    expect(health.get('projection accounts v1')).toMatch(
      /^partition 0 paused: this batch would park 50 keys for one cause .* nothing deposited$/,
    ),
  )
  expect(await letters()).toEqual([])
})

test('a checkpoint that the log no longer has stops the partition', async () => {
  log.append(0, deposited(accountId(0), 1))
  const first = start(database.url, log, [accounts])
  await until(async () => expect(await nextOffset()).toBe(1))
  await first.projector.stop()

  log.logStartOffset = 10
  const { health } = start(database.url, log, [accounts])
  await until(() => expect(health.get('projection accounts v1')).toMatch(/faulted: .*retention/))
})

describe('registration', () => {
  test('refuses other code under the same version', async () => {
    const first = start(database.url, log, [accounts])
    await until(() => expect(first.health.get('database')).toBe(true))
    const changed = { ...accounts, on: { Deposited: (row: object) => ({ ...row, balance: 1 }) } }
    const second = start(database.url, log, [changed])
    await until(() =>
      expect(String(second.failures[0])).toMatch(/accounts v1 is registered with other code/),
    )
  })

  test('refuses a table that somebody has altered', async () => {
    const first = start(database.url, log, [accounts])
    await until(() => expect(first.health.get('database')).toBe(true))
    await first.projector.stop()
    await sql`alter table rm_accounts_v1.account add column extra text`.execute(db)
    const second = start(database.url, log, [accounts])
    await until(() =>
      expect(String(second.failures[0])).toMatch(
        /rm_accounts_v1\.account has a column extra that is not defined/,
      ),
    )
  })

  test('fills a later version beside the live one, and refuses an earlier one', async () => {
    const later = { ...accounts, version: 3 }
    const two = { ...accounts, version: 2 }
    log.append(0, deposited(accountId(0), 1))
    start(database.url, log, [two])
    await until(async () => expect(await nextOffset()).toBe(1))
    start(database.url, log, [later])
    await until(async () => {
      const { rows } = await sql`select balance from rm_accounts_v3.account`.execute(db)
      expect(rows).toEqual([{ balance: 1 }])
    })
    await sql`update rm_accounts_v3.account set balance = 100`.execute(db)
    expect(await readAccounts()).toEqual(balances(1))

    const earlier = start(database.url, log, [{ ...accounts, version: 1 }])
    await until(() =>
      expect(String(earlier.failures[0])).toMatch(/older than version 2, which is live/),
    )
  })

  test('several projectors may start at once', async () => {
    log.append(0, deposited(accountId(0), 1))
    const started = [1, 2, 3].map(() => start(database.url, log, [accounts, totals]))
    await until(() => {
      for (const { health } of started) expect(health.get('database')).toBe(true)
    })
    await until(async () => expect(await readAccounts()).toEqual(balances(1)))
    expect(started.flatMap(({ failures }) => failures)).toEqual([])
  })
})
