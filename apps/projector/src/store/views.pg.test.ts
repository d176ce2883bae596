import type { Projection } from '@fairlead/projection'
import { type KyselyPlugin, sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { accounts } from '../testing/accounts.test-fixture.ts'
import { type TwoVersions, openTwoVersions } from '../testing/two-versions.test-fixture.ts'
import { promote } from './promote.ts'
import { planShowing, showTables } from './views.ts'
import type { LimitWait } from './wait-limit.ts'

const SWAP = { lagRecordsMax: 0, acceptParked: false, acceptLostEffects: false, timeoutMs: 0 }
const ASKED = { ...SWAP, name: 'accounts', version: 2 }

/** Columns in another order, and one of them gone: its view cannot be replaced in its place. */
const rearranged: Projection = {
  ...accounts,
  version: 2,
  table: {
    ...accounts.table,
    columns: { id: 'uuid', total: 'bigint', balance: 'integer', last_at: 'timestamptz' },
  },
}

const READER = 'views_test_reader'
const OWNER = 'views_test_owner'

const limitWait: LimitWait = () => Promise.resolve()

const inPublic = (from: string) => ({ from, into: 'public' })

let versions: TwoVersions

beforeEach(async () => {
  versions = await openTwoVersions(accounts, rearranged)
  for (const role of [READER, OWNER]) {
    await sql`
      do $$ begin
        create role ${sql.id(role)};
      exception when duplicate_object or unique_violation then null;
      end $$`.execute(versions.db)
  }
})

afterEach(() => versions.close())

async function run(...statements: readonly string[]): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(versions.db)
}

/** All that is known of a view, but for its definition. */
async function propertiesOf(view: string): Promise<unknown> {
  const { rows } = await sql`
    select pg_get_userbyid(relowner) as owner, relacl::text as acl, reloptions as options,
      obj_description(oid, 'pg_class') as comment,
      (select json_object_agg(attname, json_build_array(attacl::text, col_description(c.oid, attnum),
          (select pg_get_expr(adbin, adrelid) from pg_attrdef
            where adrelid = c.oid and adnum = attnum)) order by attname)
        from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped
          and attname <> 'note') as columns,
      array(select pg_get_triggerdef(oid) from pg_trigger where tgrelid = c.oid) as triggers,
      array(select pg_get_ruledef(oid) from pg_rewrite
        where ev_class = c.oid and rulename <> '_RETURN') as rules
    from pg_class c where oid = ${view}::regclass`.execute(versions.db)
  return rows[0]
}

const PROPERTIES = (view: string) => [
  `alter view ${view} set (security_barrier = true)`,
  `grant select on ${view} to ${READER} with grant option`,
  `grant update (balance) on ${view} to ${READER}`,
  `comment on view ${view} is 'it''s shown'`,
  `comment on column ${view}.balance is 'in cents'`,
  `alter view ${view} alter column balance set default 7`,
  `create trigger guard instead of update on ${view} for each row execute function guarded()`,
  `create rule ignore as on delete to ${view} do instead nothing`,
  `alter view ${view} owner to ${OWNER}`,
]

test('a promotion that changes columns leaves the properties of views as they were', async () => {
  await run(
    `create function guarded() returns trigger language plpgsql as 'begin return null; end'`,
    'create view rich as select id, balance from account where balance > 0',
    `grant select (note) on account to ${READER}`,
    ...PROPERTIES('account'),
    ...PROPERTIES('rich'),
    `alter default privileges in schema public grant delete on tables to ${READER}`,
  )
  const before = [await propertiesOf('public.account'), await propertiesOf('public.rich')]
  await promote(versions.db, ASKED)
  expect([await propertiesOf('public.account'), await propertiesOf('public.rich')]).toEqual(before)
})

test('a view that is replaced in its place keeps its options', async () => {
  await run('alter view account set (security_barrier = true)')
  await versions.db
    .transaction()
    .execute((trx) =>
      showTables(trx, inPublic('rm_accounts_v1'), { from: 'rm_accounts_v1', limitWait }),
    )
  expect(await propertiesOf('public.account')).toMatchObject({ options: ['security_barrier=true'] })
})

