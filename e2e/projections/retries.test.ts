import { join } from 'node:path'
import type pg from 'pg'
import { expect, test } from 'vitest'
import { fairlead } from '../support/cli.ts'
import { ProjectionStack } from '../support/projection-stack.ts'
import { waitFor } from '../support/wait-for.ts'
import { foldAccounts, readAccounts, readLetters } from './account-oracle.ts'
import { AccountEvents } from './accounts.ts'

/** More tries than a test is long. */
const OFTEN = {
  'parked.key.retries.max': 1_000,
  'parked.key.retry.backoff.ms': 200,
  'parked.key.retry.backoff.max.ms': 500,
}

const LETTERS = 700

const start = (): Promise<ProjectionStack> =>
  ProjectionStack.start({
    events: AccountEvents,
    projections: join(import.meta.dirname, 'accounts.ts'),
  })

const deposits = (accountId: string, count: number) =>
  Array.from({ length: count }, (_, index) =>
    AccountEvents.Deposited({ accountId, amount: index + 1 }),
  )

/** A row of the account needs one in a table that nobody has filled yet. */
async function withParkedKey(stack: ProjectionStack) {
  const app = stack.projector(OFTEN)
  await stack.publish(...deposits('account-first', 1))
  await stack.caughtUp('accounts')
  await stack.pool.query(`
    create table owner (id text primary key);
    insert into owner values ('account-first'), ('account-other');
    alter table rm_accounts_v1.account add foreign key (id) references owner`)
  await stack.publish(...deposits('account-late', LETTERS), ...deposits('account-other', 10))
  await stack.caughtUp('accounts')
  expect((await readLetters(stack)).size).toBe(LETTERS)
  return app
}

const fillOwners = (db: Pick<pg.Pool, 'query'>) =>
  db.query(`insert into owner values ('account-late')`)

/** A try of the parked key is under way, and stands still until `release`. */
async function tryInTheMiddle(stack: ProjectionStack) {
  const blocker = await stack.pool.connect()
  await blocker.query('begin; lock table rm_accounts_v1.account in exclusive mode')
  await fillOwners(stack.pool)
  await waitFor('a try to write rows', 60_000, async () => {
    const { rowCount } = await stack.pool.query(
      `select from pg_stat_activity where wait_event_type = 'Lock'
       and application_name = 'fairlead-projector' and query ilike 'insert%unnest%'`,
    )
    return rowCount === 1
  })
  return {
    release: async () => {
      await blocker.query('rollback')
      blocker.release()
    },
  }
}

/** Each letter was applied once, in its order, and nothing is parked any more. */
async function isHealed(stack: ProjectionStack): Promise<void> {
  await waitFor('the key to be released', 60_000, async () => {
    const { rowCount } = await stack.pool.query('select from evt.parked_key')
    return rowCount === 0
  })
  await stack.publish(...deposits('account-late', 20))
  await stack.caughtUp('accounts')
  const { rows } = await stack.pool.query<{ actor: string; action: string; letters: string }>(
    'select actor, action, count(*) as letters from evt.dead_letter_log group by 1, 2',
  )
  expect(rows).toEqual([{ actor: 'projector', action: 'retry', letters: String(LETTERS) }])
  const expected = await foldAccounts(stack)
  expect(await readAccounts(stack)).toEqual(expected.rows)
  expect(await readLetters(stack)).toEqual(expected.letters)
}

test('what the table refuses for a while is applied by itself, and lists say when it is tried', async () => {
  await using stack = await start()
  const app = await withParkedKey(stack)
  await waitFor('a few tries', 60_000, async () => {
    return (await stack.metric(app, 'dlq_retried_total', { result: 'failed' })) >= 3
  })
  await stack.hasMetric(app, 'projection_retrying_keys', 1)
  const listed = await fairlead(['dlq', 'keys', 'accounts', '--projector', app.url, '--json'])
  const [key] = JSON.parse(listed.stdout) as [{ attempts: number; nextTryAt: string }]
  expect(key.attempts).toBeGreaterThanOrEqual(3)
  expect(Date.parse(key.nextTryAt)).not.toBeNaN()
  const table = await fairlead(['dlq', 'list', 'accounts', '--projector', app.url, '--limit', '2'])
  expect(table.stdout).toMatch(/ATTEMPTS +NEXT TRY/)

  await fillOwners(stack.pool)
  await isHealed(stack)
  await stack.hasMetric(app, 'dlq_retried_total', LETTERS, { result: 'retried' })
  await stack.hasMetric(app, 'projection_retrying_keys', 0)
})

test('a process that is killed in a try has changed nothing, and leaves the key to the next', async () => {
  await using stack = await start()
  const app = await withParkedKey(stack)
  const { release } = await tryInTheMiddle(stack)
  await app.stop('SIGKILL')
  await release()
  expect((await readLetters(stack)).size).toBe(LETTERS)
  stack.projector(OFTEN)
  await isHealed(stack)
})

test('an owner that sleeps through its replacement in a try applies no letter twice', async () => {
  await using stack = await start()
  const sleeper = await withParkedKey(stack)
  const { release } = await tryInTheMiddle(stack)
  process.kill(sleeper.pid, 'SIGSTOP')
  stack.projector(OFTEN)
  await release()
  await isHealed(stack)
  process.kill(sleeper.pid, 'SIGCONT')
  await stack.publish(...deposits('account-late', 5), ...deposits('account-other', 5))
  await stack.caughtUp('accounts')
  expect(await readAccounts(stack)).toEqual((await foldAccounts(stack)).rows)
  await sleeper.stop('SIGKILL')
}, 180_000)
