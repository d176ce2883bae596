import { expect, test } from 'vitest'
import { STEP_BYTES_MAX } from './index.ts'
import { GROUP, Harness, TOPIC, TOPIC_ID } from './testing/harness.ts'

const DAY_MS = 86_400_000

/** A stable group of one. */
function stableGroup(): { harness: Harness; memberId: string } {
  const harness = new Harness({ initialRebalanceDelayMs: 0 })
  const { memberId } = harness.joinFully()
  harness.sync({ memberId, generationId: 1 })
  return { harness, memberId }
}

test('an offset that nobody committed is -1, and no error', () => {
  expect(new Harness().fetch()).toEqual({ offset: -1, metadata: '' })
})

test('a committed offset and its metadata come back, also after a crash', () => {
  const harness = new Harness()
  expect(harness.commit({ partition: 3, offset: 42, metadata: 'état: ✓' })).toBe('NONE')
  expect(harness.fetch(3)).toEqual({ offset: 42, metadata: 'état: ✓' })
  harness.crash()
  expect(harness.fetch(3)).toEqual({ offset: 42, metadata: 'état: ✓' })
  expect(harness.fetch(2).offset).toBe(-1)
})

test('a client may go back', () => {
  const harness = new Harness()
  harness.commit({ offset: 42 })
  harness.commit({ offset: 7 })
  expect(harness.fetch().offset).toBe(7)
})

test.for([
  ['a member of the generation', { generationId: 1 }, 'NONE'],
  ['an earlier generation', { generationId: 0 }, 'ILLEGAL_GENERATION'],
  ['a generation to come', { generationId: 2 }, 'ILLEGAL_GENERATION'],
  ['somebody else', { generationId: 1, memberId: 'other' }, 'UNKNOWN_MEMBER_ID'],
  ['no member at all', { generationId: -1, memberId: '' }, 'UNKNOWN_MEMBER_ID'],
  ['an instance that does not exist', { generationId: 1, instanceId: 'x' }, 'UNKNOWN_MEMBER_ID'],
] as const)('a commit to a stable group by %s', ([, options, error]) => {
  const { harness, memberId } = stableGroup()
  expect(harness.commit({ offset: 5, memberId, ...options })).toBe(error)
  expect(harness.fetch().offset).toBe(error === 'NONE' ? 5 : -1)
})

test.for([
  [8, 'ILLEGAL_GENERATION'],
  [9, 'GROUP_ID_NOT_FOUND'],
] as const)('a member of a group that does not exist may not commit, version %i', ([v, error]) => {
  const harness = new Harness()
  expect(harness.commit({ offset: 5, memberId: 'm', generationId: 1, apiVersion: v })).toBe(error)
})

test('a member may commit while others rejoin, but not before it has an assignment', () => {
  const { harness, memberId } = stableGroup()
  harness.joinFully()
  expect(harness.commit({ offset: 5, memberId, generationId: 1 })).toBe('NONE')
  harness.join({ memberId })
  expect(harness.commit({ offset: 6, memberId, generationId: 2 })).toBe('REBALANCE_IN_PROGRESS')
  expect(harness.commit({ offset: 6, memberId, generationId: 1 })).toBe('ILLEGAL_GENERATION')
})

test('a commit is a sign of life', () => {
  const { harness, memberId } = stableGroup()
  for (let round = 0; round < 5; round += 1) {
    harness.advance(9_000)
    expect(harness.commit({ offset: round, memberId, generationId: 1 })).toBe('NONE')
  }
})

test.for([
  [{ metadata: 'x'.repeat(65) }, 'OFFSET_METADATA_TOO_LARGE'],
  [{ partition: 40 }, 'UNKNOWN_TOPIC_OR_PARTITION'],
  [{ topic: 'absent' }, 'UNKNOWN_TOPIC_OR_PARTITION'],
] as const)('a commit with %o is refused', ([options, error]) => {
  const harness = new Harness()
  expect(harness.commit({ offset: 1, ...options })).toBe(error)
  expect(harness.log).toEqual([])
})

test.for([
  [{ partition: 40 }, 'UNKNOWN_TOPIC_OR_PARTITION'],
  [{ topic: 'absent' }, 'UNKNOWN_TOPIC_OR_PARTITION'],
  [{}, 'UNKNOWN_MEMBER_ID'],
] as const)(
  'what a stranger commits with %o is looked up before the stranger',
  ([options, error]) => {
    const { harness } = stableGroup()
    const stranger = { memberId: 'stranger', generationId: 1 }
    expect(harness.commit({ offset: 1, ...stranger, ...options })).toBe(error)
    harness.coordinator.unload(harness.coordinator.partitionFor(GROUP))
    const refused = 'partition' in options || 'topic' in options ? error : 'NOT_COORDINATOR'
    expect(harness.commit({ offset: 1, ...stranger, ...options })).toBe(refused)
  },
)

