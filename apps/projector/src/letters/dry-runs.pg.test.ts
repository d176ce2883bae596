import type { AnyEvent, SqlContext } from '@fairlead/projection'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { waitForOtherPartitions } from '../apply-batch.ts'
import { accountId, accounts, deposited, totals } from '../testing/accounts.test-fixture.ts'
import { ANA, LetterFixture, TOPIC, until } from '../testing/letters.test-fixture.ts'

let fixture: LetterFixture

beforeEach(async () => {
  fixture = await LetterFixture.open()
})

afterEach(() => fixture.close())

test.for([
  { projection: accounts, table: 'account', column: 'balance' },
  { projection: totals, table: 'day_total', column: 'total' },
] as const)('a dry run of $table tells which rows would change, and changes none', async (row) => {
  await fixture.serve([row.projection])
  fixture.log.append(
    0,
    deposited(accountId(1), 1),
    deposited(accountId(1), 0),
    deposited(accountId(1), 3),
  )
  fixture.log.append(0, deposited(accountId(2), 0))
  await fixture.appliedUpTo(4, 0)
  const { name } = row.projection
  const id = await fixture.idAt(1)
  await fixture.ask('PUT', `/dead-letters/${id}/value`, {
    value: { accountId: accountId(1), amount: 6 },
    ...ANA,
  })
  const run = await fixture.ask('POST', '/dead-letters/dry-run', { projection: name, all: true })
  expect(run).toMatchObject({
    status: 200,
    body: {
      appliedCount: 2,
      isCut: false,
      failed: [{ id: await fixture.idAt(3), errorClass: 'RangeError' }],
      changes: [{ table: row.table, before: { [row.column]: 1 }, after: { [row.column]: 10 } }],
    },
  })
  const one = await fixture.ask('POST', '/dead-letters/dry-run', { projection: name, id })
  expect(one.body).toMatchObject({ changes: [{ after: { [row.column]: 7 } }] })
  expect(await fixture.letters()).toHaveLength(3)
  fixture.log.append(0, deposited(accountId(3), 3))
  await fixture.appliedUpTo(5, 0)
})

test('a dry run tells rows that would be new, and of a partitioned table under its own name', async () => {
  let isKnown = false
  const { on, ...rest } = totals
  await fixture.serve([
    {
      ...rest,
      migrate: async (trx) => {
        await sql`create table ${sql.table('day_total')} (day text primary key, total bigint not null)
          partition by list (day)`.execute(trx)
        await sql`create table ${sql.table('day_total_monday')} partition of ${sql.table('day_total')}
          for values in ('monday')`.execute(trx)
        await sql`create table ${sql.table('day_total_other')} partition of ${sql.table('day_total')}
          default`.execute(trx)
      },
      on: {
        Deposited: async (event: AnyEvent, context: SqlContext<unknown, unknown>) => {
          if (!isKnown) throw new RangeError('nobody knows it')
          await on['Deposited']?.(event, context)
        },
      },
    } satisfies typeof totals,
  ])
  fixture.log.append(0, deposited('monday', 1), deposited('monday', 2), deposited('tuesday', 4))
  await fixture.appliedUpTo(3, 0)
  isKnown = true
  expect(
    await fixture.ask('POST', '/dead-letters/dry-run', { projection: 'totals', all: true }),
  ).toMatchObject({
    status: 200,
    body: {
      appliedCount: 3,
      // Keys come in any order.
      changes: expect.arrayContaining([
        { table: 'day_total', before: null, after: { day: 'monday', total: 3 } },
        { table: 'day_total', before: null, after: { day: 'tuesday', total: 4 } },
      ]),
    },
  })
})

test('a dry run tells numbers digit by digit, also those that are no doubles', async () => {
  let isKnown = false
  await fixture.serve([
    {
      ...totals,
      on: {
        Deposited: async (_event: unknown, { trx }: SqlContext<unknown, unknown>) => {
          if (!isKnown) throw new RangeError('nobody knows it')
          await sql`insert into ${sql.table('day_total')} (day, total)
            values ('monday', 9007199254740993), ('tuesday', 3)`.execute(trx)
        },
      },
    },
  ])
  fixture.log.append(0, deposited('monday', 1))
  await fixture.appliedUpTo(1, 0)
  isKnown = true
  const run = await fixture.ask('POST', '/dead-letters/dry-run', {
    projection: 'totals',
    all: true,
  })
  expect(run.body['changes']).toEqual([
    { table: 'day_total', before: null, after: { day: 'monday', total: '9007199254740993' } },
    { table: 'day_total', before: null, after: { day: 'tuesday', total: 3 } },
  ])
})

