import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ZERO_UUID, crc32c, encodeBatch } from '@fairlead/protocol'
import { describe, expect, test } from 'vitest'
import { sharedBroker } from '../testing/shared-broker.ts'
import { removeDirectory, startTestBroker, temporaryDirectory } from '../testing/test-broker.ts'
import { TestClient } from '../testing/test-client.ts'

const TOPIC = 2
const BROKER = 4
const SET = 0
const DELETE = 1

const shared = sharedBroker()

const createTopic = (name: string, partitions = 1): Promise<string> =>
  shared.createTopic(name, { partitions })

async function produce(topicId: string, values: readonly string[], index = 0) {
  const bytes = (text: string) => new TextEncoder().encode(text)
  const records = encodeBatch(
    {
      records: values.map((value) => ({
        key: null,
        value: bytes(value),
        timestampMs: 1_000,
      })),
    },
    crc32c,
  )
  const { responses } = await shared.client.call('Produce', {
    acks: -1,
    timeoutMs: 10_000,
    topicData: [{ topicId, partitionData: [{ index, records }] }],
  })
  return responses[0]?.partitionResponses[0]
}

async function change(
  resourceType: number,
  resourceName: string,
  configs: readonly { configOperation: number; name: string; value: string | null }[],
) {
  const { responses } = await shared.client.call('IncrementalAlterConfigs', {
    resources: [{ resourceType, resourceName, configs }],
    validateOnly: false,
  })
  return responses[0]?.errorCode
}

async function configOf(resourceType: number, resourceName: string, name: string) {
  const { results } = await shared.client.call('DescribeConfigs', {
    resources: [{ resourceType, resourceName, configurationKeys: [name] }],
    includeSynonyms: true,
  })
  return results[0]?.configs[0]
}

