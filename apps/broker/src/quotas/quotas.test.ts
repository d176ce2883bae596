import { ZERO_UUID, crc32c, encodeBatch } from '@fairlead/protocol'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  type TestBroker,
  removeDirectory,
  startTestBroker,
  temporaryDirectory,
} from '../testing/test-broker.ts'
import { TestClient } from '../testing/test-client.ts'

/** Rates over two seconds at least: waits of some seconds, which a busy machine does not use up. */
const SETTINGS = { 'quota.window.num': '3', 'controller.quota.window.num': '3' }
const BYTES_PER_SECOND = 50_000

let directory: string
let broker: TestBroker
const clients: TestClient[] = []

beforeEach(async () => {
  directory = temporaryDirectory()
  broker = await startTestBroker(directory, SETTINGS)
})
afterEach(async () => {
  for (const client of clients.splice(0)) client.close()
  await broker.stop()
  removeDirectory(directory)
})

function connect(clientId = 'test'): TestClient {
  const client = new TestClient(broker.port, clientId)
  clients.push(client)
  return client
}

type Entity = Readonly<Record<string, string | null>>

async function setQuota(entity: Entity, key: string, value: number) {
  const { entries } = await connect('admin').call('AlterClientQuotas', {
    entries: [
      {
        entity: Object.entries(entity).map(([entityType, entityName]) => ({
          entityType,
          entityName,
        })),
        ops: [{ key, value, remove: false }],
      },
    ],
    validateOnly: false,
  })
  expect(entries.map(({ errorMessage }) => errorMessage)).toEqual([null])
}

async function createTopic(
  client: TestClient,
  name: string,
  { partitions = 1, version = 7 }: { readonly partitions?: number; readonly version?: number } = {},
) {
  const { topics, throttleTimeMs } = await client.call(
    'CreateTopics',
    {
      topics: [
        { name, numPartitions: partitions, replicationFactor: 1, assignments: [], configs: [] },
      ],
      timeoutMs: 10_000,
    },
    version,
  )
  return {
    errorCode: topics[0]?.errorCode,
    topicId: topics[0]?.topicId ?? ZERO_UUID,
    throttleTimeMs,
  }
}

function produceRequest(topicId: string, sizeBytes: number, acks = -1) {
  const records = encodeBatch(
    { records: [{ key: null, value: new Uint8Array(sizeBytes), timestampMs: 1_000 }] },
    crc32c,
  )
  return {
    acks,
    timeoutMs: 10_000,
    topicData: [{ topicId, partitionData: [{ index: 0, records }] }],
  }
}

function fetchRequest(topicId: string) {
  const partition = { partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }
  return {
    maxWaitMs: 0,
    minBytes: 1,
    sessionEpoch: -1,
    topics: [{ topicId, partitions: [partition] }],
    forgottenTopicsData: [],
  }
}

/** Timers and clocks of a process differ by less. */
const CLOCK_SLACK_MS = 20

/** Waits until the broker reads the next request of the client; how long that is since `startMs`. */
async function heardAfterMs(client: TestClient, startMs: number): Promise<number> {
  await client.call('ApiVersions', { clientSoftwareName: 'test', clientSoftwareVersion: '1' })
  return performance.now() - startMs
}

