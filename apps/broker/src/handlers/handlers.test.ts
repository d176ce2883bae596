import { gzipSync } from 'node:zlib'
import {
  APIS,
  BATCH_HEADER_BYTES,
  ZERO_UUID,
  crc32c,
  encodeBatch,
  encodeRequest,
} from '@fairlead/protocol'
import { describe, expect, test } from 'vitest'
import { sharedBroker } from '../testing/shared-broker.ts'
import { TestClient } from '../testing/test-client.ts'

const clientSoftware = { clientSoftwareName: 'test', clientSoftwareVersion: '1' }

const shared = sharedBroker()

function batch(...values: readonly string[]): Uint8Array {
  return encodeBatch(
    {
      records: values.map((value) => ({
        key: text('key'),
        value: text(value),
        headers: [],
        timestampMs: 1_000,
      })),
    },
    crc32c,
  )
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}

const createTopic = (
  name: string,
  configs: Readonly<Record<string, string>> = {},
): Promise<string> => shared.createTopic(name, { configs })

async function produce(
  topicId: string,
  records: Uint8Array | null,
  options: { readonly acks?: number; readonly index?: number } = {},
) {
  const { responses } = await shared.client.call('Produce', {
    transactionalId: null,
    acks: options.acks ?? -1,
    timeoutMs: 10_000,
    topicData: [{ topicId, partitionData: [{ index: options.index ?? 0, records }] }],
  })
  return responses[0]?.partitionResponses[0]
}

/** The records of a batch compressed by gzip, under a header that says so. */
function compressed(plain: Uint8Array): Uint8Array {
  const records = gzipSync(plain.subarray(BATCH_HEADER_BYTES))
  const batch = Buffer.concat([plain.subarray(0, BATCH_HEADER_BYTES), records])
  batch.writeInt32BE(batch.length - 12, 8)
  batch.writeInt16BE(1, 21)
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
  return batch
}

async function waitingFetches(): Promise<number> {
  const text = await shared.broker.metrics.registry.getSingleMetricAsString(
    'kafka_server_delayedoperationpurgatory_purgatorysize',
  )
  return Number(text.trim().split(' ').at(-1))
}

function produceWithoutAcks(topicId: string): Uint8Array[] {
  return encodeRequest({
    name: 'Produce',
    version: APIS.Produce.maxVersion,
    correlationId: 77,
    clientId: null,
    body: {
      transactionalId: null,
      acks: 0,
      timeoutMs: 1_000,
      topicData: [{ topicId, partitionData: [{ index: 0, records: batch('a') }] }],
    },
  })
}

async function fetch(
  topicId: string,
  options: {
    readonly fetchOffset?: number
    readonly maxWaitMs?: number
    readonly minBytes?: number
    readonly currentLeaderEpoch?: number
  } = {},
) {
  const { fetchOffset = 0, maxWaitMs = 0, minBytes = 1, currentLeaderEpoch = -1 } = options
  const response = await shared.client.call('Fetch', {
    maxWaitMs,
    minBytes,
    topics: [
      {
        topicId,
        partitions: [
          { partition: 0, fetchOffset, currentLeaderEpoch, partitionMaxBytes: 1_000_000 },
        ],
      },
    ],
    forgottenTopicsData: [],
  })
  return { ...response, partition: response.responses[0]?.partitions[0] }
}

