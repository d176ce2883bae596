import { ZERO_UUID, crc32c, encodeBatch } from '@fairlead/protocol'
import { afterEach, expect, test } from 'vitest'
import {
  type TestBroker,
  removeDirectory,
  startTestBroker,
  temporaryDirectory,
} from '../testing/test-broker.ts'
import { TestClient } from '../testing/test-client.ts'

/** Later versions name topics by their ids. */
const FETCH_BY_NAME_VERSION = 12

const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function start() {
  const directory = temporaryDirectory()
  cleanups.push(() => removeDirectory(directory))
  const broker = await startTestBroker(directory, {})
  cleanups.push(() => broker.stop())
  const client = new TestClient(broker.port)
  cleanups.push(() => client.close())
  return { broker, client }
}

/** A line of a scrape that begins so; its value. */
async function sample({ metrics }: TestBroker, series: string): Promise<number | undefined> {
  const text = await metrics.registry.metrics()
  const line = text.split('\n').find((each) => each.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length))
}

const record = (key: Uint8Array | null) => ({ key, value: null, headers: [], timestampMs: 1 })

function produce(client: TestClient, topicId: string, records: Uint8Array) {
  const topicData = [{ topicId, partitionData: [{ index: 0, records }] }]
  return client.call('Produce', { transactionalId: null, acks: -1, timeoutMs: 10_000, topicData })
}

test('every error code of a response is counted, and a fetch under both of its names', async () => {
  const { broker, client } = await start()
  await client.call('Metadata', { topics: [{ name: 'no/slash' }, { name: 'orders' }] })
  const errors = 'kafka_network_requestmetrics_errors_total'
  expect(
    await sample(broker, `${errors}{request="Metadata",error="INVALID_TOPIC_EXCEPTION"}`),
  ).toBe(1)
  expect(await sample(broker, `${errors}{request="Metadata",error="NONE"}`)).toBeGreaterThan(0)

  await client.call('Fetch', {
    maxWaitMs: 0,
    minBytes: 0,
    topics: [],
    forgottenTopicsData: [],
    sessionId: 7,
    sessionEpoch: 1,
  })
  for (const request of ['Fetch', 'FetchConsumer']) {
    const error = 'FETCH_SESSION_ID_NOT_FOUND'
    expect(await sample(broker, `${errors}{request="${request}",error="${error}"}`)).toBe(1)
  }
})

test('a request has its size and all of its times', async () => {
  const { broker, client } = await start()
  await client.call('Metadata', { topics: [] })
  await client.call('Metadata', { topics: [] })
  const names = [
    'requestbytes',
    'totaltimems',
    'requestqueuetimems',
    'localtimems',
    'remotetimems',
    'responsequeuetimems',
    'responsesendtimems',
  ]
  for (const name of names) {
    const series = `kafka_network_requestmetrics_${name}`
    await expect.poll(() => sample(broker, `${series}_count{request="Metadata"}`)).toBe(2)
    expect(await sample(broker, `${series}{quantile="0.99",request="Metadata"}`)).toBeDefined()
  }
  const bytes = await sample(
    broker,
    'kafka_network_requestmetrics_requestbytes_sum{request="Metadata"}',
  )
  expect(bytes).toBeGreaterThan(20)
})

test.for([
  ['nokeycompactedtopicrecords', () => encodeBatch({ records: [record(null)] }, crc32c)],
  ['invalidmagicnumberrecords', () => changed(16, 1)],
  ['invalidmessagecrcrecords', () => changed(20, 0xff)],
  ['invalidoffsetorsequencerecords', () => withBaseOffset()],
] as const)('a batch that is refused is counted as %s', async ([name, batch]) => {
  const { broker, client } = await start()
  const { topics } = await client.call('CreateTopics', {
    topics: [
      {
        name: 'orders',
        numPartitions: 1,
        replicationFactor: 1,
        assignments: [],
        configs: [{ name: 'cleanup.policy', value: 'compact' }],
      },
    ],
    timeoutMs: 10_000,
    validateOnly: false,
  })
  const { responses } = await produce(client, topics[0]?.topicId ?? '', batch())
  expect(responses[0]?.partitionResponses[0]?.errorCode).not.toBe('NONE')
  expect(await sample(broker, `kafka_server_brokertopicmetrics_${name}_total`)).toBe(1)
})

/** A good batch but for one byte. */
function changed(position: number, value: number): Uint8Array {
  const batch = encodeBatch({ records: [record(new Uint8Array(1))] }, crc32c)
  batch[position] = (batch[position] ?? 0) ^ value
  return batch
}

/** The base offset is not covered by the checksum. */
function withBaseOffset(): Uint8Array {
  return encodeBatch({ records: [record(new Uint8Array(1))], baseOffset: 5 }, crc32c)
}