describe('configuration', () => {
  test('of a topic takes effect on its open partitions', async () => {
    const topicId = await createTopic('limited')
    expect((await produce(topicId, ['x'.repeat(500)]))?.errorCode).toBe('NONE')
    const limit = { name: 'max.message.bytes', value: '400' }
    expect(await change(TOPIC, 'limited', [{ configOperation: SET, ...limit }])).toBe('NONE')
    expect((await produce(topicId, ['x'.repeat(500)]))?.errorCode).toBe('MESSAGE_TOO_LARGE')
    const policy = { name: 'cleanup.policy', value: 'compact' }
    expect(await change(TOPIC, 'limited', [{ configOperation: SET, ...policy }])).toBe('NONE')
    expect((await produce(topicId, ['no key']))?.errorCode).toBe('INVALID_RECORD')
  })

  test('of the broker takes effect on every topic that sets nothing of its own', async () => {
    const topicId = await createTopic('follower')
    const name = 'message.max.bytes'
    expect(await change(BROKER, '', [{ configOperation: SET, name, value: '300' }])).toBe('NONE')
    expect((await produce(topicId, ['x'.repeat(500)]))?.errorCode).toBe('MESSAGE_TOO_LARGE')
    expect((await configOf(TOPIC, 'follower', 'max.message.bytes'))?.synonyms).toEqual([
      { name, value: '300', source: 3 },
      { name, value: '1048588', source: 5 },
    ])
    expect(await configOf(BROKER, '', name)).toMatchObject({ value: '300', readOnly: false })
    expect(await change(BROKER, '', [{ configOperation: DELETE, name, value: null }])).toBe('NONE')
    expect((await produce(topicId, ['x'.repeat(500)]))?.errorCode).toBe('NONE')
  })

  test('of retention and segments takes effect while the broker runs', async () => {
    const directory = temporaryDirectory()
    const settings = { 'log.retention.check.interval.ms': '20' }
    const running = await startTestBroker(directory, settings)
    const admin = new TestClient(running.port)
    const topics = [
      { name: 'kept', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] },
    ]
    await admin.call('CreateTopics', { topics, timeoutMs: 10_000 })
    const record = { key: null, value: new Uint8Array(100), timestampMs: Date.now() - 60_000 }
    const write = async () => {
      const records = encodeBatch({ records: [record] }, crc32c)
      const topicData = [{ name: 'kept', partitionData: [{ index: 0, records }] }]
      await admin.call('Produce', { acks: -1, timeoutMs: 10_000, topicData }, 12)
    }
    const segments = () =>
      readdirSync(join(directory, 'kept-0')).filter((name) => name.endsWith('.log')).length
    const set = async (name: string, value: string) => {
      const configs = [{ name, value, configOperation: SET }]
      const resources = [{ resourceType: TOPIC, resourceName: 'kept', configs }]
      await admin.call('IncrementalAlterConfigs', { resources, validateOnly: false })
    }
    for (let count = 0; count < 3; count += 1) await write()
    expect(segments()).toBe(1)
    await set('segment.bytes', '100')
    for (let count = 0; count < 3; count += 1) await write()
    expect(segments()).toBeGreaterThan(2)
    await set('retention.ms', '30000')
    await expect
      .poll(async () => {
        const partitions = [{ partitionIndex: 0, timestamp: -2 }]
        const asked = { replicaId: -1, topics: [{ name: 'kept', partitions }] }
        const { topics: answered } = await admin.call('ListOffsets', asked)
        return answered[0]?.partitions[0]?.offset
      })
      .toBe(6)
    admin.close()
    await running.stop()
    removeDirectory(directory)
  })

  test('survives a restart', async () => {
    const directory = temporaryDirectory()
    const first = await startTestBroker(directory)
    const before = new TestClient(first.port)
    const resources = [
      {
        resourceType: BROKER,
        resourceName: '1',
        configs: [{ name: 'log.retention.ms', configOperation: SET, value: '77' }],
      },
    ]
    await before.call('IncrementalAlterConfigs', { resources, validateOnly: false })
    before.close()
    await first.stop()
    const second = await startTestBroker(directory)
    const after = new TestClient(second.port)
    const { results } = await after.call('DescribeConfigs', {
      resources: [{ resourceType: BROKER, resourceName: '1', configurationKeys: null }],
    })
    expect(results[0]?.configs.find(({ name }) => name === 'log.retention.ms')).toMatchObject({
      value: '77',
      configSource: 2,
    })
    after.close()
    await second.stop()
    removeDirectory(directory)
  })

  test('is replaced as a whole by AlterConfigs', async () => {
    await createTopic('replaced')
    await change(TOPIC, 'replaced', [{ configOperation: SET, name: 'segment.ms', value: '5' }])
    const { responses } = await shared.client.call('AlterConfigs', {
      resources: [{ resourceType: TOPIC, resourceName: 'replaced', configs: [] }],
      validateOnly: false,
    })
    expect(responses).toEqual([
      { errorCode: 'NONE', errorMessage: null, resourceType: TOPIC, resourceName: 'replaced' },
    ])
    expect((await configOf(TOPIC, 'replaced', 'segment.ms'))?.configSource).toBe(5)
  })
})