describe('ApiVersions', () => {
  test('a version that is not known is answered in version 0, and the connection goes on', async () => {
    const other = new TestClient(shared.broker.port)
    const answered = other.frame()
    // Api key 18, version 99, correlation id 7, client id null, and a body that nobody parses.
    other.send([Uint8Array.from([0, 0, 0, 13, 0, 18, 0, 99, 0, 0, 0, 7, 0xff, 0xff, 1, 2, 3])])
    const frame = (await answered) ?? new Uint8Array()
    const view = new DataView(frame.buffer)
    expect([view.getInt32(0), view.getInt16(4)]).toEqual([7, 35])
    expect(view.getInt32(6)).toBe(Object.keys(APIS).length)

    const { errorCode, apiKeys } = await other.call('ApiVersions', clientSoftware)
    expect(errorCode).toBe('NONE')
    expect(apiKeys.find(({ apiKey }) => apiKey === 0)).toMatchObject({ minVersion: 0 })
    other.close()
  })

  test('software names that would break a log line or a metric are refused', async () => {
    const { errorCode } = await shared.client.call('ApiVersions', {
      clientSoftwareName: 'a b\n',
      clientSoftwareVersion: '1',
    })
    expect(errorCode).toBe('INVALID_REQUEST')
  })

  test.for([
    { what: 'an unknown API', apiKey: 999, apiVersion: 0 },
    { what: 'a version above the supported ones', apiKey: 3, apiVersion: 99 },
    { what: 'Produce of version 0', apiKey: 0, apiVersion: 0 },
    { what: 'Produce of version 1', apiKey: 0, apiVersion: 1 },
    { what: 'Produce of version 2', apiKey: 0, apiVersion: 2 },
  ])('$what is told error 35, and the connection ends', async ({ apiKey, apiVersion }) => {
    const other = new TestClient(shared.broker.port)
    const answered = other.frame()
    const request = new DataView(new ArrayBuffer(14))
    request.setInt32(0, 10)
    request.setInt16(4, apiKey)
    request.setInt16(6, apiVersion)
    request.setInt32(8, 42)
    request.setInt16(12, -1)
    other.send([new Uint8Array(request.buffer)])
    const frame = (await answered) ?? new Uint8Array()
    const view = new DataView(frame.buffer)
    expect([frame.length, view.getInt32(0), view.getInt16(4)]).toEqual([6, 42, 35])
    await expect.poll(() => other.isClosed).toBe(true)
    expect(shared.broker.warnings.at(-1)).toMatch(/unknown API key 999|version/)
  })
})

describe('Metadata', () => {
  test('a topic that is asked for comes to be, unless the client forbids it', async () => {
    const ask = (name: string, allowAutoTopicCreation: boolean) =>
      shared.client.call('Metadata', { topics: [{ name }], allowAutoTopicCreation })
    const absent = await ask('auto-created', false)
    expect(absent.topics[0]?.errorCode).toBe('UNKNOWN_TOPIC_OR_PARTITION')

    const { topics, brokers, controllerId } = await ask('auto-created', true)
    expect(topics[0]).toMatchObject({ errorCode: 'NONE', name: 'auto-created' })
    expect(topics[0]?.topicId).not.toBe(ZERO_UUID)
    expect(topics[0]?.partitions).toMatchObject([{ leaderId: 1, isrNodes: [1] }])
    expect(brokers).toMatchObject([{ nodeId: 1, host: '127.0.0.1', port: shared.broker.port }])
    expect(controllerId).toBe(1)
  })

  test('a name that no topic can have is refused', async () => {
    const { topics } = await shared.client.call('Metadata', { topics: [{ name: 'no/slash' }] })
    expect(topics[0]?.errorCode).toBe('INVALID_TOPIC_EXCEPTION')
  })

  test('null asks for all topics, an empty list for none, except in version 0', async () => {
    await createTopic('one-of-all')
    const names = async (topics: [] | null, version?: number) =>
      (await shared.client.call('Metadata', { topics }, version)).topics.map(({ name }) => name)
    expect(await names(null)).toContain('one-of-all')
    expect(await names([])).toEqual([])
    expect(await names([], 0)).toContain('one-of-all')
  })

  test('a topic can be asked for by its id', async () => {
    const topicId = await createTopic('by-id')
    const byId = await shared.client.call('Metadata', { topics: [{ name: null, topicId }] })
    expect(byId.topics[0]?.name).toBe('by-id')
    const unknown = await shared.client.call('Metadata', {
      topics: [{ name: null, topicId: 'AAAAAAAAAAAAAAAAAAAAAQ' }],
    })
    expect(unknown.topics[0]?.errorCode).toBe('UNKNOWN_TOPIC_ID')
  })
})

