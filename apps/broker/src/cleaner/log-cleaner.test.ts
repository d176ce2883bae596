import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  BATCH_HEADER_BYTES,
  type CompressionType,
  ZERO_UUID,
  crc32c,
  decodeRecords,
  encodeBatch,
  splitBatches,
} from '@fairlead/protocol'
import { compress } from '@fairlead/runtime'
import { afterEach, describe, expect, test } from 'vitest'
import { decompress } from '../partitions/decompress.ts'
import {
  type TestBroker,
  removeDirectory,
  startTestBroker,
  temporaryDirectory,
} from '../testing/test-broker.ts'
import { TestClient } from '../testing/test-client.ts'

const TOPIC = 'prices'
const TIMEOUT_MS = 20_000
const SOON = { timeout: 10_000, interval: 20 }
const CODECS: readonly CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

const started: { broker: TestBroker; client: TestClient; directory: string }[] = []

afterEach(async () => {
  for (const { broker, client, directory } of started.splice(0)) {
    client.close()
    await broker.stop()
    removeDirectory(directory)
  }
})

async function start(settings: Readonly<Record<string, string>> = {}, at = temporaryDirectory()) {
  const broker = await startTestBroker(at, { 'log.cleaner.backoff.ms': '20', ...settings })
  const client = new TestClient(broker.port)
  started.push({ broker, client, directory: at })
  return { broker, client, directory: at }
}

async function createTopic(
  client: TestClient,
  configs: Readonly<Record<string, string>> = {},
): Promise<string> {
  const settings = {
    'cleanup.policy': 'compact',
    'segment.bytes': '2000',
    'min.cleanable.dirty.ratio': '0',
    ...configs,
  }
  const { topics } = await client.call('CreateTopics', {
    topics: [
      {
        name: TOPIC,
        numPartitions: 1,
        replicationFactor: 1,
        assignments: [],
        configs: Object.entries(settings).map(([name, value]) => ({ name, value })),
      },
    ],
    timeoutMs: 10_000,
  })
  return topics[0]?.topicId ?? ZERO_UUID
}

/** Records `from` to `to`, five a batch, of ten keys, with every compression in turn. */
async function produce(client: TestClient, topicId: string, from: number, to: number) {
  for (let next = from; next < to; next += 5) {
    const records = Array.from({ length: 5 }, (_, index) => ({
      key: Buffer.from(`key ${(next + index) % 10}`),
      value: Buffer.from(`value ${next + index} ${'.'.repeat(40)}`),
      timestampMs: Date.now(),
    }))
    const codec = CODECS[(next / 5) % CODECS.length] ?? 'none'
    const batch = compressed(encodeBatch({ records }, crc32c), codec)
    const { responses } = await client.call('Produce', {
      transactionalId: null,
      acks: -1,
      timeoutMs: 10_000,
      topicData: [{ topicId, partitionData: [{ index: 0, records: batch }] }],
    })
    expect(responses[0]?.partitionResponses[0]).toMatchObject({ errorCode: 'NONE' })
  }
}

function compressed(plain: Uint8Array, codec: CompressionType): Uint8Array {
  if (codec === 'none') return plain
  const records = compress(codec, plain.subarray(BATCH_HEADER_BYTES))
  const batch = Buffer.concat([plain.subarray(0, BATCH_HEADER_BYTES), records])
  batch.writeInt32BE(batch.length - 12, 8)
  batch.writeInt16BE(CODECS.indexOf(codec), 21)
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
  return batch
}

/** All records that a consumer from the start gets, as `key@offset`. */
async function consumed(client: TestClient, topicId: string, end: number): Promise<string[]> {
  const found: string[] = []
  for (let fetchOffset = 0; fetchOffset < end; ) {
    const { responses } = await client.call('Fetch', {
      clusterId: null,
      replicaId: -1,
      replicaState: { replicaId: -1, replicaEpoch: -1 },
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: 1e6,
      isolationLevel: 0,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [
        {
          topicId,
          partitions: [
            {
              partition: 0,
              currentLeaderEpoch: -1,
              fetchOffset,
              lastFetchedEpoch: -1,
              logStartOffset: -1,
              partitionMaxBytes: 1e6,
              replicaDirectoryId: ZERO_UUID,
            },
          ],
        },
      ],
      forgottenTopicsData: [],
      rackId: '',
    })
    const bytes = responses[0]?.partitions[0]?.records ?? new Uint8Array()
    for (const batch of splitBatches(bytes)) {
      for (const { key, offset } of decodeRecords(bytes, batch.position, batch, decompress)) {
        found.push(`${Buffer.from(key ?? []).toString()}@${offset}`)
      }
      fetchOffset = batch.baseOffset + batch.lastOffsetDelta + 1
    }
    expect(bytes.length).toBeGreaterThan(0)
  }
  return found
}

