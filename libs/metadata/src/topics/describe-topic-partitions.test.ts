import fc from 'fast-check'
import { expect, test } from 'vitest'
import { describeTopicPartitions } from '../index.ts'
import { Cluster } from '../testing/fixtures.ts'

type Request = Parameters<typeof describeTopicPartitions>[1]

const CLUSTER = new Cluster()
CLUSTER.create([
  { name: 'c', numPartitions: 1 },
  { name: 'a', numPartitions: 3 },
  { name: 'b', numPartitions: 2 },
])
const ALL = ['a-0', 'a-1', 'a-2', 'b-0', 'b-1', 'c-0']

function describe(names: readonly string[], request: Partial<Request> = {}) {
  const topics = names.map((name) => ({ name }))
  const page = { topics, responsePartitionLimit: 2000, cursor: null, ...request }
  return describeTopicPartitions(CLUSTER.image, page, { partitionsMax: 2000 })
}

function partitionsOf({ topics }: ReturnType<typeof describe>): string[] {
  return topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partitionIndex }) => `${name}-${partitionIndex}`),
  )
}

test('no names mean every topic, in the order of names', () => {
  const response = describe([])
  expect(partitionsOf(response)).toEqual(ALL)
  expect(response.nextCursor).toBeNull()
})

test('pages of any size, one after the other, hold every partition once', () => {
  fc.assert(
    fc.property(fc.integer({ min: -1, max: 7 }), (responsePartitionLimit) => {
      const seen: string[] = []
      let cursor: Request['cursor'] = null
      for (let page = 0; page < ALL.length; page += 1) {
        const response = describe([], { responsePartitionLimit, cursor })
        const partitions = partitionsOf(response)
        expect(partitions.length).toBeLessThanOrEqual(Math.max(1, responsePartitionLimit))
        seen.push(...partitions)
        cursor = response.nextCursor ?? null
        if (cursor === null) break
      }
      expect(seen).toEqual(ALL)
      expect(cursor).toBeNull()
    }),
  )
})

test('a cursor at a topic that is gone goes on with the next one, from its first partition', () => {
  const cursor = { topicName: 'aa', partitionIndex: 1 }
  expect(partitionsOf(describe([], { cursor }))).toEqual(['b-0', 'b-1', 'c-0'])
})

test('names that are no topics are answered behind those that are', () => {
  const { topics } = describe(['no', 'b', 'bad name', 'b'])
  expect(topics.map(({ name, errorCode }) => [name, errorCode])).toEqual([
    ['b', 'NONE'],
    ['bad name', 'INVALID_TOPIC_EXCEPTION'],
    ['no', 'UNKNOWN_TOPIC_OR_PARTITION'],
  ])
})

test('a cursor at a negative partition is an invalid request', () => {
  const { topics } = describe(['a'], { cursor: { topicName: 'a', partitionIndex: -1 } })
  expect(topics.map(({ errorCode }) => errorCode)).toEqual(['INVALID_REQUEST'])
})

test('a page is never larger than the limit of the broker', () => {
  const request = { topics: [], responsePartitionLimit: 2 ** 31 - 1, cursor: null }
  const page = describeTopicPartitions(CLUSTER.image, request, { partitionsMax: 2 })
  expect(partitionsOf(page)).toEqual(['a-0', 'a-1'])
  expect(page.nextCursor).toEqual({ topicName: 'a', partitionIndex: 2 })
})
