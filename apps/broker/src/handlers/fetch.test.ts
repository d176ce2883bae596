import {
  type RequestBody,
  type ResponseOf,
  crc32c,
  encodeBatch,
  readBatchHeader,
} from '@fairlead/protocol'
import { describe, expect, test } from 'vitest'
import { sharedBroker } from '../testing/shared-broker.ts'
import { removeDirectory, startTestBroker, temporaryDirectory } from '../testing/test-broker.ts'
import { TestClient } from '../testing/test-client.ts'

const BY_NAME_VERSION = 12
const PATIENT_MS = 60_000

const shared = sharedBroker()

function batch(valueBytes = 10): Uint8Array {
  const value = new Uint8Array(valueBytes)
  return encodeBatch({ records: [{ key: null, value, headers: [], timestampMs: 1_000 }] }, crc32c)
}

const createTopic = (name: string, partitions = 2): Promise<string> =>
  shared.createTopic(name, { partitions })

async function produce(
  topicId: string,
  index: number,
  records = batch(),
  through = shared.client,
): Promise<void> {
  const { responses } = await through.call('Produce', {
    transactionalId: null,
    acks: -1,
    timeoutMs: 10_000,
    topicData: [{ topicId, partitionData: [{ index, records }] }],
  })
  expect(responses[0]?.partitionResponses[0]?.errorCode).toBe('NONE')
}

function fetchRequest(
  topics: RequestBody<'Fetch'>['topics'],
  fields: Partial<RequestBody<'Fetch'>> = {},
): RequestBody<'Fetch'> {
  return { maxWaitMs: 0, minBytes: 1, topics, forgottenTopicsData: [], ...fields }
}

function from(partition: number, fetchOffset: number, partitionMaxBytes = 1_000_000) {
  return { partition, fetchOffset, partitionMaxBytes }
}

/** Which partitions an answer has, with the bytes of their records. */
function summary({ errorCode, responses }: ResponseOf<'Fetch'>) {
  const partitions = responses.flatMap((topic) =>
    topic.partitions.map(({ partitionIndex, errorCode, records }) => ({
      partitionIndex,
      errorCode,
      bytes: records?.length ?? 0,
    })),
  )
  return { errorCode, partitions }
}

async function waitUntilWaiting(count: number): Promise<void> {
  await expect
    .poll(async () => gauge('kafka_server_delayedoperationpurgatory_purgatorysize'))
    .toBe(count)
}

async function gauge(name: string): Promise<number> {
  const text = await shared.broker.metrics.registry.getSingleMetricAsString(name)
  return Number(text.trim().split(' ').at(-1))
}

describe.for([
  { form: 'by name', version: BY_NAME_VERSION },
  { form: 'by id', version: 18 },
])('a session whose topics are named $form', ({ form, version }) => {
  test('tells what is new, and nothing else', async () => {
    const name = `session-${version}`
    const topicId = await createTopic(name)
    const topic = { topic: name, topicId }
    const call = (body: RequestBody<'Fetch'>) => shared.client.call('Fetch', body, version)
    await produce(topicId, 1)

    const partitions = [from(0, 0), from(1, 0)]
    const full = await call(fetchRequest([{ ...topic, partitions }], { sessionEpoch: 0 }))
    const { sessionId } = full
    expect(sessionId, form).toBeGreaterThan(0)
    expect(summary(full).partitions).toHaveLength(2)

    const moved = [{ ...topic, partitions: [from(1, 1)] }]
    const idle = await call(fetchRequest(moved, { sessionId, sessionEpoch: 1 }))
    expect(summary(idle)).toEqual({ errorCode: 'NONE', partitions: [] })

    const waiting = call(fetchRequest([], { sessionId, sessionEpoch: 2, maxWaitMs: PATIENT_MS }))
    await waitUntilWaiting(1)
    await produceFromElsewhere(topicId, 0)
    const bytes = batch().length
    expect(summary(await waiting)).toEqual({
      errorCode: 'NONE',
      partitions: [{ partitionIndex: 0, errorCode: 'NONE', bytes }],
    })

    const forgottenTopicsData = [{ ...topic, partitions: [0, 1] }]
    const ended = await call(
      fetchRequest([], { sessionId, sessionEpoch: 3, forgottenTopicsData, maxWaitMs: PATIENT_MS }),
    )
    expect(ended).toMatchObject({ errorCode: 'NONE', sessionId: 0, responses: [] })
    const late = await call(fetchRequest([], { sessionId, sessionEpoch: 4 }))
    expect(late).toMatchObject({ errorCode: 'FETCH_SESSION_ID_NOT_FOUND', sessionId: 0 })
  })
})

