import { join } from 'node:path'
import { CutOffProxy } from '@fairlead/testing'
import { expect, test } from 'vitest'
import { ProjectionStack } from '../support/projection-stack.ts'
import { waitFor } from '../support/wait-for.ts'
import { foldAccounts, readAccounts, readLetters } from './account-oracle.ts'
import { AccountEvents } from './accounts.ts'

const PROJECTIONS = join(import.meta.dirname, 'accounts.ts')
const GROUP = 'projector-accounts-v1'

const start = (partitions = 1): Promise<ProjectionStack> =>
  ProjectionStack.start({ events: AccountEvents, projections: PROJECTIONS, partitions })

function deposits(count: number, amountOf = (index: number): number => index + 1) {
  return Array.from({ length: count }, (_, index) =>
    AccountEvents.Deposited({ accountId: `account-${index % 7}`, amount: amountOf(index) }),
  )
}

async function expectOracle(stack: ProjectionStack): Promise<void> {
  const expected = await foldAccounts(stack)
  expect(await readAccounts(stack)).toEqual(expected.rows)
  expect(await readLetters(stack)).toEqual(expected.letters)
}

test('killed between the commit of the database and that of the group: nothing is applied again', async () => {
  await using stack = await start()
  await stack.publish(...deposits(50))
  const proxy = await CutOffProxy.inFrontOf(stack.postgres.url)
  const first = stack.projector({ 'database.url': proxy.url })
  await stack.caughtUp('accounts')
  await waitFor('the group to be at the end', 60_000, async () => (await committed(stack)) === 50)

  // The server commits the next batch, and the projector never gets to hear of it.
  proxy.fateOfCommit = () => 'withheld'
  await stack.publish(...deposits(30))
  await stack.caughtUp('accounts')
  await first.stop('SIGKILL')
  expect(await committed(stack)).toBe(50)
  await proxy.close()

  stack.projector()
  await waitFor('the group to catch up', 60_000, async () => (await committed(stack)) === 80)
  await expectOracle(stack)
})

async function committed(stack: ProjectionStack): Promise<number | undefined> {
  const partitions = [{ topic: stack.topic, partition: 0 }]
  return (await stack.admin.committedOffsets(GROUP, partitions))[0]?.offset
}

test('killed while rows are written: the whole batch is rolled back, and applied once', async () => {
  await using stack = await start()
  await stack.publish(...deposits(20))
  const first = stack.projector()
  await stack.caughtUp('accounts')

  const blocker = await stack.pool.connect()
  await blocker.query('begin; lock table rm_accounts_v1.account in exclusive mode')
  await stack.publish(...deposits(200))
  await waitFor('the projector to write rows', 60_000, async () => {
    const { rowCount } = await stack.pool.query(
      `select from pg_stat_activity where wait_event_type = 'Lock'
       and application_name = 'fairlead-projector' and query ilike 'insert%unnest%'`,
    )
    return rowCount === 1
  })
  await first.stop('SIGKILL')
  await blocker.query('rollback')
  blocker.release()
  expect((await stack.checkpoints('accounts')).get(0)).toBe(20)

  stack.projector()
  await stack.caughtUp('accounts')
  await expectOracle(stack)
})

test.for(['lost', 'unanswered'] as const)(
  'a connection that is lost at a commit: what happened is read, not guessed (%s)',
  async (fate) => {
    await using stack = await start()
    const proxy = await CutOffProxy.inFrontOf(stack.postgres.url)
    let commits = 0
    proxy.fateOfCommit = () => {
      commits += 1
      return commits > 5 && commits % 4 === 0 ? fate : 'delivered'
    }
    await stack.publish(...deposits(300))
    const app = stack.projector({ 'database.url': proxy.url, 'batch.records.max': 10 })
    await stack.caughtUp('accounts')
    expect(commits).toBeGreaterThan(30)
    await expectOracle(stack)
    await app.stop('SIGKILL')
    await proxy.close()
  },
)

test('a worker that slept through its replacement is fenced, and changes nothing', async () => {
  await using stack = await start()
  await stack.publish(...deposits(20))
  const proxy = await CutOffProxy.inFrontOf(stack.postgres.url)
  const sleeper = stack.projector({ 'database.url': proxy.url })
  await stack.caughtUp('accounts')

  // It has the next records in its memory, and is about to begin the batch.
  proxy.hold()
  await stack.publish(...deposits(100))
  await waitFor('the sleeper to begin a batch', 60_000, () => proxy.isHoldingBegin)
  process.kill(sleeper.pid, 'SIGSTOP')
  const successor = stack.projector()
  await stack.caughtUp('accounts')

  proxy.release()
  process.kill(sleeper.pid, 'SIGCONT')
  await waitFor('the sleeper to be fenced', 60_000, async () => {
    return (await stack.metric(sleeper, 'projection_fenced_total')) > 0
  })
  // It has joined again: alone, it has the partition.
  await successor.stop()
  await stack.publish(...deposits(50))
  await stack.caughtUp('accounts')
  await expectOracle(stack)
  await stack.hasMetric(sleeper, 'projection_fenced_total', 1)
  await sleeper.stop('SIGKILL')
  await proxy.close()
})

test('a group whose offsets were set back changes nothing: the checkpoint says where to read', async () => {
  await using stack = await start()
  await stack.publish(...deposits(100))
  const first = stack.projector()
  await stack.caughtUp('accounts')
  await waitFor('the group to be at the end', 60_000, async () => (await committed(stack)) === 100)
  await first.stop()
  await stack.resetGroup(GROUP, 0)

  stack.projector()
  await stack.publish(...deposits(10))
  await stack.caughtUp('accounts')
  await expectOracle(stack)
})
