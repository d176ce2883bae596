import {
  type FoldProjection,
  type Projection,
  type SqlProjection,
  defineProjection,
  tables,
} from '@fairlead/projection'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Database } from '../store/database.ts'
import { promote, rollback } from '../store/promote.ts'
import { registerMoment } from '../store/register.ts'
import { requestRebuild } from '../store/request-rebuild.ts'
import { retire } from '../store/retire.ts'
import { readVersion, setPaused } from '../store/versions.ts'
import {
  AccountEvents,
  accountId,
  accounts,
  deposited,
  totals,
} from '../testing/accounts.test-fixture.ts'
import type { MemoryLog } from '../testing/memory-log.test-fixture.ts'
import { PARTITIONS, RebuildFixture, balances, until } from '../testing/rebuild.test-fixture.ts'

const SWAP = { lagRecordsMax: 0, acceptParked: false, acceptLostEffects: false, timeoutMs: 20_000 }

let fixture: RebuildFixture
let db: Database
let log: MemoryLog

beforeEach(async () => {
  fixture = await RebuildFixture.open()
  ;({ db, log } = fixture)
})

afterEach(() => fixture.close())

const later: Projection = { ...accounts, version: 2 }

describe('a later version of a fold', () => {
  test('is filled beside the live one, and shown by its promotion', async () => {
    fixture.appendDeposits(90, 9)
    fixture.start([accounts, later])
    await fixture.hasState('accounts', 2, 'ready')
    const rows = balances(10, 10, 10, 10, 10, 10, 10, 10, 10)
    expect(await fixture.balancesIn('rm_accounts_v2')).toEqual(rows)
    const { rows: keys } = await sql`
      select from pg_constraint
      where conrelid = 'rm_accounts_v2.account'::regclass and contype = 'p'`.execute(db)
    expect(keys).toHaveLength(1)

    const promoted = await promote(db, { ...SWAP, name: 'accounts', version: 2 })
    expect(promoted).toMatchObject({ live: 2, previous: 1 })
    expect(await fixture.balancesIn('public')).toEqual(rows)
    log.append(0, deposited(accountId(0), 5))
    await until(async () => expect((await fixture.balancesIn('public'))[0]?.[1]).toBe(15))
    await until(async () => expect((await fixture.balancesIn('rm_accounts_v1'))[0]?.[1]).toBe(15))
    expect(await rollback(db, { ...SWAP, name: 'accounts' })).toMatchObject({ live: 1 })
  })

  test('is the same when its rows do not fit into memory', async () => {
    fixture.appendDeposits(12_000, 50)
    fixture.start([accounts, later], { rebuildMemoryBytesMax: 1, fetchBytesMax: 1 })
    await fixture.hasState('accounts', 2, 'ready')
    expect(await fixture.balancesIn('rm_accounts_v2')).toEqual(
      balances(...Array.from({ length: 50 }, () => 240)),
    )
  })

  test('sets aside the events to blame when the database refuses a row', async () => {
    const huge = 2_147_483_647
    log.append(0, deposited(accountId(0), 1), deposited('not-a-uuid', 1))
    log.append(1, deposited(accountId(1), huge), deposited(accountId(1), 1))
    log.append(1, deposited(accountId(2), 0), deposited(accountId(2), 1))
    fixture.start([accounts, later])
    await fixture.hasState('accounts', 2, 'ready')
    expect(await fixture.balancesIn('rm_accounts_v2')).toEqual(balances(1, huge))
    expect(await fixture.letters(2)).toEqual([
      { key: 'not-a-uuid', part: 0, offset: 1, kind: 'failed', code: '22P02' },
      { key: accountId(1), part: 1, offset: 1, kind: 'failed', code: '22003' },
      { key: accountId(2), part: 1, offset: 2, kind: 'failed', code: '' },
      { key: accountId(2), part: 1, offset: 3, kind: 'blocked', code: null },
    ])

    const asked = { ...SWAP, name: 'accounts', version: 2 }
    await expect(promote(db, asked)).rejects.toMatchObject({
      code: 'PARKED_KEYS',
      message: expect.stringMatching(/fairlead dlq causes accounts --version 2.*--accept-parked/),
    })
    expect(await promote(db, { ...asked, acceptParked: true })).toMatchObject({ live: 2 })
  })

  test.for([{}, { rebuildMemoryBytesMax: 1, fetchBytesMax: 1 }])(
    'has the rows of live events in a column of numbers, too, with %j',
    async (options) => {
      const into = tables<{ counted: { id: bigint; seen: string } }>()('counted', 'id', {
        id: 'bigint',
        seen: 'text',
      })
      const counted = (version: number) =>
        defineProjection({ name: 'counted', version, from: AccountEvents, into }).fold({
          initial: (id) => ({ id, seen: typeof id }),
          on: { Deposited: (row, { data }) => ({ ...row, seen: `${row.seen} ${data.amount}` }) },
        })
      log.append(0, deposited('7', 1), deposited('12', 2), deposited('7', 3), deposited('07', 4))
      fixture.start([counted(1), counted(2)], options)
      await fixture.hasState('counted', 2, 'ready')
      await promote(db, { ...SWAP, name: 'counted', version: 2, acceptParked: true })
      const { rows } = await sql`select * from public.counted order by id`.execute(db)
      expect(rows).toEqual([
        { id: 7n, seen: 'bigint 1 3' },
        { id: 12n, seen: 'bigint 2' },
      ])
    },
  )

  test('has one row for a key in two spellings', async () => {
    const id = '00000000-0000-4000-8000-00000000abcd'
    log.append(0, deposited(id, 1), deposited(id.toUpperCase(), 2))
    fixture.start([accounts, later])
    await fixture.hasState('accounts', 2, 'ready')
    expect(await fixture.balancesIn('rm_accounts_v2')).toEqual([[id, 3]])
  })

  test('is refused when the log has lost the beginning, unless that is accepted', async () => {
    log.logStartOffset = 7
    log.append(0, deposited(accountId(0), 1))
    fixture.start([accounts, later])
    await fixture.hasState('accounts', 2, 'failed')
    const { reason } = await readVersion(db, { name: 'accounts', version: 2 })
    expect(reason).toMatch(/begins at offset 7: .* retention/)
    await expect(promote(db, { ...SWAP, name: 'accounts', version: 2 })).rejects.toMatchObject({
      code: 'NOT_BUILT',
    })
    await requestRebuild(db, { name: 'accounts', version: 2 }, { acceptMissingHistory: true })
    await fixture.hasState('accounts', 2, 'ready')
    expect(await fixture.balancesIn('rm_accounts_v2')).toEqual(balances(1))
  })

  /** Headers of an event that was committed then. */
  const at = (commitMs: number) =>
    [
      ['cdc.lsn', `0/${commitMs}`],
      ['cdc.seq', '0'],
      ['cdc.ts', String(commitMs)],
    ].map(([name = '', text = '']) => [name, Buffer.from(text)] as const)

  test('sets the events of a key whose partition changed aside in their order', async () => {
    const id = accountId(0)
    log.append(0, deposited(id, 3, at(30)), deposited(id, 5, at(50)))
    log.append(1, deposited(id, 0, at(10)), deposited(id, 4, at(40)))
    fixture.start([accounts, { ...accounts, version: 2 }])
    await fixture.hasState('accounts', 2, 'ready')
    const { rows } = await sql`
      select part, log_offset::int as "offset" from evt.dead_letter where version = 2
      order by id`.execute(db)
    expect(rows).toEqual([
      { part: 1, offset: 0 },
      { part: 0, offset: 0 },
      { part: 1, offset: 1 },
      { part: 0, offset: 1 },
    ])
    const { rows: keys } = await sql`select part from evt.parked_key where version = 2`.execute(db)
    expect(keys).toEqual([{ part: 0 }])
  })

  test('takes the events of a key whose partition changed in their order', async () => {
    const id = accountId(0)
    log.append(0, deposited(id, 3, at(30)), deposited(id, 5, at(50)))
    log.append(1, deposited(id, 1, at(10)), deposited(id, 4, at(40)))
    const last: FoldProjection = {
      ...accounts,
      version: 2,
      on: {
        Deposited: (row, { data }) => ({
          ...row,
          note: `${typeof row['note'] === 'string' ? row['note'] : ''}${amountOf(data)}`,
        }),
      },
    }
    fixture.start([accounts, last])
    await fixture.hasState('accounts', 2, 'ready')
    const { rows } = await sql`select note from rm_accounts_v2.account`.execute(db)
    expect(rows).toEqual([{ note: '1345' }])
  })
})

