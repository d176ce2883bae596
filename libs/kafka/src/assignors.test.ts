import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { assignPartitions } from './assignors.ts'

const PARTITION_COUNTS: Readonly<Record<string, number>> = { a: 3, b: 2, c: 0 }
const partitionCountOf = (topic: string) => PARTITION_COUNTS[topic] ?? 0

describe('with two members on topics a (3 partitions) and b (2)', () => {
  const members = ['m2', 'm1'].map((memberId) => ({
    memberId,
    instanceId: null,
    topics: ['a', 'b'],
  }))

  test.for([
    ['range', { m1: 'a0 a1 b0', m2: 'a2 b1' }],
    ['roundrobin', { m1: 'a0 a2 b1', m2: 'a1 b0' }],
  ] as const)('%s divides them as Kafka does', ([assignor, expected]) => {
    const assigned = assignPartitions(assignor, members, partitionCountOf)
    const text = [...assigned].map(([memberId, partitions]) => [
      memberId,
      partitions.map(({ topic, partition }) => `${topic}${partition}`).join(' '),
    ])
    expect(Object.fromEntries(text)).toEqual(expected)
  })
})

test('a static member keeps its place under a new member id', () => {
  const assign = (memberId: string) =>
    assignPartitions(
      'range',
      [
        { memberId, instanceId: 'i1', topics: ['a'] },
        { memberId: 'm5', instanceId: 'i2', topics: ['a'] },
      ],
      partitionCountOf,
    ).get(memberId)
  expect(assign('m9')).toEqual(assign('m1'))
})

test('every partition has exactly one owner, who subscribes to it', () => {
  const topics = fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { minLength: 1 })
  const members = fc
    .array(fc.record({ topics, instanceId: fc.option(fc.uuid()) }), { minLength: 1, maxLength: 6 })
    .map((list) => list.map((member, index) => ({ ...member, memberId: `m${index}` })))
  fc.assert(
    fc.property(members, fc.constantFrom('range', 'roundrobin'), (given, assignor) => {
      const assigned = assignPartitions(assignor, given, partitionCountOf)
      expect([...assigned.keys()].sort()).toEqual(given.map(({ memberId }) => memberId).sort())
      const owned: string[] = []
      for (const { memberId, topics } of given) {
        for (const { topic, partition } of assigned.get(memberId) ?? []) {
          expect(topics).toContain(topic)
          owned.push(`${topic}${partition}`)
        }
      }
      const subscribed = new Set(given.flatMap(({ topics }) => topics))
      const expected = [...subscribed].flatMap((topic) =>
        Array.from({ length: partitionCountOf(topic) }, (_, partition) => `${topic}${partition}`),
      )
      expect(owned.sort()).toEqual(expected.sort())
    }),
  )
})
