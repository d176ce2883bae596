import { describe, expect, test } from 'vitest'
import { STEP_BYTES_MAX } from './index.ts'
import { GROUP, Harness, TOPIC, subscription } from './testing/harness.ts'

const DAY_MS = 86_400_000

/** A stable group of one that reads these topics and has offsets in partitions 0 to 2 of `TOPIC`. */
function stableGroup(options: { readonly metadata?: string; readonly protocolType?: string } = {}) {
  const { metadata = subscription(TOPIC), protocolType = 'consumer' } = options
  const harness = new Harness({ initialRebalanceDelayMs: 0 })
  const { memberId } = harness.joinFully({ protocols: [['range', metadata]], protocolType })
  harness.sync({ memberId, generationId: 1 })
  const member = { memberId, generationId: 1 }
  for (const partition of [0, 1, 2]) harness.commit({ partition, offset: 7, ...member })
  return { harness, memberId }
}

describe('DeleteGroups', () => {
  test('a group without members goes with all it has, also after a crash', () => {
    const { harness, memberId } = stableGroup()
    harness.leave([{ memberId }])
    expect(harness.deleteGroups(GROUP)).toEqual(['NONE'])
    for (const moment of ['at once', 'after a crash']) {
      expect(harness.describe().state, moment).toBe('Dead')
      expect(harness.fetch(0).offset, moment).toBe(-1)
      harness.crash()
    }
  })

  test('groups fail one by one', () => {
    const { harness } = stableGroup()
    harness.commit({ groupId: 'idle', offset: 1 })
    expect(harness.deleteGroups(GROUP, 'idle', 'idle', 'absent')).toEqual([
      'NON_EMPTY_GROUP',
      'NONE',
      'GROUP_ID_NOT_FOUND',
    ])
    expect(harness.fetch(0).offset).toBe(7)
  })

  test('who was about to join a group that is deleted begins again', () => {
    const harness = new Harness()
    harness.commit({ offset: 1 })
    const { memberId = '' } = harness.joined(harness.join().token) ?? {}
    expect(harness.deleteGroups(GROUP)).toEqual(['NONE'])
    const { token } = harness.join({ memberId })
    expect(harness.joined(token)?.errorCode).toBe('UNKNOWN_MEMBER_ID')
  })

  test('a group that is rebalancing is not empty', () => {
    const harness = new Harness()
    harness.joinFully()
    expect(harness.describe().state).toBe('PreparingRebalance')
    expect(harness.deleteGroups(GROUP)).toEqual(['NON_EMPTY_GROUP'])
  })

  test('whatever it has, the group is removed in steps that fit into a batch', () => {
    const groupId = 'g'.repeat(20_000)
    const harness = new Harness()
    for (let partition = 0; partition < 40; partition += 1) {
      for (let repeat = 0; repeat < 2; repeat += 1)
        harness.commit({ groupId, partition, offset: 1 })
    }
    const { steps } = harness.coordinator.deleteGroups({ groupsNames: [groupId] }, harness.now)
    expect(steps.length).toBeGreaterThan(0)
    for (const { records } of steps) {
      const bytes = records.reduce(
        (sum, { key, value }) => sum + key.length + (value?.length ?? 0),
        0,
      )
      expect(bytes).toBeLessThan(STEP_BYTES_MAX)
    }
    expect(harness.describe(groupId).state).toBe('Dead')
  })
})

describe('OffsetDelete', () => {
  test('removes offsets of a group without members, also after a crash', () => {
    const { harness, memberId } = stableGroup()
    harness.leave([{ memberId }])
    expect(harness.deleteOffsets([0, 2])).toEqual(['NONE', 'NONE'])
    for (const moment of ['at once', 'after a crash']) {
      const offsets = [0, 1, 2].map((partition) => harness.fetch(partition).offset)
      expect(offsets, moment).toEqual([-1, 7, -1])
      harness.crash()
    }
  })

  test.for([
    {
      rule: 'a topic that a member reads',
      metadata: subscription('x', TOPIC),
      errors: ['GROUP_SUBSCRIBED_TO_TOPIC'],
    },
    { rule: 'a topic that no member reads', metadata: subscription('x'), errors: ['NONE'] },
    {
      rule: 'metadata that nobody understands',
      metadata: 'r',
      errors: ['GROUP_SUBSCRIBED_TO_TOPIC'],
    },
    {
      rule: 'a topic cut short',
      metadata: subscription(TOPIC).slice(0, 10),
      errors: ['GROUP_SUBSCRIBED_TO_TOPIC'],
    },
    {
      rule: 'a group of Connect',
      metadata: '',
      protocolType: 'connect',
      errors: ['NON_EMPTY_GROUP'],
    },
  ])('with members, $rule: $errors', ({ errors, ...options }) => {
    const { harness } = stableGroup(options)
    expect(harness.deleteOffsets([0])).toEqual(errors)
    expect(harness.fetch(0).offset).toBe(errors[0] === 'NONE' ? -1 : 7)
  })

  test.for([
    { rule: 'an unknown group', partitions: [0], errors: ['GROUP_ID_NOT_FOUND'] },
    { rule: 'an unknown partition', partitions: [99], errors: ['UNKNOWN_TOPIC_OR_PARTITION'] },
  ])('$rule: $errors', ({ partitions, errors }) => {
    expect(new Harness().deleteOffsets(partitions)).toEqual(errors)
  })

  test('an unknown group is told from one of whose offsets none is named', () => {
    const request = { groupId: GROUP, topics: [] }
    const { coordinator, now } = new Harness()
    const { response } = coordinator.deleteOffsets(request, now)
    expect(response.errorCode).toBe('GROUP_ID_NOT_FOUND')
  })

  test('an offset that is not there is no error', () => {
    const harness = new Harness()
    harness.commit({ partition: 0, offset: 1 })
    expect(harness.deleteOffsets([5])).toEqual(['NONE'])
  })
})

describe('the end of offsets in a group with members (KIP-211)', () => {
  test.for([
    { topics: ['x'], offset: -1 },
    { topics: ['x', TOPIC], offset: 7 },
  ])('that subscribes to $topics: $offset', ({ topics, offset }) => {
    const { harness, memberId } = stableGroup({ metadata: subscription(...topics) })
    for (let elapsedMs = 0; elapsedMs < 8 * DAY_MS; elapsedMs += 9_000) {
      harness.nowMs += 9_000
      harness.heartbeat(memberId, 1)
    }
    harness.advance(0)
    expect(harness.describe().state).toBe('Stable')
    expect(harness.fetch(0).offset).toBe(offset)
  })
})
