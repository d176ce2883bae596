import { expect, test } from 'vitest'
import { expectOrderlyStop } from '../support/orderly-stop.ts'
import type { ProjectionStack } from '../support/projection-stack.ts'
import type { RunningApp } from '../support/running-app.ts'
import { waitFor } from '../support/wait-for.ts'
import { AccountEvents } from './accounts.ts'
import {
  type Release,
  blockCheckpoints,
  blockPhase,
  blockStatement,
  installBlocks,
  isWaiting,
} from './rebuild-blocks.ts'
import {
  cli,
  deposits,
  hasState,
  liveRows,
  oracleRows,
  rebuildOf,
  release,
  rowsOf,
  schemas,
  startStack,
  stateOf,
} from './rebuild-stack.ts'

const EVENTS = 6_000
const LATE_EVENTS = 2_000
const SMALL_BATCH = 100
const SMALL_FETCHES = { 'fetch.bytes.max': 1 }

/** A moment of a rebuild, and how a test stops it there: by a lock that the rebuild has to wait for. */
type Moment = {
  readonly name: string
  readonly block: (stack: ProjectionStack, version: number) => Promise<Release>
  readonly isReached: (stack: ProjectionStack, version: number) => Promise<boolean>
}

const MOMENTS: readonly Moment[] = [
  { name: 'prepare', block: blockStatement('DROP SCHEMA'), isReached: isWaiting },
  // All is folded, and nothing written.
  { name: 'loading', block: blockPhase('copying'), isReached: isWaiting },
  { name: 'copying', block: blockCheckpoints, isReached: isWaiting },
  { name: 'indexing', block: blockStatement('ALTER TABLE'), isReached: isWaiting },
  { name: 'catching up', block: () => Promise.resolve(nothing), isReached: isCatchingUp },
]

const nothing: Release = () => Promise.resolve()

test('a rebuild that is killed in any phase ends right, and the live version never notices', async () => {
  await using stack = await startStack()
  await publishSmall(stack)
  const live = release(stack, 'accounts:1')
  await stack.caughtUp('accounts')
  await live.ready()
  await installBlocks(stack)
  let published = EVENTS
  for (const [index, moment] of MOMENTS.entries()) {
    const version = index + 2
    const unblock = await moment.block(stack, version)
    const first = release(stack, `accounts:${version}`, SMALL_FETCHES)
    await waitFor(`v${version}: ${moment.name}`, 60_000, () => moment.isReached(stack, version))
    await first.stop('SIGKILL')
    await unblock()
    expect(await stateOf(stack, version), moment.name).not.toBe('failed')
    await stack.publish(...deposits(100, published))
    published += 100

    const second = release(stack, `accounts:${version}`)
    await hasState(stack, version, ['ready'])
    await stack.caughtUp('accounts', { version })
    const expected = await oracleRows(stack)
    expect(await rowsOf(stack, version), moment.name).toEqual(expected)
    await stack.caughtUp('accounts')
    expect(await liveRows(stack), moment.name).toEqual(expected)
    await second.stop()
    await retire(live, version)
  }
  expect(await schemas(stack)).toEqual(['rm_accounts_v1'])
  expect(live.isRunning).toBe(true)
})

test.for(['copying', 'indexing'])(
  'SIGTERM while a rebuild is %s leaves the groups, and the rebuild to the next process',
  async (phase) => {
    await using stack = await startStack()
    await publishSmall(stack)
    await installBlocks(stack)
    const moment = MOMENTS.find(({ name }) => name === phase)
    const live = release(stack, 'accounts:1')
    await stack.caughtUp('accounts')
    await live.stop()
    const unblock = await moment?.block(stack, 2)
    const both = 'accounts:1,accounts:2'
    const first = release(stack, both, { 'session.timeout.ms': 60_000 })
    await waitFor(`v2: ${phase}`, 60_000, async () => (await moment?.isReached(stack, 2)) === true)
    await waitFor('v1 to have its partitions', 60_000, () =>
      Promise.resolve(first.logLines.some((line) => line.includes('partitions assigned'))),
    )
    await first.stop()
    await expectOrderlyStop(stack, first, 'fairlead-projector-accounts-v1')
    await waitFor('the rebuild to be left', 60_000, async () => !(await isWaiting(stack)))
    await unblock?.()

    release(stack, both)
    await hasState(stack, 2, ['ready'])
    await stack.caughtUp('accounts', { version: 2 })
    expect(await rowsOf(stack, 2)).toEqual(await oracleRows(stack))
  },
)

