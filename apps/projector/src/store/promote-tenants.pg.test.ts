import { randomUUID } from 'node:crypto'
import { type Kysely, sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { accounts } from '../testing/accounts.test-fixture.ts'
import { type TwoVersions, openTwoVersions } from '../testing/two-versions.test-fixture.ts'
import { bridgeViews } from './bridge-views.ts'
import { type Database, openDatabase } from './database.ts'
import { promote } from './promote.ts'
import { registerProjection } from './register.ts'
import { requestRebuild } from './request-rebuild.ts'
import { retire } from './retire.ts'
import { registerTenants, tenantSchemas } from './tenant-schemas.ts'
import { readVersion } from './versions.ts'

const READERS = 12

const apart = { ...accounts, tenants: 'schema' as const }
const ASKED = {
  name: 'accounts',
  version: 2,
  lagRecordsMax: 0,
  acceptParked: false,
  acceptLostEffects: false,
}

let versions: TwoVersions
let readerDb: Database

let tenants: readonly string[]

/** So many tenants with one account in each version, whose balance is the number of the version. */
async function open(tenantCount: number): Promise<void> {
  tenants = Array.from({ length: tenantCount }, (_, index) => `t${index}`)
  versions = await openTwoVersions(apart, { ...apart, version: 2 })
  readerDb = openDatabase({ url: versions.url, connectionsMax: READERS + 1 })
  await registerTenants(versions.db, tenants)
  for (const version of [1, 2]) {
    const registered = await registerProjection(versions.db, { ...apart, version })
    await versions.db.transaction().execute((trx) => tenantSchemas(trx, registered, tenants))
    await versions.stand(version, 40)
  }
  await sql`
    do $$ declare s record; begin
      for s in select schema_name, version from evt.tenant_schema loop
        execute format('insert into %I.account (id, balance, total, last_at) values (gen_random_uuid(), %s, 0, now())',
          s.schema_name, s.version);
      end loop;
    end $$`.execute(versions.db)
}

afterEach(async () => {
  await readerDb.destroy()
  await versions.close()
})

/** What one statement reads of the views of tenants. */
async function balancesOf(db: Kysely<unknown>, of: readonly string[]): Promise<readonly number[]> {
  const reads = of.map((tenant) => `select balance from tenant_${tenant}.account`)
  const { rows } = await sql<{ balance: number }>`
    select distinct balance from (${sql.raw(reads.join(' union all '))}) shown`.execute(db)
  return rows.map(({ balance }) => balance)
}

/** Holds the views of a share of the tenants as a report does, and reads some of them, again and again. */
async function keepReading(share: readonly string[], seen: Set<string>, signal: AbortSignal) {
  const views = share.map((tenant) => sql.id(`tenant_${tenant}`, 'account'))
  while (!signal.aborted) {
    await readerDb.transaction().execute(async (trx) => {
      await sql`lock table ${sql.join(views)} in access share mode`.execute(trx)
      seen.add((await balancesOf(trx, share.slice(0, 2))).join())
      await sql`select pg_sleep(0.1)`.execute(trx)
    })
  }
}

/** Views that read more than the tables of the version that is live. */
async function viewsOfSeveral(): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from pg_views
    where schemaname like 'tenant\_%' and definition like '%UNION%'`.execute(versions.db)
  return rows[0]?.count ?? 0
}

/** Runs `during` while readers hold all views all the time; what their statements have seen. */
async function whileRead(
  during: (sawSecond: () => Promise<void>) => Promise<void>,
): Promise<readonly string[]> {
  const abort = new AbortController()
  const seen = new Set<string>()
  const reading = Promise.all(
    Array.from({ length: READERS }, (_, reader) => {
      const share = tenants.filter((_each, index) => index % READERS === reader)
      return keepReading(share, seen, abort.signal)
    }),
  )
  try {
    const waiting = { timeout: 20_000 }
    await vi.waitFor(() => expect(seen).toEqual(new Set(['1'])), waiting)
    await during(() => vi.waitFor(() => expect(seen).toContain('2'), waiting))
  } finally {
    abort.abort()
    await reading
  }
  return [...seen].toSorted()
}

/** Takes the view of a tenant as a long report does, until it is let go. */
async function hold(tenant: string): Promise<() => Promise<void>> {
  const released = Promise.withResolvers<void>()
  const held = Promise.withResolvers<void>()
  const holding = readerDb.transaction().execute(async (trx) => {
    await balancesOf(trx, [tenant])
    held.resolve()
    await released.promise
  })
  await held.promise
  return () => {
    released.resolve()
    return holding
  }
}

test('with a hundred tenants a promotion ends while every view is read all the time, and every statement sees one version', {
  timeout: 500_000,
}, async () => {
  await open(100)
  const seen = await whileRead(async (sawSecond) => {
    expect(await promote(versions.db, { ...ASKED, timeoutMs: 400_000 })).toMatchObject({
      live: 2,
      previous: 1,
      viewsHeld: 0,
    })
    expect(await balancesOf(readerDb, tenants)).toEqual([2])
    await sawSecond()
  })
  expect(seen).toEqual(['1', '2'])
  expect(await viewsOfSeveral()).toBe(0)
})

describe('of views that read two versions', () => {
  beforeEach(() => open(10))

  /** As a promotion does before its swap. */
  async function bridge(): Promise<void> {
    const target = await readVersion(versions.db, ASKED)
    const live = await readVersion(versions.db, { ...ASKED, version: 1 })
    await bridgeViews(versions.db, { live, target }, performance.now() + 20_000)
  }

  test('a view that is held all the time stops the promotion, and the next one goes on with it', async () => {
    const release = await hold('t7')
    await expect(promote(versions.db, { ...ASKED, timeoutMs: 5_000 })).rejects.toMatchObject({
      code: 'LOCKED',
      message: expect.stringMatching(
        /tenant_t7\.account was held by others, one of 1 that are left/,
      ),
    })
    expect(await balancesOf(readerDb, tenants)).toEqual([1])
    expect(await viewsOfSeveral()).toBe(9)
    await release()
    expect(await promote(versions.db, { ...ASKED, timeoutMs: 25_000 })).toMatchObject({ live: 2 })
  })

  test.for([
    ['retired', retire],
    ['filled anew', (db: Database) => requestRebuild(db, ASKED, {})],
  ] as const)('none goes with a version that is %s', async ([, discard]) => {
    await bridge()
    expect(await viewsOfSeveral()).toBe(10)
    expect(await balancesOf(readerDb, tenants)).toEqual([1])
    await sql`delete from evt.projection_job`.execute(versions.db)
    await discard(versions.db, ASKED)
    expect(await balancesOf(readerDb, tenants)).toEqual([1])
    expect(await viewsOfSeveral()).toBe(0)
  })

  test.for([
    ['filled anew', (db: Database) => requestRebuild(db, ASKED, {})],
    ['retired', retire],
  ] as const)('none comes to read a version that was ordered to be %s', async ([, discard]) => {
    const target = await readVersion(versions.db, ASKED)
    const live = await readVersion(versions.db, { ...ASKED, version: 1 })
    await sql`delete from evt.projection_job`.execute(versions.db)
    await discard(versions.db, ASKED)
    await bridgeViews(versions.db, { live, target }, performance.now() + 20_000)
    expect(await viewsOfSeveral()).toBe(0)
    expect(await balancesOf(readerDb, tenants)).toEqual([1])
  })

  test('a version is not retired while a view that reads it is held', async () => {
    await bridge()
    const release = await hold('t7')
    await expect(retire(versions.db, ASKED)).rejects.toMatchObject({ code: 'LOCKED' })
    await release()
    await retire(versions.db, ASKED)
    expect(await balancesOf(readerDb, tenants)).toEqual([1])
  })

  test('a view that cannot be let go after the swap shows the version that is live', async () => {
    await bridge()
    const release = await hold('t7')
    expect(await promote(versions.db, { ...ASKED, timeoutMs: 0 })).toMatchObject({
      live: 2,
      viewsHeld: 1,
    })
    expect(await balancesOf(readerDb, tenants)).toEqual([2])
    await release()
    expect(await promote(versions.db, { ...ASKED, timeoutMs: 0 })).toMatchObject({ viewsHeld: 0 })
    expect(await viewsOfSeveral()).toBe(0)
  })

  test('a tenant whose tables the version has not made yet is no reason to refuse the others', async () => {
    const registered = await registerProjection(versions.db, apart)
    await registerTenants(versions.db, ['late'])
    await versions.db.transaction().execute((trx) => tenantSchemas(trx, registered, ['late']))
    await bridge()
    expect(await viewsOfSeveral()).toBe(10)
    await expect(promote(versions.db, { ...ASKED, timeoutMs: 25_000 })).rejects.toMatchObject({
      code: 'NOT_BUILT',
    })
    expect(await viewsOfSeveral()).toBe(0)
  })

  test.for(['check_option=local', 'security_invoker=t', 'security_invoker=yes'])(
    'a view with %s is left to the swap',
    async (option) => {
      await sql`alter view tenant_t3.account set (${sql.raw(option)})`.execute(versions.db)
      await bridge()
      expect(await viewsOfSeveral()).toBe(9)
      expect(await promote(versions.db, { ...ASKED, timeoutMs: 25_000 })).toMatchObject({ live: 2 })
      expect(await balancesOf(readerDb, tenants)).toEqual([2])
      const { rows } = await sql`
        select from pg_class where relkind = 'v' and reloptions = array[${option}]`.execute(
        versions.db,
      )
      expect(rows).toHaveLength(1)
    },
  )

  test('a view whose owner may not read the tables of the version is read as before until the swap', async () => {
    const owner = sql.id(`owner_${randomUUID()}`)
    await sql`create role ${owner}`.execute(versions.db)
    try {
      await sql`grant usage on schema evt, tenant_t3 to ${owner}`.execute(versions.db)
      await sql`grant create on schema tenant_t3 to ${owner}`.execute(versions.db)
      await sql`grant select on evt.projection to ${owner}`.execute(versions.db)
      const { rows } = await sql<{ schema: string }>`
        select s.schema_name as schema from evt.tenant_schema s join evt.tenant t on t.id = s.tenant_id
        where t.name = 't3' and s.version = 1`.execute(versions.db)
      const schema = sql.id(rows[0]?.schema ?? '')
      await sql`grant usage on schema ${schema} to ${owner}`.execute(versions.db)
      await sql`grant select on all tables in schema ${schema} to ${owner}`.execute(versions.db)
      await sql`alter view tenant_t3.account owner to ${owner}`.execute(versions.db)
      expect(await balancesOf(readerDb, tenants)).toEqual([1])
      await bridge()
      expect(await balancesOf(readerDb, tenants)).toEqual([1])
    } finally {
      await sql`drop owned by ${owner}; drop role ${owner}`.execute(versions.db)
    }
  })

  test('whoever is told of a failure behind the swap is told that the version is live', async () => {
    await sql`
      create function refuse() returns event_trigger language plpgsql as $$ begin
        if exists (select from evt.projection where live_version = 2) then
          raise exception 'no view today';
        end if;
      end $$;
      create event trigger refuse on ddl_command_end when tag in ('CREATE VIEW') execute function refuse()`.execute(
      versions.db,
    )
    await expect(promote(versions.db, { ...ASKED, timeoutMs: 25_000 })).rejects.toMatchObject({
      code: 'LOCKED',
      message: expect.stringMatching(/^accounts v2 is live.*no view today.*promote v2 once more$/),
    })
    expect(await balancesOf(readerDb, tenants)).toEqual([2])
    await sql`drop event trigger refuse`.execute(versions.db)
    expect(await promote(versions.db, { ...ASKED, timeoutMs: 25_000 })).toMatchObject({
      live: 2,
      viewsHeld: 0,
    })
    expect(await viewsOfSeveral()).toBe(0)
  })
})