/** The first connection answers in order, behind a fetch that waits. */
async function produceFromElsewhere(topicId: string, index: number, records?: Uint8Array) {
  const other = new TestClient(shared.broker.port)
  await produce(topicId, index, records, other).finally(() => other.close())
}

describe('a fetch that waits', () => {
  test('for more bytes than one append brings waits for the next', async () => {
    const topicId = await createTopic('min-bytes')
    const size = batch(500).length
    const request = fetchRequest([{ topicId, partitions: [from(0, 0), from(1, 0)] }], {
      minBytes: 2 * size,
      maxWaitMs: PATIENT_MS,
    })
    const waiting = shared.client.call('Fetch', request)
    await waitUntilWaiting(1)
    await produceFromElsewhere(topicId, 0, batch(500))
    await waitUntilWaiting(1)
    await produceFromElsewhere(topicId, 1, batch(500))
    expect(summary(await waiting).partitions.map(({ bytes }) => bytes)).toEqual([size, size])
  })

  test('hears of the deletion of its topic', async () => {
    const topicId = await createTopic('short-lived')
    const waiting = shared.client.call(
      'Fetch',
      fetchRequest([{ topicId, partitions: [from(0, 0)] }], { maxWaitMs: PATIENT_MS }),
    )
    await waitUntilWaiting(1)
    const other = new TestClient(shared.broker.port)
    await other.call('DeleteTopics', { topics: [{ topicId }], timeoutMs: 10_000 })
    other.close()
    const [answer] = summary(await waiting).partitions
    expect(['UNKNOWN_TOPIC_ID', 'UNKNOWN_TOPIC_OR_PARTITION']).toContain(answer?.errorCode)
  })
})

