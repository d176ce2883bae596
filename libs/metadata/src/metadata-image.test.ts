import { InvariantViolation } from '@fairlead/base'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  MetadataImage,
  type MetadataRecord,
  PRODUCER_ID_BLOCK_SIZE,
  UNLIMITED_MUTATIONS,
  allocateProducerIds,
  decodeMetadataRecord,
  deleteTopics,
  encodeMetadataRecord,
  leadAgain,
  randomUuid,
} from './index.ts'
import { Cluster, testRandom } from './testing/fixtures.ts'

const names = fc.constantFrom('a', 'b', 'a.b', 'a_b', 'orders', 'bad/name', '__consumer_offsets')
const change = fc.oneof(
  fc.record({
    kind: fc.constant('create' as const),
    name: names,
    partitions: fc.integer({ min: -1, max: 4 }),
  }),
  fc.record({ kind: fc.constant('delete' as const), name: names }),
  fc.record({ kind: fc.constant('producerIds' as const) }),
  fc.record({ kind: fc.constant('crash' as const) }),
  fc.record({ kind: fc.constant('config' as const), broker: fc.constantFrom('', '1') }),
)

function contentOf(image: MetadataImage): unknown {
  return {
    topics: [...image.topics()].map((topic) => ({ ...topic, configs: [...topic.configs] })),
    nextProducerId: image.nextProducerId,
    brokerConfigs: ['', '1'].map((name) => [...image.brokerConfigs(name)]),
    partitionCount: image.partitionCount,
  }
}

test('whatever is decided, the log read back from its bytes gives the same image', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
      const cluster = new Cluster()
      for (const each of changes) {
        if (each.kind === 'create') {
          const configs = [{ name: 'retention.ms', value: '5' }]
          cluster.create([{ name: each.name, numPartitions: each.partitions, configs }])
        } else if (each.kind === 'delete') {
          const request = { topics: [], topicNames: [each.name], timeoutMs: 0 }
          const context = {
            apiVersion: 5,
            isDeletionEnabled: true,
            quota: UNLIMITED_MUTATIONS,
          }
          cluster.commit(deleteTopics(cluster.image, request, context).records)
        } else if (each.kind === 'crash') {
          cluster.commit(leadAgain(cluster.image, { brokerId: 1 }))
        } else if (each.kind === 'config') {
          const name = 'message.max.bytes'
          const resource = { resourceType: 'broker', resourceName: each.broker } as const
          cluster.commit([{ kind: 'ConfigRecord', ...resource, name, value: '7' }])
        } else {
          cluster.commit(allocateProducerIds(cluster.image, { brokerId: 1 }).records)
        }
      }
      const restarted = new MetadataImage({ clusterId: cluster.image.clusterId })
      for (const record of cluster.records) {
        restarted.replay(decodeMetadataRecord(encodeMetadataRecord(record)))
      }
      expect(contentOf(restarted)).toEqual(contentOf(cluster.image))
    }),
  )
})

test('blocks of producer ids do not overlap', () => {
  const cluster = new Cluster()
  const firsts = [0, 1, 2].map(() => {
    const { records, response } = allocateProducerIds(cluster.image, { brokerId: 1 })
    cluster.commit(records)
    expect(response.count).toBe(PRODUCER_ID_BLOCK_SIZE)
    return response.firstProducerId
  })
  expect(firsts).toEqual([0, 1000, 2000])
})

test.for([
  { kind: 'RemoveTopicRecord', topicId: 'unknownAAAAAAAAAAAAAAA' },
  { kind: 'ProducerIdsRecord', brokerId: 1, brokerEpoch: 0, nextProducerId: 0 },
  { kind: 'ConfigRecord', resourceType: 'topic', resourceName: 'x', name: 'a', value: null },
] as const satisfies readonly MetadataRecord[])('a log cannot hold %o first', (record) => {
  const image = new MetadataImage({ clusterId: 'c' })
  expect(() => image.replay(record)).toThrow(InvariantViolation)
})

test('metadata records have the bytes of KRaft', () => {
  const record = { kind: 'TopicRecord', name: 'foo', topicId: 'AAAAAAAAAAAAAAAAAAAAAQ' } as const
  // Frame version 1, record type 2, version 0; compact string; 16 bytes of id; no tagged fields.
  const expected = [1, 2, 0, 4, 102, 111, 111, ...new Uint8Array(15), 1, 0]
  expect([...encodeMetadataRecord(record)]).toEqual(expected)
})

test('a UUID is of version 4 and never begins with a dash', () => {
  const bytes = fc.uint8Array({ minLength: 16, maxLength: 16 })
  fc.assert(
    fc.property(bytes, (drawn) => {
      const text = randomUuid({ int: () => 0, bytes: () => drawn })
      expect(text).toMatch(/^[\w][\w-]{21}$/)
      const decoded = Buffer.from(text, 'base64url')
      expect([decoded.length, (decoded[6] ?? 0) >> 4, (decoded[8] ?? 0) >> 6]).toEqual([16, 4, 2])
    }),
    { examples: [[new Uint8Array(16).fill(0xfb)], [new Uint8Array(16)]] },
  )
  expect(randomUuid(testRandom())).not.toBe(
    randomUuid({ int: () => 0, bytes: (n) => new Uint8Array(n) }),
  )
})

test('after a crash every partition has a new leader epoch, and the one broker leads it', () => {
  const cluster = new Cluster()
  cluster.create([
    { name: 'a', numPartitions: 2 },
    { name: 'b', numPartitions: 1 },
  ])
  cluster.commit(leadAgain(cluster.image, { brokerId: 1 }))
  cluster.create([{ name: 'c', numPartitions: 1 }])
  cluster.commit(leadAgain(cluster.image, { brokerId: 1 }))
  const epochs = [...cluster.image.topics()].map(({ partitions }) =>
    partitions.map(({ leader, leaderEpoch }) => [leader, leaderEpoch]),
  )
  expect(epochs).toEqual([
    [
      [1, 2],
      [1, 2],
    ],
    [[1, 2]],
    [[1, 1]],
  ])
})
