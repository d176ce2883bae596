import { expect, test } from 'vitest'
import { STEP_BYTES_MAX } from './index.ts'
import { GROUP, Harness, bytes, text } from './testing/harness.ts'

/** A stable group of `count` dynamic members; the first is the leader. */
function stableGroup(
  count: number,
  harness = new Harness(),
): { harness: Harness; memberIds: string[]; generationId: number } {
  const joins = Array.from({ length: count }, () => harness.joinFully())
  harness.advance(10_000)
  const generationId = harness.joined(joins[0]?.token ?? -1)?.generationId ?? -1
  const memberIds = joins.map(({ memberId }) => memberId)
  const assignments = Object.fromEntries(memberIds.map((memberId) => [memberId, `to ${memberId}`]))
  for (const memberId of memberIds.slice(1)) harness.sync({ memberId, generationId })
  harness.sync({ memberId: memberIds[0] ?? '', generationId, assignments })
  expect(harness.describe().state).toBe('Stable')
  return { harness, memberIds, generationId }
}

test('a dynamic member gets its id first, and comes back with it', () => {
  const harness = new Harness()
  const answer = harness.joined(harness.join({ clientId: 'app' }).token)
  expect(answer?.errorCode).toBe('MEMBER_ID_REQUIRED')
  expect(answer?.memberId).toMatch(/^app-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-/)
})

test('a client before version 4 is admitted at once', () => {
  const harness = new Harness()
  const { token } = harness.join({ apiVersion: 3 })
  expect(harness.joined(token)).toBeUndefined()
  harness.advance(10_000)
  expect(harness.joined(token)?.errorCode).toBe('NONE')
})

test('an id that was given out and never came back is forgotten after the session timeout', () => {
  const harness = new Harness()
  const memberId = harness.joined(harness.join().token)?.memberId ?? ''
  harness.advance(10_001)
  expect(harness.joined(harness.join({ memberId }).token)?.errorCode).toBe('UNKNOWN_MEMBER_ID')
  expect(harness.describe().state).toBe('Dead')
})

test('the first rebalance waits for more members, and answers all of them together', () => {
  const harness = new Harness()
  const first = harness.joinFully()
  harness.advance(2_000)
  const second = harness.joinFully()
  harness.advance(3_999)
  expect(harness.joined(first.token)).toBeUndefined()
  harness.advance(1)
  expect(harness.joined(first.token)).toMatchObject({
    errorCode: 'NONE',
    generationId: 1,
    protocolName: 'range',
    leader: first.memberId,
  })
  expect(harness.joined(first.token)?.members.map(({ memberId }) => memberId)).toEqual([
    first.memberId,
    second.memberId,
  ])
  expect(harness.joined(second.token)?.members).toEqual([])
})

test('without an initial delay the first member is answered at once', () => {
  const harness = new Harness({ initialRebalanceDelayMs: 0 })
  expect(harness.joined(harness.joinFully().token)?.generationId).toBe(1)
})

test('every member gets its part of the assignment, and one that was left out empty bytes', () => {
  const harness = new Harness({ initialRebalanceDelayMs: 10 })
  const [leader, second, third] = [harness.joinFully(), harness.joinFully(), harness.joinFully()]
  harness.advance(100)
  const waiting = harness.sync({ memberId: second.memberId, generationId: 1 })
  const forgotten = harness.sync({ memberId: third.memberId, generationId: 1 })
  expect(harness.synced(waiting.token)).toBeUndefined()
  harness.sync({
    memberId: leader.memberId,
    generationId: 1,
    assignments: { [leader.memberId]: 'p0', [second.memberId]: 'p1' },
  })
  expect(text(harness.synced(waiting.token)?.assignment)).toBe('p1')
  expect(harness.synced(forgotten.token)).toMatchObject({
    errorCode: 'NONE',
    assignment: bytes(''),
  })
})

test('a member that syncs after the leader gets its assignment at once', () => {
  const harness = new Harness({ initialRebalanceDelayMs: 10 })
  const [leader, late] = [harness.joinFully(), harness.joinFully()]
  harness.advance(100)
  const assignments = { [late.memberId]: 'p1' }
  harness.sync({ memberId: leader.memberId, generationId: 1, assignments })
  const { token } = harness.sync({ memberId: late.memberId, generationId: 1 })
  expect(text(harness.synced(token)?.assignment)).toBe('p1')
})

