import { randomBytes } from 'node:crypto'
import type { FoldProjection, SqlProjection } from '@fairlead/projection'
import { Health, createHttpServer } from '@fairlead/service'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { dryRun } from './letters/dry-run.ts'
import { RecordReader } from './log/prepare-records.ts'
import { BuildSession } from './rebuild/build-session.ts'
import { type Job, type JobRequest, readJob, requestJob } from './store/jobs.ts'
import { readLettersOf, readParkedKeys } from './store/letter-queue.ts'
import type { Projector } from './projector.ts'
import { promote } from './store/promote.ts'
import { registerMoment } from './store/register.ts'
import { retire } from './store/retire.ts'
import { readVersion } from './store/versions.ts'
import { takeStrictly } from './strict-requests.ts'
import { addTenantRoutes } from './tenant-routes.ts'
import {
  JsonSerde,
  accountId,
  accounts,
  deposited,
  totals,
} from './testing/accounts.test-fixture.ts'
import { OneTopicFixture, TOPIC, until } from './testing/one-topic.test-fixture.ts'
import {
  WITH_TENANTS,
  apart,
  of,
  readBalances,
  readRelations,
} from './testing/tenants.test-fixture.ts'

const SWAP = { lagRecordsMax: 0, acceptParked: false, acceptLostEffects: false, timeoutMs: 10_000 }

let fixture: OneTopicFixture

beforeEach(async () => {
  fixture = await OneTopicFixture.open()
})

afterEach(() => fixture.close())

const balancesIn = (schema: string) => readBalances(fixture.db, schema)
const relationsIn = (pattern: string) => readRelations(fixture.db, pattern)

const hasCome = (offset: number) =>
  until(async () => expect(await fixture.nextOffset()).toBe(offset))

