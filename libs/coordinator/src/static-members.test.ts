import { expect, test } from 'vitest'
import { GROUP, Harness, text } from './testing/harness.ts'

const FIRST = { instanceId: 'node-1' } as const
const SECOND = { instanceId: 'node-2' } as const

/** A stable group of two static members; the first is the leader. */
function staticGroup(): { harness: Harness; first: string; second: string } {
  const harness = new Harness({ initialRebalanceDelayMs: 10 })
  const tokens = [harness.join(FIRST), harness.join(SECOND)].map(({ token }) => token)
  harness.advance(100)
  const [first = '', second = ''] = tokens.map((token) => harness.joined(token)?.memberId ?? '')
  harness.sync({ memberId: second, generationId: 1, ...SECOND })
  const assignments = { [first]: 'p0', [second]: 'p1' }
  harness.sync({ memberId: first, generationId: 1, assignments, ...FIRST })
  expect(harness.describe()).toMatchObject({ state: 'Stable', members: [first, second] })
  return { harness, first, second }
}

test('a static member needs no second request for its id', () => {
  const { first } = staticGroup()
  expect(first).toMatch(/^node-1-/)
})

test('a static member that restarts keeps its assignment, without a rebalance', () => {
  const { harness, second } = staticGroup()
  const answer = harness.joined(harness.join(SECOND).token)
  expect(answer).toMatchObject({ errorCode: 'NONE', generationId: 1 })
  expect(answer?.memberId).not.toBe(second)
  expect(harness.describe().state).toBe('Stable')
  const sync = harness.sync({ memberId: answer?.memberId ?? '', generationId: 1, ...SECOND })
  expect(text(harness.synced(sync.token)?.assignment)).toBe('p1')
})

test('the exchange of a static member survives a crash', () => {
  const { harness, second } = staticGroup()
  const memberId = harness.joined(harness.join(SECOND).token)?.memberId ?? ''
  harness.crash()
  expect(harness.heartbeat(memberId, 1, SECOND.instanceId)).toBe('NONE')
  expect(harness.heartbeat(second, 1, SECOND.instanceId)).toBe('FENCED_INSTANCE_ID')
})

test('the former process of a static member is fenced', () => {
  const { harness, second } = staticGroup()
  harness.join(SECOND)
  expect(harness.heartbeat(second, 1, SECOND.instanceId)).toBe('FENCED_INSTANCE_ID')
  const { token } = harness.sync({ memberId: second, generationId: 1, ...SECOND })
  expect(harness.synced(token)?.errorCode).toBe('FENCED_INSTANCE_ID')
  expect(harness.commit({ offset: 1, memberId: second, generationId: 1, ...SECOND })).toBe(
    'FENCED_INSTANCE_ID',
  )
  expect(harness.joined(harness.join({ memberId: second, ...SECOND }).token)?.errorCode).toBe(
    'FENCED_INSTANCE_ID',
  )
})

test('a leader that restarts is told to skip the assignment, if it knows how', () => {
  const { harness } = staticGroup()
  const answer = harness.joined(harness.join({ ...FIRST, apiVersion: 9 }).token)
  expect(answer).toMatchObject({ skipAssignment: true, leader: answer?.memberId })
  expect(answer?.members).toHaveLength(2)
})

test('a leader that restarts with an older client does not take itself for the leader', () => {
  const { harness, first } = staticGroup()
  const answer = harness.joined(harness.join({ ...FIRST, apiVersion: 8 }).token)
  expect(answer).toMatchObject({ skipAssignment: false, leader: first, members: [] })
})

test('a static member that restarts with another protocol makes the group rebalance', () => {
  const harness = new Harness({ initialRebalanceDelayMs: 0 })
  const { token } = harness.join({
    ...FIRST,
    protocols: [
      ['range', ''],
      ['sticky', ''],
    ],
  })
  const memberId = harness.joined(token)?.memberId ?? ''
  harness.sync({ memberId, generationId: 1, ...FIRST })
  const restarted = harness.join({ ...FIRST, protocols: [['sticky', '']] })
  expect(harness.joined(restarted.token)).toMatchObject({ generationId: 2, protocolName: 'sticky' })
})

test('a static member keeps its place in a rebalance that it misses, until its session ends', () => {
  const { harness, first, second } = staticGroup()
  const third = harness.join({ instanceId: 'node-3', rebalanceTimeoutMs: 2_000 })
  harness.join({ memberId: first, ...FIRST, rebalanceTimeoutMs: 2_000 })
  harness.advance(60_000)
  expect(harness.joined(third.token)?.errorCode).toBe('NONE')
  expect(harness.describe().members).not.toContain(second)
})

