import { createClusterAdmin } from '@fairlead/kafka'
import { expect } from 'vitest'
import type { ProjectionStack } from './projection-stack.ts'
import type { RunningApp } from './running-app.ts'

/**
 * A projector that has ended did it by itself, and not by its deadline: its partitions were given up, and the group
 * has no member that others would have to wait for. Its sessions must last for longer than the test takes.
 */
export async function expectOrderlyStop(
  stack: ProjectionStack,
  app: RunningApp,
  groupId: string,
): Promise<void> {
  const messages = app.logLines.map((line) => (JSON.parse(line) as { readonly msg: string }).msg)
  expect(messages).toContain('partitions revoked')
  expect(messages.at(-1)).toBe('stopped')
  expect(messages.filter((message) => message.startsWith('not all has ended'))).toEqual([])
  expect(app.exitCode).toBe(0)
  const cluster = createClusterAdmin({
    bootstrapServers: [stack.bootstrapServers],
    clientId: 'e2e',
  })
  const { members } = await cluster.describeGroup(groupId)
  await cluster.close()
  expect(members).toEqual([])
}
