import { BATCH_HEADER_BYTES, crc32c, encodeBatch } from '@fairlead/protocol'
import { compress, nodeDisk } from '@fairlead/runtime'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { LOOKUPS_MAX } from '../limits.ts'
import {
  type TestBroker,
  removeDirectory,
  startTestBroker,
  temporaryDirectory,
} from '../testing/test-broker.ts'
import { TestClient } from '../testing/test-client.ts'

const TOPIC = 'orders'
const TIME_MS = 1_700_000_000_000
const PARTITIONS = 60

let broker: TestBroker
let client: TestClient
let readsUnderWay: number
let readsUnderWayMax: number

/** Counts the reads of segments that are under way at a time. */
function countingDisk(): ReturnType<typeof nodeDisk> {
  const real = nodeDisk()
  return {
    ...real,
    open: (path, mode, done) =>
      real.open(path, mode, (opened) => {
        if (!opened.ok || !path.endsWith('.log')) {
          done(opened)
          return
        }
        const file = opened.value
        const read: typeof file.read = (position, target, readDone) => {
          readsUnderWay += 1
          readsUnderWayMax = Math.max(readsUnderWayMax, readsUnderWay)
          file.read(position, target, (result) => {
            readsUnderWay -= 1
            readDone(result)
          })
        }
        done({ ok: true, value: { ...file, read } })
      }),
  }
}

beforeEach(async () => {
  readsUnderWay = 0
  readsUnderWayMax = 0
  broker = await startTestBroker(temporaryDirectory(), {}, { disk: countingDisk() })
  client = new TestClient(broker.port)
  const topic = { name: TOPIC, numPartitions: PARTITIONS, replicationFactor: 1 }
  await client.call('CreateTopics', {
    topics: [{ ...topic, assignments: [], configs: [] }],
    timeoutMs: 10_000,
    validateOnly: false,
  })
})
afterEach(async () => {
  client.close()
  await broker.stop()
  removeDirectory(broker.directory)
})

async function produce(partitions: readonly number[], records: Uint8Array): Promise<void> {
  const partitionData = partitions.map((index) => ({ index, records: new Uint8Array(records) }))
  const topicData = [{ name: TOPIC, partitionData }]
  const request = { transactionalId: null, acks: -1, timeoutMs: 10_000, topicData }
  const { responses } = await client.call('Produce', request, 9)
  for (const { errorCode } of responses[0]?.partitionResponses ?? []) expect(errorCode).toBe('NONE')
}

/** Records with one millisecond between them. */
function batchOf(count: number): Uint8Array<ArrayBuffer> {
  const records = Array.from({ length: count }, (_, index) => ({
    key: null,
    value: null,
    timestampMs: TIME_MS + index,
  }))
  return encodeBatch({ records }, crc32c)
}

function zstd(plain: Uint8Array): Uint8Array {
  const records = compress('zstd', plain.subarray(BATCH_HEADER_BYTES))
  const batch = Buffer.concat([plain.subarray(0, BATCH_HEADER_BYTES), records])
  batch.writeInt32BE(batch.length - 12, 8)
  batch.writeInt16BE(4, 21)
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
  return batch
}

type Asked = { readonly name: string; readonly indexes: readonly number[] }

async function lookUp(topics: readonly Asked[], timestamp: number) {
  const asked = topics.map(({ name, indexes }) => ({
    name,
    partitions: indexes.map((partitionIndex) => ({
      partitionIndex,
      currentLeaderEpoch: -1,
      timestamp,
    })),
  }))
  const request = { replicaId: -1, isolationLevel: 0, topics: asked, timeoutMs: 10_000 }
  const response = await client.call('ListOffsets', request)
  return response.topics.flatMap(({ partitions }) => partitions)
}

const ALL = Array.from({ length: PARTITIONS }, (_, index) => index)

test('lookups of many partitions read a few at a time', async () => {
  await produce(ALL, batchOf(10))
  const found = await lookUp([{ name: TOPIC, indexes: ALL }], TIME_MS + 5)
  expect(found).toHaveLength(PARTITIONS)
  for (const partition of found) expect(partition).toMatchObject({ errorCode: 'NONE', offset: 5 })
  expect(readsUnderWayMax).toBeGreaterThan(0)
  expect(readsUnderWayMax).toBeLessThanOrEqual(LOOKUPS_MAX)
})

test('a partition that is named twice, in whatever topic of the request, is not looked up', async () => {
  await produce([0, 1], batchOf(10))
  const topics = [
    { name: TOPIC, indexes: [0, 1] },
    { name: TOPIC, indexes: [0] },
  ]
  expect(await lookUp(topics, TIME_MS + 5)).toMatchObject([
    { partitionIndex: 0, errorCode: 'INVALID_REQUEST' },
    { partitionIndex: 1, errorCode: 'NONE', offset: 5 },
    { partitionIndex: 0, errorCode: 'INVALID_REQUEST' },
  ])
})

test.for([
  [-3, 7],
  [-4, 8],
  [-5, 9],
  [-6, 11],
] as const)('the timestamp %i has a meaning from version %i on', async ([timestamp, since]) => {
  const topics = [{ name: TOPIC, partitions: [{ partitionIndex: 0, timestamp }] }]
  const errorOf = async (version: number) => {
    const request = { replicaId: -1, isolationLevel: 0, topics, timeoutMs: 10_000 }
    const response = await client.call('ListOffsets', request, version)
    return response.topics[0]?.partitions[0]?.errorCode
  }
  expect(await errorOf(since - 1)).toBe('UNSUPPORTED_VERSION')
  expect(await errorOf(since)).toBe('NONE')
})

test('a batch of many records in few bytes is looked into while others are served', async () => {
  const recordCount = 150_000
  const batch = zstd(batchOf(recordCount))
  expect(batch.length).toBeLessThan(600_000)
  await produce([0], batch)
  let turns = 0
  let isCounting = true
  const count = (): void => {
    turns += 1
    if (isCounting) setImmediate(count)
  }
  count()
  const found = await lookUp([{ name: TOPIC, indexes: [0] }], TIME_MS + recordCount - 1)
  isCounting = false
  expect(found).toMatchObject([{ errorCode: 'NONE', offset: recordCount - 1 }])
  // A look on the event loop takes one turn, or two, however long.
  expect(turns).toBeGreaterThan(200)
})