describe('each tenant has tables of its own', () => {
  test('rows of one key are those of its tenant, and the batch is one transaction', async () => {
    fixture.log.append(0, of('acme', 1, 5), of('globex', 1, 7), of('acme', 1, 1), of('acme', 2, 2))
    fixture.start([apart], WITH_TENANTS)
    await hasCome(4)
    expect(await balancesIn('tenant_acme')).toEqual([6, 2])
    expect(await balancesIn('tenant_globex')).toEqual([7])
    expect(await relationsIn('%account%')).toEqual([
      'rm_accounts_v1_t1.account',
      'rm_accounts_v1_t2.account',
    ])
    const { rows } = await sql`
      select distinct xmin::text from rm_accounts_v1_t1.account union
      select xmin::text from rm_accounts_v1_t2.account union
      select xmin::text from evt.checkpoint`.execute(fixture.db)
    expect(rows).toHaveLength(1)

    // What the worker knows of the rows of one is nothing about those of the other.
    fixture.log.append(0, of('acme', 1, 10), of('globex', 1, 20))
    await hasCome(6)
    fixture.log.append(0, of('globex', 1, 100), of('acme', 1, 200))
    await hasCome(8)
    expect(await balancesIn('tenant_acme')).toEqual([216, 2])
    expect(await balancesIn('tenant_globex')).toEqual([127])
  })

  test('what one tenant fails with holds no other up, under the same key either', async () => {
    fixture.log.append(0, of('acme', 1, 5), of('acme', 1, 0), of('globex', 1, 7), of('acme', 1, 1))
    fixture.start([apart], WITH_TENANTS)
    await hasCome(4)
    fixture.log.append(0, of('globex', 1, 1), of('acme', 2, 2 ** 31), of('globex', 2, 4))
    await hasCome(7)
    expect(await balancesIn('tenant_acme')).toEqual([5])
    expect(await balancesIn('tenant_globex')).toEqual([8, 4])
    expect(await fixture.letters()).toMatchObject([
      { key: `acme/${accountId(1)}`, offset: 1, kind: 'failed' },
      { key: `acme/${accountId(1)}`, offset: 3, kind: 'blocked' },
      { key: `acme/${accountId(2)}`, offset: 5, kind: 'failed', stage: 'write' },
    ])
  })

  test('a tenant whose name is no identifier has a schema that no other name leads to', async () => {
    const names = ['Acme Inc.', 'acme_inc_', 'Acme Inc?', 'ä'.repeat(300)]
    fixture.log.append(0, ...names.map((name, index) => of(name, 1, index + 1)))
    fixture.start([apart], WITH_TENANTS)
    await hasCome(4)
    const { rows } = await sql<{ name: string; schema: string }>`
      select name, schema_name as schema from evt.tenant`.execute(fixture.db)
    const schemas = new Map(rows.map(({ name, schema }) => [name, schema]))
    expect(new Set(schemas.values()).size).toBe(4)
    expect(schemas.get('acme_inc_')).toBe('tenant_acme_inc_')
    for (const [index, name] of names.entries()) {
      expect(await balancesIn(schemas.get(name) ?? '')).toEqual([index + 1])
    }
  })

  test('an event of no tenant is parked', async () => {
    fixture.log.append(0, deposited(accountId(1), 5), of('acme', 1, 5))
    fixture.start([apart], WITH_TENANTS)
    await hasCome(2)
    expect(await balancesIn('tenant_acme')).toEqual([5])
    expect(await fixture.letters()).toMatchObject([{ offset: 0, error: 'UnknownTenantError' }])
  })

  test('handlers in SQL write the tables of the tenant', async () => {
    fixture.log.append(0, ...[3, 4].map((amount) => of('acme', 1, amount)), of('globex', 1, 9))
    fixture.start([{ ...totals, tenants: 'schema' }], WITH_TENANTS)
    await hasCome(3)
    const { rows } = await sql`
      select 'acme' as tenant, total from tenant_acme.day_total union all
      select 'globex', total from tenant_globex.day_total order by 1`.execute(fixture.db)
    expect(rows).toEqual([
      { tenant: 'acme', total: 7n },
      { tenant: 'globex', total: 9n },
    ])
  })

  test('a new version is filled beside, shown for all tenants at once, and taken back', async () => {
    fixture.log.append(0, of('acme', 1, 5), of('globex', 1, 7))
    const plusOne = {
      ...apart,
      version: 2,
      initial: (id: unknown) => ({ ...accounts.initial(String(id)), balance: 1 }),
    }
    fixture.start([apart, plusOne], WITH_TENANTS)
    await hasCome(2)
    await until(async () => {
      const { state } = await readVersion(fixture.db, { name: 'accounts', version: 2 })
      expect(state).toBe('ready')
    })
    expect(await balancesIn('tenant_acme')).toEqual([5])
    await promote(fixture.db, { ...SWAP, name: 'accounts', version: 2 })
    expect(await balancesIn('tenant_acme')).toEqual([6])
    expect(await balancesIn('tenant_globex')).toEqual([8])

    // A tenant that comes now has both versions, and sees the one that is live.
    fixture.log.append(0, of('initech', 1, 1))
    await until(async () => expect(await balancesIn('rm_accounts_v1_t3')).toEqual([1]))
    await until(async () => expect(await balancesIn('tenant_initech')).toEqual([2]))
    await promote(fixture.db, { ...SWAP, name: 'accounts', version: 1 })
    expect(await balancesIn('tenant_initech')).toEqual([1])

    await fixture.stopAll()
    await retire(fixture.db, { name: 'accounts', version: 2 })
    expect(await relationsIn('rm%')).toEqual([1, 2, 3].map((id) => `rm_accounts_v1_t${id}.account`))
  })

  describe('a new version is filled in bulk,', () => {
    const second = { ...apart, version: 2 }

    /** Fills the second version beside the first, which has all events; what was copied. */
    const rebuilt = async (options: Parameters<OneTopicFixture['start']>[1] = {}) => {
      fixture.start([apart], { ...WITH_TENANTS, ...options })
      await hasCome(fixture.log.recordsOf(0).length)
      await fixture.stopAll()
      const copy = vi.spyOn(BuildSession.prototype, 'copy')
      fixture.start([apart, second], { ...WITH_TENANTS, ...options })
      await until(async () => {
        const { state } = await readVersion(fixture.db, { name: 'accounts', version: 2 })
        expect(state).toBe('ready')
      })
      return copy.mock.calls.map(([statement]) => statement)
    }

    const letters = async (version: number): Promise<readonly unknown[]> => {
      const { rows } = await sql`
        select key, log_offset::int as "offset", kind, error_class as error from evt.dead_letter
        where version = ${version} order by log_offset`.execute(fixture.db)
      return rows
    }

    const rowsOf = async (version: number): Promise<readonly unknown[]> => {
      const { rows } = await sql<{ tenant: string; schema: string }>`
        select t.name as tenant, s.schema_name as schema
        from evt.tenant_schema s join evt.tenant t on t.id = s.tenant_id
        where s.version = ${version} order by 1`.execute(fixture.db)
      return Promise.all(rows.map(async ({ tenant, schema }) => [tenant, await balancesIn(schema)]))
    }

    afterEach(() => {
      vi.restoreAllMocks()
    })

    test('once for each tenant, and what fails is set aside as live', async () => {
      fixture.log.append(
        0,
        of('a', 1, 5),
        of('b', 1, 7),
        of('a', 1, 0),
        of('b', 1, 1),
        of('a', 1, 2),
      )
      fixture.log.append(0, deposited(accountId(1), 5), of('a', 2, 3))
      const copied = await rebuilt()
      expect(copied).toHaveLength(2)
      expect(await rowsOf(2)).toEqual([
        ['a', [5, 3]],
        ['b', [8]],
      ])
      expect(await letters(2)).toEqual(await letters(1))
      expect(await letters(2)).toHaveLength(3)
    })

    test('in as many transactions as its memory asks for', async () => {
      for (let index = 0; index < 3_000; index += 1) {
        fixture.log.append(0, of(`t${index % 3}`, index % 21, 1 + (index % 5)))
      }
      const copied = await rebuilt({ rebuildMemoryBytesMax: 1 })
      expect(copied.length).toBeGreaterThan(3)
      expect(await rowsOf(2)).toEqual(await rowsOf(1))
    })

    test('event by event where the table refuses one', async () => {
      fixture.log.append(0, of('a', 1, 2 ** 31 - 1), of('b', 1, 7), of('a', 1, 1), of('a', 2, 2))
      await rebuilt()
      expect(await rowsOf(2)).toEqual(await rowsOf(1))
      expect(await letters(2)).toMatchObject([
        { key: `a/${accountId(1)}`, offset: 2, kind: 'failed' },
      ])
    })

    test('and tenants without tables are set aside', async () => {
      fixture.log.append(0, of('a', 1, 5), of('b', 1, 7), of('b', 1, 8))
      await rebuilt({ tenants: { tenantsMax: 1 } })
      expect(await rowsOf(2)).toEqual([['a', [5]]])
      expect(await letters(2)).toMatchObject([
        { offset: 1, kind: 'failed', error: 'UnknownTenantError' },
        { offset: 2, kind: 'blocked' },
      ])
    })
  })

  test('a version that keeps tenants apart may follow one that does not, and go before it', async () => {
    fixture.log.append(0, of('acme', 1, 5), of('globex', 2, 7))
    fixture.start([accounts, { ...apart, version: 2 }], WITH_TENANTS)
    await until(async () => {
      const { state } = await readVersion(fixture.db, { name: 'accounts', version: 2 })
      expect(state).toBe('ready')
    })
    expect(await balancesIn('public')).toEqual([5, 7])
    await promote(fixture.db, { ...SWAP, name: 'accounts', version: 2 })
    expect(await relationsIn('public')).toEqual([])
    expect(await balancesIn('tenant_globex')).toEqual([7])
    await promote(fixture.db, { ...SWAP, name: 'accounts', version: 1 })
    expect(await relationsIn('tenant%')).toEqual([])
    expect(await balancesIn('public')).toEqual([5, 7])
  })

  test('two projections meet a tenant at the same time', async () => {
    fixture.start([apart, { ...totals, tenants: 'schema' }], WITH_TENANTS)
    for (let index = 0; index < 10; index += 1) fixture.log.append(0, of(`t${index}`, 1, 1))
    await until(async () => {
      const { rows } = await sql`
        select from evt.tenant_schema`.execute(fixture.db)
      expect(rows).toHaveLength(20)
    })
    await until(async () => expect(await balancesIn('tenant_t9')).toEqual([1]))
    expect(await fixture.letters()).toEqual([])
  })
})

