import { APIS, type ApiName, type RequestBody } from '@fairlead/protocol'
import { beforeAll, describe, expect, test } from 'vitest'
import { sharedBroker } from '../testing/shared-broker.ts'

/** What differs by version, at every version that is advertised, over a socket. */

const TOPIC = 'versioned'

const shared = sharedBroker()
let topicId: string

beforeAll(async () => {
  topicId = await shared.createTopic(TOPIC, { partitions: 3 })
  await shared.client.call('FindCoordinator', { keyType: 0, coordinatorKeys: ['any'] })
  const listing = { statesFilter: [], typesFilter: [] }
  while ((await shared.client.call('ListGroups', listing)).errorCode !== 'NONE') {
    // The groups are loaded in the background; each question gives them a turn.
  }
})

function versionsOf(name: ApiName): readonly number[] {
  const { firstVersion, lastVersion } = APIS[name]
  return Array.from({ length: lastVersion - firstVersion + 1 }, (_, index) => firstVersion + index)
}

function commitRequest(
  groupId: string,
  committedMetadata: string | null,
): RequestBody<'OffsetCommit'> {
  const partitions = [{ partitionIndex: 1, committedOffset: 42, committedMetadata }]
  return { groupId, memberId: '', topics: [{ name: TOPIC, topicId, partitions }] }
}

/** The partitions of an OffsetFetch, with their offsets, and the error of the whole. */
async function fetchOffsets(
  groupId: string,
  version: number,
  partitionIndexes: readonly number[] | null,
) {
  const topics = partitionIndexes === null ? null : [{ name: TOPIC, topicId, partitionIndexes }]
  const answer = await shared.client.call(
    'OffsetFetch',
    { groupId, topics, groups: [{ groupId, topics }] },
    version,
  )
  const group = version >= 8 ? answer.groups[0] : answer
  const partitions = group?.topics.flatMap((topic) => topic.partitions) ?? []
  return { errorCode: group?.errorCode, partitions }
}

describe('OffsetCommit and OffsetFetch', () => {
  test.for(versionsOf('OffsetCommit'))(
    'version %i commits for nobody, with metadata',
    async (version) => {
      const groupId = `commit-${version}`
      const { topics } = await shared.client.call(
        'OffsetCommit',
        commitRequest(groupId, 'mü'),
        version,
      )
      expect(topics).toMatchObject([
        {
          ...(version >= 10 ? { topicId } : { name: TOPIC }),
          partitions: [{ partitionIndex: 1, errorCode: 'NONE' }],
        },
      ])
      const { partitions } = await fetchOffsets(groupId, 9, [1])
      expect(partitions).toMatchObject([{ committedOffset: 42, metadata: 'mü' }])
    },
  )

  test.for(versionsOf('OffsetFetch'))(
    'version %i answers -1 without an error for what nobody committed',
    async (version) => {
      for (const groupId of ['unheard-of', 'commit-9']) {
        const { errorCode, partitions } = await fetchOffsets(groupId, version, [0, 2])
        expect(errorCode, groupId).toBe('NONE')
        expect(partitions, groupId).toMatchObject([
          { partitionIndex: 0, committedOffset: -1, metadata: '', errorCode: 'NONE' },
          { partitionIndex: 2, committedOffset: -1, metadata: '', errorCode: 'NONE' },
        ])
      }
    },
  )

  test.for(versionsOf('OffsetFetch').filter((version) => version >= 2))(
    'version %i takes null topics for all',
    async (version) => {
      await shared.client.call('OffsetCommit', commitRequest('everything', null), 9)
      const { partitions } = await fetchOffsets('everything', version, null)
      expect(partitions).toMatchObject([{ partitionIndex: 1, committedOffset: 42, metadata: '' }])
    },
  )

  test('a topic id that nobody has fails alone', async () => {
    const request = commitRequest('ids', null)
    const unknown = { ...request.topics[0], name: '', topicId: 'AAAAAAAAAAAAAAAAAAAAAQ' }
    const topics = [
      ...request.topics,
      { ...unknown, partitions: request.topics[0]?.partitions ?? [] },
    ]
    const answer = await shared.client.call('OffsetCommit', { ...request, topics }, 10)
    expect(answer.topics.map(({ partitions }) => partitions[0]?.errorCode)).toEqual([
      'NONE',
      'UNKNOWN_TOPIC_ID',
    ])
  })
})