test('a topic that is not there has no series, however often it is fetched from', async () => {
  const { broker, client } = await start()
  const topics = [{ name: 'orders', numPartitions: 1, replicationFactor: 1 }]
  await client.call('CreateTopics', {
    topics: topics.map((topic) => ({ ...topic, assignments: [], configs: [] })),
    timeoutMs: 10_000,
    validateOnly: false,
  })
  const fetchAll = () =>
    client.call(
      'Fetch',
      {
        maxWaitMs: 0,
        minBytes: 0,
        topics: ['orders', 'nowhere'].map((topic) => ({
          topic,
          partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000 }],
        })),
        forgottenTopicsData: [],
      },
      FETCH_BY_NAME_VERSION,
    )
  await fetchAll()
  const series = 'kafka_server_brokertopicmetrics_totalfetchrequests_total'
  expect(await sample(broker, `${series}{topic="orders"}`)).toBe(1)
  expect(await sample(broker, `${series}{topic="nowhere"}`)).toBeUndefined()
  await client.call('DeleteTopics', {
    topics: [{ name: 'orders', topicId: ZERO_UUID }],
    timeoutMs: 10_000,
  })
  await fetchAll()
  expect(await sample(broker, `${series}{topic="orders"}`)).toBeUndefined()
})

test('the broker, its connections, flushes and quorum are under the names of Kafka', async () => {
  const { broker, client } = await start()
  await client.call('CreateTopics', {
    topics: [
      { name: 'orders', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] },
    ],
    timeoutMs: 10_000,
    validateOnly: false,
  })
  const flushes = 'kafka_log_logflushstats_logflushrateandtimems'
  expect(await sample(broker, `${flushes}_count`)).toBeGreaterThan(0)
  expect(await sample(broker, `${flushes}{quantile="0.99"}`)).toBeGreaterThan(0)
  const address = `127.0.0.1:${broker.port}`
  expect(await sample(broker, `kafka_broker_info{id="1",address="${address}"}`)).toBe(1)
  const sockets = 'kafka_server_socket_server_metrics'
  const processor = 'listener="PLAINTEXT",networkProcessor="0"'
  const software = `clientSoftwareName="unknown",clientSoftwareVersion="unknown",${processor}`
  expect(await sample(broker, `${sockets}_connections_software{${software}}`)).toBe(1)
  expect(await sample(broker, `${sockets}_connection_creation_rate{${processor}}`)).toBeGreaterThan(
    0,
  )
  expect(await sample(broker, `${sockets}_connection_close_rate{${processor}}`)).toBe(0)
  expect(await sample(broker, `${sockets}_failed_authentication_total{${processor}}`)).toBe(0)
  expect(await sample(broker, 'kafka_network_requestchannel_responsequeuesize')).toBe(0)
  const fetchers = 'kafka_server_replicafetchermanager_maxlag{clientId="Replica"}'
  expect(await sample(broker, fetchers)).toBe(0)
  const raft = 'kafka_server_raftmetrics'
  expect(await sample(broker, `${raft}_current_state{current_state="leader"}`)).toBe(1)
  expect(await sample(broker, `${raft}_current_leader`)).toBe(1)
  const end = await sample(broker, `${raft}_log_end_offset`)
  expect(end).toBeGreaterThan(0)
  expect(await sample(broker, 'kafka_controller_kafkacontroller_lastappliedrecordoffset')).toBe(
    (end ?? 0) - 1,
  )
})

test('an answer waits for those to earlier requests of its connection', async () => {
  const { broker, client } = await start()
  await client.call('CreateTopics', {
    topics: [
      { name: 'orders', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] },
    ],
    timeoutMs: 10_000,
    validateOnly: false,
  })
  const other = new TestClient(broker.port)
  cleanups.push(() => other.close())
  const partition = { partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000 }
  const fetched = client.call(
    'Fetch',
    {
      maxWaitMs: 300_000,
      minBytes: 1,
      topics: [{ topic: 'orders', partitions: [partition] }],
      forgottenTopicsData: [],
    },
    FETCH_BY_NAME_VERSION,
  )
  const listed = client.call('Metadata', { topics: [] })
  const queued = 'kafka_network_requestchannel_responsequeuesize'
  await expect.poll(() => sample(broker, queued)).toBe(1)
  await other.call('DeleteTopics', {
    topics: [{ name: 'orders', topicId: ZERO_UUID }],
    timeoutMs: 10_000,
  })
  await Promise.all([fetched, listed])
  expect(await sample(broker, queued)).toBe(0)
})

test('whatever clients call their software, the series of its names are bounded', async () => {
  const { broker, client: unnamed } = await start()
  await unnamed.call('Metadata', { topics: [] })
  const callAs = async (clientSoftwareName: string) => {
    const client = new TestClient(broker.port)
    cleanups.push(() => client.close())
    return client.call('ApiVersions', { clientSoftwareName, clientSoftwareVersion: '1' })
  }
  for (let count = 0; count < 103; count += 1) await callAs(`name-${count}`)
  await callAs('name-0')
  const text = await broker.metrics.registry.metrics()
  const series = text
    .split('\n')
    .filter((line) => line.startsWith('kafka_server_socket_server_metrics_connections_software{'))
  const countOf = (name: string) =>
    series
      .find((line) => line.includes(`clientSoftwareName="${name}"`))
      ?.split(' ')
      .at(-1)
  expect(series).toHaveLength(101)
  expect(['unknown', 'name-0', 'name-98', 'name-99', 'other'].map(countOf)).toEqual([
    '1',
    '2',
    '1',
    undefined,
    '4',
  ])
})
