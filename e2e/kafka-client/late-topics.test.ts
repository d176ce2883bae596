import {
  type AssignedPartition,
  type GroupMember,
  createAdmin,
  createGroupMember,
} from '@fairlead/kafka'
import { Admin as PlatformaticAdmin } from '@platformatic/kafka'
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

const join = (
  instanceId?: string,
  { commitsWhenRevoked = false } = {},
): { readonly assigned: (readonly AssignedPartition[])[] } => {
  const assigned: (readonly AssignedPartition[])[] = []
  const member: GroupMember = createGroupMember({
    bootstrapServers: [broker.address],
    clientId: 'late',
    groupId: 'late-group',
    topics: ['late-topic'],
    sessionTimeoutMs: 6_000,
    ...(instanceId === undefined ? {} : { instanceId }),
    onAssigned: (partitions) => void assigned.push(partitions),
    onRevoked: async (partitions) => {
      if (!commitsWhenRevoked) return
      const offsets = partitions.map((partition) => ({ ...partition, offset: 0 }))
      await member.commit(offsets).catch(() => undefined)
    },
    onError: () => undefined,
  })
  members.push(member)
  return { assigned }
}

const createTopic = async (partitions = PARTITIONS): Promise<void> => {
  const admin = createAdmin({ bootstrapServers: [broker.address], clientId: 'late' })
  await admin.ensureTopic({ topic: 'late-topic', partitions })
  await admin.close()
}

const growTopic = async (count: number): Promise<void> => {
  const admin = new PlatformaticAdmin({ bootstrapBrokers: [broker.address], clientId: 'late' })
  await admin.createPartitions({ topics: [{ name: 'late-topic', count, assignments: null }] })
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

test('a partition that came while the static leader was away has a reader, whoever that is to be', async () => {
  await createTopic(2)
  const leader = join('static-1')
  await waitFor('the first member', DEADLINE_MS, () => leader.assigned.length > 0)
  const others = [join('static-2'), join('static-3')]
  await waitFor('the others', DEADLINE_MS, () =>
    others.every(({ assigned }) => assigned.length > 0),
  )
  await waitFor('a partition for two each', DEADLINE_MS, () =>
    [leader, others[0]].every((member) => member?.assigned.at(-1)?.length === 1),
  )
  await members.shift()?.close()
  await growTopic(3)
  join('static-1')
  await waitFor(
    'the third partition',
    DEADLINE_MS,
    () => others[1]?.assigned.at(-1)?.[0]?.partition === 2,
  )
})

test('a member whose broker is away is closed soon, whatever it has to commit', async () => {
  await createTopic(1)
  const { assigned } = join(undefined, { commitsWhenRevoked: true })
  await waitFor('the partition', DEADLINE_MS, () => assigned.length > 0)
  await broker.kill()
  const startMs = performance.now()
  await members.pop()?.close()
  // 2 s for the commit and 2 s for leaving; a request with its own timeout takes 30.
  expect(performance.now() - startMs).toBeLessThan(15_000)
})
