import { type FoldProjection, type Projection, keyText } from '@fairlead/projection'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Database } from '../store/database.ts'
import { registerMoment } from '../store/register.ts'
import {
  BranchEvents,
  accountId,
  accounts,
  activity,
  deposited,
  visited,
} from '../testing/accounts.test-fixture.ts'
import type { MemoryLog } from '../testing/memory-log.test-fixture.ts'
import { RebuildFixture, balances, until } from '../testing/rebuild.test-fixture.ts'

const DAY_MS = 86_400_000

let fixture: RebuildFixture
let db: Database
let log: MemoryLog

beforeEach(async () => {
  fixture = await RebuildFixture.open([BranchEvents.topic])
  ;({ db, log } = fixture)
})

afterEach(() => fixture.close())

/** Columns beside the id and the last amount, and what is in them by that amount. */
type Valued = {
  readonly columns: Readonly<Record<string, string>>
  readonly valueOf: (amount: number) => object
}

function valued({ columns, valueOf }: Valued): FoldProjection {
  return {
    ...accounts,
    table: { ...accounts.table, columns: { id: 'uuid', balance: 'integer', ...columns } },
    initial: (id) => ({ id, balance: 0, ...valueOf(0) }),
    on: {
      Deposited: (row, { data }) => {
        const { amount } = data as { readonly amount: number }
        return { ...row, balance: amount, ...valueOf(amount) }
      },
    },
  }
}

const asVersion = (version: number, projection: Projection): Projection => ({
  ...projection,
  version,
})

describe('a row that is refused live is refused by a rebuild', () => {
  test.for<Valued & { what: string }>([
    {
      what: 'an invalid date',
      columns: { at: 'timestamptz' },
      valueOf: (amount) => ({ at: new Date(amount === 13 ? Number.NaN : 0) }),
    },
    {
      what: 'a bigint in JSON',
      columns: { at: 'jsonb' },
      valueOf: (amount) => ({ at: { amount: amount === 13 ? 13n : amount } }),
    },
  ])('$what', async (of) => {
    for (let count = 0; count < 64; count += 1) log.append(0, deposited(accountId(0), 1))
    log.append(0, deposited(accountId(1), 2), deposited(accountId(1), 13))
    const projection = valued(of)
    fixture.start([projection, asVersion(2, projection)])
    await fixture.hasState('accounts', 2, 'ready')
    expect(await fixture.balancesIn('rm_accounts_v2')).toEqual(balances(1, 2))
    await fixture.hasBalances('public', balances(1, 2))
    expect(await fixture.letters(2)).toEqual(await fixture.letters(1))
    expect(await fixture.letters(2)).toHaveLength(1)
  })

  test('a key in two spellings, in rows that are written in between', async () => {
    const id = '00000000-0000-4000-8000-00000000abcd'
    fixture.appendDeposits(2_000, 2)
    log.append(0, deposited(id, 1), deposited(id.toUpperCase(), 2))
    fixture.start([accounts, asVersion(2, accounts)], { rebuildMemoryBytesMax: 1 })
    await fixture.hasState('accounts', 2, 'ready')
    expect(await fixture.balancesIn('rm_accounts_v2')).toEqual([...balances(1_000, 1_000), [id, 3]])
  })
})

test('an event from beyond tomorrow is parked in a rebuild as it is live, and times that jump change no order', async () => {
  const nowMs = Date.now()
  const times = [nowMs, nowMs - 30 * DAY_MS, nowMs + DAY_MS / 2, nowMs - 1]
  for (const [amount, timestampMs] of times.entries()) {
    log.append(0, { ...deposited(accountId(0), amount + 1), timestampMs })
  }
  log.append(0, { ...deposited(accountId(1), 5), timestampMs: nowMs + 2 * DAY_MS })
  log.append(0, deposited(accountId(1), 6))
  fixture.start([accounts, asVersion(2, accounts)])
  await fixture.hasState('accounts', 2, 'ready')
  await until(async () => expect(await fixture.letters(1)).toHaveLength(2))
  expect(await fixture.letters(2)).toMatchObject([
    { key: accountId(1), offset: 4, kind: 'failed' },
    { key: accountId(1), offset: 5, kind: 'blocked' },
  ])
  expect(await fixture.letters(2)).toEqual(await fixture.letters(1))
  const rowsIn = async (schema: string): Promise<readonly unknown[]> => {
    const { rows } = await sql`select * from ${sql.table(`${schema}.account`)}`.execute(db)
    return rows
  }
  expect(await rowsIn('rm_accounts_v2')).toMatchObject([
    { balance: 10, last_at: new Date(nowMs - 1) },
  ])
  expect(await rowsIn('rm_accounts_v2')).toEqual(await rowsIn('public'))
})