describe('partitions', () => {
  test('that are added take records at once, and are there after a restart', async () => {
    const directory = temporaryDirectory()
    const first = await startTestBroker(directory)
    const before = new TestClient(first.port)
    const topics = [
      { name: 'grown', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] },
    ]
    await before.call('CreateTopics', { topics, timeoutMs: 10_000 })
    const { results } = await before.call('CreatePartitions', {
      topics: [{ name: 'grown', count: 3, assignments: null }],
      timeoutMs: 10_000,
      validateOnly: false,
    })
    expect(results).toEqual([{ name: 'grown', errorCode: 'NONE', errorMessage: null }])
    before.close()
    await first.stop()
    const second = await startTestBroker(directory)
    const after = new TestClient(second.port)
    const described = await after.call('DescribeTopicPartitions', { topics: [{ name: 'grown' }] })
    expect(described.topics[0]?.partitions.map(({ partitionIndex }) => partitionIndex)).toEqual([
      0, 1, 2,
    ])
    const { topics: offsets } = await after.call('ListOffsets', {
      replicaId: -1,
      topics: [{ name: 'grown', partitions: [{ partitionIndex: 2, timestamp: -1 }] }],
    })
    expect(offsets[0]?.partitions).toMatchObject([{ errorCode: 'NONE', offset: 0 }])
    after.close()
    await second.stop()
    removeDirectory(directory)
  })

  test('lose the records before an offset', async () => {
    const topicId = await createTopic('trimmed')
    await produce(topicId, ['a', 'b', 'c'])
    const trim = async (offset: number, partitionIndex = 0) => {
      const { topics } = await shared.client.call('DeleteRecords', {
        topics: [{ name: 'trimmed', partitions: [{ partitionIndex, offset }] }],
        timeoutMs: 10_000,
      })
      return topics[0]?.partitions[0]
    }
    expect(await trim(2)).toEqual({ partitionIndex: 0, lowWatermark: 2, errorCode: 'NONE' })
    expect(await trim(4)).toMatchObject({ lowWatermark: -1, errorCode: 'OFFSET_OUT_OF_RANGE' })
    expect(await trim(-1)).toMatchObject({ lowWatermark: 3, errorCode: 'NONE' })
    expect(await trim(0, 1)).toMatchObject({ errorCode: 'UNKNOWN_TOPIC_OR_PARTITION' })
  })

  test('of internal topics keep their records', async () => {
    await shared.client.call('FindCoordinator', { keyType: 0, coordinatorKeys: ['g'] })
    const { topics } = await shared.client.call('DeleteRecords', {
      topics: [{ name: '__consumer_offsets', partitions: [{ partitionIndex: 0, offset: 0 }] }],
      timeoutMs: 10_000,
    })
    expect(topics[0]?.partitions[0]?.errorCode).toBe('INVALID_TOPIC_EXCEPTION')
  })

  test('tell where a leader epoch ends', async () => {
    const topicId = await createTopic('epochs')
    await produce(topicId, ['a', 'b'])
    const { topics } = await shared.client.call('OffsetForLeaderEpoch', {
      topics: [
        {
          topic: 'epochs',
          partitions: [
            { partition: 0, leaderEpoch: 0 },
            { partition: 0, leaderEpoch: 9 },
            { partition: 0, leaderEpoch: 0, currentLeaderEpoch: 9 },
            { partition: 7, leaderEpoch: 0 },
          ],
        },
      ],
    })
    expect(
      topics[0]?.partitions.map(({ errorCode, leaderEpoch, endOffset }) => ({
        errorCode,
        leaderEpoch,
        endOffset,
      })),
    ).toEqual([
      { errorCode: 'NONE', leaderEpoch: 0, endOffset: 2 },
      { errorCode: 'NONE', leaderEpoch: -1, endOffset: -1 },
      { errorCode: 'UNKNOWN_LEADER_EPOCH', leaderEpoch: -1, endOffset: -1 },
      { errorCode: 'UNKNOWN_TOPIC_OR_PARTITION', leaderEpoch: -1, endOffset: -1 },
    ])
  })

  test('need no election, and are not on the move', async () => {
    await createTopic('settled')
    const elected = await shared.client.call('ElectLeaders', {
      electionType: 0,
      topicPartitions: [{ topic: 'settled', partitions: [0] }],
    })
    expect(elected.replicaElectionResults[0]?.partitionResult[0]?.errorCode).toBe(
      'ELECTION_NOT_NEEDED',
    )
    const moved = await shared.client.call('AlterPartitionReassignments', {
      topics: [{ name: 'settled', partitions: [{ partitionIndex: 0, replicas: [1] }] }],
    })
    expect(moved.responses[0]?.partitions[0]?.errorCode).toBe('NONE')
    const { topics } = await shared.client.call('ListPartitionReassignments', { topics: null })
    expect(topics).toEqual([])
  })
})