test('a dry run says so when it leaves keys out', async () => {
  await fixture.serve()
  fixture.log.append(0, deposited(accountId(1), 0))
  await fixture.appliedUpTo(1, 0)
  const park = (count: number) =>
    sql`
    insert into evt.parked_key (projection_id, version, topic, part, key)
    select p.id, 1, ${TOPIC}, 0, 'key-' || n from evt.projection p, generate_series(1, ${count}::int) as n
    on conflict do nothing`.execute(fixture.db)
  const isCut = async () => {
    const run = await fixture.ask('POST', '/dead-letters/dry-run', {
      projection: 'accounts',
      all: true,
    })
    return run.body['isCut']
  }
  await park(199)
  expect(await isCut()).toBe(false)
  await park(200)
  expect(await isCut()).toBe(true)
})

test('a dry run that cannot be had says why', async () => {
  let isStopping = false
  await fixture.serve([{ ...accounts, classify: () => (isStopping ? 'stop' : 'park') }])
  fixture.log.append(0, deposited(accountId(1), 0), deposited(accountId(1), 2))
  await fixture.appliedUpTo(2, 0)
  const dryRun = async (selection: object) => {
    const { status, body } = await fixture.ask('POST', '/dead-letters/dry-run', {
      projection: 'accounts',
      ...selection,
    })
    return [status, body['code']]
  }
  expect(await dryRun({ id: await fixture.idAt(1) })).toEqual([409, 'NOT_THE_HEAD'])
  expect(await dryRun({ id: '999' })).toEqual([404, 'NOT_FOUND'])
  isStopping = true
  expect(await dryRun({ all: true })).toEqual([409, 'STOPS_PROJECTION'])
  isStopping = false
  await fixture.db.transaction().execute(async (trx) => {
    await sql`lock table rm_accounts_v1.account in share row exclusive mode`.execute(trx)
    expect(await dryRun({ all: true })).toEqual([409, 'BUSY'])
  })
  expect(await dryRun({ all: true })).toEqual([200, undefined])
})

test('a dry run and a batch that keeps other partitions from its rows do not wait for each other', async () => {
  await fixture.serve([{ ...accounts, mayShareRows: true }])
  fixture.log.append(0, deposited(accountId(1), 0))
  await fixture.appliedUpTo(1, 0)
  const asked = await fixture.db.transaction().execute(async (trx) => {
    await waitForOtherPartitions({ trx, schemaName: 'rm_accounts_v1' })
    const answer = fixture.ask('POST', '/dead-letters/dry-run', {
      projection: 'accounts',
      all: true,
    })
    await until(async () => {
      const { rows } = await sql`
        select from pg_stat_activity where datname = current_database()
          and wait_event = 'advisory'`.execute(fixture.db)
      expect(rows).toHaveLength(1)
    })
    await sql`update rm_accounts_v1.account set balance = balance`.execute(trx)
    return { answer }
  })
  expect(await asked.answer).toMatchObject({ status: 200 })
})

test.for([
  { deadlockCount: 1, status: 200, body: { appliedCount: 1 } },
  {
    deadlockCount: 3,
    status: 409,
    body: {
      code: 'BUSY',
      message: expect.stringMatching(/were in a dead lock with each other, 3 times/) as unknown,
    },
  },
])('a dry run that was in a dead lock with $deadlockCount batches is $status', async (row) => {
  let isKnown = false
  const { migrate, ...rest } = totals
  await fixture.serve([
    {
      ...rest,
      migrate: async (db) => {
        await migrate(db)
        await sql`create table ${sql.table('sum_total')} (total bigint)`.execute(db)
      },
      on: {
        Deposited: async () => {
          if (!isKnown) throw new RangeError('nobody knows it')
        },
      },
    },
  ])
  fixture.log.append(0, deposited('monday', 1))
  await fixture.appliedUpTo(1, 0)
  isKnown = true
  const batches = await Promise.all(
    Array.from({ length: row.deadlockCount }, () => fixture.db.startTransaction().execute()),
  )
  // As a batch whose handler writes another table than the first one first; the dry run is to be who is ended.
  for (const batch of batches) {
    await sql`set local deadlock_timeout = '1min'`.execute(batch)
    await sql`insert into rm_totals_v1.sum_total values (1)`.execute(batch)
  }
  const asked = fixture.ask('POST', '/dead-letters/dry-run', { projection: 'totals', all: true })
  try {
    for (const batch of batches) {
      await until(async () => {
        const waiting = await sql`select from pg_locks where not granted
          and relation = 'rm_totals_v1.sum_total'::regclass`.execute(batch)
        expect(waiting.rows).toHaveLength(1)
      })
      await sql`insert into rm_totals_v1.day_total values ('monday', 1)
        on conflict do nothing`.execute(batch)
      await batch.commit().execute()
    }
  } finally {
    const open = batches.filter(({ isCommitted }) => !isCommitted)
    await Promise.all(open.map((batch) => batch.rollback().execute()))
  }
  expect(await asked).toMatchObject({ status: row.status, body: row.body })
})

