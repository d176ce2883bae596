import {
  type AssignedPartition,
  type GroupMember,
  createAdmin,
  createGroupMember,
} from '@fairlead/kafka'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { waitFor } from '../support/wait-for.ts'

/** Topics that appear after those who read them. */

const PARTITIONS = 3
const DEADLINE_MS = 60_000

let broker: BrokerProcess
const members: GroupMember[] = []

beforeEach(async () => {
  broker = await BrokerProcess.start()
})

afterEach(async () => {
  for (const member of members.splice(0)) await member.close()
  await broker.stop()
})

const join = (instanceId?: string): { readonly assigned: (readonly AssignedPartition[])[] } => {
  const assigned: (readonly AssignedPartition[])[] = []
  members.push(
    createGroupMember({
      bootstrapServers: [broker.address],
      clientId: 'late',
      groupId: 'late-group',
      topics: ['late-topic'],
      sessionTimeoutMs: 6_000,
      ...(instanceId === undefined ? {} : { instanceId }),
      onAssigned: (partitions) => void assigned.push(partitions),
      onRevoked: () => undefined,
      onError: () => undefined,
    }),
  )
  return { assigned }
}

const createTopic = async (): Promise<void> => {
  const admin = createAdmin({ bootstrapServers: [broker.address], clientId: 'late' })
  await admin.ensureTopic({ topic: 'late-topic', partitions: PARTITIONS })
  await admin.close()
}

test('a member that waits for a topic has its partitions soon after it is created', async () => {
  const { assigned } = join()
  await waitFor('the empty assignment', DEADLINE_MS, () => assigned.length > 0)
  await createTopic()
  await waitFor('the partitions', DEADLINE_MS, () => assigned.at(-1)?.length === PARTITIONS)
  expect(assigned[0]).toEqual([])
})

test('a static member that was away while its topic was created has its partitions', async () => {
  const before = join('static')
  await waitFor('the empty assignment', DEADLINE_MS, () => before.assigned.length > 0)
  await members.pop()?.close()
  await createTopic()
  const after = join('static')
  await waitFor('the partitions', DEADLINE_MS, () => after.assigned.at(-1)?.length === PARTITIONS)
  expect(before.assigned).toEqual([[]])
})
