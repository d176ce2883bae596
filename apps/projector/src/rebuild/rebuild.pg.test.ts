import type { FoldProjection, Projection, SqlProjection } from '@fairlead/projection'
import { type TestDatabase, testDatabase } from '@fairlead/testing'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Database, openDatabase } from '../store/database.ts'
import { readJob, requestJob } from '../store/jobs.ts'
import { promote, rollback } from '../store/promote.ts'
import { registerMoment } from '../store/register.ts'
import { requestRebuild } from '../store/request-rebuild.ts'
import { retire } from '../store/retire.ts'
import { readVersion, setPaused } from '../store/versions.ts'
import { accountId, accounts, deposited, totals } from '../testing/accounts.test-fixture.ts'
import { MemoryLog } from '../testing/memory-log.test-fixture.ts'
import { type TestProjector, startProjector } from '../testing/projector.test-fixture.ts'

const PARTITIONS = 2
const SWAP = { lagRecordsMax: 0, acceptParked: false, timeoutMs: 0 }

let database: TestDatabase
let db: Database
let log: MemoryLog
const running: TestProjector[] = []

beforeEach(async () => {
  database = await testDatabase()
  db = openDatabase({ url: database.url, connectionsMax: 5 })
  log = new MemoryLog('outbox.event.account', PARTITIONS)
})

afterEach(async () => {
  await Promise.all(running.splice(0).map(({ projector }) => projector.stop()))
  await db.destroy()
  await database.drop()
})

type Options = Parameters<typeof startProjector>[3]

function start(projections: readonly Projection[], options: Options = {}): TestProjector {
  const started = startProjector(database.url, log, projections, options)
  running.push(started)
  return started
}

const until = (assertion: () => Promise<void> | void): Promise<void> =>
  vi.waitFor(assertion, { timeout: 20_000, interval: 20 })

const hasState = (name: string, version: number, state: string): Promise<void> =>
  until(async () => expect((await readVersion(db, { name, version })).state).toBe(state))

async function balancesIn(schema: string): Promise<readonly (readonly [string, number])[]> {
  const { rows } = await sql<{ id: string; balance: number }>`
    select id, balance from ${sql.table(`${schema}.account`)} order by id`.execute(db)
  return rows.map(({ id, balance }) => [id, balance])
}

const expected = (...balances: readonly number[]) =>
  balances.map((balance, index) => [accountId(index), balance])

/** Deposits of 1 to accounts in turn, each in a partition of its own. */
function appendDeposits(count: number, accountCount: number): void {
  for (let index = 0; index < count; index += 1) {
    const account = index % accountCount
    log.append(account % PARTITIONS, deposited(accountId(account), 1))
  }
}

const later: Projection = { ...accounts, version: 2 }

async function letters(version: number): Promise<readonly unknown[]> {
  const { rows } = await sql`
    select key, part, log_offset::int as "offset", kind, error_code as code from evt.dead_letter
    where version = ${version} order by part, log_offset`.execute(db)
  return rows
}