function amountOf(data: unknown): number {
  return (data as { readonly amount: number }).amount
}

/** Notes down the amounts of which it had the effects. */
function noting(version: number, noted: number[], muted: number[]): SqlProjection {
  return {
    ...totals,
    version,
    on: {
      Deposited: async (event, context) => {
        await totals.on['Deposited']?.(event, context)
        const amount = amountOf(event.data)
        if (context.replay) muted.push(amount)
        context.liveOnly(async () => void noted.push(amount))
      },
    },
  }
}

test('each event has its side effects once, whichever version is live', async () => {
  const noted: number[] = []
  const muted: number[] = []
  let amount = 0
  const deposit = (): void => {
    amount += 1
    log.append(amount % PARTITIONS, deposited('day', amount))
  }
  deposit()
  deposit()
  fixture.start([noting(1, noted, []), noting(2, noted, muted)])
  await fixture.hasState('totals', 2, 'ready')
  expect(muted.toSorted((a, b) => a - b)).toEqual([1, 2])
  deposit()
  const swapped = async (version: number): Promise<void> => {
    const asked = { ...SWAP, lagRecordsMax: 1_000, name: 'totals', version }
    deposit()
    await promote(db, asked)
    deposit()
  }
  for (const version of [2, 1, 2]) await swapped(version)
  await until(() => expect(noted).toHaveLength(amount))
  expect(noted.toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: amount }, (_, index) => index + 1),
  )
})

