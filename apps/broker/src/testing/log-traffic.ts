import { closeSync, openSync, readSync, readdirSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import {
  BATCH_HEADER_BYTES,
  type CompressionType,
  type ResponseOf,
  ZERO_UUID,
  crc32c,
  decodeRecords,
  encodeBatch,
  splitBatches,
} from '@fairlead/protocol'
import { boundedDecompress, compress } from '@fairlead/runtime'
import { expect } from 'vitest'
import type { TestBroker } from './test-broker.ts'
import type { TestClient } from './test-client.ts'

/** Records into and out of one partition, for tests of what happens to its files. */

export const TOPIC = 'prices'
const decompress = boundedDecompress(1e6)
const CODECS: readonly CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

type FetchedPartition = ResponseOf<'Fetch'>['responses'][number]['partitions'][number]

/** A topic of one partition, in small segments. */
export async function createTopic(
  client: TestClient,
  configs: Readonly<Record<string, string>> = {},
  name = TOPIC,
): Promise<string> {
  const settings = { 'segment.bytes': '2000', ...configs }
  const { topics } = await client.call('CreateTopics', {
    topics: [
      {
        name,
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
export async function produce(
  client: TestClient,
  topicId: string,
  from: number,
  to: number,
): Promise<void> {
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

/** What a fetch at this offset is answered at once. */
export async function fetchAt(
  client: TestClient,
  topicId: string,
  fetchOffset: number,
): Promise<FetchedPartition> {
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
  const partition = responses[0]?.partitions[0]
  if (partition === undefined) throw new Error('the fetch has no answer')
  return partition
}

/** All records that a consumer from the start gets, as `key@offset`. */
export async function consumed(
  client: TestClient,
  topicId: string,
  end: number,
): Promise<string[]> {
  const found: string[] = []
  for (let fetchOffset = 0; fetchOffset < end; ) {
    const { errorCode, records } = await fetchAt(client, topicId, fetchOffset)
    expect(errorCode).toBe('NONE')
    const bytes = records ?? new Uint8Array()
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

/** The value of a metric that has one series. */
export async function gauge(broker: TestBroker, name: string): Promise<number> {
  const text = await broker.metrics.registry.getSingleMetricAsString(name)
  return Number(text.trim().split(' ').at(-1))
}

/** The segments of the partition, the oldest first. */
export function segmentPaths(directory: string): string[] {
  const partition = join(directory, `${TOPIC}-0`)
  return readdirSync(partition)
    .filter((name) => name.endsWith('.log'))
    .sort()
    .map((name) => join(partition, name))
}

/** Turns one bit of a file in place, as a disk might. */
export function damage(path: string, position: number): void {
  const descriptor = openSync(path, 'r+')
  const byte = new Uint8Array(1)
  readSync(descriptor, byte, 0, 1, position)
  byte[0] = (byte[0] ?? 0) ^ 1
  writeSync(descriptor, byte, 0, 1, position)
  closeSync(descriptor)
}