test('a dry run of a handler whose table is not there says that it stops the projection', async () => {
  let isCured = false
  await fixture.serve([
    {
      ...totals,
      on: {
        Deposited: async (_event: unknown, { trx }: SqlContext<unknown, unknown>) => {
          if (!isCured) throw new RangeError('nothing deposited')
          await sql`select from no_such_table`.execute(trx)
        },
      },
    },
  ])
  fixture.log.append(0, deposited('monday', 1))
  await fixture.appliedUpTo(1, 0)
  isCured = true
  expect(
    await fixture.ask('POST', '/dead-letters/dry-run', { projection: 'totals', all: true }),
  ).toMatchObject({
    status: 409,
    body: { code: 'STOPS_PROJECTION', message: expect.stringContaining('no_such_table') },
  })
})

test('a dry run ends what it looks up when nobody waits for it any more', async () => {
  let isKnown = false
  const asked: AbortSignal[] = []
  const { http, projector } = await fixture.serve([
    {
      ...accounts,
      enrichEach: (_event, { signal }) => {
        if (!isKnown) throw new RangeError('nobody knows it')
        asked.push(signal)
        return new Promise(() => undefined)
      },
    },
  ])
  fixture.log.append(0, deposited(accountId(1), 1), deposited(accountId(2), 2))
  await fixture.appliedUpTo(2, 0)
  isKnown = true
  const url = await http.listen({ host: '127.0.0.1', port: 0 })
  const gone = new AbortController()
  const asking = fetch(`${url}/dead-letters/dry-run`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ projection: 'accounts', all: true }),
    signal: gone.signal,
  })
  await until(() => expect(asked).toHaveLength(1))
  gone.abort()
  await expect(asking).rejects.toMatchObject({ name: 'AbortError' })
  await until(() => expect(asked[0]?.aborted).toBe(true))

  const second = fixture.ask('POST', '/dead-letters/dry-run', { projection: 'accounts', all: true })
  await until(() => expect(asked).toHaveLength(2))
  await projector.stop()
  expect(await second).toMatchObject({ status: 503, body: { message: 'the projector stops' } })
  expect(asked.map(({ aborted }) => aborted)).toEqual([true, true])
})

test('a dry run lets its handlers begin no statement once it holds the batches up for too long', async () => {
  const statement = sql`select 1`
  let elapsedMs = 0
  await fixture.serve([
    {
      ...totals,
      on: {
        Deposited: async (_event: unknown, { trx, replay }: SqlContext<unknown, unknown>) => {
          if (!replay) throw new RangeError('not yet')
          elapsedMs += 6_000
          await statement.execute(trx)
        },
      },
    },
  ])
  fixture.log.append(0, deposited('monday', 1), deposited('tuesday', 2))
  await fixture.appliedUpTo(2, 0)
  const now = performance.now.bind(performance)
  vi.spyOn(performance, 'now').mockImplementation(() => now() + elapsedMs)
  try {
    const dryRun = { projection: 'totals', all: true }
    expect(await fixture.ask('POST', '/dead-letters/dry-run', dryRun)).toMatchObject({
      status: 409,
      body: { code: 'BUSY', message: expect.stringMatching(/not applied within 10000 ms/) },
    })
  } finally {
    vi.restoreAllMocks()
  }
})

test('a dry run whose handler waits for what never comes says so', async () => {
  let isKnown = false
  await fixture.serve([
    {
      ...totals,
      on: {
        Deposited: () => {
          if (!isKnown) throw new RangeError('nobody knows it')
          return new Promise<never>(() => undefined)
        },
      },
    },
  ])
  fixture.log.append(0, deposited('monday', 1))
  await fixture.appliedUpTo(1, 0)
  isKnown = true
  expect(
    await fixture.ask('POST', '/dead-letters/dry-run', { projection: 'totals', all: true }),
  ).toEqual({
    status: 503,
    body: {
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/^a handler waited for something else than the database/),
    },
  })
})