describe('Produce and Fetch', () => {
  test('what is produced is fetched, byte for byte but for offset and leader epoch', async () => {
    const topicId = await createTopic('round-trip')
    const sent = batch('a', 'b', 'c')
    expect(await produce(topicId, sent)).toMatchObject({ errorCode: 'NONE', baseOffset: 0 })
    expect(await produce(topicId, batch('d'))).toMatchObject({ baseOffset: 3 })

    const { partition } = await fetch(topicId)
    expect(partition).toMatchObject({ errorCode: 'NONE', highWatermark: 4, logStartOffset: 0 })
    const records = partition?.records ?? new Uint8Array()
    expect(records.subarray(17, sent.length)).toEqual(sent.subarray(17))
  })

  test('a fetch inside a batch returns the whole batch', async () => {
    const topicId = await createTopic('inside')
    await produce(topicId, batch('a', 'b', 'c'))
    const { partition } = await fetch(topicId, { fetchOffset: 2 })
    expect(partition?.records?.length).toBe(batch('a', 'b', 'c').length)
  })

  test('a fetch that waits is completed by the append', async () => {
    const topicId = await createTopic('waiting')
    const consumer = new TestClient(shared.broker.port)
    const waiting = consumer.call('Fetch', {
      maxWaitMs: 60_000,
      minBytes: batch('a').length + 1,
      topics: [
        { topicId, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }] },
      ],
      forgottenTopicsData: [],
    })
    await produce(topicId, batch('a'))
    await produce(topicId, batch('b'))
    const { responses } = await waiting
    expect(responses[0]?.partitions[0]?.records?.length).toBe(2 * batch('a').length)
    consumer.close()
  })

  test('a fetch that finds nothing ends when its time is over', async () => {
    const topicId = await createTopic('silent')
    const { partition } = await fetch(topicId, { maxWaitMs: 20 })
    expect(partition).toMatchObject({ errorCode: 'NONE', highWatermark: 0 })
  })

  test.for([
    { fetchOffset: 5, currentLeaderEpoch: -1, errorCode: 'OFFSET_OUT_OF_RANGE' },
    { fetchOffset: -1, currentLeaderEpoch: -1, errorCode: 'OFFSET_OUT_OF_RANGE' },
    { fetchOffset: 0, currentLeaderEpoch: 9, errorCode: 'UNKNOWN_LEADER_EPOCH' },
  ] as const)('a fetch at $fetchOffset, epoch $currentLeaderEpoch, is $errorCode', async (row) => {
    const topicId = await createTopic(`range${row.fetchOffset}${row.currentLeaderEpoch}`)
    const { partition } = await fetch(topicId, { ...row, maxWaitMs: 60_000 })
    expect(partition?.errorCode).toBe(row.errorCode)
  })

  test('partitions fail one by one', async () => {
    const topicId = await createTopic('one-by-one')
    const { responses } = await shared.client.call('Produce', {
      transactionalId: null,
      acks: -1,
      timeoutMs: 1_000,
      topicData: [
        {
          topicId,
          partitionData: [
            { index: 0, records: batch('a') },
            { index: 1, records: batch('a') },
          ],
        },
        {
          topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
          partitionData: [{ index: 0, records: batch('a') }],
        },
      ],
    })
    const codes = responses.flatMap(({ partitionResponses }) =>
      partitionResponses.map(({ errorCode }) => errorCode),
    )
    expect(codes).toEqual(['NONE', 'UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_ID'])
  })

  test('a batch whose bytes changed on the way is refused', async () => {
    const topicId = await createTopic('corrupt')
    const records = batch('a')
    records[records.length - 1] = 0x55
    expect(await produce(topicId, records)).toMatchObject({ errorCode: 'CORRUPT_MESSAGE' })
    expect(await produce(topicId, null)).toMatchObject({ errorCode: 'INVALID_RECORD' })
    expect(await produce(topicId, batch('a'), { acks: 2 })).toMatchObject({
      errorCode: 'INVALID_REQUIRED_ACKS',
    })
  })

  test('a record without a key is refused on a compacted topic, and named', async () => {
    const topicId = await createTopic('compacted', { 'cleanup.policy': 'compact' })
    const record = (key: Uint8Array | null) => ({
      key,
      value: text('v'),
      headers: [],
      timestampMs: 1,
    })
    const records = encodeBatch({ records: [record(text('k')), record(null)] }, crc32c)
    expect(await produce(topicId, records)).toMatchObject({
      errorCode: 'INVALID_RECORD',
      recordErrors: [{ batchIndex: 1 }],
    })
    expect(await produce(topicId, records.subarray(0, 70))).toMatchObject({
      errorCode: 'CORRUPT_MESSAGE',
    })
  })

  test('a record without a key is found in a compressed batch', async () => {
    const topicId = await createTopic('compacted-gzip', { 'cleanup.policy': 'compact' })
    const plain = encodeBatch(
      { records: [{ key: null, value: text('v'), headers: [], timestampMs: 1 }] },
      crc32c,
    )
    expect(await produce(topicId, compressed(plain))).toMatchObject({
      errorCode: 'INVALID_RECORD',
      recordErrors: [{ batchIndex: 0 }],
    })
  })

  test.for(['destroy', 'end'] as const)(
    'a fetch that waits is over when its client leaves by %s',
    async (leave) => {
      const topicId = await createTopic(`left-${leave}`)
      const other = new TestClient(shared.broker.port)
      const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000 }]
      const answer = other
        .call('Fetch', {
          maxWaitMs: 60_000,
          minBytes: 1,
          topics: [{ topicId, partitions }],
          forgottenTopicsData: [],
        })
        .catch(() => undefined)
      await expect.poll(waitingFetches).toBe(1)
      other.socket[leave]()
      await expect.poll(waitingFetches).toBe(0)
      // A half-closed client still gets an answer.
      expect((await answer)?.errorCode).toBe(leave === 'end' ? 'NONE' : undefined)
    },
  )

  test('acks=0 has no response, and the next request has its own', async () => {
    const topicId = await createTopic('acks-none')
    const other = new TestClient(shared.broker.port)
    other.send(produceWithoutAcks(topicId))
    const { errorCode } = await other.call('ApiVersions', clientSoftware)
    expect(errorCode).toBe('NONE')
    const { partition } = await fetch(topicId, { maxWaitMs: 5_000 })
    expect(partition?.highWatermark).toBe(1)
    other.close()
  })

  test('a failure with acks=0 ends the connection', async () => {
    const other = new TestClient(shared.broker.port)
    other.send(produceWithoutAcks('AAAAAAAAAAAAAAAAAAAAAQ'))
    await expect.poll(() => other.isClosed).toBe(true)
    expect(shared.broker.warnings.at(-1)).toContain('acks=0 failed: UNKNOWN_TOPIC_ID')
  })

  test('clients do not write to internal topics', async () => {
    await shared.client.call('FindCoordinator', { keyType: 0, coordinatorKeys: ['g'] })
    const { topics } = await shared.client.call('Metadata', {
      topics: [{ name: '__consumer_offsets' }],
    })
    expect(topics[0]).toMatchObject({ errorCode: 'NONE', isInternal: true })
    expect(await produce(topics[0]?.topicId ?? '', batch('a'))).toMatchObject({
      errorCode: 'INVALID_TOPIC_EXCEPTION',
    })
  })
})

