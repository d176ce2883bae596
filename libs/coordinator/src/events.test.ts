import { expect, test } from 'vitest'
import { GROUP, Harness } from './testing/harness.ts'

/** A stable group of one, its events forgotten. */
function stableGroup() {
  const harness = new Harness({ initialRebalanceDelayMs: 0 })
  const { memberId } = harness.joinFully()
  harness.sync({ memberId, generationId: 1 })
  harness.events.length = 0
  return { harness, memberId }
}

function reasons(harness: Harness): readonly string[] {
  return harness.events.flatMap((event) => (event.kind === 'rebalanceBegan' ? [event.reason] : []))
}

test('a rebalance tells how it begins and ends', () => {
  const harness = new Harness({ initialRebalanceDelayMs: 0 })
  const { memberId } = harness.joinFully({ reason: 'first start' })
  harness.sync({ memberId, generationId: 1 })
  const reason = `member ${memberId} joins; client reason: first start`
  expect(harness.events).toEqual([
    { kind: 'rebalanceBegan', groupId: GROUP, generationId: 0, reason },
    { kind: 'generationBegan', groupId: GROUP, generationId: 1, memberCount: 1 },
    { kind: 'generationCompleted', groupId: GROUP, generationId: 1, memberCount: 1 },
  ])
})

test.for([
  {
    cause: 'a member that leaves, with its own words',
    happen: (harness: Harness, memberId: string) => harness.leave([{ memberId, reason: 'bye' }]),
    reason: () => 'members left the group; client reason: bye',
  },
  {
    cause: 'a member that falls silent',
    happen: (harness: Harness) => harness.advance(10_000),
    reason: (id: string) => `nothing was heard of member ${id} for its session timeout`,
  },
  {
    cause: 'a leader that rejoins',
    happen: (harness: Harness, memberId: string) => harness.join({ memberId }),
    reason: (id: string) => `the leader rejoins (${id})`,
  },
  {
    cause: 'a reason of any length',
    happen: (harness: Harness, memberId: string) =>
      harness.join({ memberId, reason: 'x'.repeat(32_767) }),
    reason: (id: string) => `the leader rejoins (${id}); client reason: ${'x'.repeat(255)}`,
  },
])('$cause is named', ({ happen, reason }) => {
  const { harness, memberId } = stableGroup()
  happen(harness, memberId)
  expect(reasons(harness)).toEqual([reason(memberId)])
})

test('members that never sync are counted', () => {
  const harness = new Harness({ initialRebalanceDelayMs: 0 })
  const { memberId } = harness.joinFully({ sessionTimeoutMs: 300_000 })
  harness.events.length = 0
  harness.advance(60_000)
  expect(harness.heartbeat(memberId, 1)).toBe('UNKNOWN_MEMBER_ID')
  expect(reasons(harness)).toEqual(['1 members sent no SyncGroup within the rebalance timeout'])
})

test('offsets are counted as they come and go', () => {
  const harness = new Harness()
  harness.commit({ partition: 0, offset: 1 })
  harness.commit({ partition: 1, offset: 1, metadata: 'x'.repeat(65) })
  harness.deleteOffsets([0, 1])
  harness.commit({ partition: 2, offset: 1 })
  harness.advance(harness.config.offsetsRetentionMs + 600_000)
  expect(harness.events).toEqual([
    { kind: 'offsetsCommitted', groupId: GROUP, count: 1 },
    { kind: 'offsetsDeleted', groupId: GROUP, count: 1 },
    { kind: 'offsetsCommitted', groupId: GROUP, count: 1 },
    { kind: 'offsetsExpired', groupId: GROUP, count: 1 },
  ])
})

test('a group that is deleted says so once', () => {
  const { harness, memberId } = stableGroup()
  harness.leave([{ memberId }])
  harness.events.length = 0
  harness.deleteGroups(GROUP)
  expect(harness.events).toEqual([{ kind: 'groupDeleted', groupId: GROUP }])
})

test('summaries show what groups are and hold', () => {
  const { harness, memberId } = stableGroup()
  harness.commit({ partition: 3, offset: 30, memberId, generationId: 1 })
  harness.commit({ groupId: 'simple', partition: 0, offset: 5 })
  const summaries = [...harness.coordinator.summaries()].map(({ offsets, ...summary }) => ({
    ...summary,
    offsets: [...offsets],
  }))
  expect(summaries.toSorted((a, b) => a.groupId.localeCompare(b.groupId))).toEqual([
    {
      groupId: GROUP,
      state: 'Stable',
      protocolType: 'consumer',
      memberCount: 1,
      offsetCount: 1,
      offsets: [{ topic: 'orders', partition: 3, committedOffset: 30 }],
    },
    {
      groupId: 'simple',
      state: 'Empty',
      protocolType: '',
      memberCount: 0,
      offsetCount: 1,
      offsets: [{ topic: 'orders', partition: 0, committedOffset: 5 }],
    },
  ])
})
