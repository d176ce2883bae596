import { ZERO_UUID } from '@fairlead/protocol'
import { expect, test } from 'vitest'
import { UNLIMITED_MUTATIONS, deleteTopics } from '../index.ts'
import { Cluster } from '../testing/fixtures.ts'

type Target = { readonly name: string | null; readonly topicId: string }

function remove(
  cluster: Cluster,
  targets: readonly Target[],
  { apiVersion = 6, isDeletionEnabled = true, quota = UNLIMITED_MUTATIONS } = {},
): (string | null | undefined)[] {
  const request = {
    topics: targets,
    topicNames: targets.map(({ name }) => name ?? ''),
    timeoutMs: 1_000,
  }
  const context = { apiVersion, isDeletionEnabled, quota }
  const { records, response } = deleteTopics(cluster.image, request, context)
  cluster.commit(records)
  return response.responses.map(({ errorCode }) => errorCode)
}

function clusterWith(...names: readonly string[]): Cluster {
  const cluster = new Cluster()
  cluster.create(names.map((name) => ({ name, numPartitions: 2 })))
  return cluster
}

const byName = (name: string): Target => ({ name, topicId: ZERO_UUID })

test.for([1, 5, 6])('version %i deletes by name', (apiVersion) => {
  const cluster = clusterWith('a', 'b')
  expect(remove(cluster, [byName('a')], { apiVersion })).toEqual(['NONE'])
  expect([...cluster.image.topics()].map(({ name }) => name)).toEqual(['b'])
  expect(cluster.image.partitionCount).toBe(2)
})

test('a topic is deleted by its id, and its name is free again with another id', () => {
  const cluster = clusterWith('a')
  const topicId = cluster.image.topicId('a') ?? ''
  expect(remove(cluster, [{ name: null, topicId }])).toEqual(['NONE'])
  cluster.create([{ name: 'a' }])
  expect(cluster.image.topicId('a')).not.toBe(topicId)
})

test.for([
  ['an unknown name', [byName('x')], ['UNKNOWN_TOPIC_OR_PARTITION']],
  ['an unknown id', [{ name: null, topicId: 'xAAAAAAAAAAAAAAAAAAAAA' }], ['UNKNOWN_TOPIC_ID']],
  ['neither name nor id', [{ name: null, topicId: ZERO_UUID }], ['INVALID_REQUEST']],
  ['both name and id', [{ name: 'a', topicId: 'xAAAAAAAAAAAAAAAAAAAAA' }], ['INVALID_REQUEST']],
  ['a name twice', [byName('a'), byName('a')], ['INVALID_REQUEST', 'INVALID_REQUEST']],
  ['an internal topic', [byName('__consumer_offsets')], ['INVALID_REQUEST']],
] as const)('%s is refused', ([, targets, errors]) => {
  const cluster = clusterWith('a')
  cluster.createInternal('__consumer_offsets')
  expect(remove(cluster, targets)).toEqual(errors)
  expect(cluster.image.topicCount).toBe(2)
})

test('a topic that is named by name and by id is deleted once', () => {
  const cluster = clusterWith('a')
  const topicId = cluster.image.topicId('a') ?? ''
  expect(remove(cluster, [byName('a'), { name: null, topicId }])).toEqual([
    'NONE',
    'INVALID_REQUEST',
  ])
})

test.for([
  [2, 'INVALID_REQUEST'],
  [3, 'TOPIC_DELETION_DISABLED'],
] as const)('deletion can be disabled; version %i gets %s', ([apiVersion, errorCode]) => {
  const cluster = clusterWith('a')
  const options = { apiVersion, isDeletionEnabled: false }
  expect(remove(cluster, [byName('a')], options)).toEqual([errorCode])
})

test('a request of a hundred thousand names is answered at once', () => {
  const cluster = clusterWith('a')
  const targets = Array.from({ length: 100_000 }, (_, index) => byName(`a${index}`))
  expect(remove(cluster, targets)).toHaveLength(targets.length)
})

test('a name that collided with a deleted topic is free', () => {
  const cluster = clusterWith('a.b')
  expect(cluster.create([{ name: 'a_b' }])[0]?.errorCode).toBe('INVALID_TOPIC_EXCEPTION')
  remove(cluster, [byName('a.b')])
  expect(cluster.create([{ name: 'a_b' }])[0]?.errorCode).toBe('NONE')
})

test('topics above the quota of the client stay', () => {
  const cluster = clusterWith('a', 'b')
  let left = 1
  const quota = { take: () => left-- > 0 }
  expect(remove(cluster, [byName('a'), byName('b')], { quota })).toEqual([
    'NONE',
    'THROTTLING_QUOTA_EXCEEDED',
  ])
  expect(cluster.image.topic('b')).toBeDefined()
})