describe('the node', () => {
  test('tells what its directory holds', async () => {
    const topicId = await createTopic('sized', 2)
    await produce(topicId, ['a'])
    const { errorCode, results } = await shared.client.call('DescribeLogDirs', {
      topics: [{ topic: 'sized', partitions: [0, 1, 2] }],
    })
    expect(errorCode).toBe('NONE')
    const [result] = results
    expect(result).toMatchObject({ errorCode: 'NONE', logDir: shared.broker.directory })
    expect(result?.totalBytes).toBeGreaterThan(result?.usableBytes ?? 0)
    expect(
      result?.topics[0]?.partitions.map((each) => [each.partitionIndex, each.partitionSize > 0]),
    ).toEqual([
      [0, true],
      [1, false],
    ])
    const all = await shared.client.call('DescribeLogDirs', { topics: null })
    expect(all.results[0]?.topics.map(({ name }) => name)).toContain('sized')
  })

  test('moves no replica to another directory', async () => {
    await createTopic('placed')
    const move = async (path: string, partition: number) => {
      const { results } = await shared.client.call('AlterReplicaLogDirs', {
        dirs: [{ path, topics: [{ name: 'placed', partitions: [partition] }] }],
      })
      return results[0]?.partitions[0]?.errorCode
    }
    expect(await move('/elsewhere', 0)).toBe('LOG_DIR_NOT_FOUND')
    expect(await move(shared.broker.directory, 0)).toBe('NONE')
    expect(await move(shared.broker.directory, 1)).toBe('REPLICA_NOT_AVAILABLE')
  })

  test('is its own quorum', async () => {
    const { topics, nodes } = await shared.client.call('DescribeQuorum', {
      topics: [
        { topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] },
        { topicName: 'other', partitions: [{ partitionIndex: 0 }] },
      ],
    })
    const [quorum] = topics[0]?.partitions ?? []
    expect(quorum).toMatchObject({ errorCode: 'NONE', leaderId: 1 })
    expect(quorum?.currentVoters).toMatchObject([
      { replicaId: 1, logEndOffset: quorum?.highWatermark },
    ])
    expect(quorum?.currentVoters[0]?.replicaDirectoryId).not.toBe(ZERO_UUID)
    expect(topics[1]?.partitions[0]?.errorCode).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(nodes).toEqual([{ nodeId: 1, listeners: [] }])
  })

  test.for([0, 1, 2])('knows no features to update, version %i', async (version) => {
    const featureUpdates = [{ feature: 'metadata.version', maxVersionLevel: 7 }]
    const { errorCode, results } = await shared.client.call(
      'UpdateFeatures',
      { featureUpdates },
      version,
    )
    expect([errorCode, results]).toEqual(['INVALID_UPDATE_VERSION', []])
  })

  test('has no authorizer, and says so', async () => {
    const filter = {
      resourceTypeFilter: 1,
      resourceNameFilter: null,
      principalFilter: null,
      hostFilter: null,
      operation: 1,
      permissionType: 1,
    }
    const described = await shared.client.call('DescribeAcls', filter)
    expect(described).toMatchObject({ errorCode: 'SECURITY_DISABLED', resources: [] })
    const deleted = await shared.client.call('DeleteAcls', { filters: [filter, filter] })
    expect(deleted.filterResults).toMatchObject([
      { errorCode: 'SECURITY_DISABLED' },
      { errorCode: 'SECURITY_DISABLED' },
    ])
    const creation = {
      resourceType: 2,
      resourceName: 'orders',
      principal: 'User:a',
      host: '*',
      operation: 3,
      permissionType: 3,
    }
    const { results } = await shared.client.call('CreateAcls', { creations: [creation] })
    expect(results).toMatchObject([{ errorCode: 'SECURITY_DISABLED' }])
  })

  test('lists the resources that have a configuration', async () => {
    const { configResources } = await shared.client.call('ListConfigResources', {
      resourceTypes: [BROKER],
    })
    expect(configResources).toEqual([{ resourceName: '1', resourceType: BROKER }])
  })
})