test('members go on after a crash: same generation, same assignment, no rebalance', () => {
  const { harness, memberIds, generationId } = stableGroup(2)
  harness.crash()
  for (const memberId of memberIds) {
    expect(harness.heartbeat(memberId, generationId)).toBe('NONE')
    const { token } = harness.sync({ memberId, generationId })
    expect(text(harness.synced(token)?.assignment)).toBe(`to ${memberId}`)
  }
})

test('after a crash members have a whole session timeout to be heard of', () => {
  const { harness, memberIds, generationId } = stableGroup(1)
  harness.advance(9_000)
  harness.crash()
  harness.advance(9_000)
  expect(harness.heartbeat(memberIds[0] ?? '', generationId)).toBe('NONE')
  harness.advance(10_001)
  expect(harness.describe()).toMatchObject({ state: 'Empty', members: [] })
})

test('a crash in the middle of a rebalance falls back to the last stable generation', () => {
  const { harness, memberIds, generationId } = stableGroup(2)
  harness.joinFully()
  harness.join({ memberId: memberIds[0] ?? '' })
  harness.crash()
  expect(harness.describe()).toMatchObject({ state: 'Stable', members: memberIds })
  expect(harness.heartbeat(memberIds[1] ?? '', generationId)).toBe('NONE')
})

test('a new member makes the others rejoin, and they are told so by their heartbeat', () => {
  const { harness, memberIds, generationId } = stableGroup(1)
  const { token } = harness.joinFully()
  const [leader = ''] = memberIds
  expect(harness.heartbeat(leader, generationId)).toBe('REBALANCE_IN_PROGRESS')
  const rejoined = harness.join({ memberId: leader })
  expect(harness.joined(rejoined.token)?.generationId).toBe(generationId + 1)
  expect(harness.joined(token)?.generationId).toBe(generationId + 1)
})

test('a member that waited for a long rebalance has a whole session timeout afterwards', () => {
  const { harness, memberIds, generationId } = stableGroup(2)
  const [first = '', late = ''] = memberIds
  harness.join({ memberId: first })
  for (let elapsedMs = 0; elapsedMs < 60_000; elapsedMs += 5_000) {
    harness.advance(5_000)
    harness.heartbeat(late, generationId)
  }
  expect(harness.describe()).toMatchObject({ state: 'CompletingRebalance', members: [first] })
  harness.advance(9_000)
  expect(harness.heartbeat(first, generationId + 1)).toBe('NONE')
})

test('a member that waited long for its assignment has a whole session timeout to rejoin', () => {
  const harness = new Harness({ initialRebalanceDelayMs: 10 })
  const [leader, follower] = [harness.joinFully(), harness.joinFully()]
  harness.advance(100)
  harness.sync({ memberId: follower.memberId, generationId: 1 })
  for (let elapsedMs = 0; elapsedMs < 40_000; elapsedMs += 5_000) {
    harness.advance(5_000)
    harness.heartbeat(leader.memberId, 1)
  }
  harness.joinFully()
  harness.advance(9_000)
  expect(harness.heartbeat(follower.memberId, 1)).toBe('REBALANCE_IN_PROGRESS')
})

test('an id that was given out and is given back is nobody', () => {
  const harness = new Harness()
  const { memberId = '' } = harness.joined(harness.join().token) ?? {}
  expect(harness.leave([{ memberId }])).toEqual(['NONE', 'NONE'])
  expect(harness.joined(harness.join({ memberId }).token)?.errorCode).toBe('UNKNOWN_MEMBER_ID')
})

test('a new member that waits for five minutes is expected to try again', () => {
  const harness = new Harness({ initialRebalanceDelayMs: 0 })
  const { memberId } = harness.joinFully({ rebalanceTimeoutMs: 20 * 60_000 })
  harness.sync({ memberId, generationId: 1 })
  const { token } = harness.joinFully({ rebalanceTimeoutMs: 20 * 60_000 })
  for (let elapsedMs = 0; elapsedMs < 301_000; elapsedMs += 7_000) {
    expect(harness.joined(token)).toBeUndefined()
    harness.advance(7_000)
    harness.heartbeat(memberId, 1)
  }
  expect(harness.joined(token)?.errorCode).toBe('UNKNOWN_MEMBER_ID')
})

