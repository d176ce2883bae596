import {
  CompiledQuery,
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type RawBuilder,
  sql,
} from 'kysely'
import { expect, test } from 'vitest'
import { keepingTransaction } from './open-transaction.ts'

const inner = new Kysely<Record<string, Record<string, unknown>>>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (of) => new PostgresIntrospector(of),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
})
const db = keepingTransaction(inner)

const run = async (statement: RawBuilder<unknown>) => statement.execute(db)

test.for([
  ['commit', sql`commit`],
  ['rollback', sql`rollback`],
  ['rollback', sql`ROLLBACK WORK;`],
  ['rollback', sql`rollback and chain`],
  ['rollback', sql`rollback transaction`],
  ['end', sql`end`],
  ['abort', sql`abort`],
  ['begin', sql`begin; select 1`],
  ['start transaction', sql`start transaction read only`],
  ['prepare transaction', sql`prepare transaction 'it'`],
  [
    'commit',
    sql`  -- done
    /* all of it */ commit`,
  ],
  ['commit', sql.raw('commit')],
  ['commit', sql`${sql.raw('commit')}`],
  ['commit', sql.raw('select 1; commit')],
  ['rollback', sql.raw(`update t set a = ';';rollback; begin`)],
  ['commit', sql`select 1; ${sql.raw('commit')}`],
  ['commit', sql`/* a /* nested */ comment */ commit`],
  ['commit', sql.raw('-- a line\rcommit')],
  ['commit', sql.raw(`select e'\\'', 'a\\'; commit`)],
  ['commit', sql.raw(`select 'it''s'; commit`)],
  ['commit', sql.raw('select $$;$$, $a$ $$ $b$ $a$; commit')],
  ['commit', sql.raw('select a$b$ from t; commit; select $b$')],
  ['commit', sql.raw('select "a""b;" from t; commit')],
  ['commit', sql.raw(`select type'a\\'; commit`)],
  ['prepare transaction', sql.raw(`prepare/* it */transaction 'it'`)],
] as const)('a handler may not end its transaction: %s', async ([word, statement]) => {
  await expect(run(statement)).rejects.toThrow(`"${word}" would end it`)
})

test.for([
  CompiledQuery.raw('commit'),
  CompiledQuery.raw('select 1; commit', []),
  sql`commit`.compile(inner),
  { ...sql`select 1`.compile(inner), sql: '/* done */ commit' },
])('nor by a statement that is compiled', async (query) => {
  await expect(db.executeQuery(query)).rejects.toThrow('"commit" would end it')
  await expect(db.withoutPlugins().executeQuery(query)).rejects.toThrow('"commit" would end it')
  const streamed = db.getExecutor().stream(query, 1)
  await expect(streamed[Symbol.asyncIterator]().next()).rejects.toThrow('"commit" would end it')
})

test('nor by what pg takes beside texts', async () => {
  const query = { ...sql`select 1`.compile(inner), sql: { text: 'commit' } as unknown as string }
  await expect(db.executeQuery(query)).rejects.toThrow('the SQL of a statement is to be a text')
})

test.for([
  ['set', sql`set search_path to public`],
  ['set session', sql`set session statement_timeout = 0`],
  ['set session', sql`set session characteristics as transaction read only`],
  ['set session', sql`set session authorization default`],
  ['set role', sql`set role shop`],
  ['set time', sql`set time zone 'UTC'`],
  ['reset all', sql`reset all`],
  ['reset role', sql.raw('select 1; RESET ROLE')],
  ['set_config', sql`select set_config('search_path', ${'a'}, false)`],
  ['set_config', sql`select set_config('a', 'b', is_local => false)`],
  ['discard', sql`discard temp`],
  ['deallocate', sql`deallocate all`],
  ['prepare', sql`prepare transactions as select 1`],
  ['listen', sql`listen orders`],
  ['unlisten', sql`unlisten *`],
  ['load', sql`load 'auto_explain'`],
  ['with hold', sql`declare one cursor with hold for select 1`],
  ['create temporary', sql`create temporary table seen (id text)`],
  ['create or replace temp', sql`create or replace temp view seen as select 1`],
  ['into temp', sql`select 1 into temp seen`],
  ['pg_advisory_lock', sql`select pg_advisory_lock(1)`],
  ['pg_try_advisory_lock_shared', sql`select 1 where pg_try_advisory_lock_shared (1, 2)`],
] as const)('nor leave anything behind in its session: %s', async ([words, statement]) => {
  await expect(run(statement)).rejects.toThrow(new RegExp(`"${words}\\b.*" would outlive it`))
})

test('nor free what its session has locked, nor write-protect the rest of the batch', async () => {
  const unlocks = run(sql`select pg_advisory_unlock_all()`)
  await expect(unlocks).rejects.toThrow('"pg_advisory_unlock_all" would free')
  for (const statement of [sql`set transaction read only`, sql`set local transaction read only`]) {
    await expect(run(statement)).rejects.toThrow('would change it for all')
  }
})

test('nor by a builder', async () => {
  const made = db.schema.createTable('seen').temporary().addColumn('id', 'text')
  await expect(made.execute()).rejects.toThrow('"create temporary" would outlive it')
  await expect(made.onCommit('drop').execute()).resolves.not.toThrow()
})

test.for([
  sql`savepoint one`,
  sql`rollback to savepoint one`,
  sql`rollback work to one`,
  sql`rollback transaction to savepoint one`,
  sql`release savepoint one`,
  sql`set constraints all immediate`,
  sql`set local statement_timeout = 1`,
  sql`select 'commit'`,
  sql`insert into commits values (${'commit'})`,
  sql`-- commit`,
  sql`/* commit */ select 1`,
  sql`${'commit'}`,
  sql`ends`,
  sql.raw(`select ';commit'`),
  sql.raw(`select e'\\';commit'`),
  sql.raw(`select e'a'';commit'`),
  sql.raw('select 1; -- ; commit'),
  sql.raw('select 1 /* /* ; */ ; commit */'),
  sql.raw('select $$; commit; $$; select $a$; commit $$ $a$'),
  sql.raw('select ";commit"'),
  sql.raw('select case when true then 1 end; select 2'),
  sql.raw('rollback/**/to savepoint one'),
  sql.raw('select 1; rollback work to one'),
  sql.raw('update t set session = 1'),
  sql.raw('update t\nset role = 1'),
  sql`select set_config('app.tenant', ${'a'}, true), false`,
  sql`select pg_advisory_xact_lock(1), pg_try_advisory_xact_lock(2)`,
  sql`create temp table seen on commit drop as select 1`,
  sql`insert into temp select 1`,
  sql`declare one cursor for select 1`,
  sql`with hold as (select 1) select * from hold`,
  sql`settings`,
])('what keeps it is run', async (statement) => {
  await expect(run(statement)).resolves.toMatchObject({ rows: [] })
})

test('statements that Kysely writes are run', async () => {
  const inserted = db.insertInto('commit').values({ id: 'begin' }).execute()
  await expect(inserted).resolves.toHaveLength(1)
})
