import { randomUUID } from 'node:crypto'
import { type FoldProjection, defineProjection, tables } from '@fairlead/projection'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  AccountEvents,
  BranchEvents,
  accountId,
  accounts,
  activity,
  deposited,
  totals,
  visited,
} from './testing/accounts.test-fixture.ts'
import { MemoryLog } from './testing/memory-log.test-fixture.ts'
import { OneTopicFixture, TOPIC, until } from './testing/one-topic.test-fixture.ts'

let fixture: OneTopicFixture

beforeEach(async () => {
  fixture = await OneTopicFixture.open()
})

afterEach(() => fixture.close())

test('an SQL projection sets only the poison event aside', async () => {
  fixture.log.append(
    0,
    deposited('monday', 5),
    deposited('tuesday', 0),
    deposited('wednesday', -1),
    deposited('tuesday', 8),
    deposited('monday', 6),
  )
  fixture.start([totals])
  await until(async () => expect(await fixture.nextOffset()).toBe(5))

  const { rows } = await sql`select day, total from public.day_total`.execute(fixture.db)
  expect(rows).toEqual([{ day: 'monday', total: 11n }])
  expect(await fixture.letters()).toMatchObject([
    { key: 'tuesday', offset: 1, kind: 'failed', error: 'RangeError' },
    { key: 'wednesday', offset: 2, kind: 'failed', code: '23514' },
    { key: 'tuesday', offset: 3, kind: 'blocked' },
  ])
})

test('a fold of a column of numbers has the key of an event as one, as new row and as one that was read', async () => {
  const into = tables<{ counted: { id: bigint; seen: string } }>()('counted', 'id', {
    id: 'bigint',
    seen: 'text',
  })
  const counted = defineProjection({ name: 'counted', version: 1, from: AccountEvents, into }).fold(
    {
      initial: (id) => ({ id, seen: '' }),
      on: { Deposited: (row) => ({ ...row, seen: `${row.seen} ${typeof row.id}` }) },
    },
  )
  fixture.log.append(
    0,
    deposited('12', 5),
    deposited('7', 5),
    deposited('x', 5),
    deposited('07', 5),
  )
  fixture.start([counted])
  await until(async () => expect(await fixture.nextOffset()).toBe(4))
  fixture.log.append(0, deposited('12', 5))
  await until(async () => expect(await fixture.nextOffset()).toBe(5))
  const { rows } = await sql`select * from public.counted order by id`.execute(fixture.db)
  expect(rows).toEqual([
    { id: 7n, seen: ' bigint' },
    { id: 12n, seen: ' bigint bigint' },
  ])
  expect(await fixture.letters()).toMatchObject([{ key: 'x' }, { key: '07', kind: 'failed' }])
})

describe('a commutative projection', () => {
  const readActivity = async () =>
    (await sql`select * from public.activity order by day`.execute(fixture.db)).rows

  test('adds up what two topics say of one row, batch by batch', async () => {
    fixture.log = new MemoryLog(TOPIC, 1, [BranchEvents.topic])
    fixture.start([activity], { batchRecordsMax: 2 })
    fixture.log.append(0, deposited('monday', 5), deposited('monday', 20), deposited('tuesday', 3))
    fixture.log.appendTo(BranchEvents.topic, 0, visited('b1', 'monday'), visited('b2', 'wednesday'))
    await until(async () => {
      expect(await readActivity()).toEqual([
        { day: 'monday', deposits: 2, sum: 25n, visits: 1, last: 'amount 5' },
        { day: 'tuesday', deposits: 1, sum: 3n, visits: 0, last: 'amount 3' },
        { day: 'wednesday', deposits: 0, sum: 0n, visits: 1, last: null },
      ])
    })
    fixture.log.appendTo(BranchEvents.topic, 0, visited('b1', 'monday'))
    await until(async () => expect(await readActivity()).toMatchObject([{ visits: 2 }, {}, {}]))
    const { rows } = await sql`
      select topic, next_offset::int as next from evt.checkpoint order by topic`.execute(fixture.db)
    expect(rows).toEqual([
      { topic: TOPIC, next: 3 },
      { topic: BranchEvents.topic, next: 3 },
    ])
  })

  test('parks the key of a poison event, and of one that the database refuses', async () => {
    const huge = 2 ** 53
    fixture.log.append(
      0,
      deposited('monday', 5),
      deposited('tuesday', 0),
      deposited(Array.from({ length: 400 }, () => randomUUID()).join(''), 2),
      deposited('tuesday', 8),
      deposited('monday', huge),
    )
    fixture.start([activity])
    await until(async () => expect(await fixture.nextOffset()).toBe(5))
    expect(await readActivity()).toMatchObject([{ day: 'monday', sum: BigInt(huge) + 5n }])
    expect(await fixture.letters()).toMatchObject([
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
      select ${accountId(1)}::uuid as id, 'Ana' as name`.execute(fixture.db)
    fixture.log.append(0, ...[0, 1, 2].map((index) => deposited(accountId(index), 1)))
    fixture.start([enriched])
    await until(async () => expect(await fixture.nextOffset()).toBe(3))
    const notes = async () =>
      (
        await sql<{ note: string | null }>`select note from public.account order by id`.execute(
          fixture.db,
        )
      ).rows
    expect(await notes()).toEqual([{ note: null }, { note: 'Ana' }, { note: null }])
    expect(lookUps).toEqual([3])

    fixture.log.append(0, deposited(accountId(9), 1), deposited(accountId(3), 1))
    await until(async () => expect(await fixture.nextOffset()).toBe(5))
    expect(await notes()).toHaveLength(4)
    expect(await fixture.letters()).toMatchObject([
      { offset: 3, kind: 'failed', error: 'RangeError' },
    ])
  })
})