test('a moment is a version of its own, which nothing follows and nothing shows', async () => {
  log.append(0, deposited(accountId(0), 1))
  log.append(1, deposited(accountId(1), 1))
  const { timestampMs: untilMs = 0 } = log.recordsOf(1)[0] ?? {}
  await until(() => expect(Date.now()).toBeGreaterThan(untilMs))
  log.append(0, deposited(accountId(0), 1), deposited(accountId(2), 1))
  const { projector } = fixture.start([accounts])
  await until(async () => expect(await fixture.balancesIn('public')).toEqual(balances(2, 1, 1)))
  const [registered] = projector.registered
  if (registered === undefined) throw new Error('nothing is registered')
  const moment = await registerMoment(db, registered, { untilMs })
  await fixture.hasState('accounts', moment.version, 'ready')
  expect(await fixture.balancesIn(moment.schemaName)).toEqual(balances(1, 1))
  const asked = { name: 'accounts', version: moment.version }
  await expect(promote(db, { ...SWAP, ...asked })).rejects.toMatchObject({ code: 'THROW_AWAY' })
  await retire(db, asked)
  expect(await schemas()).toEqual(['rm_accounts_v1'])
})

async function schemas(): Promise<readonly string[]> {
  const { rows } = await sql<{ name: string }>`
    select nspname as name from pg_namespace where nspname like 'rm\_%' order by 1`.execute(db)
  return rows.map(({ name }) => name)
}

test('a version that is retired leaves nothing, and does not come back', async () => {
  log.append(0, deposited(accountId(0), 0))
  fixture.start([accounts, later])
  await fixture.hasState('accounts', 2, 'ready')
  await expect(retire(db, { name: 'accounts', version: 1 })).rejects.toMatchObject({ code: 'LIVE' })
  await promote(db, { ...SWAP, name: 'accounts', version: 2, acceptParked: true })
  await retire(db, { name: 'accounts', version: 1 })
  expect(await schemas()).toEqual(['rm_accounts_v2'])
  for (const table of ['checkpoint', 'parked_key', 'dead_letter']) {
    const { rows } = await sql`
      select from ${sql.table(`evt.${table}`)} where version = 1`.execute(db)
    expect(rows).toEqual([])
  }
  await fixture.stopAll()
  const { rows } = await sql`select from evt.checkpoint where version = 1`.execute(db)
  expect(rows).toEqual([])
  const again = fixture.start([accounts])
  await until(() => expect(String(again.failures[0])).toMatch(/accounts v1 is retired/))
})