describe('ListOffsets', () => {
  test('offsets are found by position and by time', async () => {
    const name = 'list-offsets'
    const topicId = await createTopic(name)
    await produce(topicId, batch('a', 'b'))
    const offsetAt = async (timestamp: number, replicaId = -1) => {
      const { topics } = await shared.client.call('ListOffsets', {
        replicaId,
        isolationLevel: 0,
        topics: [{ name, partitions: [{ partitionIndex: 0, timestamp }] }],
      })
      return topics[0]?.partitions[0]
    }
    expect(await offsetAt(-1)).toMatchObject({ errorCode: 'NONE', offset: 2, timestamp: -1 })
    expect(await offsetAt(-1, -2)).toMatchObject({ errorCode: 'NONE', offset: 2, timestamp: -1 })
    expect(await offsetAt(-2)).toMatchObject({ errorCode: 'NONE', offset: 0 })
    expect(await offsetAt(-3)).toMatchObject({ errorCode: 'NONE', timestamp: 1_000 })
    expect(await offsetAt(-4)).toMatchObject({ errorCode: 'NONE', offset: 0 })
    expect(await offsetAt(-5)).toMatchObject({ errorCode: 'NONE', offset: -1 })
    expect(await offsetAt(1_000)).toMatchObject({ errorCode: 'NONE', offset: 0, timestamp: 1_000 })
    expect(await offsetAt(1_001)).toMatchObject({ errorCode: 'NONE', offset: -1, timestamp: -1 })
  })
})