describe('a client above its quota', () => {
  test('of bytes it produces waits as long as it is told; another client does not', async () => {
    const client = connect('greedy')
    const { topicId } = await createTopic(client, 'orders')
    await setQuota({ 'client-id': 'greedy' }, 'producer_byte_rate', BYTES_PER_SECOND)
    const first = await client.call('Produce', produceRequest(topicId, 90_000))
    expect(first.throttleTimeMs).toBe(0)
    const startMs = performance.now()
    const second = await client.call('Produce', produceRequest(topicId, 250_000))
    // 340 kB in two seconds are allowed in 6.8; what has passed since the first counts.
    expect(second.responses[0]?.partitionResponses[0]?.errorCode).toBe('NONE')
    expect(second.throttleTimeMs).toBeGreaterThan(0)
    expect(second.throttleTimeMs).toBeLessThan(5_000)

    const neighbour = connect('modest')
    const order: string[] = []
    const own = heardAfterMs(client, startMs).then((waitedMs) => {
      order.push('greedy')
      return waitedMs
    })
    const other = await neighbour.call('Produce', produceRequest(topicId, 90_000))
    order.push('modest')
    expect(other.throttleTimeMs).toBe(0)
    expect(await own).toBeGreaterThan(second.throttleTimeMs - CLOCK_SLACK_MS)
    expect(order).toEqual(['modest', 'greedy'])
  })

  test('is not read from either when it wants no answer', async () => {
    const client = connect()
    const { topicId } = await createTopic(client, 'orders')
    await setQuota({ 'client-id': null }, 'producer_byte_rate', BYTES_PER_SECOND)
    const startMs = performance.now()
    void client.call('Produce', produceRequest(topicId, 350_000, 0)).catch(() => {})
    await connect('other').call('ApiVersions', {
      clientSoftwareName: 'test',
      clientSoftwareVersion: '1',
    })
    await expect
      .poll(() => broker.metrics.registry.getSingleMetricAsString('fairlead_connections_muted'))
      .toContain('fairlead_connections_muted 1')
    await expect
      .poll(() => broker.metrics.registry.getSingleMetricAsString('fairlead_connections_muted'))
      .toContain('fairlead_connections_muted 0')
    expect(performance.now() - startMs).toBeGreaterThan(4_000)
  })

  test('of bytes it fetches gets none, and all of them later', async () => {
    const client = connect()
    const { topicId } = await createTopic(client, 'orders')
    await client.call('Produce', produceRequest(topicId, 60_000))
    await setQuota({ user: 'ANONYMOUS' }, 'consumer_byte_rate', BYTES_PER_SECOND)
    const answers: { sizeBytes: number; throttleTimeMs: number; heardMs: number }[] = []
    while (answers.filter(({ sizeBytes }) => sizeBytes > 0).length < 3) {
      const startMs = performance.now()
      const { responses, throttleTimeMs } = await client.call('Fetch', fetchRequest(topicId))
      const sizeBytes = responses[0]?.partitions[0]?.records?.length ?? 0
      const heardMs = await heardAfterMs(client, startMs)
      answers.push({ sizeBytes, throttleTimeMs, heardMs })
    }
    const throttled = answers.filter(({ throttleTimeMs }) => throttleTimeMs > 0)
    expect(throttled.length).toBeGreaterThan(0)
    expect(throttled.every(({ sizeBytes }) => sizeBytes === 0)).toBe(true)
    for (const { heardMs, throttleTimeMs } of throttled) {
      expect(heardMs).toBeGreaterThan(throttleTimeMs - CLOCK_SLACK_MS)
    }
  })

  test('of time waits at most a window', async () => {
    const client = connect()
    await setQuota({ user: null }, 'request_percentage', 0.000_1)
    const startMs = performance.now()
    const { throttleTimeMs } = await client.call('Metadata', { topics: null })
    expect(throttleTimeMs).toBe(1_000)
    expect(await heardAfterMs(client, startMs)).toBeGreaterThan(1_000 - CLOCK_SLACK_MS)
  })
})