test('the wait for each view is limited on its own', async () => {
  await run(
    'create view rich as select id from account where balance > 0',
    'create view richest as select id from rich limit 1',
  )
  const counts: number[] = []
  await versions.db.transaction().execute(async (trx) => {
    const countLocked = async (): Promise<void> => {
      const { rows } = await sql<{ count: number }>`
        select count(*)::int as count from pg_locks
        where pid = pg_backend_pid() and mode = 'AccessExclusiveLock' and locktype = 'relation'
          and relation = any(${held}::oid[])`.execute(trx)
      counts.push(rows[0]?.count ?? 0)
    }
    const { rows } = await sql<{ oid: string }>`
      select c.oid::text from pg_class c where relkind = 'v' and relnamespace = 'public'::regnamespace`.execute(
      trx,
    )
    const held = rows.map(({ oid }) => oid)
    const shown = { from: 'rm_accounts_v1', limitWait: countLocked }
    await showTables(trx, inPublic('rm_accounts_v2'), shown)
    await countLocked()
  })
  expect(counts.at(-1)).toBe(3)
  const steps = counts.slice(1).map((count, index) => count - (counts[index] ?? 0))
  expect(Math.max(...steps)).toBe(1)
})

test('while a view is taken from its readers nothing is read', async () => {
  let statementCount = 0
  const counting: KyselyPlugin = {
    transformQuery: ({ node }) => {
      statementCount += 1
      return node
    },
    transformResult: ({ result }) => Promise.resolve(result),
  }
  await versions.db.transaction().execute(async (trx) => {
    const shown = inPublic('rm_accounts_v1')
    const show = await planShowing(trx.withPlugin(counting), [
      { ...shown, before: 'rm_accounts_v1' },
    ])
    expect(statementCount).toBeGreaterThan(0)
    statementCount = 0
    await show(limitWait)
    expect(statementCount).toBe(1)
  })
})

const isTold = (message: RegExp) => ({ code: 'DEPENDENT', message: expect.stringMatching(message) })

describe('a promotion tells what stands in its way:', () => {
  test('a function that depends on the view', async () => {
    await run(
      'create function rich() returns setof account begin atomic select * from account; end',
    )
    const refused = isTold(/public\.account cannot be shown: .*function rich\(\) depends on/s)
    await expect(promote(versions.db, ASKED)).rejects.toMatchObject(refused)
  })

  test('something else that has the name of a new view', async () => {
    await run('create table rm_accounts_v2.taken (id int)', 'create table public.taken (id int)')
    const refused = isTold(/public\.taken cannot be shown: .*already exists/)
    await expect(promote(versions.db, ASKED)).rejects.toMatchObject(refused)
  })

  test('a view of somebody else that depends on it', async () => {
    await run(
      'create view rich as select id from account',
      `alter view account owner to ${OWNER}`,
      `grant usage on schema rm_accounts_v2, rm_accounts_v1 to ${OWNER}`,
    )
    const shown = versions.db.transaction().execute(async (trx) => {
      await sql.raw(`set local role ${OWNER}`).execute(trx)
      await showTables(trx, inPublic('rm_accounts_v2'), { from: 'rm_accounts_v1', limitWait })
    })
    await expect(shown).rejects.toMatchObject(isTold(/must be owner of view rich/))
  })
})

test('a column that gets another type in its place is shown with it, and with its old one when that is taken back', async () => {
  await versions.close()
  const columns = { ...accounts.table.columns, balance: 'bigint' }
  const widened: Projection = { ...accounts, version: 2, table: { ...accounts.table, columns } }
  versions = await openTwoVersions(accounts, widened)
  const typeOfBalance = async (): Promise<unknown> => {
    const { rows } = await sql<{ type: string }>`
      select format_type(atttypid, atttypmod) as type from pg_attribute
      where attrelid = 'public.account'::regclass and attname = 'balance'`.execute(versions.db)
    return rows[0]?.type
  }
  await promote(versions.db, ASKED)
  expect(await typeOfBalance()).toBe('bigint')
  await promote(versions.db, { ...ASKED, version: 1 })
  expect(await typeOfBalance()).toBe('integer')
})