test('a static member that a rebalance did not wait for is a member of the new generation', () => {
  const { harness, first, second } = staticGroup()
  for (const instance of [{ instanceId: 'node-3' }, { memberId: first, ...FIRST }]) {
    harness.join({ ...instance, rebalanceTimeoutMs: 2_000 })
  }
  harness.heartbeat(second, 1, SECOND.instanceId)
  for (let elapsedMs = 0; elapsedMs < 61_000; elapsedMs += 1_000) {
    harness.advance(1_000)
    harness.heartbeat(second, 1, SECOND.instanceId)
  }
  expect(harness.describe()).toMatchObject({ state: 'CompletingRebalance' })
  expect(harness.describe().members).toContain(second)
  expect(harness.heartbeat(second, 1, SECOND.instanceId)).toBe('ILLEGAL_GENERATION')
})

test('a member that took over as leader stays it when the former leader comes back', () => {
  const { harness, first, second } = staticGroup()
  harness.join({ memberId: second, ...SECOND, protocols: [['range', 'changed']] })
  // The first is heard of, yet does not rejoin in time.
  for (let elapsedMs = 0; elapsedMs < 61_000; elapsedMs += 1_000) {
    harness.advance(1_000)
    harness.heartbeat(first, 1, FIRST.instanceId)
  }
  const third = harness.join({ instanceId: 'node-3' })
  const others = [
    harness.join({ memberId: first, ...FIRST }),
    harness.join({ memberId: second, ...SECOND }),
  ]
  const leaders = [third, ...others].map(({ token }) => harness.joined(token)?.leader)
  expect(leaders).toEqual([second, second, second])
})

test('a static member that restarts with more than can be stored makes the group rebalance', () => {
  const harness = new Harness({ initialRebalanceDelayMs: 0, memberMetadataMaxBytes: 2 ** 21 })
  const { memberId = '' } = harness.joined(harness.join(FIRST).token) ?? {}
  harness.sync({ memberId, generationId: 1, ...FIRST })
  const stored = harness.log.length
  const restarted = harness.join({ ...FIRST, protocols: [['range', 'm'.repeat(1_000_000)]] })
  expect(harness.joined(restarted.token)).toMatchObject({ errorCode: 'NONE', generationId: 2 })
  expect(harness.log).toHaveLength(stored)
})

test('a member id that was given to a dynamic member does not serve a static one', () => {
  const harness = new Harness()
  const { memberId = '' } = harness.joined(harness.join().token) ?? {}
  const { token } = harness.join({ memberId, ...FIRST })
  expect(harness.joined(token)?.errorCode).toBe('UNKNOWN_MEMBER_ID')
})

test('a static member that restarts during a rebalance takes the place of its former self', () => {
  const { harness, first } = staticGroup()
  const waiting = harness.join({ memberId: first, ...FIRST })
  const restarted = harness.join(SECOND)
  expect(harness.joined(waiting.token)?.generationId).toBe(2)
  expect(harness.joined(restarted.token)?.generationId).toBe(2)
})

test('a static member that restarts while the leader assigns starts the rebalance again', () => {
  const { harness, first, second } = staticGroup()
  harness.join({ memberId: first, ...FIRST })
  harness.join({ memberId: second, ...SECOND })
  expect(harness.describe().state).toBe('CompletingRebalance')
  const sync = harness.sync({ memberId: second, generationId: 2, ...SECOND })
  harness.join(SECOND)
  expect(harness.describe().state).toBe('PreparingRebalance')
  expect(harness.synced(sync.token)?.errorCode).toBe('FENCED_INSTANCE_ID')
})

test('an administrator removes a static member by its instance id', () => {
  const { harness, first } = staticGroup()
  expect(harness.leave([{ memberId: '', ...SECOND }])).toEqual(['NONE', 'NONE'])
  expect(harness.describe().members).toEqual([first])
  expect(harness.leave([{ memberId: '', instanceId: 'nobody' }])).toEqual([
    'NONE',
    'UNKNOWN_MEMBER_ID',
  ])
})

test('while a group rebalances its members are shown with what they were assigned last', () => {
  const { harness } = staticGroup()
  harness.join({ instanceId: 'node-3' })
  const { groups } = harness.coordinator.describeGroups(
    { groups: [GROUP], includeAuthorizedOperations: false },
    { apiVersion: 5 },
  )
  expect(groups[0]?.groupState).toBe('PreparingRebalance')
  const assigned = groups[0]?.members.map((member) => text(member.memberAssignment))
  expect(assigned).toEqual(['p0', 'p1', ''])
})