test('a group has no more committed partitions than it may', () => {
  const harness = new Harness({ committedPartitionsMax: 2 })
  expect([0, 1, 2, 0].map((partition) => harness.commit({ partition, offset: 9 }))).toEqual([
    'NONE',
    'NONE',
    'INVALID_COMMIT_OFFSET_SIZE',
    'NONE',
  ])
})

test('the offsets of a group that only commits end a retention after their last commit', () => {
  const harness = new Harness()
  harness.commit({ partition: 0, offset: 1 })
  harness.advance(6 * DAY_MS)
  harness.commit({ partition: 1, offset: 2 })
  harness.advance(2 * DAY_MS)
  expect([harness.fetch(0).offset, harness.fetch(1).offset]).toEqual([-1, 2])
  harness.advance(6 * DAY_MS)
  expect(harness.describe().state).toBe('Dead')
  harness.crash()
  expect(harness.describe().state).toBe('Dead')
})

test('the offsets of a group with members stay as long as it has any', () => {
  const { harness, memberId } = stableGroup()
  harness.commit({ offset: 1, memberId, generationId: 1 })
  for (let elapsedMs = 0; elapsedMs < 8 * DAY_MS; elapsedMs += 9_999) {
    harness.nowMs += 9_999
    harness.heartbeat(memberId, 1)
  }
  harness.advance(0)
  expect(harness.fetch().offset).toBe(1)
  harness.leave([{ memberId }])
  harness.advance(6 * DAY_MS)
  expect(harness.fetch().offset).toBe(1)
  harness.advance(2 * DAY_MS)
  expect(harness.fetch().offset).toBe(-1)
  expect(harness.describe().state).toBe('Dead')
})

test('a client before version 5 chooses its own retention', () => {
  const harness = new Harness()
  harness.commit({ offset: 1, retentionTimeMs: DAY_MS, apiVersion: 4 })
  harness.crash()
  harness.advance(DAY_MS - 1)
  expect(harness.fetch().offset).toBe(1)
  harness.advance(600_000)
  expect(harness.fetch().offset).toBe(-1)
})

test('the offsets of a deleted topic are gone, also after a crash', () => {
  const harness = new Harness()
  harness.commit({ offset: 1 })
  harness.deleteTopic()
  expect(harness.fetch().offset).toBe(-1)
  harness.crash()
  expect(harness.fetch().offset).toBe(-1)
})

test('a topic that is deleted while its offsets cannot be removed leaves none to its successor', () => {
  const harness = new Harness()
  const partition = harness.coordinator.partitionFor(GROUP)
  harness.commit({ offset: 1 })
  harness.coordinator.setWritable(partition, false)
  harness.deleteTopic()
  expect(harness.fetch().offset).toBe(-1)
  harness.coordinator.unload(partition)
  harness.coordinator.startLoading(partition)
  for (const { record } of harness.log) harness.coordinator.replay(partition, record)
  harness.coordinator.finishLoading(partition, harness.now)
  expect(harness.fetch().offset).toBe(-1)
  harness.coordinator.setWritable(partition, true)
  harness.deleteTopics(partition, harness.coordinator.takeDeletedTopics(partition))
  harness.crash()
  expect(harness.fetch().offset).toBe(-1)
  expect(harness.coordinator.takeDeletedTopics(partition)).toEqual([])
})

test('a partition that was loaded names the topics of its offsets that do not exist', () => {
  const harness = new Harness()
  const partition = harness.coordinator.partitionFor(GROUP)
  harness.commit({ offset: 1 })
  expect(harness.coordinator.takeDeletedTopics(partition)).toEqual([])
  harness.topicExists = false
  expect(harness.coordinator.takeDeletedTopics(partition)).toEqual([TOPIC])
})

test('null topics ask for everything that is committed', () => {
  const harness = new Harness()
  harness.commit({ partition: 1, offset: 10 })
  harness.commit({ partition: 4, offset: 40 })
  const request = { groupId: GROUP, topics: null, groups: [], requireStable: false }
  const { response } = harness.coordinator.fetchOffsets(request, { apiVersion: 7 })
  expect(response.errorCode).toBe('NONE')
  expect(
    response.topics?.map(({ name, partitions }) => [
      name,
      partitions.map(({ partitionIndex, committedOffset }) => [partitionIndex, committedOffset]),
    ]),
  ).toEqual([
    [
      TOPIC,
      [
        [1, 10],
        [4, 40],
      ],
    ],
  ])
})