async function gauge(broker: TestBroker, name: string): Promise<number> {
  const text = await broker.metrics.registry.getSingleMetricAsString(`kafka_log_${name}`)
  return Number(text.trim().split(' ').at(-1))
}

function segmentPaths(directory: string): string[] {
  const partition = join(directory, `${TOPIC}-0`)
  return readdirSync(partition)
    .filter((name) => name.endsWith('.log'))
    .map((name) => join(partition, name))
}

const LATEST = Array.from({ length: 10 }, (_, key) => `key ${key}@${990 + key}`)

/** Of each key the last one, by key. */
function newestOf(found: readonly string[]): string[] {
  const byKey = new Map(found.map((name) => [name.split('@')[0], name]))
  return [...byKey.values()].sort()
}

describe('a compacted topic', { timeout: TIMEOUT_MS }, () => {
  test('keeps the latest record of each key, whatever the compression, also after a restart', async () => {
    const { broker, client, directory } = await start()
    const topicId = await createTopic(client)
    await produce(client, topicId, 0, 1000)
    const count = () => consumed(client, topicId, 1000).then(({ length }) => length)
    await expect.poll(count, SOON).toBeLessThan(100)
    expect(segmentPaths(directory).length).toBeLessThan(4)
    const found = await consumed(client, topicId, 1000)
    expect(newestOf(found)).toEqual(LATEST)
    expect(await gauge(broker, 'logcleaner_cleaner_recopy_percent')).toBeLessThan(50)
    expect(await gauge(broker, 'logcleanermanager_uncleanable_partitions_count')).toBe(0)
    expect(broker.failures).toEqual([])

    client.close()
    await broker.stop()
    started.pop()
    const bytes = segmentPaths(directory).reduce((sum, path) => sum + statSync(path).size, 0)
    expect(bytes).toBeLessThan(10_000)
    const again = await start({}, directory)
    expect(newestOf(await consumed(again.client, topicId, 1000))).toEqual(LATEST)
  })

  test('whose segment is damaged is left alone, and reported', async () => {
    const { broker, client, directory } = await start({ 'log.cleaner.enable': 'false' })
    const topicId = await createTopic(client)
    await produce(client, topicId, 0, 400)
    client.close()
    await broker.stop()
    started.pop()
    const [, second = ''] = segmentPaths(directory)
    const bytes = readFileSync(second)
    bytes[100] = (bytes[100] ?? 0) ^ 1
    writeFileSync(second, bytes)

    const again = await start({}, directory)
    const count = () => gauge(again.broker, 'logcleanermanager_uncleanable_partitions_count')
    await expect.poll(count, SOON).toBe(1)
    expect(await gauge(again.broker, 'logcleanermanager_uncleanable_bytes')).toBeGreaterThan(1000)
    expect(again.broker.warnings.join()).toContain('is not compacted any more')
    expect(again.broker.failures).toEqual([])
  })
})

describe('a compaction under way', { timeout: TIMEOUT_MS }, () => {
  /** At this rate it takes a minute, of which the first seconds go by until something is written. */
  const slow = { 'log.cleaner.io.max.bytes.per.second': '10000' }

  async function startCompacting() {
    const { broker, client, directory } = await start(slow)
    // Nothing is compacted before there is much to do.
    const topicId = await createTopic(client, { 'min.compaction.lag.ms': '1000' })
    await produce(client, topicId, 0, 1000)
    const isUnderWay = () =>
      readdirSync(join(directory, `${TOPIC}-0`)).some((name) => name.endsWith('.cleaned'))
    await expect.poll(isUnderWay, SOON).toBe(true)
    return { broker, client, directory, topicId }
  }

  test('does not hold up the end of the broker', async () => {
    const { broker, client, directory } = await startCompacting()
    client.close()
    const startedMs = performance.now()
    await broker.stop()
    expect(performance.now() - startedMs).toBeLessThan(3000)
    started.pop()
    expect(readdirSync(join(directory, `${TOPIC}-0`)).join()).not.toContain('cleaned')
    removeDirectory(directory)
  })

  test('does not hold up the deletion of its topic', async () => {
    const { broker, client, directory } = await startCompacting()
    const { responses } = await client.call('DeleteTopics', {
      topics: [{ name: TOPIC, topicId: ZERO_UUID }],
      timeoutMs: 10_000,
    })
    expect(responses[0]?.errorCode).toBe('NONE')
    expect(readdirSync(directory).join()).not.toContain(TOPIC)
    expect(broker.failures).toEqual([])
  })
})
