import {
  APIS,
  ZERO_UUID,
  crc32c,
  decodeResponse,
  encodeBatch,
  encodeRequest,
  splitBatches,
} from '@fairlead/protocol'
import { beforeAll, describe, expect, test } from 'vitest'
import { sharedBroker } from './testing/shared-broker.ts'
import { removeDirectory, startTestBroker, temporaryDirectory } from './testing/test-broker.ts'
import { TestClient } from './testing/test-client.ts'

/**
 * Where brokers that speak Kafka's protocol have failed, each with its number in our list of twenty.
 * Groups, offsets and idempotence (7 to 10, 13, 14) are in `groups/`; transactions beyond 11 and SASL
 * (12, 20) do not exist here.
 */

const SOFTWARE = { clientSoftwareName: 'pitfalls', clientSoftwareVersion: '1' }

const shared = sharedBroker()

const createTopic = (
  name: string,
  configs: Readonly<Record<string, string>> = {},
): Promise<string> => shared.createTopic(name, { configs })

async function deleteTopic(topicId: string): Promise<void> {
  const { responses } = await shared.client.call('DeleteTopics', {
    topics: [{ name: null, topicId }],
    timeoutMs: 10_000,
  })
  expect(responses[0]?.errorCode).toBe('NONE')
}

type Written = {
  readonly key?: string | null
  readonly value?: string
  readonly timestampMs?: number
}

function batch(records: readonly Written[]): Uint8Array {
  const text = (value: string) => new TextEncoder().encode(value)
  return encodeBatch(
    {
      records: records.map(({ key = 'key', value = 'value', timestampMs = Date.now() }) => ({
        key: key === null ? null : text(key),
        value: text(value),
        timestampMs,
      })),
    },
    crc32c,
  )
}

async function produce(topicId: string, records: Uint8Array, from: TestClient = shared.client) {
  const { responses } = await from.call('Produce', {
    acks: -1,
    timeoutMs: 10_000,
    topicData: [{ topicId, partitionData: [{ index: 0, records }] }],
  })
  return responses[0]?.partitionResponses[0]
}

async function fetch(
  topicId: string,
  options: {
    readonly fetchOffset?: number
    readonly maxBytes?: number
    readonly maxWaitMs?: number
    readonly isolationLevel?: number
    readonly from?: TestClient
  } = {},
) {
  const { fetchOffset = 0, maxBytes = 1_000_000, maxWaitMs = 0, from = shared.client } = options
  const { errorCode, responses } = await from.call('Fetch', {
    maxWaitMs,
    minBytes: 1,
    maxBytes,
    isolationLevel: options.isolationLevel ?? 0,
    topics: [{ topicId, partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: maxBytes }] }],
    forgottenTopicsData: [],
  })
  expect(errorCode).toBe('NONE')
  return responses[0]?.partitions[0]
}

describe('1: an ApiVersions request of the future', () => {
  test.for([6, 99, 32_767])(
    'of version %i is answered in version 0, and the connection goes on',
    async (version) => {
      const raw = new TestClient(shared.broker.port)
      const answered = raw.frame()
      const chunks = encodeRequest({
        name: 'ApiVersions',
        version: 3,
        correlationId: 5,
        clientId: 'future',
        body: SOFTWARE,
      })
      const bytes = Buffer.concat([...chunks, Buffer.from('what comes behind is unknown')])
      bytes.writeInt32BE(bytes.length - 4)
      bytes.writeInt16BE(version, 6)
      raw.send([bytes])
      const { correlationId, body } = decodeResponse('ApiVersions', 0, (await answered) ?? bytes)
      expect([correlationId, body.errorCode]).toEqual([5, 'UNSUPPORTED_VERSION'])
      expect(body.apiKeys).toHaveLength(Object.keys(APIS).length)
      const again = await raw.call('ApiVersions', SOFTWARE)
      expect(again.errorCode).toBe('NONE')
      raw.close()
    },
  )

  test('that expects another cluster or node is told to look again (KIP-1242)', async () => {
    const expecting = async (clusterId: string | null, nodeId: number) => {
      const answer = await shared.client.call('ApiVersions', { ...SOFTWARE, clusterId, nodeId })
      return answer.errorCode
    }
    expect(await expecting(shared.broker.clusterId, 1)).toBe('NONE')
    expect(await expecting('another-cluster-AAAAAA', 1)).toBe('REBOOTSTRAP_REQUIRED')
    expect(await expecting(shared.broker.clusterId, 2)).toBe('REBOOTSTRAP_REQUIRED')
    expect(await expecting(null, 1)).toBe('INVALID_REQUEST')
    expect(await expecting(null, -1)).toBe('NONE')
  })
})

