import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ProjectionStack } from '../support/projection-stack.ts'
import type { RunningApp } from '../support/running-app.ts'
import { waitFor } from '../support/wait-for.ts'
import { foldAccounts, readAccounts } from './account-oracle.ts'
import { AccountEvents } from './accounts.ts'

const PARTITIONS = 4
const DEPOSITS = 200
const KILLS = 3
const STANDBY = { 'standby.enabled': 'true', 'group.instance.id': 'one' }
/** Longer than the test: what waits for it to pass waits for ever. */
const SESSION_TIMEOUT_MS = 300_000

test('of two processes one works, and when it is killed the other one does, without a session timing out', async () => {
  await using stack = await ProjectionStack.start({
    events: AccountEvents,
    projections: join(import.meta.dirname, 'accounts.ts'),
    partitions: PARTITIONS,
  })
  const launch = () => stack.projector({ ...STANDBY, 'session.timeout.ms': SESSION_TIMEOUT_MS })
  let published = 0
  const publish = async () => {
    const accounts = Array.from({ length: DEPOSITS }, () => `account-${published++ % 97}`)
    await stack.publish(
      ...accounts.map((accountId, amount) =>
        AccountEvents.Deposited({ accountId, amount: amount + 1 }),
      ),
    )
  }

  let working = launch()
  await publish()
  await stack.caughtUp('accounts')
  for (let kill = 0; kill < KILLS; kill += 1) {
    const standby = launch()
    await waitFor('a process to stand by', 60_000, () => Promise.resolve(standsBy(standby)))
    await standby.ready()
    // Some of it is under way when the process dies.
    const publishing = publish()
    await working.stop('SIGKILL')
    await publishing
    await stack.caughtUp('accounts')
    working = standby
  }
  expect(working.isRunning).toBe(true)
  expect(await readAccounts(stack)).toEqual((await foldAccounts(stack)).rows)
})

test('a process that hangs is relieved, and ends when it comes back', async () => {
  await using stack = await ProjectionStack.start({
    events: AccountEvents,
    projections: join(import.meta.dirname, 'accounts.ts'),
  })
  const hanging = stack.projector(STANDBY)
  await stack.publish(AccountEvents.Deposited({ accountId: 'account-0', amount: 1 }))
  await stack.caughtUp('accounts')
  const standby = stack.projector(STANDBY)
  await waitFor('a process to stand by', 60_000, () => Promise.resolve(standsBy(standby)))

  process.kill(hanging.pid, 'SIGSTOP')
  await stack.publish(AccountEvents.Deposited({ accountId: 'account-0', amount: 2 }))
  await stack.caughtUp('accounts')
  process.kill(hanging.pid, 'SIGCONT')
  await waitFor('the former one to end', 60_000, () => Promise.resolve(!hanging.isRunning))
  await stack.publish(AccountEvents.Deposited({ accountId: 'account-0', amount: 4 }))
  await stack.caughtUp('accounts')
  expect(standby.isRunning).toBe(true)
  expect(await readAccounts(stack)).toEqual((await foldAccounts(stack)).rows)
})

function standsBy(app: RunningApp): boolean {
  return app.logLines.some((line) => line.includes('standing by'))
}
