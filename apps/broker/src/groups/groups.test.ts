import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type TestBroker,
  removeDirectory,
  startTestBroker,
  temporaryDirectory,
} from '../testing/test-broker.ts'
import { TestClient } from '../testing/test-client.ts'

const TOPIC = 'grouped'
const SESSION_TIMEOUT_MS = 60_000

let broker: TestBroker
const clients: TestClient[] = []

beforeAll(async () => {
  broker = await startTestBroker(temporaryDirectory())
  await open().call('Metadata', { topics: [{ name: TOPIC }], allowAutoTopicCreation: true })
})
afterAll(async () => {
  for (const client of clients) client.close()
  await broker.stop()
  removeDirectory(broker.directory)
})

function open(): TestClient {
  const client = new TestClient(broker.port)
  clients.push(client)
  return client
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

async function parkedRequests(): Promise<number> {
  const text = await broker.metrics.registry.getSingleMetricAsString(
    'fairlead_group_requests_parked',
  )
  return Number(text.trim().split(' ').at(-1))
}

async function findCoordinator(client: TestClient, groupId: string): Promise<void> {
  const { coordinators } = await client.call('FindCoordinator', {
    keyType: 0,
    coordinatorKeys: [groupId],
  })
  expect(coordinators).toMatchObject([{ key: groupId, errorCode: 'NONE', port: broker.port }])
}

function join(
  client: TestClient,
  groupId: string,
  options: { readonly memberId?: string; readonly sessionTimeoutMs?: number } = {},
) {
  return client.call('JoinGroup', {
    groupId,
    memberId: options.memberId ?? '',
    sessionTimeoutMs: options.sessionTimeoutMs ?? SESSION_TIMEOUT_MS,
    rebalanceTimeoutMs: 10_000,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: bytes('subscription') }],
  })
}

/** Joins with the member id that the first, refused join brings; waits while groups are loaded. */
async function joinFully(client: TestClient, groupId: string, sessionTimeoutMs?: number) {
  const options = sessionTimeoutMs === undefined ? {} : { sessionTimeoutMs }
  let first = await join(client, groupId, options)
  while (first.errorCode === 'COORDINATOR_LOAD_IN_PROGRESS') {
    first = await join(client, groupId, options)
  }
  expect(first.errorCode).toBe('MEMBER_ID_REQUIRED')
  return join(client, groupId, { ...options, memberId: first.memberId })
}

async function soleMember(client: TestClient, groupId: string, sessionTimeoutMs?: number) {
  await findCoordinator(client, groupId)
  const joined = await joinFully(client, groupId, sessionTimeoutMs)
  expect(joined).toMatchObject({ errorCode: 'NONE', leader: joined.memberId })
  const { memberId, generationId } = joined
  const synced = await client.call('SyncGroup', {
    groupId,
    generationId,
    memberId,
    protocolType: 'consumer',
    protocolName: 'range',
    assignments: [{ memberId, assignment: bytes('everything') }],
  })
  expect(synced.errorCode).toBe('NONE')
  expect(Buffer.from(synced.assignment).toString()).toBe('everything')
  return { groupId, memberId, generationId }
}