describe('topics and configuration', () => {
  test.for(['again', 'l'.repeat(249)])(
    'a deleted topic is gone, and its name can be used again: %s',
    async (name) => {
      const topicId = await createTopic(name)
      await produce(topicId, batch('a'))
      const { responses } = await shared.client.call('DeleteTopics', {
        topics: [{ name, topicId: ZERO_UUID }],
        timeoutMs: 10_000,
      })
      expect(responses[0]?.errorCode).toBe('NONE')
      expect((await fetch(topicId)).partition?.errorCode).toBe('UNKNOWN_TOPIC_ID')

      const secondId = await createTopic(name)
      expect(secondId).not.toBe(topicId)
      expect((await fetch(secondId)).partition?.highWatermark).toBe(0)
    },
  )

  test('the configuration of a topic says where each value comes from', async () => {
    await createTopic('configured', { 'retention.ms': '1234' })
    const { results } = await shared.client.call('DescribeConfigs', {
      resources: [{ resourceType: 2, resourceName: 'configured', configurationKeys: null }],
    })
    const config = (name: string) => results[0]?.configs.find((entry) => entry.name === name)
    expect(config('retention.ms')).toMatchObject({ value: '1234', configSource: 1 })
    expect(config('cleanup.policy')).toMatchObject({ value: 'delete', configSource: 5 })
  })

  test('the cluster describes itself', async () => {
    const cluster = await shared.client.call('DescribeCluster', {
      includeClusterAuthorizedOperations: false,
    })
    expect(cluster).toMatchObject({
      errorCode: 'NONE',
      clusterId: shared.broker.clusterId,
      brokers: [{ brokerId: 1, port: shared.broker.port }],
    })
    const controllers = await shared.client.call('DescribeCluster', {
      includeClusterAuthorizedOperations: false,
      endpointType: 2,
    })
    expect(controllers.errorCode).toBe('MISMATCHED_ENDPOINT_TYPE')
  })
})

describe('InitProducerId', () => {
  test('every idempotent producer gets an id of its own', async () => {
    const init = () =>
      shared.client.call('InitProducerId', { transactionalId: null, transactionTimeoutMs: 1_000 })
    const ids = await Promise.all(Array.from({ length: 20 }, init))
    expect(ids.every(({ errorCode }) => errorCode === 'NONE')).toBe(true)
    expect(new Set(ids.map(({ producerId }) => producerId)).size).toBe(20)
  })

  test.for([
    { transactionalId: '', producerId: -1, producerEpoch: -1, errorCode: 'INVALID_REQUEST' },
    { transactionalId: null, producerId: 5, producerEpoch: -1, errorCode: 'INVALID_REQUEST' },
    { transactionalId: 't', producerId: -1, producerEpoch: -1, errorCode: 'UNSUPPORTED_VERSION' },
  ] as const)('$transactionalId with $producerId/$producerEpoch is $errorCode', async (row) => {
    const { errorCode, ...request } = row
    const answer = await shared.client.call('InitProducerId', {
      ...request,
      transactionTimeoutMs: 1_000,
    })
    expect(answer.errorCode).toBe(errorCode)
  })
})