describe('a later version of a fold', () => {
  test('is filled beside the live one, and shown by its promotion', async () => {
    appendDeposits(90, 9)
    start([accounts, later])
    await hasState('accounts', 2, 'ready')
    const rows = expected(10, 10, 10, 10, 10, 10, 10, 10, 10)
    expect(await balancesIn('rm_accounts_v2')).toEqual(rows)
    const { rows: keys } = await sql`
      select from pg_constraint
      where conrelid = 'rm_accounts_v2.account'::regclass and contype = 'p'`.execute(db)
    expect(keys).toHaveLength(1)

    const promoted = await promote(db, { ...SWAP, name: 'accounts', version: 2 })
    expect(promoted).toMatchObject({ live: 2, previous: 1 })
    expect(await balancesIn('public')).toEqual(rows)
    log.append(0, deposited(accountId(0), 5))
    await until(async () => expect((await balancesIn('public'))[0]?.[1]).toBe(15))
    await until(async () => expect((await balancesIn('rm_accounts_v1'))[0]?.[1]).toBe(15))
    expect(await rollback(db, { ...SWAP, name: 'accounts' })).toMatchObject({ live: 1 })
  })

  test('is the same when its rows do not fit into memory', async () => {
    appendDeposits(12_000, 50)
    start([accounts, later], { rebuildMemoryBytesMax: 1, fetchBytesMax: 1 })
    await hasState('accounts', 2, 'ready')
    expect(await balancesIn('rm_accounts_v2')).toEqual(
      expected(...Array.from({ length: 50 }, () => 240)),
    )
  })

  test('sets aside the events to blame when the database refuses a row', async () => {
    const huge = 2_147_483_647
    log.append(0, deposited(accountId(0), 1), deposited('not-a-uuid', 1))
    log.append(1, deposited(accountId(1), huge), deposited(accountId(1), 1))
    log.append(1, deposited(accountId(2), 0), deposited(accountId(2), 1))
    start([accounts, later])
    await hasState('accounts', 2, 'ready')
    expect(await balancesIn('rm_accounts_v2')).toEqual(expected(1, huge))
    expect(await letters(2)).toEqual([
      { key: 'not-a-uuid', part: 0, offset: 1, kind: 'failed', code: '22P02' },
      { key: accountId(1), part: 1, offset: 1, kind: 'failed', code: '22003' },
      { key: accountId(2), part: 1, offset: 2, kind: 'failed', code: '' },
      { key: accountId(2), part: 1, offset: 3, kind: 'blocked', code: null },
    ])

    const asked = { ...SWAP, name: 'accounts', version: 2 }
    await expect(promote(db, asked)).rejects.toMatchObject({ code: 'PARKED_KEYS' })
    expect(await promote(db, { ...asked, acceptParked: true })).toMatchObject({ live: 2 })
  })

  test('has one row for a key in two spellings', async () => {
    const id = '00000000-0000-4000-8000-00000000abcd'
    log.append(0, deposited(id, 1), deposited(id.toUpperCase(), 2))
    start([accounts, later])
    await hasState('accounts', 2, 'ready')
    expect(await balancesIn('rm_accounts_v2')).toEqual([[id, 3]])
  })

  test('is refused when the log has lost the beginning, unless that is accepted', async () => {
    log.logStartOffset = 7
    log.append(0, deposited(accountId(0), 1))
    start([accounts, later])
    await hasState('accounts', 2, 'failed')
    const { reason } = await readVersion(db, { name: 'accounts', version: 2 })
    expect(reason).toMatch(/begins at offset 7: .* retention/)
    await expect(promote(db, { ...SWAP, name: 'accounts', version: 2 })).rejects.toMatchObject({
      code: 'NOT_BUILT',
    })
    await requestRebuild(db, { name: 'accounts', version: 2 }, { acceptMissingHistory: true })
    await hasState('accounts', 2, 'ready')
    expect(await balancesIn('rm_accounts_v2')).toEqual(expected(1))
  })

  test('takes the events of a key whose partition changed in their order', async () => {
    const at = (commitMs: number) =>
      [
        ['cdc.lsn', `0/${commitMs}`],
        ['cdc.seq', '0'],
        ['cdc.ts', String(commitMs)],
      ].map(([name = '', text = '']) => [name, Buffer.from(text)] as const)
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
    start([accounts, last])
    await hasState('accounts', 2, 'ready')
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
  start([noting(1, noted, []), noting(2, noted, muted)])
  await hasState('totals', 2, 'ready')
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

describe('the rows of some keys', () => {
  async function foldAnew(...keys: readonly string[]): Promise<unknown> {
    const { projectionId } = await readVersion(db, { name: 'accounts', version: 1 })
    const request = { keys }
    const id = await requestJob(db, { projectionId, version: 1, kind: 'keys', request })
    await until(async () => expect((await readJob(db, id))?.state).toMatch(/done|failed/))
    return readJob(db, id)
  }

  test('are folded anew while the version follows the log', async () => {
    appendDeposits(30, 3)
    start([accounts])
    await until(async () => expect(await balancesIn('public')).toEqual(expected(10, 10, 10)))
    await sql`update rm_accounts_v1.account set balance = 99 where id <> ${accountId(2)}`.execute(
      db,
    )
    log.append(0, deposited(accountId(0), 1))
    expect(await foldAnew(accountId(0))).toMatchObject({ state: 'done' })
    log.append(0, deposited(accountId(0), 1))
    await until(async () => expect(await balancesIn('public')).toEqual(expected(12, 99, 10)))
  })

  test('stay as they are when one of their events fails', async () => {
    log.append(0, deposited(accountId(0), 1), deposited(accountId(0), 0))
    start([accounts])
    await until(async () => expect(await letters(1)).toHaveLength(1))
    expect(await foldAnew(accountId(0))).toMatchObject({
      state: 'failed',
      reason: expect.stringMatching(/offset 1, fails: nothing deposited/),
    })
    expect(await balancesIn('public')).toEqual(expected(1))
  })
})

test('verification names the keys whose rows are not what the log says', async () => {
  appendDeposits(60, 6)
  start([accounts])
  await until(async () =>
    expect(await balancesIn('public')).toEqual(expected(10, 10, 10, 10, 10, 10)),
  )
  const { projectionId } = await readVersion(db, { name: 'accounts', version: 1 })
  const verify = async (): Promise<unknown> => {
    const request = { sample: 100 }
    const id = await requestJob(db, { projectionId, version: 1, kind: 'verify', request })
    await until(async () => expect((await readJob(db, id))?.state).toBe('done'))
    return (await readJob(db, id))?.result
  }
  expect(await verify()).toMatchObject({ isEqual: true, rowCount: 6, comparedKeys: 6 })

  await sql`update rm_accounts_v1.account set balance = 99 where id = ${accountId(1)}`.execute(db)
  await sql`delete from rm_accounts_v1.account where id = ${accountId(2)}`.execute(db)
  await sql`
    insert into rm_accounts_v1.account (id, balance, total, last_at)
    values (${accountId(9)}, 1, 1, now())`.execute(db)
  expect(await verify()).toMatchObject({
    isEqual: false,
    different: [accountId(1)],
    missing: [accountId(2)],
    surplus: [accountId(9)],
  })
})

test('a moment is a version of its own, which nothing follows and nothing shows', async () => {
  log.append(0, deposited(accountId(0), 1))
  log.append(1, deposited(accountId(1), 1))
  const { timestampMs: untilMs = 0 } = log.recordsOf(1)[0] ?? {}
  await until(() => expect(Date.now()).toBeGreaterThan(untilMs))
  log.append(0, deposited(accountId(0), 1), deposited(accountId(2), 1))
  const { projector } = start([accounts])
  await until(async () => expect(await balancesIn('public')).toEqual(expected(2, 1, 1)))
  const [registered] = projector.registered
  if (registered === undefined) throw new Error('nothing is registered')
  const moment = await registerMoment(db, registered, { untilMs })
  await hasState('accounts', moment.version, 'ready')
  expect(await balancesIn(moment.schemaName)).toEqual(expected(1, 1))
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
  start([accounts, later])
  await hasState('accounts', 2, 'ready')
  await expect(retire(db, { name: 'accounts', version: 1 })).rejects.toMatchObject({ code: 'LIVE' })
  await promote(db, { ...SWAP, name: 'accounts', version: 2, acceptParked: true })
  await retire(db, { name: 'accounts', version: 1 })
  expect(await schemas()).toEqual(['rm_accounts_v2'])
  for (const table of ['checkpoint', 'parked_key', 'dead_letter']) {
    const { rows } = await sql`
      select from ${sql.table(`evt.${table}`)} where version = 1`.execute(db)
    expect(rows).toEqual([])
  }
  await Promise.all(running.splice(0).map(({ projector }) => projector.stop()))
  const { rows } = await sql`select from evt.checkpoint where version = 1`.execute(db)
  expect(rows).toEqual([])
  const again = start([accounts])
  await until(() => expect(String(again.failures[0])).toMatch(/accounts v1 is retired/))
})

test('a pause holds in every process, and costs no partition', async () => {
  log.append(0, deposited(accountId(0), 1))
  const both = [start([accounts]), start([accounts])]
  await until(async () => expect(await balancesIn('public')).toEqual(expected(1)))
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
  expect(await balancesIn('public')).toEqual(expected(1))
  await setPaused(db, { name: 'accounts', pausedBy: null })
  await until(async () => expect(await balancesIn('public')).toEqual(expected(2)))
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
    appendDeposits(2, 2)
    start([accounts, renamed])
    await hasState('accounts', 2, 'ready')
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
    appendDeposits(2, 2)
    start([accounts, later])
    await hasState('accounts', 2, 'ready')
    const asked = { ...SWAP, name: 'accounts', version: 2 }
    let waiting: Promise<unknown> = Promise.resolve()
    await db.transaction().execute(async (trx) => {
      await sql`select from public.account`.execute(trx)
      await expect(promote(db, asked)).rejects.toMatchObject({ code: 'LOCKED' })
      await hasState('accounts', 2, 'ready')
      waiting = promote(db, { ...asked, timeoutMs: 20_000 })
      await until(async () => {
        const { rows } = await sql`
          select from pg_locks where not granted and relation = 'public.account'::regclass`.execute(
          trx,
        )
        expect(rows).toHaveLength(1)
      })
    })
    await waiting
    await hasState('accounts', 2, 'live')
  })
})
