import { expect, test } from 'vitest'
import type { ProjectionStack } from '../support/projection-stack.ts'
import { waitFor } from '../support/wait-for.ts'
import {
  cli,
  deposits,
  hasState,
  liveRows,
  oracleRows,
  release,
  schemas,
  secondReady,
  startStack,
  stateOf,
} from './rebuild-stack.ts'

/**
 * A reader that has to wait for longer fails. A promotion waits 500 ms for its locks, and whoever is
 * behind it no longer: Postgres measures both, so that a busy machine makes no difference.
 */
const READER_LOCK_TIMEOUT_MS = 1_500
const CATCH_UP_DEADLINE_MS = 300_000

test('a long reader makes the promotion step back, and others read on meanwhile', async () => {
  await using stack = await startStack()
  const second = await secondReady(stack)

  const reader = await stack.pool.connect()
  await reader.query('begin; select count(*) from public.account')
  await using readers = pollReaders(stack)
  const rolledBack = await rollbacks(stack)
  const promoting = cli(second, 'promote', 'accounts', '--version', '2')
  await waitFor('the promotion to wait for the reader', 60_000, async () => {
    const { rowCount } = await stack.pool.query(
      `select from pg_locks where not granted and mode = 'AccessExclusiveLock'
         and relation = 'public.account'::regclass`,
    )
    return rowCount === 1
  })
  await waitFor(
    'it to step back and come again',
    60_000,
    async () => (await rollbacks(stack)) > rolledBack + 1,
  )
  expect(await stateOf(stack, 2)).toBe('ready')
  await reader.query('commit')
  reader.release()
  expect(await promoting).toMatchObject({
    exitCode: 0,
    stdout: expect.stringMatching(/v2 is live/),
  })
  const { failures, reads } = await readers.stop()
  expect(failures).toEqual([])
  expect(reads).toBeGreaterThan(10)
})

test('busy readers see no error in a swap that changes columns, but for named statements', async () => {
  await using stack = await startStack()
  const second = await secondReady(stack)
  const named = await stack.pool.connect()
  const text = 'select * from public.account limit 1'
  await named.query({ name: 'star', text })
  await using readers = pollReaders(stack, 3)
  for (let round = 0; round < 3; round += 1) {
    const promoted = await cli(second, 'promote', 'accounts', '--version', '2', '--json')
    expect(promoted.stderr).toBe('')
    expect(JSON.parse(promoted.stdout)).toMatchObject({ live: 2, durationMs: expect.any(Number) })
    expect((await cli(second, 'rollback', 'accounts')).exitCode).toBe(0)
  }
  expect((await readers.stop()).failures).toEqual([])
  await cli(second, 'promote', 'accounts', '--version', '2')
  await expect(named.query({ name: 'star', text })).rejects.toMatchObject({ code: '0A000' })
  named.release()
  expect(await liveRows(stack)).toEqual(await oracleRows(stack))
})

test('old code that comes back is a standby, and takes nothing from the live version', async () => {
  await using stack = await startStack()
  await stack.publish(...deposits(300))
  const first = release(stack, 'accounts:1')
  await stack.caughtUp('accounts')
  // A process that is silent for longer than its session claims its partitions anew, with other fences.
  const second = release(stack, 'accounts:2', { 'session.timeout.ms': 60_000 })
  await hasState(stack, 2, ['ready'])
  expect((await cli(second, 'promote', 'accounts', '--version', '2')).exitCode).toBe(0)
  await first.stop()
  await stack.publish(...deposits(300, 300))
  await stack.caughtUp('accounts', { version: 2 })
  const fences = await fencesOf(stack, 2)

  release(stack, 'accounts:1')
  await stack.caughtUp('accounts', { version: 1 })
  expect([await stateOf(stack, 1), await stateOf(stack, 2)]).toEqual(['standby', 'live'])
  expect(await fencesOf(stack, 2)).toEqual(fences)
  expect(await liveRows(stack)).toEqual(await oracleRows(stack))

  const older = release(stack, 'accounts:1=reordered')
  await waitFor('the other code to be refused', 60_000, () => !older.isRunning)
  expect(older.exitCode).not.toBe(0)
  expect(older.logLines.join('\n')).toMatch(/accounts v1 is registered with other code/)
  expect((await cli(second, 'rollback', 'accounts')).exitCode).toBe(0)
  expect(await liveRows(stack)).toEqual(await oracleRows(stack))
  expect((await cli(second, 'retire', 'accounts', '--version', '1')).exitCode).toBe(5)
  expect((await cli(second, 'retire', 'accounts', '--version', '2')).exitCode).toBe(0)
  expect(await schemas(stack)).toEqual(['rm_accounts_v1'])
})

