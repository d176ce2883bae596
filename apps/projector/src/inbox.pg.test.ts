import type { FoldProjection } from '@fairlead/projection'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { keepInboxes } from './inbox-keeper.ts'
import type { Database } from './store/database.ts'
import { registerMoment } from './store/register.ts'
import { retire } from './store/retire.ts'
import { setPaused } from './store/versions.ts'
import { accountId, accounts, deposited } from './testing/accounts.test-fixture.ts'
import type { TestProjector } from './testing/projector.test-fixture.ts'
import { RebuildFixture, balances, until } from './testing/rebuild.test-fixture.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const RETENTION_DAYS = 7

const withInbox: FoldProjection = { ...accounts, inbox: { retentionMs: RETENTION_DAYS * DAY_MS } }

let fixture: RebuildFixture
let db: Database

beforeEach(async () => {
  fixture = await RebuildFixture.open()
  ;({ db } = fixture)
})

afterEach(() => fixture.close())

let idCount = 0

/** An id of version 7, made at a moment. */
function idAt(timeMs: number): string {
  const time = timeMs.toString(16).padStart(12, '0')
  idCount += 1
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${String(idCount).padStart(12, '0')}`
}

function sent(id: string | undefined, amount: number, account = 0, timestampMs = Date.now()) {
  const headers = id === undefined ? [] : ([['id', Buffer.from(id)]] as const)
  return { ...deposited(accountId(account), amount, headers), timestampMs }
}

async function nextOffsets(version = 1): Promise<readonly number[]> {
  const { rows } = await sql<{ next: bigint }>`
    select next_offset as next from evt.checkpoint where version = ${version} order by part`.execute(
    db,
  )
  return rows.map(({ next }) => Number(next))
}

const isAt = (...offsets: readonly number[]): Promise<void> =>
  until(async () => expect(await nextOffsets()).toEqual(offsets))

async function letters(): Promise<readonly unknown[]> {
  const { rows } = await sql`
    select log_offset::int as "offset", kind, error_class as error, event_type as type
    from evt.dead_letter
    order by log_offset`.execute(db)
  return rows
}

async function storedIds(): Promise<{ readonly timed: number; readonly untimed: number }> {
  const { rows } = await sql<{ timed: number; untimed: number }>`
    select (select count(*)::int from evt.inbox) as timed,
      (select count(*)::int from evt.inbox_untimed) as untimed`.execute(db)
  return rows[0] as { timed: number; untimed: number }
}

async function keep({ projector }: TestProjector, wallMs = Date.now()): Promise<void> {
  await until(() => expect(projector.registered).not.toEqual([]))
  const { registered } = projector
  await keepInboxes({ db, log: fixture.log.open(), registered, wallMs: () => wallMs })
}

test('a topic that is away keeps no other projection from its days to come', async () => {
  const { projector } = fixture.start([withInbox])
  fixture.log.append(0, sent(idAt(Date.now()), 5))
  await isAt(1, 0)
  await until(() => expect(projector.registered).not.toEqual([]))
  // Its own rounds are not to come in between.
  await projector.stop()
  const days = async (): Promise<number> => {
    const { rows } = await sql<{ name: string }>`
      select inhrelid::regclass as name from pg_inherits where inhparent = 'evt.inbox'::regclass
      order by 1 desc`.execute(db)
    return rows.length
  }
  const before = await days()
  const { rows } = await sql<{ name: string }>`
    select inhrelid::regclass::text as name from pg_inherits
    where inhparent = 'evt.inbox'::regclass order by 1 desc limit 1`.execute(db)
  await sql.raw(`drop table ${rows[0]?.name}`).execute(db)
  const log = { ...fixture.log.open(), endOffset: () => Promise.reject(new Error('it is away')) }
  const round = keepInboxes({ db, log, registered: projector.registered })
  await expect(round).rejects.toThrow('it is away')
  expect(await days()).toBe(before)
})

describe('an event that comes again without a position', () => {
  const now = Date.now()
  test.for([
    ['with a time in its id', idAt(now)],
    ['with an id of days ago', idAt(now - 5 * DAY_MS)],
    ['with a random id', '8c2f5a10-4d31-4f0e-9a55-0d8f6c1b2a3e'],
    ['with any text as its id', 'order 5 / it\'s "paid"'],
  ] as const)('%s is applied once', async ([, id]) => {
    fixture.start([withInbox])
    fixture.log.append(0, sent(id, 5), sent(id, 5), sent(idAt(now), 1))
    await isAt(3, 0)
    fixture.log.append(0, sent(id, 5))
    fixture.log.append(1, sent(id, 5, 1))
    await isAt(4, 1)
    expect(await fixture.balancesIn('public')).toEqual(balances(6))
    expect(await letters()).toEqual([])
  })

  test('is counted', async () => {
    const { metrics } = fixture.start([withInbox])
    const id = idAt(Date.now())
    fixture.log.append(0, sent(id, 5), sent(id, 5), sent(id, 5))
    await isAt(3, 0)
    await until(async () => {
      const events = await metrics.registry.getSingleMetric('projection_events_total')?.get()
      expect(events?.values).toContainEqual(
        expect.objectContaining({
          labels: expect.objectContaining({ result: 'duplicate' }),
          value: 2,
        }),
      )
    })
  })

  test('is known after a restart, and where its batch ran event by event', async () => {
    const id = idAt(Date.now())
    const { projector } = fixture.start([withInbox])
    fixture.log.append(0, sent(id, 5), sent(idAt(now), 0, 1), sent(id, 5))
    await isAt(3, 0)
    await projector.stop()
    fixture.start([withInbox])
    fixture.log.append(0, sent(id, 5), sent(idAt(now), 1))
    await isAt(5, 0)
    expect(await fixture.balancesIn('public')).toEqual(balances(6))
    expect(await letters()).toEqual([
      { offset: 1, kind: 'failed', error: 'RangeError', type: 'Deposited' },
    ])
  })

  test('is two events where there is no inbox', async () => {
    fixture.start([accounts])
    fixture.log.append(0, sent('x', 5), sent('x', 5))
    await isAt(2, 0)
    expect(await fixture.balancesIn('public')).toEqual(balances(10))
    expect(await storedIds()).toEqual({ timed: 0, untimed: 0 })
  })

  test('of another tenant is another event', async () => {
    fixture.start([withInbox], { tenantHeader: 'tenant' })
    const id = idAt(Date.now())
    const of = (tenant: string) => {
      const record = sent(id, 5)
      return { ...record, headers: [...record.headers, ['tenant', Buffer.from(tenant)] as const] }
    }
    fixture.log.append(0, of('red'), of('blue'), of('red'))
    await isAt(3, 0)
    expect(await fixture.balancesIn('public')).toEqual(balances(10))
    expect(await storedIds()).toEqual({ timed: 2, untimed: 0 })
  })
})

test('a record without an id, and one whose id is of the day after tomorrow, are parked', async () => {
  fixture.start([withInbox])
  fixture.log.append(0, sent(undefined, 5), sent(idAt(Date.now() + 3 * DAY_MS), 5, 1))
  await isAt(2, 0)
  expect(await letters()).toEqual([
    { offset: 0, kind: 'failed', error: 'DecodeError', type: null },
    { offset: 1, kind: 'failed', error: 'FutureIdError', type: 'Deposited' },
  ])
})

describe('once the retention of an id is over', () => {
  test('its event is parked and counted, not applied', async () => {
    const now = Date.now()
    const [timed, text] = [idAt(now), 'order 5']
    fixture.log.append(0, sent(timed, 5), sent(text, 5, 0, now))
    const started = fixture.start([withInbox])
    await isAt(2, 0)
    expect(await storedIds()).toEqual({ timed: 1, untimed: 1 })

    await keep(started, now + (RETENTION_DAYS + 1) * DAY_MS)
    expect(await storedIds()).toEqual({ timed: 1, untimed: 0 })
    fixture.log.append(0, sent(timed, 5), sent(text, 5, 1, now), sent(idAt(now + 2 * DAY_MS), 1, 2))
    await isAt(5, 0)
    expect(await fixture.balancesIn('public')).toEqual([
      [accountId(0), 10],
      [accountId(2), 1],
    ])
    expect(await letters()).toEqual([
      { offset: 2, kind: 'failed', error: 'ForgottenError', type: 'Deposited' },
      { offset: 3, kind: 'failed', error: 'ForgottenError', type: 'Deposited' },
    ])
  })

  test('its day is dropped, and days to come are there', async () => {
    const started = fixture.start([withInbox])
    await isAt(0, 0)
    // Its own rounds are not to come in between.
    await started.projector.stop()
    await sql`
      create table evt.inbox_20260101 (like evt.inbox including all)`.execute(db)
    await sql`
      alter table evt.inbox attach partition evt.inbox_20260101 for values
        from (${sql.lit('019b75bf-8000-0000-0000-000000000000')})
        to (${sql.lit('019b7ae6-8000-0000-0000-000000000000')})`.execute(db)
    const days = async (): Promise<readonly string[]> => {
      const { rows } = await sql<{ name: string }>`
        select inhrelid::regclass::text as name from pg_inherits
        where inhparent = 'evt.inbox'::regclass order by 1`.execute(db)
      return rows.map(({ name }) => name)
    }
    expect(await days()).toHaveLength(8)
    await keep(started)
    expect(await days()).toHaveLength(7)
    expect(await days()).not.toContain('evt.inbox_20260101')
  })

  test('an event that a history has from long ago is applied nevertheless', async () => {
    const then = Date.now() - 400 * DAY_MS
    const id = idAt(then)
    fixture.log.append(0, sent(id, 5, 0, then), sent(idAt(then), 1, 0, then), sent(id, 5, 0, then))
    fixture.start([withInbox])
    await isAt(3, 0)
    expect(await fixture.balancesIn('public')).toEqual(balances(6))
    expect(await letters()).toEqual([])
  })

  test('nothing is forgotten that a version which is behind will come to', async () => {
    const now = Date.now()
    fixture.log.append(0, sent('x', 5, 0, now))
    const started = fixture.start([withInbox])
    await isAt(1, 0)
    await setPaused(db, { name: 'accounts', pausedBy: 'ana' })
    await until(() => expect(started.health.get('projection accounts v1')).toMatch(/ana/))
    fixture.log.append(0, sent('x', 5, 0, now), sent('y', 1, 0, now))
    await keep(started, now + 30 * DAY_MS)
    await setPaused(db, { name: 'accounts', pausedBy: null })
    await isAt(3, 0)
    expect(await fixture.balancesIn('public')).toEqual(balances(6))
    expect(await letters()).toEqual([])
  })
})

describe('a rebuild', () => {
  test('comes to the rows of the live version, and again for single keys', async () => {
    const now = Date.now()
    const old = now - 30 * DAY_MS
    const ids = [idAt(now), idAt(old), 'order 5']
    for (const id of ids) {
      fixture.log.append(0, sent(id, 5, 0, old), sent(id, 5, 0, old))
    }
    fixture.log.append(1, sent('other', 1, 1), sent('other', 1, 1))
    fixture.start([withInbox, { ...withInbox, version: 2 }], {
      rebuildMemoryBytesMax: 1,
      fetchBytesMax: 1,
    })
    await fixture.hasState('accounts', 2, 'ready')
    const expected = balances(15, 1)
    await fixture.hasBalances('rm_accounts_v1', expected)
    await fixture.hasBalances('rm_accounts_v2', expected)

    await sql`update rm_accounts_v1.account set balance = 99`.execute(db)
    const keys = [accountId(0)]
    const job = await fixture.runJob('accounts', { version: 1, kind: 'keys', request: { keys } })
    expect(job).toMatchObject({ state: 'done' })
    expect(await fixture.balancesIn('rm_accounts_v1')).toEqual(balances(15, 99))
    const verified = await fixture.runJob('accounts', { version: 2, kind: 'verify', request: {} })
    expect(verified).toMatchObject({ result: { isEqual: true } })
  })

  test('that goes on takes no record for a repetition of itself', async () => {
    fixture.log.append(0, sent('a', 5), sent('a', 5), sent('b', 1))
    fixture.start([withInbox])
    await isAt(3, 0)
    await fixture.stopAll()
    // The ids were stored, and the process was gone before the rows were.
    await sql`
      update evt.checkpoint set next_offset = 0`.execute(db)
    await sql`truncate rm_accounts_v1.account`.execute(db)
    fixture.start([withInbox])
    await fixture.hasBalances('public', balances(6))
  })

  test('that is begun anew knows nothing of the topic that had the name before', async () => {
    fixture.log.append(0, sent('a', 5), sent('a', 5), sent('b', 1))
    fixture.start([withInbox, { ...withInbox, version: 2 }])
    await fixture.hasState('accounts', 2, 'ready')
    await fixture.stopAll()
    await sql`update evt.inbox_untimed set log_offset = log_offset + 100`.execute(db)
    await sql`delete from evt.checkpoint where version = 2`.execute(db)
    await sql`
      update evt.projection_version set state = 'building' where version = 2`.execute(db)
    await sql`truncate rm_accounts_v2.account`.execute(db)
    await sql`
      update evt.projection_job set state = 'requested' where version = 2`.execute(db)
    fixture.start([withInbox, { ...withInbox, version: 2 }])
    await fixture.hasState('accounts', 2, 'ready')
    expect(await fixture.balancesIn('rm_accounts_v2')).toEqual(balances(6))
  })
})

test('a throw-away version keeps no ids, and no days of the others', async () => {
  const now = Date.now()
  const id = idAt(now)
  fixture.log.append(0, sent(id, 5), sent(id, 5), sent('order 5', 1, 0, now))
  fixture.log.append(1, sent(id, 5, 1), sent(idAt(now), 2, 1))
  const started = fixture.start([withInbox])
  await isAt(3, 2)
  const [registered] = started.projector.registered
  if (registered === undefined) throw new Error('nothing is registered')
  const moment = await registerMoment(db, registered, { untilMs: now + HOUR_MS })
  const { version } = moment
  await fixture.hasState('accounts', version, 'ready')
  const { rows } = await sql<{ holds: boolean }>`
    select bool_or(forgotten_before < 'infinity') as holds
    from evt.inbox_consumer where version = ${version}`.execute(db)
  expect(rows).toEqual([{ holds: false }])
  await keep(started)
  expect((await storedIds()).untimed).toBe(1)

  expect(await fixture.balancesIn(moment.schemaName)).toEqual(balances(6, 2))
  const verified = await fixture.runJob('accounts', { version, kind: 'verify', request: {} })
  expect(verified).toMatchObject({ state: 'done', result: { isEqual: true } })
})

test('ids of a version that is retired are removed', async () => {
  fixture.log.append(0, sent('a', 5), sent('b', 5))
  const started = fixture.start([withInbox, { ...withInbox, version: 2 }])
  await fixture.hasState('accounts', 2, 'ready')
  await until(async () => expect(await storedIds()).toEqual({ timed: 0, untimed: 4 }))
  await retire(db, { name: 'accounts', version: 2 })
  await keep(started)
  expect(await storedIds()).toEqual({ timed: 0, untimed: 2 })
})