test.for(['schema', undefined] as const)(
  'a tenant with a longer name than an index takes holds nobody up (tenants: %s)',
  async (tenants) => {
    const long = () => randomBytes(4_000).toString('base64')
    const [one, other] = [long(), long()]
    fixture.log.append(0, of(one, 1, 5), of(other, 2, 0), of('acme', 3, 7))
    const projection = tenants === undefined ? accounts : { ...accounts, tenants }
    fixture.start([projection], WITH_TENANTS)
    await hasCome(3)
    const { rows } = await sql`
      select length(tenant) as length from evt.parked_key`.execute(fixture.db)
    expect(rows).toEqual([{ length: 465 }])
    expect(await fixture.letters()).toMatchObject([{ offset: 1, error: 'RangeError' }])
  },
)

describe('of rows that each tenant has of his own', () => {
  let projector: Projector

  const runJob = async (kind: 'verify' | 'keys', request: JobRequest): Promise<Job | undefined> => {
    const { projectionId } = await readVersion(fixture.db, { name: 'accounts', version: 1 })
    const id = await requestJob(fixture.db, { projectionId, version: 1, kind, request })
    await until(async () => {
      expect((await readJob(fixture.db, id))?.state).toMatch(/done|failed/)
    })
    return readJob(fixture.db, id)
  }

  beforeEach(async () => {
    fixture.log.append(0, of('acme', 1, 5), of('globex', 1, 7), of('globex', 2, 8))
    ;({ projector } = fixture.start([apart], WITH_TENANTS))
    await hasCome(3)
  })

  test('verification compares those of every tenant', async () => {
    const verified = await runJob('verify', {})
    expect(verified?.result).toMatchObject({
      isEqual: true,
      rowCount: 3,
      liveRowCount: 3,
      comparedKeys: 3,
    })
    // The log is read once for all of them.
    expect(verified).toMatchObject({ done: 3n, total: 3n })
    await sql`update rm_accounts_v1_t2.account set balance = 9 where id = ${accountId(1)}`.execute(
      fixture.db,
    )
    await sql`delete from rm_accounts_v1_t1.account`.execute(fixture.db)
    expect((await runJob('verify', {}))?.result).toMatchObject({
      isEqual: false,
      different: [`globex/${accountId(1)}`],
      missing: [`acme/${accountId(1)}`],
    })
  })

  test('a key is folded anew for the tenant that is named', async () => {
    await sql`update rm_accounts_v1_t1.account set balance = 9`.execute(fixture.db)
    await sql`update rm_accounts_v1_t2.account set balance = 9`.execute(fixture.db)
    const keys = [accountId(1)]
    expect(await runJob('keys', { keys })).toMatchObject({
      state: 'failed',
      reason: expect.stringMatching(/name the one/),
    })
    expect(await runJob('keys', { keys, tenant: 'globex' })).toMatchObject({ state: 'done' })
    expect(await balancesIn('tenant_globex')).toEqual([7, 9])
    expect(await balancesIn('tenant_acme')).toEqual([9])
  })

  test('a moment has tables for each of them, and none is left of it', async () => {
    const [registered] = projector.registered
    if (registered === undefined) throw new Error('nothing is registered')
    const { jobId, ...moment } = await registerMoment(fixture.db, registered, {
      untilMs: Date.now() + 1_000,
    })
    await until(async () => expect((await readJob(fixture.db, jobId))?.state).toBe('done'))
    expect(await balancesIn(`${moment.schemaName}_t1`)).toEqual([5])
    expect(await balancesIn(`${moment.schemaName}_t2`)).toEqual([7, 8])
    await retire(fixture.db, { name: 'accounts', version: moment.version })
    expect(await relationsIn(`${moment.schemaName}%`)).toEqual([])
    expect(await balancesIn('tenant_acme')).toEqual([5])
  })

  test('a dry run says whose rows would change', async () => {
    fixture.log.append(0, of('acme', 1, 0), of('globex', 2, 0))
    await hasCome(5)
    const { projectionId } = await readVersion(fixture.db, { name: 'accounts', version: 1 })
    const owner = { projection: { ...apart, on: mended }, projectionId, topic: TOPIC }
    const registered = { ...owner, schemaName: 'rm_accounts_v1' }
    const { keys } = await readParkedKeys(fixture.db, registered, sql`true`)
    const queue = await readLettersOf(
      fixture.db,
      registered,
      keys.map((key) => ({ ...key, lettersLeft: null })),
    )
    const options = { nowMs: Date.now, aheadMaxMs: 60_000, tenantHeader: 'tenant' }
    const reader = new RecordReader(apart, new JsonSerde(), options)
    const { signal } = new AbortController()
    const { changes } = await dryRun(fixture.db, registered, { reader, queue, signal })
    expect(changes).toMatchObject([
      { table: 'tenant_acme.account', before: { balance: 5 }, after: { balance: 6 } },
      { table: 'tenant_globex.account', before: { balance: 8 }, after: { balance: 9 } },
    ])
    expect(await balancesIn('tenant_acme')).toEqual([5])
  })

  const mended: FoldProjection['on'] = {
    Deposited: (row) => ({ ...row, balance: Number(row['balance']) + 1 }),
  }
})

