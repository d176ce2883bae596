import { crc32c, encodeBatch, encodeResponse } from '@fairlead/protocol'
import { expect, test } from 'vitest'
import { GROUP, Harness, TOPIC, TOPIC_ID, bytes, text } from './testing/harness.ts'

/** The longest string that the wire takes, in bytes of UTF-8. */
const STRING_BYTES_MAX = 32_767
const LONGEST = { ascii: 'x'.repeat(STRING_BYTES_MAX), 'of surrogate pairs': '😀'.repeat(8_191) }
/** `max.message.bytes` of a log that is not configured otherwise. */
const BATCH_BYTES_MAX = 1_048_588

test.for(Object.entries(LONGEST))(
  'the longest client id, %s, makes a member id that clients can send back',
  ([, clientId]) => {
    const harness = new Harness({ initialRebalanceDelayMs: 0 })
    const { token, memberId } = harness.joinFully({ clientId })
    const joined = harness.joined(token)
    expect(joined).toMatchObject({ errorCode: 'NONE', memberId })
    expect(joined && encodeResponse('JoinGroup', 5, 1, joined).length).toBeGreaterThan(0)
    expect(new TextDecoder().decode(new TextEncoder().encode(memberId))).toBe(memberId)
    harness.sync({ memberId, generationId: 1, assignments: { [memberId]: 'a' } })
    expect(harness.describe()).toMatchObject({ state: 'Stable', members: [memberId] })
  },
)

test('a static member with the longest instance id joins', () => {
  const harness = new Harness({ initialRebalanceDelayMs: 0 })
  const { token } = harness.join({ instanceId: LONGEST.ascii })
  const joined = harness.joined(token)
  expect(joined && encodeResponse('JoinGroup', 5, 1, joined).length).toBeGreaterThan(0)
})

test('a group id of any length can be answered as unknown', () => {
  const response = new Harness().coordinator.describeGroups(
    { groups: [LONGEST.ascii], includeAuthorizedOperations: false },
    { apiVersion: 6 },
  )
  expect(encodeResponse('DescribeGroups', 6, 1, response).length).toBeGreaterThan(0)
})

test('what outlives a request is copied out of its frame', () => {
  const harness = new Harness({ initialRebalanceDelayMs: 0 })
  const frame = bytes('metadata assignment')
  const context = { ...harness.now, clientId: 'app', clientHost: '/127.0.0.1', token: 1 }
  const group = { groupId: GROUP, groupInstanceId: 'node', protocolType: 'consumer' }
  const joined = harness.coordinator.joinGroup(
    {
      ...group,
      memberId: '',
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 10_000,
      protocols: [{ name: 'range', metadata: frame.subarray(0, 8) }],
      reason: null,
    },
    { ...context, apiVersion: 5 },
  )
  const memberId = joined.response === 'parked' ? '' : joined.response.memberId
  const assignments = [{ memberId, assignment: frame.subarray(9) }]
  const { records } = harness.coordinator.syncGroup(
    { ...group, memberId, generationId: 1, protocolName: 'range', assignments },
    { ...context, apiVersion: 5 },
  )
  frame.fill(0)
  const [described] = harness.coordinator.describeGroups(
    { groups: [GROUP], includeAuthorizedOperations: false },
    { apiVersion: 5 },
  ).groups
  expect(described?.members.map((m) => [text(m.memberMetadata), text(m.memberAssignment)])).toEqual(
    [['metadata', 'assignment']],
  )
  expect(records).toHaveLength(1)
})

test('what is loaded is copied out of the buffer that was read', () => {
  const harness = new Harness({ initialRebalanceDelayMs: 0 })
  const { memberId } = harness.joinFully({ protocols: [['range', 'metadata']] })
  harness.sync({ memberId, generationId: 1, assignments: { [memberId]: 'assignment' } })
  harness.crash()
  for (const { record } of harness.log) record.value?.fill(0)
  const { token } = harness.sync({ memberId, generationId: 1 })
  expect(text(harness.synced(token)?.assignment)).toBe('assignment')
  const [described] = harness.coordinator.describeGroups(
    { groups: [GROUP], includeAuthorizedOperations: false },
    { apiVersion: 5 },
  ).groups
  expect(text(described?.members[0]?.memberMetadata)).toBe('metadata')
})