test('two versions at once, one of which is killed: each event has its side effect once', async () => {
  await using stack = await startStack()
  await stack.pool.query('create table public.mail_sent (part int, log_offset bigint)')
  await stack.publish(...deposits(200))
  const first = release(stack, 'mail:1')
  await stack.caughtUp('mail')
  let second = release(stack, 'mail:2')
  await hasState(stack, 2, ['ready'], 'mail')
  const traffic = publishSteadily(stack, 200)
  const swap = async (...argv: readonly string[]): Promise<void> => {
    const { exitCode, stderr } = await cli(first, ...argv)
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  }
  await swap('promote', 'mail', '--version', '2', '--lag-records-max', '100000')
  await second.stop('SIGKILL')
  await traffic.hasPublished(200)
  second = release(stack, 'mail:2')
  await traffic.hasPublished(200)
  await swap('rollback', 'mail', '--lag-records-max', '100000')
  await traffic.hasPublished(100)
  await swap('promote', 'mail', '--version', '2', '--lag-records-max', '100000')
  await traffic.hasPublished(100)
  await traffic.stop()
  // However much was published while the commands ran.
  await stack.caughtUp('mail', { deadlineMs: CATCH_UP_DEADLINE_MS })
  await stack.caughtUp('mail', { version: 2, deadlineMs: CATCH_UP_DEADLINE_MS })

  const ends = await stack.logEnds()
  const { rows } = await stack.pool.query<{ part: number; sent: string; offsets: string }>(
    `select part, count(*) as sent, count(distinct log_offset) as offsets
     from public.mail_sent group by part order by part`,
  )
  const expected = ends.map((end, part) => ({ part, sent: String(end), offsets: String(end) }))
  expect(rows).toEqual(expected)
  expect(await schemas(stack)).toEqual(['rm_mail_v1', 'rm_mail_v2'])
  const partitions = ends.map((_end, partition) => ({ topic: stack.topic, partition }))
  for (const group of ['projector-mail-v1', 'projector-mail-v2']) {
    await waitFor(`${group} to be at the end`, 60_000, async () => {
      const committed = await stack.admin.committedOffsets(group, partitions)
      return ends.every((end, part) => committed[part]?.offset === end)
    })
  }
}, 900_000)

type Readers = {
  readonly failures: readonly unknown[]
  readonly reads: number
}

/** Each reads the view over and over, with statements that have no name and wait for no lock for long. */
function pollReaders(
  stack: ProjectionStack,
  readerCount = 1,
): AsyncDisposable & { readonly stop: () => Promise<Readers> } {
  const stopping = new AbortController()
  const failures: unknown[] = []
  let reads = 0
  const read = async (): Promise<void> => {
    const session = await stack.pool.connect()
    try {
      await session.query(`set lock_timeout = ${READER_LOCK_TIMEOUT_MS}`)
      while (!stopping.signal.aborted) {
        const { rows } = await session.query<{ count: string }>(
          'select count(*) from (select * from public.account) a',
        )
        if (rows[0]?.count === '0') throw new Error('the table is empty')
        reads += 1
      }
    } finally {
      session.release(true)
    }
  }
  // The first failure of a reader ends it.
  const reading = Array.from({ length: readerCount }, () =>
    read().catch((error: unknown) => void failures.push(error)),
  )
  const stop = async (): Promise<Readers> => {
    stopping.abort()
    await Promise.all(reading)
    return { failures, reads }
  }
  return { stop, [Symbol.asyncDispose]: async () => void (await stop()) }
}

/** Transactions that did not commit: meanwhile, those of promotions that could not have a lock in time. */
async function rollbacks(stack: ProjectionStack): Promise<number> {
  const { rows } = await stack.pool.query<{ count: number }>(
    'select xact_rollback::int as count from pg_stat_database where datname = current_database()',
  )
  return rows[0]?.count ?? 0
}

async function fencesOf(stack: ProjectionStack, version: number): Promise<readonly string[]> {
  const { rows } = await stack.pool.query<{ fence: string }>(
    'select fence from evt.checkpoint where version = $1 order by part',
    [version],
  )
  return rows.map(({ fence }) => fence)
}

function publishSteadily(stack: ProjectionStack, from: number) {
  const stopping = new AbortController()
  let count = from
  const publishing = (async () => {
    while (!stopping.signal.aborted) {
      await stack.publish(...deposits(20, count))
      count += 20
    }
  })()
  return {
    hasPublished: async (more: number): Promise<void> => {
      const goal = count + more
      await waitFor(`${more} more events`, 60_000, () => count >= goal)
    },
    stop: async (): Promise<void> => {
      stopping.abort()
      await publishing
    },
  }
}