test('a promotion that is killed has not happened, and happens when it is asked for again', async () => {
  await using stack = await startStack()
  await stack.publish(...deposits(EVENTS))
  const live = release(stack, 'accounts:1')
  await stack.caughtUp('accounts')
  const second = release(stack, 'accounts:2=reordered')
  await hasState(stack, 2, ['ready'])
  await installBlocks(stack)
  const unblock = await blockStatement('CREATE VIEW')(stack)
  const promoting = cli(second, 'promote', 'accounts', '--version', '2')
  await waitFor('the promotion to wait', 60_000, () => isWaiting(stack))
  await second.stop('SIGKILL')
  expect((await promoting).exitCode).toBe(6)
  await unblock()
  expect([await stateOf(stack, 1), await stateOf(stack, 2)]).toEqual(['live', 'ready'])
  const expected = await oracleRows(stack)
  expect(await liveRows(stack)).toEqual(expected)

  const again = release(stack, 'accounts:2=reordered')
  await again.ready()
  expect((await cli(again, 'promote', 'accounts', '--version', '2')).exitCode).toBe(0)
  expect(await liveRows(stack)).toEqual(expected)
  await retire(again, 1)
  expect(await schemas(stack)).toEqual(['rm_accounts_v2'])
  expect(live.isRunning).toBe(true)
})

test('rows that outgrow the memory are written in between, and a rebuild goes on behind them', async () => {
  await using stack = await startStack()
  await publishSmall(stack, single)
  const live = release(stack, 'accounts:1')
  await stack.caughtUp('accounts')
  await live.ready()
  // Less than half of its rows.
  const limited = { 'rebuild.memory.bytes.max': 1_048_576, ...SMALL_FETCHES }
  await installBlocks(stack)
  const unblock = await blockCheckpoints(stack, 2, { when: 'there are some' })
  const first = release(stack, 'accounts:2', limited)
  await waitFor('all but a part to be written', 60_000, () => isWaiting(stack))
  await first.stop('SIGKILL')
  await unblock()
  expect(await stateOf(stack, 2)).toBe('building')
  expect((await stack.checkpoints('accounts', 2)).size).toBeGreaterThan(0)
  release(stack, 'accounts:2', limited)
  await hasState(stack, 2, ['ready'])
  expect(await rowsOf(stack, 2)).toEqual(await oracleRows(stack))
})

async function retire(projector: RunningApp, version: number): Promise<void> {
  const { exitCode, stderr } = await cli(
    projector,
    'retire',
    'accounts',
    '--version',
    String(version),
  )
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
}

/** Batches of the log that a fetch can take one by one. */
async function publishSmall(stack: ProjectionStack, events = deposits): Promise<void> {
  for (let from = 0; from < EVENTS; from += SMALL_BATCH) {
    await stack.publish(...events(SMALL_BATCH, from))
  }
}

/** Deposits of an account each. */
function single(count: number, from = 0): ReturnType<typeof deposits> {
  return Array.from({ length: count }, (_, index) =>
    AccountEvents.Deposited({ accountId: `single-${from + index}`, amount: 1 }),
  )
}

/** More has come in than counts as having caught up. */
async function isCatchingUp(stack: ProjectionStack, version: number): Promise<boolean> {
  if ((await rebuildOf(stack, version)) === undefined) return false
  await stack.publish(...deposits(LATE_EVENTS, 1_000_000))
  await waitFor('the rebuild to be done', 60_000, async () => {
    return (await rebuildOf(stack, version))?.state === 'done'
  })
  return true
}