test('a retention of as long as can be said is stored', () => {
  const harness = new Harness()
  const retentionTimeMs = Number.MAX_SAFE_INTEGER
  expect(harness.commit({ offset: 5, retentionTimeMs, apiVersion: 4 })).toBe('NONE')
  harness.crash()
  expect(harness.fetch().offset).toBe(5)
})

test('a member has no more protocols than can be compared at once', () => {
  const protocols = Array.from({ length: 101 }, (_, index) => [`p${index}`, ''] as const)
  const joined = (count: number) => {
    const harness = new Harness()
    const { token } = harness.join({ protocols: protocols.slice(0, count) })
    return harness.joined(token)?.errorCode
  }
  expect([joined(100), joined(101)]).toEqual(['MEMBER_ID_REQUIRED', 'INVALID_REQUEST'])
})

test('no more member ids wait for their owners than a group may have', () => {
  const harness = new Harness({ membersMax: 2 ** 31 - 1 })
  const errors = new Set<string | undefined>()
  for (let count = 0; count < 1_000; count += 1) {
    errors.add(harness.joined(harness.join().token)?.errorCode)
  }
  expect([...errors]).toEqual(['MEMBER_ID_REQUIRED'])
  expect(harness.joined(harness.join().token)?.errorCode).toBe('COORDINATOR_NOT_AVAILABLE')
  harness.advance(10_000)
  expect(harness.joined(harness.join().token)?.errorCode).toBe('MEMBER_ID_REQUIRED')
})

test('however many small commits a request brings, they fit into one batch of the log', () => {
  const harness = new Harness()
  const partitions = Array.from({ length: 40_000 }, (_, index) => ({
    partitionIndex: index % 8,
    committedOffset: index,
    committedLeaderEpoch: -1,
    committedMetadata: null,
  }))
  const { records } = harness.coordinator.commitOffsets(
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
  expect(records.length).toBeGreaterThan(10_000)
  const batch = encodeBatch({ records: records.map((r) => ({ ...r, timestampMs: 0 })) }, crc32c)
  expect(batch.length).toBeLessThanOrEqual(BATCH_BYTES_MAX)
})

test('offsets that expire together are removed in steps that fit', () => {
  const harness = new Harness()
  for (let partition = 0; partition < 40; partition += 1) {
    harness.commit({ groupId: LONGEST.ascii, partition, offset: 1 })
  }
  harness.nowMs += 30 * 86_400_000
  const steps = harness.coordinator.tick(harness.now)
  expect(steps.flatMap(({ records }) => records)).toHaveLength(40)
  for (const { records } of steps) {
    const batch = encodeBatch({ records: records.map((r) => ({ ...r, timestampMs: 0 })) }, crc32c)
    expect(batch.length).toBeLessThanOrEqual(BATCH_BYTES_MAX)
  }
})

test('a group with the longest names that becomes stable fits into one batch of the log', () => {
  const harness = new Harness({ initialRebalanceDelayMs: 0 })
  const { ascii } = LONGEST
  const memberIds = Array.from({ length: 7 }, (_, index) => {
    const protocols = [[ascii, 'm'.repeat(60_000)]] as const
    const { memberId } = harness.joinFully({ protocols, protocolType: ascii, clientId: `${index}` })
    for (const other of harness.describe().members) {
      harness.join({ memberId: other, protocols, protocolType: ascii })
    }
    return memberId
  })
  const before = harness.log.length
  const assignments = Object.fromEntries(memberIds.map((id) => [id, 'a'.repeat(70_000)]))
  for (const memberId of memberIds) harness.sync({ memberId, generationId: 13, assignments })
  for (const { record } of harness.log.slice(before)) {
    const batch = encodeBatch({ records: [{ ...record, timestampMs: 0 }] }, crc32c)
    expect(batch.length).toBeLessThanOrEqual(BATCH_BYTES_MAX)
  }
})