describe('groups', () => {
  test('a join that waits gives its place up when its client leaves', async () => {
    const member = await soleMember(open(), 'abandoned')
    const other = open()
    await findCoordinator(other, 'abandoned')
    const joining = joinFully(other, 'abandoned').catch(() => undefined)
    await expect.poll(parkedRequests).toBe(1)
    other.close()
    await expect.poll(parkedRequests).toBe(0)
    expect(await joining).toBeUndefined()
    expect(member.groupId).toBe('abandoned')
  })

  test('a member joins, is assigned, beats, commits, and finds its offset', async () => {
    const client = open()
    const member = await soleMember(client, 'life')
    const { groupId, memberId, generationId } = member
    expect((await client.call('Heartbeat', member)).errorCode).toBe('NONE')

    const { topics } = await client.call(
      'OffsetCommit',
      {
        groupId,
        memberId,
        generationIdOrMemberEpoch: generationId,
        topics: [
          {
            name: TOPIC,
            partitions: [{ partitionIndex: 0, committedOffset: 5, committedMetadata: 'note' }],
          },
        ],
      },
      9,
    )
    expect(topics[0]?.partitions[0]?.errorCode).toBe('NONE')

    const { groups } = await client.call(
      'OffsetFetch',
      {
        groups: [
          { groupId, topics: [{ name: TOPIC, partitionIndexes: [0] }] },
          { groupId: 'never-seen', topics: [{ name: TOPIC, partitionIndexes: [0] }] },
        ],
      },
      9,
    )
    expect(groups.map(({ topics }) => topics[0]?.partitions[0])).toMatchObject([
      { committedOffset: 5, metadata: 'note', errorCode: 'NONE' },
      { committedOffset: -1, errorCode: 'NONE' },
    ])
  })

  test('a second member makes the first join again, and both are in the next generation', async () => {
    const first = open()
    const member = await soleMember(first, 'two')
    const second = open()
    const joining = joinFully(second, 'two')
    await expect
      .poll(async () => (await first.call('Heartbeat', member)).errorCode)
      .toBe('REBALANCE_IN_PROGRESS')
    const [again, other] = await Promise.all([
      join(first, 'two', { memberId: member.memberId }),
      joining,
    ])
    expect(again.generationId).toBe(other.generationId)
    expect(again.generationId).toBeGreaterThan(member.generationId)
    const leader = again.leader === again.memberId ? again : other
    expect(leader.members.length).toBe(2)
  })

  test('a member that falls silent leaves the group when its session ends', async () => {
    const client = open()
    const member = await soleMember(client, 'silent', 100)
    await expect
      .poll(async () => (await describeGroup(client, member.groupId))?.groupState)
      .toBe('Empty')
    expect((await client.call('Heartbeat', member)).errorCode).toBe('UNKNOWN_MEMBER_ID')
  })

  test('a member that leaves empties the group, which is still listed', async () => {
    const client = open()
    const { groupId, memberId } = await soleMember(client, 'left')
    await client.call('LeaveGroup', { groupId, members: [{ memberId, groupInstanceId: null }] })
    expect(await describeGroup(client, groupId)).toMatchObject({ groupState: 'Empty' })
    const { groups } = await client.call('ListGroups', { statesFilter: [], typesFilter: [] })
    expect(groups.map((group) => group.groupId)).toContain(groupId)
  })

  test('offsets are deleted one by one, and the group as a whole', async () => {
    const client = open()
    const groupId = 'deleted'
    await findCoordinator(client, groupId)
    const commit = async () => {
      const { topics } = await client.call(
        'OffsetCommit',
        {
          groupId,
          memberId: '',
          topics: [
            {
              name: TOPIC,
              partitions: [{ partitionIndex: 0, committedOffset: 5, committedMetadata: 'm' }],
            },
          ],
        },
        9,
      )
      return topics[0]?.partitions[0]?.errorCode
    }
    await expect.poll(commit).toBe('NONE')
    const deleted = await client.call('OffsetDelete', {
      groupId,
      topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0 }, { partitionIndex: 9 }] }],
    })
    expect(deleted.topics[0]?.partitions.map(({ errorCode }) => errorCode)).toEqual([
      'NONE',
      'UNKNOWN_TOPIC_OR_PARTITION',
    ])
    expect(await commit()).toBe('NONE')
    const { results } = await client.call('DeleteGroups', { groupsNames: [groupId, 'absent'] })
    expect(results).toEqual([
      { groupId, errorCode: 'NONE', errorMessage: null },
      {
        groupId: 'absent',
        errorCode: 'GROUP_ID_NOT_FOUND',
        errorMessage: 'Group absent not found.',
      },
    ])
    expect(await describeGroup(client, groupId)).toMatchObject({ groupState: 'Dead' })
  })

  test('a transactional id has no coordinator, and clients do not ask for ever', async () => {
    const { coordinators } = await open().call('FindCoordinator', {
      keyType: 1,
      coordinatorKeys: ['t'],
    })
    expect(coordinators).toMatchObject([{ key: 't', errorCode: 'UNSUPPORTED_VERSION' }])
  })
})

async function describeGroup(client: TestClient, groupId: string) {
  const { groups } = await client.call('DescribeGroups', { groups: [groupId] })
  return groups[0]
}