describe('limits', () => {
  test('a first batch larger than every limit is returned, and nothing after it (KIP-74)', async () => {
    const topicId = await createTopic('large-first')
    for (const partition of [0, 1]) await produce(topicId, partition, batch(5_000))
    const partitions = [from(0, 0, 10), from(1, 0, 10)]
    const answer = await shared.client.call(
      'Fetch',
      fetchRequest([{ topicId, partitions }], { maxBytes: 10 }),
    )
    const bytes = batch(5_000).length
    expect(summary(answer).partitions.map((partition) => partition.bytes)).toEqual([bytes, 0])
  })

  test('a response is no larger than max_bytes but for its first batch, and then does not wait', async () => {
    const topicId = await createTopic('total', 3)
    const size = batch(50_000).length
    for (const partition of [0, 1]) await produce(topicId, partition, batch(50_000))
    await produce(topicId, 2, batch())
    const partitions = [from(0, 0), from(1, 0), from(2, 0)]
    const limits = { maxBytes: size + 1_000, minBytes: size + 900, maxWaitMs: PATIENT_MS }
    const response = await shared.client.call(
      'Fetch',
      fetchRequest([{ topicId, partitions }], limits),
    )
    const sizes = summary(response).partitions.map(({ bytes }) => bytes)
    expect(sizes).toEqual([size, 0, batch().length])
  })

  test('partitions take turns when one alone fills the response', async () => {
    const topicId = await createTopic('turns')
    for (const partition of [0, 1]) await produce(topicId, partition, batch(5_000))
    const partitions = [from(0, 0), from(1, 0)]
    const call = (sessionId: number, sessionEpoch: number) => {
      const topics = sessionEpoch === 0 ? [{ topicId, partitions }] : []
      return shared.client.call(
        'Fetch',
        fetchRequest(topics, { sessionId, sessionEpoch, maxBytes: 10 }),
      )
    }
    const { sessionId } = await call(0, 0)
    const served: number[] = []
    for (const epoch of [1, 2, 3, 4]) {
      const { partitions: told } = summary(await call(sessionId, epoch))
      served.push(
        ...told.filter(({ bytes }) => bytes > 0).map(({ partitionIndex }) => partitionIndex),
      )
    }
    expect(served).toEqual([0, 1, 0, 1])
  })

  test('answers are of a megabyte, in which partitions without a session take turns', async () => {
    const name = 'no-session'
    const topicId = await createTopic(name, 3)
    const records = batch(700_000)
    const sizeBytes = records.length
    for (const partition of [0, 1, 2]) await produce(topicId, partition, batch(700_000))
    const partitions = [0, 1, 2].map((partition) => from(partition, 0))
    // One that has not been slow yet, which would be taken for far away.
    const near = new TestClient(shared.broker.port)
    const ask = async (minBytes: number) => {
      const fields = { sessionEpoch: -1, minBytes }
      const answer = await near.call('Fetch', fetchRequest([{ topicId, partitions }], fields))
      return summary(answer).partitions.map(({ bytes }) => bytes)
    }
    expect(await ask(1)).toEqual([sizeBytes, 0, 0])
    expect(await ask(1)).toEqual([0, sizeBytes, 0])
    expect(await ask(1)).toEqual([0, 0, sizeBytes])
    expect(await ask(1)).toEqual([sizeBytes, 0, 0])
    // Who wants more at once gets more.
    expect(await ask(2 * sizeBytes)).toEqual([0, sizeBytes, sizeBytes])
    near.close()
  })

  test('a fetch behind a request that waits holds no memory that others need', async () => {
    const topicId = await createTopic('behind', 1)
    await produce(topicId, 0)
    const groupId = 'behind'
    const join = async (member: TestClient, memberId: string) =>
      member.call('JoinGroup', {
        groupId,
        sessionTimeoutMs: PATIENT_MS,
        rebalanceTimeoutMs: PATIENT_MS,
        memberId,
        groupInstanceId: null,
        protocolType: 'consumer',
        protocols: [{ name: 'range', metadata: new Uint8Array(4) }],
        reason: null,
      })
    await shared.client.call('FindCoordinator', { keyType: 0, coordinatorKeys: [groupId] })
    const { memberId } = await join(shared.client, '')
    expect(await join(shared.client, memberId)).toMatchObject({ errorCode: 'NONE' })

    const other = new TestClient(shared.broker.port)
    const second = await join(other, '')
    const topics = [{ topicId, partitions: [from(0, 0)] }]
    other.socket.cork()
    const joining = join(other, second.memberId)
    const fetching = other.call('Fetch', fetchRequest(topics))
    other.socket.uncork()
    const groupState = async () => {
      const { groups } = await shared.client.call('DescribeGroups', { groups: [groupId] })
      return groups[0]?.groupState
    }
    await expect.poll(groupState).toBe('PreparingRebalance')
    await shared.client.call('Fetch', fetchRequest(topics))
    await expect.poll(async () => gauge('fairlead_fetch_memory_used_bytes')).toBe(0)

    await join(shared.client, memberId)
    expect(await joining).toMatchObject({ errorCode: 'NONE' })
    const bytes = batch().length
    expect(summary(await fetching).partitions).toMatchObject([{ errorCode: 'NONE', bytes }])
    other.close()
  })

  test('a fetch of nothing is answered at once', async () => {
    const answer = await shared.client.call('Fetch', fetchRequest([], { maxWaitMs: PATIENT_MS }))
    expect(answer).toMatchObject({ errorCode: 'NONE', sessionId: 0, responses: [] })
  })
})

