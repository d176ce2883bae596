import {
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type RawBuilder,
  sql,
} from 'kysely'
import { expect, test } from 'vitest'
import { keepsTransaction } from './open-transaction.ts'

const db = new Kysely<Record<string, Record<string, unknown>>>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (of) => new PostgresIntrospector(of),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
}).withPlugin(keepsTransaction)

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
  sql`savepoint one`,
  sql`rollback to savepoint one`,
  sql`rollback work to one`,
  sql`rollback transaction to savepoint one`,
  sql`release savepoint one`,
  sql`prepare transactions as select 1`,
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
])('what keeps it is run', async (statement) => {
  await expect(run(statement)).resolves.toMatchObject({ rows: [] })
})

test('statements that Kysely writes are run', async () => {
  const inserted = db.insertInto('commit').values({ id: 'begin' }).execute()
  await expect(inserted).resolves.toHaveLength(1)
})
