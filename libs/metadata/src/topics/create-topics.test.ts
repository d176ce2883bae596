import { ZERO_UUID, encodeResponse } from '@fairlead/protocol'
import { expect, test } from 'vitest'
import { Cluster, type NewTopicRequest } from '../testing/fixtures.ts'

const assigned = (...brokerIds: readonly (readonly number[])[]) => ({
  assignments: brokerIds.map((ids, partitionIndex) => ({ partitionIndex, brokerIds: ids })),
})

test('a topic has the partitions, the configuration and the id that the answer names', () => {
  const cluster = new Cluster()
  const configs = [{ name: 'retention.ms', value: '1000' }]
  const [answer] = cluster.create([{ name: 'orders', numPartitions: 3, configs }])
  expect(answer).toMatchObject({ errorCode: 'NONE', numPartitions: 3, replicationFactor: 1 })
  const topic = cluster.image.topic('orders')
  expect(topic?.topicId).toBe(answer?.topicId)
  expect(topic?.partitions.map(({ partition, leader }) => [partition, leader])).toEqual([
    [0, 1],
    [1, 1],
    [2, 1],
  ])
  expect(topic?.configs).toEqual(new Map([['retention.ms', '1000']]))
  expect(cluster.image.topicById(answer?.topicId ?? '')).toBe(topic)
  expect(answer?.configs?.find(({ name }) => name === 'retention.ms')).toMatchObject({
    value: '1000',
    configSource: 1,
  })
  expect(answer?.configs?.find(({ name }) => name === 'cleanup.policy')).toMatchObject({
    value: 'delete',
    configSource: 5,
  })
})

test.for([
  ['name', { name: 'a'.repeat(32_767) }, 'INVALID_TOPIC_EXCEPTION'],
  ['config name', { configs: [{ name: 'x'.repeat(32_767), value: '1' }] }, 'INVALID_CONFIG'],
  [
    'config value',
    { configs: [{ name: 'retention.ms', value: 'x'.repeat(32_767) }] },
    'INVALID_CONFIG',
  ],
  [
    'list of null configs',
    { configs: ['a', 'b'].map((c) => ({ name: c.repeat(32_767), value: null })) },
    'INVALID_CONFIG',
  ],
] as const)('the longest %s is refused with an error that can be sent', ([, topic, errorCode]) => {
  const answers = new Cluster().create([{ name: 'orders', ...topic }])
  expect(answers).toMatchObject([{ errorCode }])
  expect(encodeResponse('CreateTopics', 7, 1, { topics: answers }).length).toBeGreaterThan(0)
})

test.for(['constructor', '__proto__', 'toString', 'hasOwnProperty'])(
  '%s is no topic configuration',
  (name) => {
    const [answer] = new Cluster().create([{ name: 'orders', configs: [{ name, value: '1' }] }])
    expect(answer).toMatchObject({ errorCode: 'INVALID_CONFIG' })
  },
)

test('topics of one request share what is left of the partitions of the broker', () => {
  const cluster = new Cluster()
  cluster.create([{ name: 'a', numPartitions: 9_000 }])
  cluster.create([{ name: 'b', numPartitions: 6_000 }])
  const answers = cluster.create(['c', 'd'].map((name) => ({ name, numPartitions: 3_000 })))
  expect(answers.map(({ errorCode }) => errorCode)).toEqual(['NONE', 'POLICY_VIOLATION'])
  expect(cluster.image.partitionCount).toBe(18_000)
})

test('a request of a hundred thousand names is answered at once', () => {
  const names = Array.from({ length: 100_000 }, (_, index) => `/${index}`)
  const answers = new Cluster().create(names.map((name) => ({ name })))
  expect(answers).toHaveLength(names.length)
})

test('-1 partitions are num.partitions', () => {
  const cluster = new Cluster({ 'num.partitions': '6' })
  expect(cluster.create([{ name: 'orders' }])[0]?.numPartitions).toBe(6)
  expect(new Cluster().create([{ name: 'orders' }])[0]?.numPartitions).toBe(1)
})