test('version 10 names topics by id', () => {
  const harness = new Harness()
  harness.commit({ offset: 5, topic: '', apiVersion: 10 })
  const partitionIndexes = [0]
  const topics = [
    { name: '', topicId: TOPIC_ID, partitionIndexes },
    { name: '', topicId: 'unknownAAAAAAAAAAAAAAA', partitionIndexes },
  ]
  const groups = [{ groupId: GROUP, memberId: null, memberEpoch: -1, topics }]
  const { response } = harness.coordinator.fetchOffsets(
    { groupId: '', topics: [], groups, requireStable: false },
    { apiVersion: 10 },
  )
  const partitions = response.groups?.[0]?.topics.flatMap((topic) => topic.partitions)
  expect(partitions?.map(({ committedOffset, errorCode }) => [committedOffset, errorCode])).toEqual(
    [
      [5, 'NONE'],
      [-1, 'UNKNOWN_TOPIC_ID'],
    ],
  )
})

test.for([
  [1, 'NONE', ['NOT_COORDINATOR']],
  [2, 'NOT_COORDINATOR', []],
  [7, 'NOT_COORDINATOR', []],
] as const)('version %i has the error of a group in its own place', ([apiVersion, top, inside]) => {
  const harness = new Harness()
  harness.coordinator.unload(harness.coordinator.partitionFor(GROUP))
  const topics = [{ name: TOPIC, partitionIndexes: [0] }]
  const request = { groupId: GROUP, topics, groups: [], requireStable: false }
  const { response } = harness.coordinator.fetchOffsets(request, { apiVersion })
  expect(response.errorCode).toBe(top)
  const partitions = (response.topics ?? []).flatMap((topic) => topic.partitions)
  expect(partitions.map(({ errorCode }) => errorCode)).toEqual(inside)
})

test('ListGroups filters by state and type, without regard to case', () => {
  const { harness } = stableGroup()
  harness.commit({ groupId: 'simple', offset: 1 })
  const list = (statesFilter: string[], typesFilter: string[]) =>
    harness.coordinator
      .listGroups({ statesFilter, typesFilter })
      .groups.map(({ groupId, protocolType, groupState }) => [groupId, protocolType, groupState])
      .toSorted(([left = ''], [right = '']) => (left < right ? 1 : -1))
  const shop = [GROUP, 'consumer', 'Stable']
  const simple = ['simple', '', 'Empty']
  expect(list([], [])).toEqual([simple, shop])
  expect(list(['stable'], [])).toEqual([shop])
  expect(list(['Empty', 'Dead'], ['Classic'])).toEqual([simple])
  expect(list([], ['consumer'])).toEqual([])
})

test.for([
  [5, 'NONE', null],
  [6, 'GROUP_ID_NOT_FOUND', 'Group nobody not found.'],
] as const)('DescribeGroups v%i of an unknown group', ([apiVersion, errorCode, errorMessage]) => {
  const request = { groups: ['nobody'], includeAuthorizedOperations: false }
  const { groups } = new Harness().coordinator.describeGroups(request, { apiVersion })
  expect(groups[0]).toMatchObject({ groupState: 'Dead', errorCode, errorMessage })
})

test('one request commits no more than a batch of the log holds', () => {
  const harness = new Harness({ offsetMetadataMaxBytes: 4096 })
  const partitions = Array.from({ length: 400 }, (_, index) => ({
    partitionIndex: index % 8,
    committedOffset: index,
    committedLeaderEpoch: -1,
    committedMetadata: 'x'.repeat(4096),
  }))
  const { records, response } = harness.coordinator.commitOffsets(
    {
      groupId: GROUP,
      generationIdOrMemberEpoch: -1,
      memberId: '',
      groupInstanceId: null,
      retentionTimeMs: -1,
      topics: [{ name: TOPIC, topicId: TOPIC_ID, partitions }],
    },
    { ...harness.now, apiVersion: 8, clientId: 'app', clientHost: '/127.0.0.1' },
  )
  const errors = response.topics[0]?.partitions.map(({ errorCode }) => errorCode)
  expect(errors?.[0]).toBe('NONE')
  expect(errors?.at(-1)).toBe('INVALID_COMMIT_OFFSET_SIZE')
  const sizeBytes = records.reduce(
    (sum, { key, value }) => sum + key.length + (value?.length ?? 0),
    0,
  )
  expect(sizeBytes).toBeLessThan(STEP_BYTES_MAX)
})

test.for([
  { groupId: GROUP, includeAuthorizedOperations: false, bits: -(2 ** 31) },
  { groupId: GROUP, includeAuthorizedOperations: true, bits: 0b1101_0100_1000 },
  { groupId: 'nobody', includeAuthorizedOperations: true, bits: 0b1101_0100_1000 },
])('operations on $groupId, if asked for ($includeAuthorizedOperations): $bits', (row) => {
  const { harness } = stableGroup()
  const { groupId, includeAuthorizedOperations, bits } = row
  const { groups } = harness.coordinator.describeGroups(
    { groups: [groupId], includeAuthorizedOperations },
    { apiVersion: 5 },
  )
  expect(groups[0]?.authorizedOperations).toBe(bits)
})