test('a reader of the disk gets every record once, in order, and leaves no memory behind', async () => {
  const directory = temporaryDirectory()
  const own = await startTestBroker(directory, { 'log.tail.cache.bytes': '0' })
  const reader = new TestClient(own.port)
  const topic = {
    name: 'read',
    numPartitions: 2,
    replicationFactor: 1,
    assignments: [],
    configs: [],
  }
  const { topics } = await reader.call('CreateTopics', { topics: [topic], timeoutMs: 10_000 })
  const topicId = topics[0]?.topicId ?? ''
  const BATCHES = 8
  for (let count = 0; count < BATCHES; count += 1) {
    for (const index of [0, 1]) {
      const topicData = [{ topicId, partitionData: [{ index, records: batch(300_000 + count) }] }]
      await reader.call('Produce', {
        transactionalId: null,
        acks: -1,
        timeoutMs: 10_000,
        topicData,
      })
    }
  }
  const offsets = [0, 0]
  const seen: number[][] = [[], []]
  for (let round = 0; offsets.some((offset) => offset < BATCHES); round += 1) {
    expect(round).toBeLessThan(2 * BATCHES)
    const partitions = offsets.map((fetchOffset, partition) =>
      from(partition, fetchOffset, 700_000),
    )
    const fields = { sessionEpoch: -1 }
    const { responses } = await reader.call(
      'Fetch',
      fetchRequest([{ topicId, partitions }], fields),
    )
    for (const { partitionIndex, records } of responses[0]?.partitions ?? []) {
      for (const { baseOffset, sizeBytes } of batchesIn(records ?? new Uint8Array())) {
        seen[partitionIndex]?.push(baseOffset, sizeBytes)
        offsets[partitionIndex] = baseOffset + 1
      }
    }
  }
  const all = Array.from({ length: BATCHES }, (_, at) => [at, batch(300_000 + at).length]).flat()
  expect(seen).toEqual([all, all])
  reader.close()
  const used = async () =>
    own.metrics.registry.getSingleMetricAsString('fairlead_fetch_memory_used_bytes')
  await expect.poll(used).toMatch(/ 0$/)
  await own.stop()
  removeDirectory(directory)
})

function* batchesIn(records: Uint8Array): Generator<{ baseOffset: number; sizeBytes: number }> {
  for (let position = 0; position < records.length; ) {
    const header = readBatchHeader(records, position)
    yield header
    position += header.sizeBytes
  }
}

describe('who fetches', () => {
  test.for([
    { version: 12, replica: { replicaId: 1 } },
    { version: 17, replica: { replicaState: { replicaId: 7, replicaEpoch: 0 } } },
  ])('as a follower, in version $version, is told who leads', async ({ version, replica }) => {
    const name = `followed-${version}`
    const topicId = await createTopic(name)
    await produce(topicId, 0)
    const topics = [{ topic: name, topicId, partitions: [from(0, 0)] }]
    const { responses, nodeEndpoints } = await shared.client.call(
      'Fetch',
      fetchRequest(topics, replica),
      version,
    )
    const [partition] = responses[0]?.partitions ?? []
    expect(partition?.errorCode).toBe('NOT_LEADER_OR_FOLLOWER')
    expect(partition?.records?.length ?? 0).toBe(0)
    if (version < 16) return
    expect(partition?.currentLeader.leaderId).toBe(1)
    expect(nodeEndpoints).toHaveLength(1)
  })

  test('with a negative leader epoch knows of none', async () => {
    const topicId = await createTopic('negative-epoch')
    await produce(topicId, 0)
    const partitions = [{ ...from(0, 0), currentLeaderEpoch: -5 }]
    const answer = await shared.client.call('Fetch', fetchRequest([{ topicId, partitions }]))
    expect(answer.responses[0]?.partitions[0]?.errorCode).toBe('NONE')
  })
})