test('a pause holds in every process, and costs no partition', async () => {
  log.append(0, deposited(accountId(0), 1))
  const both = [fixture.start([accounts]), fixture.start([accounts])]
  await until(async () => expect(await fixture.balancesIn('public')).toEqual(balances(1)))
  const partitions = () =>
    both.flatMap(({ projector }) => projector.runners.flatMap((runner) => runner.partitions))
  await setPaused(db, { name: 'accounts', pausedBy: 'ana' })
  await until(() => {
    const reason = expect.objectContaining({ kind: 'paused', reason: 'paused by ana' })
    const paused = expect.objectContaining({ state: reason })
    expect(partitions()).toEqual([paused, paused, paused, paused])
  })
  log.append(0, deposited(accountId(0), 1))
  await until(() => {
    expect(partitions().filter(({ highWatermark }) => highWatermark === 2)).toHaveLength(2)
  })
  expect(await fixture.balancesIn('public')).toEqual(balances(1))
  await setPaused(db, { name: 'accounts', pausedBy: null })
  await until(async () => expect(await fixture.balancesIn('public')).toEqual(balances(2)))
})

describe('a promotion', () => {
  const renamed: Projection = {
    ...accounts,
    version: 2,
    table: {
      ...accounts.table,
      columns: {
        id: 'uuid',
        total: 'bigint',
        balance: 'integer',
        last_at: 'timestamptz',
        note: 'text null',
      },
    },
  }

  test('keeps grants and dependent views when columns change', async () => {
    fixture.appendDeposits(2, 2)
    fixture.start([accounts, renamed])
    await fixture.hasState('accounts', 2, 'ready')
    await sql`create role reader_of_accounts`.execute(db).catch(() => undefined)
    await sql`grant select on public.account to reader_of_accounts`.execute(db)
    await sql`create view public.rich as select id from account where balance > 0`.execute(db)
    await sql`create view public.richest as select id from rich limit 1`.execute(db)
    await sql`grant select on public.richest to reader_of_accounts`.execute(db)
    await promote(db, { ...SWAP, name: 'accounts', version: 2 })
    const { rows } = await sql<{ name: string; may: boolean }>`
      select v.name, has_table_privilege('reader_of_accounts', v.name, 'select') as may
      from (values ('public.account'), ('public.rich'), ('public.richest')) v(name)`.execute(db)
    expect(rows.map(({ may }) => may)).toEqual([true, false, true])
    const columns = await sql<{ name: string }>`
      select attname as name from pg_attribute
      where attrelid = 'public.account'::regclass and attnum > 0 order by attnum`.execute(db)
    expect(columns.rows.map(({ name }) => name)).toEqual([
      'id',
      'total',
      'balance',
      'last_at',
      'note',
    ])
  })

  test('steps back when a reader holds the view, and leaves everything as it was', async () => {
    fixture.appendDeposits(2, 2)
    fixture.start([accounts, later])
    await fixture.hasState('accounts', 2, 'ready')
    const asked = { ...SWAP, name: 'accounts', version: 2 }
    let waiting: Promise<unknown> = Promise.resolve()
    await db.transaction().execute(async (trx) => {
      await sql`select from public.account`.execute(trx)
      const atOnce = { ...asked, timeoutMs: 0 }
      await expect(promote(db, atOnce)).rejects.toMatchObject({ code: 'LOCKED' })
      await fixture.hasState('accounts', 2, 'ready')
      waiting = promote(db, asked)
      await until(async () => {
        const { rows } = await sql`
          select from pg_locks where not granted and relation = 'public.account'::regclass`.execute(
          trx,
        )
        expect(rows).toHaveLength(1)
      })
    })
    await waiting
    await fixture.hasState('accounts', 2, 'live')
  })
})
