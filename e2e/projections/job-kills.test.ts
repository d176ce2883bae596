import { expect, test } from 'vitest'
import { freePort } from '../support/free-port.ts'
import type { ProjectionStack } from '../support/projection-stack.ts'
import { waitFor } from '../support/wait-for.ts'
import {
  cli,
  deposits,
  liveRows,
  oracleRows,
  release,
  schemas,
  startStack,
} from './rebuild-stack.ts'

const EVENTS = 3_000
const TABLE = 'rm_accounts_v1.account'
/** Exit code for rows that are not what the log says. */
const DIFFERENT = 10

type Job = { readonly kind: string; readonly state: string; readonly version: number }

test('jobs of keys, of a verification and of a moment are killed half-way, change nothing until they are done, and end right', async () => {
  await using stack = await startStack()
  await stack.publish(...deposits(EVENTS))
  const config = { 'http.port': await freePort() }
  let projector = release(stack, 'accounts:1', config)
  await stack.caughtUp('accounts')
  await projector.ready()
  const expected = await oracleRows(stack)
  await stack.pool.query(`update ${TABLE} set balance = 99 where id in ('account-1', 'account-2')`)
  const wrong = await liveRows(stack)

  /**
   * Orders a job, kills the process that does it as it waits for a lock, and lets the next one end it: whoever has
   * ordered it watches on.
   */
  const killHalfWay = async (
    { lock, exitCode }: { readonly lock: string; readonly exitCode: number },
    ...argv: readonly string[]
  ): Promise<Job> => {
    const blocker = await stack.pool.connect()
    let ordered: ReturnType<typeof cli>
    try {
      await blocker.query(`begin; ${lock}`)
      ordered = cli(projector, ...argv)
      await waitFor(`${argv[0]} to wait`, 60_000, () => isWaiting(stack))
      await projector.stop('SIGKILL')
      await blocker.query('rollback')
    } finally {
      blocker.release(true)
    }
    expect(await liveRows(stack)).toEqual(argv.includes('--until') ? expected : wrong)
    expect(await latestJob(stack)).not.toMatchObject({ state: 'done' })
    projector = release(stack, 'accounts:1', config)
    expect(await ordered).toMatchObject({ exitCode })
    const job = await latestJob(stack)
    expect(job).toMatchObject({ state: 'done' })
    return job
  }

  await killHalfWay(
    { lock: `lock table ${TABLE} in access exclusive mode`, exitCode: DIFFERENT },
    'verify',
    'accounts',
    '--sample',
    '10000',
  )
  const { rows: verified } = await stack.pool.query(
    `select result -> 'isEqual' as "isEqual", result -> 'different' as different
     from evt.projection_job order by id desc limit 1`,
  )
  expect(verified).toEqual([{ isEqual: false, different: ['account-1', 'account-2'] }])

  await killHalfWay(
    { lock: `lock table ${TABLE} in exclusive mode`, exitCode: 0 },
    'rebuild',
    'accounts',
    '--key',
    'account-1',
    '--key',
    'account-2',
  )
  expect(await liveRows(stack)).toEqual(expected)

  const moment = new Date()
  await waitFor('the moment to be over', 60_000, () => Date.now() > moment.getTime() + 1)
  await stack.pool.query('create table public.lock_of_checkpoints ()')
  await stack.pool.query(`
    create function public.wait_for_table() returns trigger language plpgsql as $$ begin
      lock table public.lock_of_checkpoints in share mode;
      return new;
    end $$;
    create trigger blocked before insert on evt.checkpoint for each row when (new.version < 0)
      execute function public.wait_for_table()`)
  const { version } = await killHalfWay(
    { lock: 'lock table public.lock_of_checkpoints in access exclusive mode', exitCode: 0 },
    'rebuild',
    'accounts',
    '--until',
    moment.toISOString(),
  )
  await stack.publish(...deposits(100, EVENTS))
  await stack.caughtUp('accounts')
  const { rows } = await stack.pool.query(
    `select id, events, balance, trail::text from rm_accounts_at_${-version}.account
     order by id collate "C"`,
  )
  expect(rows).toEqual(expected.map((row) => ({ ...row, trail: String(row.trail) })))
  expect(await liveRows(stack)).toEqual(await oracleRows(stack))
  const retired = await cli(projector, 'retire', 'accounts', '--version', String(version))
  expect(retired).toMatchObject({ exitCode: 0, stderr: '' })
  expect(await schemas(stack)).toEqual(['rm_accounts_v1'])
})

async function isWaiting(stack: ProjectionStack): Promise<boolean> {
  const { rowCount } = await stack.pool.query(
    "select from pg_locks where locktype = 'relation' and not granted",
  )
  return (rowCount ?? 0) > 0
}

async function latestJob(stack: ProjectionStack): Promise<Job> {
  const { rows } = await stack.pool.query<Job>(
    'select kind, state, version from evt.projection_job order by id desc limit 1',
  )
  const [job] = rows
  if (job === undefined) throw new Error('there is no job')
  return job
}