test('a member cannot change the protocol type of its group', () => {
  const { harness, memberIds } = stableGroup(1)
  const { token } = harness.join({ memberId: memberIds[0] ?? '', protocolType: 'connect' })
  expect(harness.joined(token)?.errorCode).toBe('INCONSISTENT_GROUP_PROTOCOL')
})

test('a dynamic member that does not rejoin in time is left behind', () => {
  const { harness, memberIds, generationId } = stableGroup(2)
  const [first = '', late = ''] = memberIds
  const rejoined = harness.join({ memberId: first, rebalanceTimeoutMs: 20_000 })
  for (let elapsedMs = 0; elapsedMs < 60_000; elapsedMs += 5_000) {
    harness.advance(5_000)
    expect(harness.describe().members).toContain(elapsedMs < 55_000 ? late : first)
    harness.heartbeat(late, generationId)
  }
  expect(harness.joined(rejoined.token)?.members.map(({ memberId }) => memberId)).toEqual([first])
  expect(harness.heartbeat(late, generationId)).toBe('UNKNOWN_MEMBER_ID')
})

test('when the leader does not rejoin, a member that did becomes leader', () => {
  const { harness, memberIds } = stableGroup(2)
  const [leader = '', other = ''] = memberIds
  expect(harness.leave([{ memberId: leader }])).toEqual(['NONE', 'NONE'])
  const { token } = harness.join({ memberId: other })
  expect(harness.joined(token)).toMatchObject({ leader: other })
})

test('members that never send SyncGroup are removed after the rebalance timeout', () => {
  const harness = new Harness({ initialRebalanceDelayMs: 10 })
  const lazy = harness.joinFully({ rebalanceTimeoutMs: 5_000, sessionTimeoutMs: 60_000 })
  harness.advance(20)
  expect(harness.describe()).toMatchObject({ state: 'CompletingRebalance' })
  harness.advance(5_000)
  expect(harness.describe()).toMatchObject({ state: 'Empty', members: [] })
  expect(harness.heartbeat(lazy.memberId, 1)).toBe('UNKNOWN_MEMBER_ID')
})

test('a rebalance that begins while members wait for their assignment sends them back', () => {
  const harness = new Harness({ initialRebalanceDelayMs: 10 })
  const [leader, follower] = [harness.joinFully(), harness.joinFully()]
  harness.advance(100)
  const { token } = harness.sync({ memberId: follower.memberId, generationId: 1 })
  harness.leave([{ memberId: leader.memberId }])
  expect(harness.synced(token)?.errorCode).toBe('REBALANCE_IN_PROGRESS')
})

test('a retry of a JoinGroup that waits ends the older one', () => {
  const harness = new Harness()
  const { token, memberId } = harness.joinFully()
  const retried = harness.join({ memberId })
  expect(harness.joined(token)?.errorCode).toBe('REBALANCE_IN_PROGRESS')
  harness.advance(10_000)
  expect(harness.joined(retried.token)?.errorCode).toBe('NONE')
})

test('a follower that rejoins a stable group unchanged gets the same generation', () => {
  const { harness, memberIds, generationId } = stableGroup(2)
  const { token } = harness.join({ memberId: memberIds[1] ?? '' })
  expect(harness.joined(token)).toMatchObject({ errorCode: 'NONE', generationId, members: [] })
  expect(harness.describe().state).toBe('Stable')
})

test.for([
  ['a leader that rejoins', 0, [['range', 'r']]],
  ['a follower with other metadata', 1, [['range', 'other topics']]],
] as const)('%s rebalances a stable group', ([, index, protocols]) => {
  const { harness, memberIds } = stableGroup(2)
  harness.join({ memberId: memberIds[index] ?? '', protocols })
  expect(harness.describe().state).toBe('PreparingRebalance')
})

test('the protocol that most members prefer, of those that all support, is selected', () => {
  const harness = new Harness()
  const joins = [
    harness.joinFully({
      protocols: [
        ['own', ''],
        ['range', 'a'],
        ['sticky', 'b'],
      ],
    }),
    harness.joinFully({
      protocols: [
        ['sticky', 'c'],
        ['range', 'd'],
      ],
    }),
    harness.joinFully({
      protocols: [
        ['sticky', 'e'],
        ['range', 'f'],
      ],
    }),
  ]
  harness.advance(10_000)
  const answer = harness.joined(joins[0]?.token ?? -1)
  expect(answer?.protocolName).toBe('sticky')
  expect(answer?.members.map(({ metadata }) => text(metadata))).toEqual(['b', 'c', 'e'])
})