describe('2: Produce', () => {
  test('is advertised from version 0, or old librdkafka compresses nothing', async () => {
    const { apiKeys } = await shared.client.call('ApiVersions', SOFTWARE)
    expect(apiKeys.find(({ apiKey }) => apiKey === 0)).toMatchObject({ minVersion: 0 })
  })

  test.for([0, 1, 2])('of version %i ends the connection', async (version) => {
    const old = new TestClient(shared.broker.port)
    const chunks = encodeRequest({
      name: 'Produce',
      version: 3,
      correlationId: 1,
      clientId: 'old',
      body: { acks: 1, timeoutMs: 1_000, topicData: [] },
    })
    const bytes = Buffer.concat(chunks)
    bytes.writeInt16BE(version, 6)
    old.send([bytes])
    await old.frame()
    expect(await old.frame()).toBeUndefined()
  })
})

test.for([
  ['message format 2', 'Produce', 3],
  ['message format 2', 'Fetch', 4],
  ['lz4 and groups', 'FindCoordinator', 0],
  ['groups', 'OffsetCommit', 2],
  ['groups', 'OffsetFetch', 1],
  ['groups', 'JoinGroup', 0],
  ['groups', 'SyncGroup', 0],
  ['groups', 'Heartbeat', 0],
  ['groups', 'LeaveGroup', 0],
  ['offsets by time', 'ListOffsets', 1],
  ['idempotence', 'InitProducerId', 0],
  ['zstd', 'Produce', 7],
  ['zstd', 'Fetch', 10],
  ['compression', 'Produce', 0],
] as const)('3: for %s old librdkafka looks for %s version %i', ([, name, version]) => {
  const { minVersion, maxVersion } = APIS[name]
  expect([minVersion <= version, version <= maxVersion]).toEqual([true, true])
})

describe('4: topic ids', () => {
  test('are the same, and never zero, wherever a topic is described', async () => {
    const topicId = await createTopic('identified')
    expect(topicId).not.toBe(ZERO_UUID)
    const asked = [{ name: 'identified' }]
    for (const version of [10, 11, 12, 13]) {
      const { topics } = await shared.client.call('Metadata', { topics: asked }, version)
      expect(topics[0]?.topicId).toBe(topicId)
    }
    const byId = await shared.client.call('Metadata', { topics: [{ name: null, topicId }] })
    expect(byId.topics[0]).toMatchObject({ errorCode: 'NONE', name: 'identified' })
    const described = await shared.client.call('DescribeTopicPartitions', { topics: asked })
    expect(described.topics[0]?.topicId).toBe(topicId)
  })

  test('tell a topic from one of the same name that was there before', async () => {
    const before = await createTopic('reborn')
    await produce(before, batch([{ value: 'old' }]))
    await deleteTopic(before)
    const after = await createTopic('reborn')
    expect(after).not.toBe(before)
    expect((await produce(before, batch([{}])))?.errorCode).toBe('UNKNOWN_TOPIC_ID')
    expect((await fetch(before))?.errorCode).toBe('UNKNOWN_TOPIC_ID')
    expect(await produce(after, batch([{ value: 'new' }]))).toMatchObject({ baseOffset: 0 })
  })

  test('end the waiting of a fetch when the topic is deleted', async () => {
    const topicId = await createTopic('awaited')
    const reader = new TestClient(shared.broker.port)
    const waiting = fetch(topicId, { maxWaitMs: 60_000, from: reader })
    // Answered in order: the fetch is under way once this is.
    await shared.client.call('Metadata', { topics: [] })
    await deleteTopic(topicId)
    expect(['UNKNOWN_TOPIC_ID', 'UNKNOWN_TOPIC_OR_PARTITION']).toContain((await waiting)?.errorCode)
    reader.close()
  })

  test('fence writers while a topic is deleted and made again under load', async () => {
    const writers = [0, 1, 2].map(() => new TestClient(shared.broker.port))
    let topicId = await createTopic('contended')
    for (let round = 0; round < 5; round += 1) {
      const id = topicId
      const writes = writers.map(async (writer) => {
        const codes: (string | undefined)[] = []
        for (let count = 0; count < 20; count += 1) {
          codes.push((await produce(id, batch([{ value: id }]), writer))?.errorCode)
        }
        return codes
      })
      await deleteTopic(id)
      topicId = await createTopic('contended')
      const codes = new Set((await Promise.all(writes)).flat())
      for (const code of codes) {
        expect(['NONE', 'UNKNOWN_TOPIC_ID', 'UNKNOWN_TOPIC_OR_PARTITION']).toContain(code)
      }
      const left = await fetch(topicId)
      expect(left).toMatchObject({ errorCode: 'NONE', highWatermark: 0 })
    }
    for (const writer of writers) writer.close()
    expect(shared.broker.failures).toEqual([])
  })
})

