import { crc32c, encodeBatch } from '@fairlead/protocol'
import { afterEach, expect, test } from 'vitest'
import {
  type TestBroker,
  removeDirectory,
  startTestBroker,
  temporaryDirectory,
} from '../testing/test-broker.ts'
import { TestClient } from '../testing/test-client.ts'
import { lagOf } from './group-gauges.ts'

const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function start(settings: Readonly<Record<string, string>> = {}) {
  const directory = temporaryDirectory()
  cleanups.push(() => removeDirectory(directory))
  const broker = await startTestBroker(directory, settings)
  cleanups.push(() => broker.stop())
  const client = new TestClient(broker.port)
  cleanups.push(() => client.close())
  return { broker, client }
}

/** Five records on `orders`-0, written long ago, of which the group `billing` has read two. */
async function withLaggingGroup(settings: Readonly<Record<string, string>> = {}) {
  const { broker, client } = await start(settings)
  const { topics } = await client.call('Metadata', { topics: [{ name: 'orders' }] })
  const topicId = topics[0]?.topicId ?? ''
  const timestampMs = Date.now() - 60_000
  const records = Array.from({ length: 5 }, () => ({
    key: null,
    value: new Uint8Array(10),
    headers: [],
    timestampMs,
  }))
  await client.call('Produce', {
    transactionalId: null,
    acks: -1,
    timeoutMs: 10_000,
    topicData: [
      { topicId, partitionData: [{ index: 0, records: encodeBatch({ records }, crc32c) }] },
    ],
  })
  await client.call('FindCoordinator', { keyType: 0, coordinatorKeys: ['billing'] })
  await expect
    .poll(async () => {
      const response = await client.call('OffsetCommit', {
        groupId: 'billing',
        generationIdOrMemberEpoch: -1,
        memberId: '',
        groupInstanceId: null,
        topics: [
          {
            name: 'orders',
            topicId,
            partitions: [
              {
                partitionIndex: 0,
                committedOffset: 2,
                committedLeaderEpoch: -1,
                committedMetadata: '',
              },
            ],
          },
        ],
      })
      return response.topics[0]?.partitions[0]?.errorCode
    })
    .toBe('NONE')
  return broker
}

/** Series of a scrape, as Prometheus reads them. */
async function scrape({ metrics }: TestBroker): Promise<ReadonlyMap<string, number>> {
  const text = await metrics.registry.metrics()
  return new Map(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => {
        const end = line.lastIndexOf(' ')
        return [line.slice(0, end), Number(line.slice(end + 1))]
      }),
  )
}

test('a partition has the series of the JMX exporter and of kafka_exporter', async () => {
  const series = await scrape(await withLaggingGroup())
  const labels = '{topic="orders",partition="0"}'
  const expected = {
    kafka_log_log_logstartoffset: 0,
    kafka_log_log_logendoffset: 5,
    kafka_log_log_numlogsegments: 1,
    kafka_cluster_partition_replicascount: 1,
    kafka_cluster_partition_insyncreplicascount: 1,
    kafka_cluster_partition_underreplicated: 0,
    kafka_cluster_partition_underminisr: 0,
    kafka_cluster_partition_atminisr: 1,
    kafka_cluster_partition_laststableoffsetlag: 0,
    kafka_topic_partition_current_offset: 5,
    kafka_topic_partition_oldest_offset: 0,
    kafka_topic_partition_leader: 1,
    kafka_topic_partition_leader_is_preferred: 1,
    kafka_topic_partition_replicas: 1,
    kafka_topic_partition_in_sync_replica: 1,
    kafka_topic_partition_under_replicated_partition: 0,
  }
  const found = Object.keys(expected).map((name) => [name, series.get(`${name}${labels}`)])
  expect(Object.fromEntries(found)).toEqual(expected)
  expect(series.get('kafka_topic_partitions{topic="orders"}')).toBe(1)
})

test('lag in seconds is the age of the first unread record', async () => {
  const series = await scrape(await withLaggingGroup({ 'metrics.lag.seconds': 'true' }))
  const found = [...series].filter(([name]) => name.startsWith('kafka_consumergroup_group_'))
  expect(found).toHaveLength(2)
  for (const [, seconds] of found) {
    expect(seconds).toBeGreaterThanOrEqual(60)
    expect(seconds).toBeLessThan(120)
  }
})

test('series are as detailed as the configuration says, and never more than the limit', async () => {
  const names = async (settings: Readonly<Record<string, string>>) => {
    const series = await scrape(await withLaggingGroup(settings))
    return [...series].map(([name]) => name).filter((name) => name.includes('topic="orders"'))
  }
  const ofTopic = await names({ 'metrics.partition.detail': 'topic' })
  expect(ofTopic).toContain('kafka_topic_partitions{topic="orders"}')
  expect(ofTopic.join('\n')).not.toContain('kafka_log_log_size')
  expect(await names({ 'metrics.topic.exclude': 'ord.*' })).not.toContain(
    'kafka_topic_partitions{topic="orders"}',
  )
  const broker = await withLaggingGroup({ 'metrics.series.max': '0' })
  const series = await scrape(broker)
  expect(series.has('kafka_topic_partitions{topic="orders"}')).toBe(false)
  expect(series.get('metrics_series_dropped_total')).toBeGreaterThan(0)
})

test('what dashboards and alerts ask of every broker is there', async () => {
  const series = await scrape((await start()).broker)
  const values = {
    kafka_server_kafkaserver_brokerstate: 3,
    kafka_controller_kafkacontroller_activecontrollercount: 1,
    kafka_controller_kafkacontroller_offlinepartitionscount: 0,
    kafka_server_replicamanager_underreplicatedpartitions: 0,
    kafka_server_replicamanager_underminisrpartitioncount: 0,
    kafka_controller_controllerstats_uncleanleaderelections_total: 0,
  }
  const found = Object.keys(values).map((name) => [name, series.get(name)])
  expect(Object.fromEntries(found)).toEqual(values)
  const idle = series.get('kafka_network_socketserver_networkprocessoravgidle_percent') ?? -1
  expect(idle).toBeGreaterThanOrEqual(0)
  expect(idle).toBeLessThanOrEqual(1)
})

test.for([
  [{ committed: 2, start: 0, end: 5 }, 3],
  [{ committed: 2, start: 4, end: 5 }, 1],
  [{ committed: 9, start: 0, end: 5 }, 0],
] as const)('%o is a lag of %d', ([{ committed, start: first, end }, lag]) => {
  const log = { logStartOffset: first, highWatermark: end } as Parameters<typeof lagOf>[1]
  expect(lagOf(committed, log)).toBe(lag)
})