test.for([
  ['no protocol in common', { protocols: [['sticky', '']] }],
  ['another protocol type', { protocolType: 'connect' }],
] as const)('a member with %s is refused', ([, options]) => {
  const { harness, memberIds, generationId } = stableGroup(1)
  expect(harness.joined(harness.join(options).token)?.errorCode).toBe('INCONSISTENT_GROUP_PROTOCOL')
  expect(harness.heartbeat(memberIds[0] ?? '', generationId)).toBe('NONE')
})

test.for([
  [{ protocols: [] }, 'INCONSISTENT_GROUP_PROTOCOL'],
  [{ protocolType: '' }, 'INCONSISTENT_GROUP_PROTOCOL'],
  [{ sessionTimeoutMs: 999 }, 'INVALID_SESSION_TIMEOUT'],
  [{ sessionTimeoutMs: 300_001 }, 'INVALID_SESSION_TIMEOUT'],
  [{ memberId: 'nobody' }, 'UNKNOWN_MEMBER_ID'],
  [{ protocols: [['range', 'x'.repeat(65_537)]] }, 'INVALID_REQUEST'],
] as const)(
  'to join an unknown group with %o is refused, and leaves no trace',
  ([options, error]) => {
    const harness = new Harness()
    expect(harness.joined(harness.join(options).token)?.errorCode).toBe(error)
    expect(harness.describe().state).toBe('Dead')
    expect(harness.log).toEqual([])
  },
)

test('ids that nobody came back with take no place in a group', () => {
  const harness = new Harness({ membersMax: 1 })
  const ids = [1, 2, 3].map(() => harness.joined(harness.join().token)?.memberId)
  const answers = ids.map((memberId = '') => harness.join({ memberId }).token)
  harness.advance(3_000)
  expect(answers.map((token) => harness.joined(token)?.errorCode)).toEqual([
    'NONE',
    'GROUP_MAX_SIZE_REACHED',
    'GROUP_MAX_SIZE_REACHED',
  ])
})

test('a member that would drop the last protocol in common is refused', () => {
  const { harness, memberIds } = stableGroup(1)
  const [memberId = ''] = memberIds
  const { token } = harness.join({ memberId, protocols: [['sticky', '']] })
  expect(harness.joined(token)?.errorCode).toBe('INCONSISTENT_GROUP_PROTOCOL')
  expect(harness.heartbeat(memberId, 1)).toBe('NONE')
})

test('a full group takes no more members, but its own come back', () => {
  const { harness, memberIds } = stableGroup(2, new Harness({ membersMax: 2 }))
  expect(harness.joined(harness.join().token)?.errorCode).toBe('GROUP_MAX_SIZE_REACHED')
  const { token } = harness.join({ memberId: memberIds[1] ?? '' })
  expect(harness.joined(token)?.errorCode).toBe('NONE')
})

test('a coordinator with as many groups as it may have takes no other', () => {
  const { harness } = stableGroup(1, new Harness({ groupsMax: 1 }))
  expect(harness.commit({ groupId: 'other', offset: 1 })).toBe('COORDINATOR_NOT_AVAILABLE')
  expect(harness.commit({ groupId: GROUP, offset: 1 })).toBe('UNKNOWN_MEMBER_ID')
})

test.for([
  ['SyncGroup of another generation', { generationId: 7 }, 'ILLEGAL_GENERATION'],
  ['SyncGroup of nobody', { memberId: 'nobody' }, 'UNKNOWN_MEMBER_ID'],
  ['SyncGroup for another protocol', { protocolName: 'sticky' }, 'INCONSISTENT_GROUP_PROTOCOL'],
  ['SyncGroup v5 without a protocol', { protocolName: null }, 'INCONSISTENT_GROUP_PROTOCOL'],
] as const)('%s is refused', ([, options, error]) => {
  const { harness, memberIds, generationId } = stableGroup(1)
  const { token } = harness.sync({ memberId: memberIds[0] ?? '', generationId, ...options })
  expect(harness.synced(token)?.errorCode).toBe(error)
})