describe('5: a fetch', () => {
  test('from inside a batch gets the whole batch', async () => {
    const topicId = await createTopic('inside')
    await produce(topicId, batch([{ value: 'a' }, { value: 'b' }, { value: 'c' }]))
    const answer = await fetch(topicId, { fetchOffset: 2 })
    const batches = splitBatches(answer?.records ?? new Uint8Array())
    expect(batches).toMatchObject([{ baseOffset: 0, recordCount: 3 }])
  })

  test('gets its first batch however large it is (KIP-74)', async () => {
    const topicId = await createTopic('oversize')
    await produce(topicId, batch([{ value: 'x'.repeat(10_000) }]))
    const answer = await fetch(topicId, { maxBytes: 100 })
    expect(splitBatches(answer?.records ?? new Uint8Array())).toHaveLength(1)
  })
})

describe('6: ListOffsets', () => {
  const nowMs = Date.now()

  async function offsetAt(
    timestamp: number,
    options: { readonly isolationLevel?: number; readonly version?: number } = {},
  ) {
    const partitions = [{ partitionIndex: 0, timestamp }]
    const { topics } = await shared.client.call(
      'ListOffsets',
      {
        replicaId: -1,
        isolationLevel: options.isolationLevel ?? 0,
        topics: [{ name: 'timed', partitions }],
      },
      options.version ?? APIS.ListOffsets.maxVersion,
    )
    return topics[0]?.partitions[0]
  }

  beforeAll(async () => {
    const topicId = await createTopic('timed')
    const times = [nowMs - 300, nowMs - 100, nowMs - 200]
    await produce(topicId, batch(times.map((timestampMs) => ({ timestampMs }))))
    await produce(topicId, batch([{ timestampMs: nowMs }]))
  })

  test.for([
    ['the earliest record at or behind a time', -250, { offset: 1, timestamp: -100 }],
    ['the record of exactly that time', -100, { offset: 1, timestamp: -100 }],
    ['the first record', -1_000, { offset: 0, timestamp: -300 }],
  ] as const)('finds %s', async ([, agoMs, { offset, timestamp }]) => {
    for (const version of [1, 4, 7, 11]) {
      const found = await offsetAt(nowMs + agoMs, { version })
      expect(found).toMatchObject({ errorCode: 'NONE', offset, timestamp: nowMs + timestamp })
    }
  })

  test('finds nothing behind the last record, and says -1', async () => {
    expect(await offsetAt(nowMs + 1)).toMatchObject({
      errorCode: 'NONE',
      offset: -1,
      timestamp: -1,
    })
  })

  test('knows the ends, and the greatest time', async () => {
    expect(await offsetAt(-2)).toMatchObject({ offset: 0, timestamp: -1 })
    expect(await offsetAt(-1)).toMatchObject({ offset: 4, timestamp: -1 })
    expect(await offsetAt(-1, { isolationLevel: 1 })).toMatchObject({ offset: 4 })
    expect(await offsetAt(-3)).toMatchObject({ offset: 3, timestamp: nowMs })
  })
})

test('11: only read_committed gets a list of aborted transactions, and there are none', async () => {
  const topicId = await createTopic('committed')
  await produce(topicId, batch([{}]))
  expect(await fetch(topicId, { isolationLevel: 1 })).toMatchObject({
    lastStableOffset: 1,
    abortedTransactions: [],
  })
  expect((await fetch(topicId, { isolationLevel: 0 }))?.abortedTransactions).toBeNull()
})