test('a tenant is registered over HTTP before his first event, with tables to read', async () => {
  const { projector, metrics } = fixture.start([apart], {
    ...WITH_TENANTS,
    tenants: { unknownTenants: 'park' },
  })
  await until(() => expect(projector.registered).toHaveLength(1))
  const http = createHttpServer({
    name: 'projector',
    version: 'test',
    health: new Health(),
    metrics,
  })
  takeStrictly(http)
  addTenantRoutes(http, { db: projector.db, registered: () => projector.registered })
  const post = async (query: string) =>
    (await http.inject({ method: 'POST', url: `/tenants${query}`, payload: {} })).statusCode
  expect([await post(''), await post('?name='), await post('?name=a&nam=b')]).toEqual([
    400, 400, 400,
  ])
  expect([await post('?name=acme'), await post('?name=acme'), await post('?name=a%20b')]).toEqual([
    200, 200, 200,
  ])
  expect(await balancesIn('tenant_acme')).toEqual([])
  fixture.log.append(0, of('acme', 1, 5))
  await hasCome(1)
  expect(await balancesIn('tenant_acme')).toEqual([5])
  const { tenants } = (await http.inject('/tenants')).json()
  expect(tenants).toMatchObject([
    { name: 'a b', schemaName: expect.stringMatching(/^tenant\d+_a_b$/) },
    { name: 'acme', schemaName: 'tenant_acme' },
  ])
  await http.close()
})