test.for([
  { what: 'before any date', timestampMs: -9e15, balance: 2, letters: [] },
  { what: 'behind all dates', timestampMs: 9e15, balance: 1, letters: [{ offset: 1 }] },
])('a record of a time $what holds nothing up, in a rebuild either', async (of) => {
  const projection: FoldProjection = {
    ...valued({ columns: {}, valueOf: () => ({}) }),
    inbox: { retentionMs: 7 * DAY_MS },
  }
  const named = (id: string, amount: number) =>
    deposited(accountId(0), amount, [['id', Buffer.from(id)]])
  log.append(0, named('order 1', 1), { ...named('order 2', 2), timestampMs: of.timestampMs })
  fixture.start([projection, asVersion(2, projection)])
  await fixture.hasState('accounts', 2, 'ready')
  await fixture.hasBalances('public', balances(of.balance))
  expect(await fixture.balancesIn('rm_accounts_v2')).toEqual(balances(of.balance))
  await until(async () => expect(await fixture.letters(1)).toMatchObject(of.letters))
  expect(await fixture.letters(2)).toEqual(await fixture.letters(1))
})

test('dates that ISO 8601 and Postgres write differently are copied', async () => {
  const years = [-1, 0, 1, 9_999, 10_000, 200_000]
  const projection = valued({
    columns: { at: 'timestamptz' },
    valueOf: (index) => {
      const at = new Date(0)
      at.setUTCFullYear(years[index] ?? 0)
      return { at }
    },
  })
  for (const index of years.keys()) log.append(0, deposited(accountId(index), index))
  fixture.start([projection, asVersion(2, projection)])
  await fixture.hasState('accounts', 2, 'ready')
  const datesIn = async (schema: string): Promise<readonly unknown[]> => {
    const { rows } = await sql`
      select id, at::text from ${sql.table(`${schema}.account`)} order by id`.execute(db)
    return rows
  }
  await fixture.hasBalances('public', balances(...years.keys()))
  expect(await datesIn('rm_accounts_v2')).toEqual(await datesIn('public'))
  expect(
    await fixture.runJob('accounts', { version: 2, kind: 'verify', request: {} }),
  ).toMatchObject({ state: 'done', result: { isEqual: true } })
})

test('columns may have the names of key words', async () => {
  const projection = valued({
    columns: { order: 'integer', user: 'text null' },
    valueOf: (amount) => ({ order: amount, user: null }),
  })
  fixture.appendDeposits(2_000, 2)
  fixture.start([projection, asVersion(2, projection)], { rebuildMemoryBytesMax: 1 })
  await fixture.hasState('accounts', 2, 'ready')
  expect(await fixture.balancesIn('rm_accounts_v2')).toEqual(balances(1, 1))
  expect(
    await fixture.runJob('accounts', { version: 2, kind: 'verify', request: {} }),
  ).toMatchObject({ state: 'done', result: { isEqual: true } })
})

test('a key that is parked in one topic goes on in another one', async () => {
  log.append(0, deposited('monday', 0), deposited('monday', 1))
  log.appendTo(BranchEvents.topic, 0, visited('monday', 'tuesday'))
  expect(log.recordsOf(0).map(keyText)).toEqual(['monday', 'monday'])
  fixture.start([activity, asVersion(2, activity)])
  await fixture.hasState('activity', 2, 'ready')
  const { rows } = await sql`
    select day, deposits, visits from rm_activity_v2.activity order by day`.execute(db)
  expect(rows).toEqual([{ day: 'tuesday', deposits: 0, visits: 1 }])
  expect(await fixture.letters(2)).toMatchObject([
    { key: 'monday', offset: 0, kind: 'failed' },
    { key: 'monday', offset: 1, kind: 'blocked' },
  ])
})

test.for([
  { what: 'in bulk', rows: [0] },
  { what: 'by statements', rows: [0, 2_147_483_647, 1] },
])('what a rebuild $what sets aside is mirrored, and what a moment does is not', async (of) => {
  const mirror = { topic: 'outbox.event.dead', groupIdPrefix: 'test' }
  log.append(0, ...of.rows.map((amount, key) => deposited(accountId(key), amount)))
  log.append(0, deposited(accountId(1), 1))
  const { projector } = fixture.start([accounts, asVersion(2, accounts)], { mirror })
  await fixture.hasState('accounts', 2, 'ready')
  await fixture.hasBalances('public', await fixture.balancesIn('rm_accounts_v2'))
  const [registered] = projector.registered
  if (registered === undefined) throw new Error('nothing is registered')
  const moment = await registerMoment(db, registered, { untilMs: Date.now() })
  await fixture.hasState('accounts', moment.version, 'ready')
  const { rows } = await sql`
    select headers ->> 'fairlead.dlq.version' as version, count(*)::int as count
    from outbox.events group by 1 order by 1`.execute(db)
  const { length: count } = await fixture.letters(1)
  expect(rows).toEqual([
    { version: '1', count },
    { version: '2', count },
  ])
  expect(await fixture.letters(moment.version)).toHaveLength(count)
})