describe('15: Metadata', () => {
  test('makes a topic that is asked for, when the client allows it', async () => {
    const ask = async (allowAutoTopicCreation: boolean) => {
      const asked = { topics: [{ name: 'made-on-the-way' }], allowAutoTopicCreation }
      const { topics } = await shared.client.call('Metadata', asked)
      return topics[0]?.errorCode
    }
    expect(await ask(false)).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(await ask(true)).toBe('NONE')
    expect(await ask(false)).toBe('NONE')
  })

  test.for(['bad name', '', '.', '..', 'a/b', 'ü', 'x'.repeat(250)])(
    'says of "%s" that it cannot be a topic',
    async (name) => {
      const asked = { topics: [{ name }], allowAutoTopicCreation: true }
      const { topics } = await shared.client.call('Metadata', asked)
      expect(topics).toMatchObject([{ errorCode: 'INVALID_TOPIC_EXCEPTION', name }])
    },
  )

  test.for(['__consumer_offsets', '__transaction_state', '__cluster_metadata'])(
    'does not make the internal topic %s',
    async (name) => {
      const fresh = await startTestBroker(temporaryDirectory())
      const asking = new TestClient(fresh.port)
      const asked = { topics: [{ name }], allowAutoTopicCreation: true }
      const { topics } = await asking.call('Metadata', asked)
      expect(topics[0]?.errorCode).not.toBe('NONE')
      asking.close()
      await fresh.stop()
      removeDirectory(fresh.directory)
    },
  )
})

test('16: DescribeConfigs tells a choice from a default, as Connect needs it', async () => {
  await createTopic('chosen', { 'cleanup.policy': 'compact' })
  await createTopic('by-default')
  const resources = ['chosen', 'by-default'].map((resourceName) => ({
    resourceType: 2,
    resourceName,
    configurationKeys: null,
  }))
  const { results } = await shared.client.call('DescribeConfigs', { resources })
  const policy = results.map(({ configs }) => configs.find(({ name }) => name === 'cleanup.policy'))
  expect(policy).toMatchObject([
    { value: 'compact', configSource: 1, readOnly: false, configType: 7 },
    { value: 'delete', configSource: 5, readOnly: false, configType: 7 },
  ])
  expect(results[1]?.configs.length).toBeGreaterThan(35)
})

describe('17: what a user interface asks first', () => {
  test('is answered by the node', async () => {
    const cluster = await shared.client.call('DescribeCluster', {
      includeClusterAuthorizedOperations: true,
    })
    expect(cluster).toMatchObject({
      errorCode: 'NONE',
      clusterId: shared.broker.clusterId,
      controllerId: 1,
      clusterAuthorizedOperations: 8096,
    })
    const directories = await shared.client.call('DescribeLogDirs', { topics: null })
    expect(directories.results).toMatchObject([
      { errorCode: 'NONE', logDir: shared.broker.directory },
    ])
    const resources = [{ resourceType: 4, resourceName: '1', configurationKeys: null }]
    const { results } = await shared.client.call('DescribeConfigs', { resources })
    const names = new Set(results[0]?.configs.map(({ name }) => name))
    for (const name of ['log.dirs', 'num.partitions', 'auto.create.topics.enable', 'listeners']) {
      expect(names).toContain(name)
    }
  })

  test('about access rules is answered with what is the case', async () => {
    const { errorCode, errorMessage } = await shared.client.call('DescribeAcls', {
      resourceTypeFilter: 1,
      resourceNameFilter: null,
      principalFilter: null,
      hostFilter: null,
      operation: 1,
      permissionType: 1,
    })
    expect([errorCode, errorMessage]).toEqual([
      'SECURITY_DISABLED',
      'No Authorizer is configured on the broker',
    ])
  })

  test('of topics shows what everybody may do with them', async () => {
    await createTopic('allowed')
    const asked = { topics: [{ name: 'allowed' }], includeTopicAuthorizedOperations: true }
    const { topics } = await shared.client.call('Metadata', asked)
    expect(topics[0]?.topicAuthorizedOperations).toBe(3576)
    const unasked = await shared.client.call('Metadata', { topics: [{ name: 'allowed' }] })
    expect(unasked.topics[0]?.topicAuthorizedOperations).toBe(-2_147_483_648)
  })
})

