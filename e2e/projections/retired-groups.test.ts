import { createClusterAdmin } from '@fairlead/kafka'
import { expect, test } from 'vitest'
import { waitFor } from '../support/wait-for.ts'
import { cli, deposits, secondReady, startStack } from './rebuild-stack.ts'

/** Processes look after groups once a minute. */
const DELETION_DEADLINE_MS = 240_000

test('the consumer group of a retired version goes, and that of the live one stays', async () => {
  await using stack = await startStack()
  const second = await secondReady(stack)
  const admin = createClusterAdmin({
    bootstrapServers: [stack.bootstrapServers],
    clientId: 'e2e',
  })
  const groups = async () => (await admin.listGroups()).map(({ groupId }) => groupId)
  try {
    const live = 'projector-accounts-v2'
    const retired = 'projector-accounts-v1'
    await waitFor('both to have groups', 60_000, async () => {
      const found = await groups()
      return found.includes(live) && found.includes(retired)
    })
    expect((await cli(second, 'promote', 'accounts', '--version', '2')).exitCode).toBe(0)
    expect((await cli(second, 'retire', 'accounts', '--version', '1')).exitCode).toBe(0)
    await waitFor('the group to be gone', DELETION_DEADLINE_MS, async () => {
      return !(await groups()).includes(retired)
    })
    expect(await groups()).toContain(live)
    await stack.publish(...deposits(500, 500))
    await stack.caughtUp('accounts', { version: 2 })
  } finally {
    await admin.close()
  }
})