test('the members that leave in one request each have their own error', () => {
  const { harness, memberIds } = stableGroup(2)
  const leaving = [{ memberId: memberIds[0] ?? '' }, { memberId: 'nobody' }]
  expect(harness.leave(leaving)).toEqual(['NONE', 'NONE', 'UNKNOWN_MEMBER_ID'])
  expect(harness.leave([{ memberId: 'nobody' }], 2)).toEqual(['UNKNOWN_MEMBER_ID'])
})

test('a group that everybody left is empty, and stays so after a crash', () => {
  const { harness, memberIds } = stableGroup(2)
  harness.leave(memberIds.map((memberId) => ({ memberId })))
  expect(harness.describe()).toMatchObject({ state: 'Empty', members: [] })
  harness.crash()
  expect(harness.describe()).toMatchObject({ state: 'Empty', members: [] })
})

test('a partition that is given up tells whoever waits to look for another coordinator', () => {
  const harness = new Harness()
  const { token } = harness.joinFully()
  const partition = harness.coordinator.partitionFor(GROUP)
  harness.apply(harness.coordinator.unload(partition))
  expect(harness.joined(token)?.errorCode).toBe('NOT_COORDINATOR')
  expect(harness.heartbeat('any', 1)).toBe('NOT_COORDINATOR')
})

test('a partition that is loading says so, but to a heartbeat, as in Kafka', () => {
  const harness = new Harness()
  const partition = harness.coordinator.partitionFor(GROUP)
  harness.coordinator.unload(partition)
  harness.coordinator.startLoading(partition)
  expect(harness.heartbeat('any', 1)).toBe('NONE')
  expect(harness.joined(harness.join().token)?.errorCode).toBe('COORDINATOR_LOAD_IN_PROGRESS')
  expect(harness.coordinator.listGroups({ statesFilter: [], typesFilter: [] }).errorCode).toBe(
    'COORDINATOR_LOAD_IN_PROGRESS',
  )
})

test('whoever syncs while the group is loaded is told to join again: the Java client expects no other error', () => {
  const { harness, memberIds } = stableGroup(1)
  const [memberId = ''] = memberIds
  const partition = harness.coordinator.partitionFor(GROUP)
  harness.coordinator.unload(partition)
  harness.coordinator.startLoading(partition)
  const { token } = harness.sync({ memberId, generationId: 1 })
  expect(harness.synced(token)?.errorCode).toBe('REBALANCE_IN_PROGRESS')
})

test('a partition that takes no records refuses what would change a group, and serves the rest', () => {
  const { harness, memberIds } = stableGroup(1)
  const [memberId = ''] = memberIds
  harness.commit({ offset: 5, memberId, generationId: 1 })
  const partition = harness.coordinator.partitionFor(GROUP)
  harness.coordinator.setWritable(partition, false)
  const refused = 'COORDINATOR_NOT_AVAILABLE'
  expect(harness.commit({ offset: 6, memberId, generationId: 1 })).toBe(refused)
  expect(harness.joined(harness.join().token)?.errorCode).toBe(refused)
  expect(harness.leave([{ memberId }])).toEqual([refused])
  expect(harness.deleteGroups(GROUP)).toEqual([refused])
  expect(harness.deleteOffsets([0])).toEqual([refused])
  expect(harness.heartbeat(memberId, 1)).toBe('NONE')
  expect(harness.fetch().offset).toBe(5)
  harness.advance(3_600_000)
  expect(harness.describe().state).toBe('Stable')

  harness.coordinator.setWritable(partition, true)
  expect(harness.commit({ offset: 6, memberId, generationId: 1 })).toBe('NONE')
  harness.advance(3_600_000)
  expect(harness.describe().state).toBe('Empty')
})

test('a group that is too large to be stored does not become stable', () => {
  const harness = new Harness({ initialRebalanceDelayMs: 10 })
  const [leader, follower] = [harness.joinFully(), harness.joinFully()]
  harness.advance(100)
  const waiting = harness.sync({ memberId: follower.memberId, generationId: 1 })
  const assignments = { [follower.memberId]: 'x'.repeat(STEP_BYTES_MAX) }
  const own = harness.sync({ memberId: leader.memberId, generationId: 1, assignments })
  expect(harness.synced(waiting.token)?.errorCode).toBe('UNKNOWN_SERVER_ERROR')
  expect(harness.synced(own.token)?.errorCode).toBe('UNKNOWN_SERVER_ERROR')
  expect(harness.describe().state).toBe('PreparingRebalance')
  expect(harness.log).toEqual([])
})