describe('18: a producer', () => {
  test('is told which records lack a key on a compacted topic', async () => {
    const topicId = await createTopic('keyed', { 'cleanup.policy': 'compact' })
    expect(await produce(topicId, batch([{}, { key: null }]))).toMatchObject({
      errorCode: 'INVALID_RECORD',
      recordErrors: [{ batchIndex: 1 }],
    })
  })

  test('is told that a batch is too large, or was damaged on its way', async () => {
    const topicId = await createTopic('small', { 'max.message.bytes': '200' })
    const large = await produce(topicId, batch([{ value: 'x'.repeat(300) }]))
    expect(large?.errorCode).toBe('MESSAGE_TOO_LARGE')
    const damaged = batch([{}])
    damaged[damaged.length - 1] = (damaged.at(-1) ?? 0) ^ 1
    expect((await produce(topicId, damaged))?.errorCode).toBe('CORRUPT_MESSAGE')
  })
})

describe('19: an admin request', () => {
  test('of many items is answered with each of them, in its place', async () => {
    await createTopic('echoed')
    const names = ['echoed', 'no-such', 'bad name']
    const created = await shared.client.call('CreateTopics', {
      topics: names.map((name) => ({
        name,
        numPartitions: 1,
        replicationFactor: 1,
        assignments: [],
        configs: [],
      })),
      timeoutMs: 10_000,
      validateOnly: true,
    })
    expect(created.topics.map(({ name }) => name)).toEqual(names)
    const grown = await shared.client.call('CreatePartitions', {
      topics: names.map((name) => ({ name, count: 2, assignments: null })),
      timeoutMs: 10_000,
      validateOnly: true,
    })
    expect(grown.results.map(({ name }) => name)).toEqual(names)
    const resources = names.map((resourceName) => ({ resourceType: 2, resourceName, configs: [] }))
    const altered = await shared.client.call('IncrementalAlterConfigs', {
      resources,
      validateOnly: true,
    })
    expect(altered.responses.map(({ resourceName }) => resourceName)).toEqual(names)
    const deleted = await shared.client.call('DeleteTopics', {
      topics: names.map((name) => ({ name, topicId: ZERO_UUID })),
      timeoutMs: 10_000,
    })
    expect(deleted.responses.map(({ name }) => name)).toEqual(names)
    expect(deleted.responses.map(({ errorCode }) => errorCode)).toEqual([
      'NONE',
      'UNKNOWN_TOPIC_OR_PARTITION',
      'UNKNOWN_TOPIC_OR_PARTITION',
    ])
  })

  test('that names one topic a hundred thousand times is answered with it once', async () => {
    await createTopic('repeated')
    const topics = Array.from({ length: 100_000 }, () => ({ name: 'repeated' }))
    expect((await shared.client.call('Metadata', { topics })).topics).toHaveLength(1)
    expect((await shared.client.call('DescribeTopicPartitions', { topics })).topics).toHaveLength(1)
  })

  test('of no items is answered with none', async () => {
    const empty = { resources: [], validateOnly: false }
    expect((await shared.client.call('IncrementalAlterConfigs', empty)).responses).toEqual([])
    const nothing = { topics: [], timeoutMs: 1_000, validateOnly: false }
    expect((await shared.client.call('CreatePartitions', nothing)).results).toEqual([])
  })

  test('appends to lists and takes from them', async () => {
    await createTopic('listed')
    const change = async (configOperation: number, value: string) => {
      const configs = [{ name: 'cleanup.policy', configOperation, value }]
      const resources = [{ resourceType: 2, resourceName: 'listed', configs }]
      await shared.client.call('IncrementalAlterConfigs', { resources, validateOnly: false })
      const asked = [
        { resourceType: 2, resourceName: 'listed', configurationKeys: [configs[0]?.name ?? ''] },
      ]
      const { results } = await shared.client.call('DescribeConfigs', { resources: asked })
      return results[0]?.configs[0]?.value
    }
    expect(await change(2, 'compact')).toBe('delete,compact')
    expect(await change(3, 'delete')).toBe('compact')
  })
})

test('what is advertised is the table of APIs, in the order of keys', async () => {
  const { apiKeys } = await shared.client.call('ApiVersions', SOFTWARE)
  const known = Object.values(APIS).map(({ key, minVersion, maxVersion }) => ({
    apiKey: key,
    minVersion,
    maxVersion,
  }))
  expect(apiKeys).toEqual(known.sort((left, right) => left.apiKey - right.apiKey))
})