describe('a quota of partitions that are created and deleted', () => {
  /** Six at once: three windows. */
  const PER_SECOND = 2
  /** It takes seven seconds until what is beyond the six is made good: more than making them takes. */
  const PARTITIONS = 20
  const DEBT_MS = 7_000

  test('refuses what is above it', async () => {
    const client = connect()
    await setQuota(
      { user: 'ANONYMOUS', 'client-id': 'test' },
      'controller_mutation_rate',
      PER_SECOND,
    )
    expect(await createTopic(client, 'a', { partitions: PARTITIONS })).toMatchObject({
      errorCode: 'NONE',
      throttleTimeMs: 0,
    })
    const refused = await createTopic(client, 'b')
    expect(refused.errorCode).toBe('THROTTLING_QUOTA_EXCEEDED')
    expect(refused.throttleTimeMs).toBeGreaterThan(0)
    expect(refused.throttleTimeMs).toBeLessThanOrEqual(DEBT_MS)
    await heardAfterMs(client, 0)
    expect((await createTopic(client, 'b')).errorCode).toBe('NONE')
  })

  test('lets old versions wait, which do not know the error', async () => {
    const client = connect()
    await setQuota({ user: 'ANONYMOUS' }, 'controller_mutation_rate', PER_SECOND)
    const made = await createTopic(client, 'a', { partitions: PARTITIONS, version: 5 })
    expect(made.errorCode).toBe('NONE')
    expect(made.throttleTimeMs).toBeGreaterThan(0)
  })

  test('holds for topics that are created by asking for them', async () => {
    const client = connect()
    await setQuota({ 'client-id': null }, 'controller_mutation_rate', PER_SECOND)
    await createTopic(client, 'a', { partitions: PARTITIONS })
    const request = { topics: [{ name: 'asked-for' }], allowAutoTopicCreation: true }
    const { topics, throttleTimeMs } = await client.call('Metadata', request)
    expect(topics.map(({ errorCode }) => errorCode)).toEqual(['UNKNOWN_TOPIC_OR_PARTITION'])
    expect(throttleTimeMs).toBeGreaterThan(0)
    await heardAfterMs(client, 0)
    const later = await client.call('Metadata', request)
    expect(later.topics.map(({ errorCode }) => errorCode)).toEqual(['NONE'])
  })
})

test('an address that connects too fast is turned away for a while', async () => {
  await setQuota({ ip: '127.0.0.1' }, 'connection_creation_rate', 1)
  const peers = Array.from({ length: 10 }, () => connect())
  // Two seconds' worth.
  await Promise.all(peers.slice(0, 2).map((peer) => heardAfterMs(peer, 0)))
  await expect.poll(() => peers.at(-1)?.isClosed).toBe(true)
  expect(await broker.metrics.registry.metrics()).toMatch(
    /^fairlead_connections_above_quota [1-9]/m,
  )
})

test('quotas and what they measure are shown, and are there after a restart', async () => {
  const client = connect('greedy')
  const { topicId } = await createTopic(client, 'orders')
  await setQuota({ 'client-id': 'greedy' }, 'producer_byte_rate', BYTES_PER_SECOND)
  await setQuota({ user: 'ANONYMOUS' }, 'controller_mutation_rate', 4)
  await createTopic(client, 'another', { partitions: 2 })
  await client.call('Produce', produceRequest(topicId, 110_000))
  const text = await broker.metrics.registry.metrics()
  const produced = /quota_byte_rate\{resource="Produce",user="",clientId="greedy"\} (\d+)/.exec(
    text,
  )
  expect(Number(produced?.[1])).toBeGreaterThan(BYTES_PER_SECOND)
  expect(text).toMatch(/quota_throttle_time\{resource="Produce",user="",clientId="greedy"\} [1-9]/)
  expect(text).toMatch(
    /quota_tokens\{resource="ControllerMutation",user="ANONYMOUS",clientId=""\} (9|10|11|12)/,
  )

  for (const each of clients.splice(0)) each.close()
  await broker.stop()
  broker = await startTestBroker(directory, SETTINGS)
  const { entries } = await connect().call('DescribeClientQuotas', {
    components: [],
    strict: false,
  })
  expect(entries).toEqual([
    {
      entity: [{ entityType: 'client-id', entityName: 'greedy' }],
      values: [{ key: 'producer_byte_rate', value: BYTES_PER_SECOND }],
    },
    {
      entity: [{ entityType: 'user', entityName: 'ANONYMOUS' }],
      values: [{ key: 'controller_mutation_rate', value: 4 }],
    },
  ])
})