describe('FindCoordinator', () => {
  test.for(versionsOf('FindCoordinator'))('version %i finds this broker', async (version) => {
    const answer = await shared.client.call(
      'FindCoordinator',
      { key: 'one', keyType: 0, coordinatorKeys: ['one', 'two'] },
      version,
    )
    const here = { errorCode: 'NONE', nodeId: 1, port: shared.broker.port }
    const batched = {
      coordinators: [
        { key: 'one', ...here },
        { key: 'two', ...here },
      ],
    }
    expect(answer).toMatchObject(version >= 4 ? batched : here)
  })

  test.for([1, 3, 4, 6])(
    'version %i finds none for transactions, which is final',
    async (version) => {
      const answer = await shared.client.call(
        'FindCoordinator',
        { key: 't', keyType: 1, coordinatorKeys: ['t'] },
        version,
      )
      const [coordinator] = version >= 4 ? answer.coordinators : [answer]
      expect(coordinator).toMatchObject({ errorCode: 'UNSUPPORTED_VERSION', nodeId: -1 })
    },
  )
})

describe('JoinGroup to LeaveGroup', () => {
  test.for(versionsOf('JoinGroup'))(
    'version %i of JoinGroup gets a member through',
    async (version) => {
      const groupId = `join-${version}`
      const join = (memberId: string) =>
        shared.client.call(
          'JoinGroup',
          {
            groupId,
            memberId,
            sessionTimeoutMs: 30_000,
            rebalanceTimeoutMs: 30_000,
            protocolType: 'consumer',
            protocols: [{ name: 'range', metadata: new Uint8Array(3) }],
          },
          version,
        )
      const first = await join('')
      expect(first.errorCode).toBe(version >= 4 ? 'MEMBER_ID_REQUIRED' : 'NONE')
      const joined = version >= 4 ? await join(first.memberId) : first
      expect(joined).toMatchObject({
        errorCode: 'NONE',
        generationId: 1,
        protocolName: 'range',
        protocolType: version >= 7 ? 'consumer' : null,
        leader: joined.memberId,
        members: [{ memberId: joined.memberId, metadata: new Uint8Array(3) }],
      })
      const member = { groupId, generationId: 1, memberId: joined.memberId }
      const synced = await shared.client.call(
        'SyncGroup',
        { ...member, protocolType: 'consumer', protocolName: 'range', assignments: [] },
        Math.min(version, APIS.SyncGroup.maxVersion),
      )
      // Nobody was assigned anything: empty bytes, never missing ones.
      expect(synced).toMatchObject({ errorCode: 'NONE', assignment: new Uint8Array(0) })
      for (const heartbeatVersion of versionsOf('Heartbeat')) {
        expect((await shared.client.call('Heartbeat', member, heartbeatVersion)).errorCode).toBe(
          'NONE',
        )
      }
      const leaveVersion = Math.min(version, APIS.LeaveGroup.maxVersion)
      const left = await shared.client.call(
        'LeaveGroup',
        { ...member, members: [{ memberId: joined.memberId, groupInstanceId: null }] },
        leaveVersion,
      )
      expect(left.errorCode).toBe('NONE')
      expect(left.members).toMatchObject(
        leaveVersion >= 3 ? [{ memberId: joined.memberId, errorCode: 'NONE' }] : [],
      )
    },
  )

  test.for(versionsOf('DescribeGroups'))('version %i of DescribeGroups', async (version) => {
    const { groups } = await shared.client.call(
      'DescribeGroups',
      { groups: ['join-9', 'unheard-of'], includeAuthorizedOperations: true },
      version,
    )
    expect(groups).toMatchObject([
      { groupId: 'join-9', groupState: 'Empty', errorCode: 'NONE' },
      {
        groupId: 'unheard-of',
        groupState: 'Dead',
        errorCode: version >= 6 ? 'GROUP_ID_NOT_FOUND' : 'NONE',
      },
    ])
  })

  test.for(versionsOf('ListGroups'))('version %i of ListGroups', async (version) => {
    const filters = { statesFilter: ['empty'], typesFilter: ['Classic'] }
    const { groups } = await shared.client.call('ListGroups', filters, version)
    expect(groups).toContainEqual({
      groupId: 'join-9',
      protocolType: 'consumer',
      groupState: version >= 4 ? 'Empty' : '',
      groupType: version >= 5 ? 'classic' : '',
    })
  })

  test.for(versionsOf('DeleteGroups'))('version %i of DeleteGroups', async (version) => {
    const { results } = await shared.client.call(
      'DeleteGroups',
      { groupsNames: [`join-${version}`, 'unheard-of'] },
      version,
    )
    expect(results.map(({ errorCode }) => errorCode)).toEqual(['NONE', 'GROUP_ID_NOT_FOUND'])
    expect(results[1]?.errorMessage).toBe(version >= 3 ? 'Group unheard-of not found.' : null)
  })
})