test.for([
  ['a name with a slash', { name: 'a/b' }, 'INVALID_TOPIC_EXCEPTION'],
  ['an empty name', { name: '' }, 'INVALID_TOPIC_EXCEPTION'],
  ['the name ..', { name: '..' }, 'INVALID_TOPIC_EXCEPTION'],
  ['a name of 250 characters', { name: 'a'.repeat(250) }, 'INVALID_TOPIC_EXCEPTION'],
  ['a name that exists', { name: 'taken.one' }, 'TOPIC_ALREADY_EXISTS'],
  ['a name that differs in . and _ only', { name: 'taken_one' }, 'INVALID_TOPIC_EXCEPTION'],
  ['the name of the metadata log', { name: '__cluster_metadata' }, 'INVALID_REQUEST'],
  ['the name of the offsets topic', { name: '__consumer_offsets' }, 'INVALID_REQUEST'],
  ['no partitions', { numPartitions: 0 }, 'INVALID_PARTITIONS'],
  ['-2 partitions', { numPartitions: -2 }, 'INVALID_PARTITIONS'],
  ['no replicas', { replicationFactor: 0 }, 'INVALID_REPLICATION_FACTOR'],
  ['more replicas than brokers', { replicationFactor: 2 }, 'INVALID_REPLICATION_FACTOR'],
  ['too many partitions', { numPartitions: 10_001 }, 'POLICY_VIOLATION'],
  ['an unknown config', { configs: [{ name: 'no.such', value: '1' }] }, 'INVALID_CONFIG'],
  ['a bad config', { configs: [{ name: 'retention.ms', value: 'x' }] }, 'INVALID_CONFIG'],
  ['a null config', { configs: [{ name: 'retention.ms', value: null }] }, 'INVALID_CONFIG'],
  ['an assignment and a count', { numPartitions: 1, ...assigned([1]) }, 'INVALID_REQUEST'],
  ['an assignment and a factor', { replicationFactor: 1, ...assigned([1]) }, 'INVALID_REQUEST'],
  ['an unknown broker', assigned([2]), 'INVALID_REPLICA_ASSIGNMENT'],
  ['a broker twice', assigned([1, 1]), 'INVALID_REPLICA_ASSIGNMENT'],
  ['no brokers', assigned([]), 'INVALID_REPLICA_ASSIGNMENT'],
  [
    'a gap between partitions',
    { assignments: [{ partitionIndex: 1, brokerIds: [1] }] },
    'INVALID_REPLICA_ASSIGNMENT',
  ],
] as const satisfies readonly (readonly [string, Partial<NewTopicRequest>, string])[])(
  '%s is refused, and changes nothing',
  ([, topic, errorCode]) => {
    const cluster = new Cluster()
    cluster.create([{ name: 'taken.one' }])
    const [answer] = cluster.create([{ name: 'new', ...topic }])
    expect(answer).toMatchObject({ errorCode, topicId: ZERO_UUID, numPartitions: -1 })
    expect(answer?.errorMessage).not.toBeNull()
    expect(cluster.image.topicCount).toBe(1)
  },
)

test('the client may place the replicas, on the only broker', () => {
  const cluster = new Cluster()
  const [answer] = cluster.create([{ name: 'placed', ...assigned([1], [1]) }])
  expect(answer).toMatchObject({ errorCode: 'NONE', numPartitions: 2, replicationFactor: 1 })
})

test('one bad topic does not spoil the others', () => {
  const cluster = new Cluster()
  const answers = cluster.create([{ name: 'good' }, { name: 'bad/' }, { name: 'fine' }])
  expect(answers.map(({ errorCode }) => errorCode)).toEqual([
    'NONE',
    'INVALID_TOPIC_EXCEPTION',
    'NONE',
  ])
  expect([...cluster.image.topics()].map(({ name }) => name)).toEqual(['good', 'fine'])
})

test('a topic that a request names twice is not created', () => {
  const cluster = new Cluster()
  const answers = cluster.create([{ name: 'twice' }, { name: 'once' }, { name: 'twice' }])
  expect(answers.map(({ name, errorCode }) => [name, errorCode])).toEqual([
    ['once', 'NONE'],
    ['twice', 'INVALID_REQUEST'],
  ])
})

test('of two topics of one request whose metrics would collide, the first is created', () => {
  const answers = new Cluster().create([{ name: 'a.b' }, { name: 'a_b' }])
  expect(answers.map(({ errorCode }) => errorCode)).toEqual(['NONE', 'INVALID_TOPIC_EXCEPTION'])
})

test('the limit of partitions holds over all topics of a request', () => {
  const half = { numPartitions: 5_001 }
  const answers = new Cluster().create([
    { name: 'a', ...half },
    { name: 'b', ...half },
  ])
  expect(answers.map(({ errorCode }) => errorCode)).toEqual(['NONE', 'POLICY_VIOLATION'])
})

test('a request that only validates answers as if, and changes nothing', () => {
  const cluster = new Cluster()
  const [answer] = cluster.create([{ name: 'orders' }], { validateOnly: true })
  expect(answer).toMatchObject({ errorCode: 'NONE', numPartitions: 1, topicId: ZERO_UUID })
  expect(cluster.records).toEqual([])
})
