import { randomUUID } from 'node:crypto'
import type { SqlProjection } from '@fairlead/projection'
import type { Metrics } from '@fairlead/service'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { accountId, accounts, deposited, totals } from './testing/accounts.test-fixture.ts'
import { MemoryLog } from './testing/memory-log.test-fixture.ts'
import {
  OneTopicFixture,
  TOPIC,
  balances,
  errorsOf,
  until,
} from './testing/one-topic.test-fixture.ts'

let fixture: OneTopicFixture

beforeEach(async () => {
  fixture = await OneTopicFixture.open()
})

afterEach(() => fixture.close())

/** Records that all partitions are past. */
async function appliedCount(): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select sum(next_offset)::int as count from evt.checkpoint`.execute(fixture.db)
  return rows[0]?.count ?? 0
}

describe('a fold', () => {
  test('becomes rows behind a view, with the checkpoint behind the last record', async () => {
    fixture.log.append(
      0,
      deposited(accountId(0), 5),
      deposited(accountId(1), 7),
      deposited(accountId(0), 1),
    )
    fixture.start([accounts])

    await until(async () => expect(await fixture.nextOffset()).toBe(3))
    expect(await fixture.readAccounts()).toEqual(balances(6, 7))
    await until(() => expect(fixture.log.committed.get(0)).toBe(3))
  })

  test('goes on where it was, after a restart and after a rebalance', async () => {
    fixture.log.append(0, deposited(accountId(0), 1))
    const first = fixture.start([accounts])
    await until(async () => expect(await fixture.nextOffset()).toBe(1))
    await first.projector.stop()

    fixture.log.append(0, deposited(accountId(0), 2))
    fixture.start([accounts])
    await until(async () => expect(await fixture.nextOffset()).toBe(2))
    await fixture.log.rebalance()
    fixture.log.append(0, deposited(accountId(0), 4))
    await until(async () => expect(await fixture.nextOffset()).toBe(3))
    expect(await fixture.readAccounts()).toEqual(balances(7))
  })

  test('parks the key of a poison event, and what follows it; all other keys go on', async () => {
    const [good, bad] = [accountId(0), accountId(1)]
    fixture.log.append(
      0,
      deposited(bad, 3),
      deposited(bad, 0),
      deposited(good, 1),
      deposited(bad, 9),
      deposited(good, 2),
    )
    fixture.start([accounts])
    await until(async () => expect(await fixture.nextOffset()).toBe(5))
    fixture.log.append(0, deposited(bad, 9), deposited(good, 4))
    await until(async () => expect(await fixture.nextOffset()).toBe(7))

    expect(await fixture.readAccounts()).toEqual(balances(7, 3))
    const blocked = { key: bad, kind: 'blocked', stage: null, error: null, code: null }
    expect(await fixture.letters()).toEqual([
      { key: bad, offset: 1, kind: 'failed', stage: 'handle', error: 'RangeError', code: '' },
      { ...blocked, offset: 3 },
      { ...blocked, offset: 5 },
    ])
  })

  test('parks a key that no index entry could hold', async () => {
    const long = Array.from({ length: 400 }, () => randomUUID()).join('')
    fixture.log.append(0, deposited(long, 0), deposited(long, 1), deposited(accountId(0), 2))
    fixture.start([accounts])
    await until(async () => expect(await fixture.nextOffset()).toBe(3))
    expect(await fixture.readAccounts()).toEqual(balances(2))
    expect(await fixture.letters()).toMatchObject([{ kind: 'failed' }, { kind: 'blocked' }])
  })

  test('finds the event whose row the database refuses', async () => {
    const huge = 2_147_483_647
    fixture.log.append(
      0,
      deposited(accountId(0), 1),
      deposited('not-a-uuid', 1),
      deposited(accountId(1), huge),
      deposited(accountId(1), 1),
      deposited(accountId(1), -1),
      deposited(accountId(0), 1),
    )
    fixture.start([accounts])
    await until(async () => expect(await fixture.nextOffset()).toBe(6))

    expect(await fixture.readAccounts()).toEqual(balances(2, huge))
    expect(await fixture.letters()).toMatchObject([
      { key: 'not-a-uuid', offset: 1, kind: 'failed', code: '22P02' },
      { key: accountId(1), offset: 3, kind: 'failed', stage: 'write', code: '22003' },
      { key: accountId(1), offset: 4, kind: 'blocked' },
    ])
  })

  test('writes all rows of a batch at once but those that the database refuses', async () => {
    fixture.log.append(0, deposited(accountId(0), 1))
    fixture.start([accounts])
    await until(async () => expect(await fixture.nextOffset()).toBe(1))
    // A sequence counts the statements that were taken back, too.
    await sql`create sequence written`.execute(fixture.db)
    await sql`create function count_written() returns trigger language plpgsql as $$ begin
      perform nextval('public.written'); return null; end $$`.execute(fixture.db)
    await sql`create trigger count_written after insert or update on rm_accounts_v1.account
      for each statement execute function count_written()`.execute(fixture.db)

    const round = (amount: number) =>
      Array.from({ length: 200 }, (_, index) => deposited(accountId(index), amount))
    fixture.log.append(
      0,
      ...round(1),
      deposited(accountId(7), 2_147_483_647),
      deposited(accountId(150), 0),
      ...round(2),
    )
    await until(async () => expect(await fixture.nextOffset()).toBe(403))
    const rows = await fixture.readAccounts()
    expect(rows).toEqual(
      balances(4, ...Array.from({ length: 199 }, (_, of) => (of === 6 || of === 149 ? 1 : 3))),
    )
    expect(await fixture.letters()).toMatchObject([
      { key: accountId(7), offset: 201, kind: 'failed', stage: 'write', code: '22003' },
      { key: accountId(150), offset: 202, kind: 'failed', stage: 'handle' },
      { key: accountId(7), offset: 210, kind: 'blocked' },
      { key: accountId(150), offset: 353, kind: 'blocked' },
    ])
    const written = await sql<{ count: bigint }>`select last_value as count from written`.execute(
      fixture.db,
    )
    expect(written.rows[0]?.count).toBeLessThan(60n)
  })

  test('comes to the same whichever rows the database refuses', async () => {
    const { projector } = fixture.start([accounts], { parkedKeysPerMinuteMax: 100_000 })
    fixture.log.append(0, deposited(accountId(0), 1))
    await until(async () => expect(await fixture.nextOffset()).toBe(1))
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
    fixture.log.append(
      0,
      ...events.map(({ account, amount }) => deposited(accountId(account), amount)),
    )
    fixture.start([accounts], { parkedKeysPerMinuteMax: 100_000, batchRecordsMax: 250 })

    const sums = new Map([[0, 1]])
    const parked = new Map<number, number>()
    for (const [index, { account, amount }] of events.entries()) {
      const sum = (sums.get(account) ?? 0) + amount
      if (!parked.has(account) && amount > 0 && sum < 2 ** 31) sums.set(account, sum)
      else if (!parked.has(account)) parked.set(account, index + 1)
    }
    await until(async () => expect(await fixture.nextOffset()).toBe(601))
    const rows = await fixture.readAccounts()
    expect(new Map(rows.map(({ id, balance }) => [id, balance]))).toEqual(
      new Map([...sums].map(([account, sum]) => [accountId(account), sum])),
    )
    const { rows: failed } = await sql<{ key: string; at: number }>`
      select key, log_offset::int as at from evt.dead_letter where kind = 'failed'`.execute(
      fixture.db,
    )
    expect(new Map(failed.map(({ key, at }) => [key, at]))).toEqual(
      new Map([...parked].map(([account, at]) => [accountId(account), at])),
    )
    expect(parked.size).toBeGreaterThan(10)
  })

  test('finds its row when the key is spelled otherwise', async () => {
    const id = '00000000-0000-4000-8000-00000000abcd'
    fixture.log.append(0, deposited(id, 1), deposited(id.toUpperCase(), 2))
    fixture.start([accounts])
    await until(async () => expect(await fixture.nextOffset()).toBe(2))
    fixture.log.append(0, deposited(id.toUpperCase(), 4))
    await until(async () => expect(await fixture.nextOffset()).toBe(3))
    expect(await fixture.readAccounts()).toEqual([{ id, balance: 7, total: 7n }])
  })

  test('sets aside what cannot be decoded, under a key of its own when it has none', async () => {
    fixture.log.append(
      0,
      { ...deposited(accountId(0), 1), value: Buffer.from('{') },
      { ...deposited(accountId(1), 1), key: null },
      { ...deposited(accountId(2), 1), headers: [] },
      { ...deposited(accountId(3), 1), value: null },
      deposited(accountId(4), 1),
    )
    fixture.start([accounts])
    await until(async () => expect(await fixture.nextOffset()).toBe(5))
    expect(await fixture.letters()).toMatchObject([
      { key: accountId(0), offset: 0, stage: 'decode', error: 'DecodeError' },
      { key: '0:1', offset: 1, stage: 'handle', error: 'TypeError' },
      { key: accountId(2), offset: 2, stage: 'decode' },
    ])
    expect((await fixture.readAccounts()).map(({ id }) => id)).toEqual([accountId(4)])
  })
})

test('a fold whose rows are shared by partitions loses no update', async () => {
  fixture.log = new MemoryLog(TOPIC, 4)
  const shared = { ...accounts, rowKey: () => accountId(0), mayShareRows: true }
  const eventCount = 40
  fixture.start([shared], { batchRecordsMax: 1 })
  for (let partition = 0; partition < 4; partition += 1) {
    const records = Array.from({ length: eventCount }, () => deposited(accountId(partition), 1))
    fixture.log.append(partition, ...records)
  }
  await until(async () => expect(await fixture.readAccounts()).toEqual(balances(4 * eventCount)))
})

test('a fold loses no update of a row whose key is spelled otherwise in each partition', async () => {
  const id = accountId(0).replace(/0$/, 'a')
  const spellings = [id, id.toUpperCase(), id.replaceAll('-', ''), `{${id}}`]
  fixture.log = new MemoryLog(TOPIC, spellings.length)
  const eventCount = 40
  fixture.start([accounts], { batchRecordsMax: 1 })
  for (const [partition, spelling] of spellings.entries()) {
    const records = Array.from({ length: eventCount }, () => deposited(spelling, 1))
    fixture.log.append(partition, ...records)
  }
  const events = spellings.length * eventCount
  await until(async () => expect(await appliedCount()).toBe(events))
  expect(await fixture.readAccounts()).toEqual([{ id, balance: events, total: BigInt(events) }])
})

test('an event of a type that is not defined stops the partition in front of it', async () => {
  const unknown = { ...deposited(accountId(2), 1), headers: [['eventType', Buffer.from('Moved')]] }
  fixture.log.append(0, deposited(accountId(0), 1), deposited(accountId(1), 1))
  fixture.log.append(0, unknown as never, deposited(accountId(3), 1))
  const { health } = fixture.start([accounts])
  await until(() =>
    expect(health.get('projection accounts v1')).toMatch(
      /faulted: outbox\.event\.account has an event of type Moved, which .* do not define/,
    ),
  )
  expect(await fixture.nextOffset()).toBe(2)
  expect(await fixture.readAccounts()).toEqual(balances(1, 1))
})

test('a time that no clock shows parks its key, or passes with its event', async () => {
  const at = (timestampMs: number, key: string) => ({ ...deposited(key, 1), timestampMs })
  const untimed = { ...totals, on: { Deposited: async () => undefined } }
  fixture.log.append(
    0,
    at(8.64e15, accountId(0)),
    at(-8.64e15, accountId(1)),
    at(8.64e15, accountId(2)),
  )
  fixture.start([untimed])
  await until(async () => expect(await fixture.nextOffset()).toBe(3))
  expect(await fixture.letters()).toMatchObject([
    { offset: 0, stage: 'decode' },
    { offset: 2, stage: 'decode' },
  ])
  fixture.log.append(0, at(-8.64e15, accountId(3)))
  await until(async () => expect(await fixture.nextOffset()).toBe(4))
  await fixture.log.rebalance()
  fixture.log.append(0, deposited(accountId(4), 1))
  await until(async () => expect(await fixture.nextOffset()).toBe(5))
})

test('what the relay publishes again is dropped', async () => {
  const header = (name: string, text: string) => [name, Buffer.from(text)] as const
  const event = (commit: number) =>
    deposited(accountId(0), 1, [
      header('cdc.lsn', `0/${commit}`),
      header('cdc.seq', '0'),
      header('cdc.ts', String(1_700_000_000_000 + commit)),
    ])
  fixture.log.append(0, event(1), event(2), event(3))
  const first = fixture.start([accounts])
  await until(async () => expect(await fixture.nextOffset()).toBe(3))
  await first.projector.stop()

  fixture.log.append(0, event(2), event(3), event(4))
  fixture.start([accounts])
  await until(async () => expect(await fixture.nextOffset()).toBe(6))
  expect(await fixture.readAccounts()).toEqual(balances(4))
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
  fixture.log.append(0, deposited('monday', 1))
  const { metrics, health } = fixture.start([effective])
  await until(async () => expect(await fixture.nextOffset()).toBe(1))
  fixture.log.append(0, deposited('monday', 1))
  await until(async () => expect(await fixture.nextOffset()).toBe(2))
  await until(async () => expect(await errorsOf(metrics, 'code')).toBe(2))
  expect(health.get('projection totals v1')).toBe(true)
  expect(await fixture.letters()).toEqual([])
})

test('two workers that both believe to own the partition count each event once', async () => {
  let eventCount = 0
  const deposit = (count: number): void => {
    for (let index = 0; index < count; index += 1) fixture.log.append(0, deposited(accountId(0), 1))
    eventCount += count
  }
  deposit(100)
  const both = [1, 2].map(() => fixture.start([accounts], { batchRecordsMax: 3 }))
  deposit(100)
  // However far apart they begin, one learns of the other with its next batch.
  await until(async () => {
    deposit(1)
    const fenced = await Promise.all(both.map(({ metrics }) => fencedCount(metrics)))
    expect(Math.max(...fenced)).toBeGreaterThan(0)
  })
  await until(async () => expect(await fixture.nextOffset()).toBe(eventCount))
  expect(await fixture.readAccounts()).toEqual(balances(eventCount))
})

describe('of two processes with one name', () => {
  const standby = { name: 'test', goneAfterMs: 10_000 }
  const isStandby = async ({ metrics }: ReturnType<OneTopicFixture['start']>) =>
    (await metrics.registry.getSingleMetric('projector_standby')?.get())?.values[0]?.value === 1

  test('the second stands by, ready, and works when the first has stopped', async () => {
    fixture.log.append(0, deposited(accountId(0), 1))
    const first = fixture.start([accounts], { standby })
    await until(async () => expect(await fixture.nextOffset()).toBe(1))
    const second = fixture.start([accounts], { standby })
    await until(async () => expect(await isStandby(second)).toBe(true))
    expect(second.projector.runners).toEqual([])
    expect(second.projector.registered).toMatchObject([{ projection: { name: accounts.name } }])
    expect([...second.health.values()]).toEqual([true])
    expect(await isStandby(first)).toBe(false)

    await first.projector.stop()
    fixture.log.append(0, deposited(accountId(0), 2))
    await until(async () => expect(await fixture.nextOffset()).toBe(2))
    expect(await isStandby(second)).toBe(false)
    expect(await fixture.readAccounts()).toEqual(balances(3))
  })

  test('the second stops while it stands by', async () => {
    const first = fixture.start([accounts], { standby })
    await until(() => expect(first.projector.runners).toHaveLength(1))
    const second = fixture.start([accounts], { standby })
    await until(async () => expect(await isStandby(second)).toBe(true))
    await second.projector.stop()
    expect(second.failures).toEqual([])
    fixture.log.append(0, deposited(accountId(0), 2))
    await until(async () => expect(await fixture.nextOffset()).toBe(1))
  })
})

async function fencedCount({ registry }: Metrics): Promise<number> {
  const metric = await registry.getSingleMetric('projection_fenced_total')?.get()
  return metric?.values.reduce((sum, { value }) => sum + value, 0) ?? 0
}