describe('a projector for some tenants', () => {
  test('passes over the events of all others, whatever they are', async () => {
    const future = { ...of('globex', 1, 1), headers: [['eventType', Buffer.from('NotYetKnown')]] }
    const headers = [...future.headers, ['tenant', Buffer.from('globex')]] as const
    fixture.log.append(0, of('acme', 1, 5), { ...future, headers: headers as never })
    fixture.log.append(0, of('globex', 1, 0), deposited(accountId(1), 3), of('acme', 1, 1))
    fixture.start([accounts], { ...WITH_TENANTS, tenants: { includedTenants: ['acme'] } })
    await hasCome(5)
    expect(await balancesIn('public')).toEqual([6])
    expect(await fixture.letters()).toEqual([])
  })

  test('keeps to them: with others, a version does not start', async () => {
    fixture.log.append(0, of('acme', 1, 5))
    fixture.start([accounts], { ...WITH_TENANTS, tenants: { includedTenants: ['acme'] } })
    await hasCome(1)
    await fixture.stopAll()
    const tenants = { includedTenants: ['acme', 'globex'] }
    const { failures } = fixture.start([accounts], { ...WITH_TENANTS, tenants })
    await until(() => expect(failures).toHaveLength(1))
    expect(String(failures[0])).toMatch(/takes in the events of acme, .* names acme, globex/)
  })
})

describe("row-level security, by the tenant of a handler's events", () => {
  const PASSWORD = 'tenants-test'
  const ROLE = 'tenants_test_projector'

  const counts: SqlProjection = {
    ...totals,
    name: 'counts',
    tenants: 'row',
    migrate: async (db) => {
      await sql`create table tally (tenant text primary key, count int not null)`.execute(db)
      await sql`alter table tally enable row level security, force row level security`.execute(db)
      await sql`create policy own on tally
        using (tenant = current_setting('app.tenant', true))`.execute(db)
    },
    on: {
      Deposited: async ({ tenant, data }, { trx }) => {
        const { amount } = data as { readonly amount: number }
        if (amount === 0) throw new RangeError('nothing deposited')
        // Of whichever tenant's events: the policy says which row it is.
        const { rows } = await sql`
          update rm_counts_v1.tally set count = count + 1 returning tenant`.execute(trx)
        if (rows.length > 0) return
        await sql`insert into rm_counts_v1.tally values (${tenant}, 1)`.execute(trx)
      },
    },
  }

  test('handlers change rows of their tenant alone, one by one behind savepoints too', async () => {
    await sql`
      do $$ begin
        create role ${sql.id(ROLE)} login password ${sql.lit(PASSWORD)};
      exception when duplicate_object or unique_violation then null;
      end $$`.execute(fixture.db)
    const url = new URL(fixture.url)
    await sql`grant create on database ${sql.id(url.pathname.slice(1))} to ${sql.id(ROLE)}`.execute(
      fixture.db,
    )
    await sql`grant create on schema public to ${sql.id(ROLE)}`.execute(fixture.db)
    url.username = ROLE
    url.password = PASSWORD
    fixture.log.append(0, of('acme', 1, 1), of('globex', 1, 1), of('acme', 2, 1))
    const options = { ...WITH_TENANTS, databaseConnectionsMax: 1 }
    const { projector } = fixture.startAt(String(url), [counts], options)
    await hasCome(3)
    fixture.log.append(0, of('globex', 2, 0), of('globex', 3, 1), of('acme', 1, 1))
    await hasCome(6)
    const { rows } = await sql`
      select tenant, count from rm_counts_v1.tally order by tenant`.execute(fixture.db)
    expect(rows).toEqual([
      { tenant: 'acme', count: 3 },
      { tenant: 'globex', count: 2 },
    ])
    expect(await fixture.letters()).toMatchObject([{ offset: 3, error: 'RangeError' }])
    // What comes next on the connection is nobody's of them.
    const { rows: behind } = await sql`
      select coalesce(current_setting('app.tenant', true), '') as tenant`.execute(projector.db)
    expect(behind).toEqual([{ tenant: '' }])
  })
})
