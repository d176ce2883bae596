import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { crc32c, encodeBatch } from '@fairlead/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  type TestBroker,
  removeDirectory,
  startTestBroker,
  temporaryDirectory,
} from './testing/test-broker.ts'
import { TestClient } from './testing/test-client.ts'

const TOPIC = 'orders'

let directory: string
let broker: TestBroker
let client: TestClient

async function start(): Promise<void> {
  broker = await startTestBroker(directory)
  client = new TestClient(broker.port)
}

async function stop(): Promise<void> {
  client.close()
  await broker.stop()
}

/** Kafka's mark is what a crash does not leave behind. */
async function crash(): Promise<void> {
  await stop()
  rmSync(join(directory, '.kafka_cleanshutdown'))
  await start()
}

beforeEach(async () => {
  directory = temporaryDirectory()
  await start()
  await client.call('CreateTopics', {
    topics: [{ name: TOPIC, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
    timeoutMs: 10_000,
  })
})
afterEach(async () => {
  await stop()
  removeDirectory(directory)
})

async function leaderEpoch(): Promise<number | undefined> {
  const { topics } = await client.call('Metadata', { topics: [{ name: TOPIC }] })
  return topics[0]?.partitions[0]?.leaderEpoch
}

async function produce(): Promise<number | undefined> {
  const records = encodeBatch(
    { records: [{ key: null, value: Uint8Array.of(1), timestampMs: Date.now() }] },
    crc32c,
  )
  const topicData = [{ name: TOPIC, partitionData: [{ index: 0, records }] }]
  const body = { acks: -1, timeoutMs: 10_000, topicData }
  const { responses } = await client.call('Produce', body, 12)
  return responses[0]?.partitionResponses[0]?.baseOffset
}

async function endOffset(epoch: number) {
  const partitions = [{ partition: 0, leaderEpoch: epoch }]
  const { topics } = await client.call('OffsetForLeaderEpoch', {
    topics: [{ topic: TOPIC, partitions }],
  })
  const [answer] = topics[0]?.partitions ?? []
  return [answer?.leaderEpoch, answer?.endOffset]
}

async function fetchAt(currentLeaderEpoch: number) {
  const partition = { partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000, currentLeaderEpoch }
  const body = {
    maxWaitMs: 0,
    minBytes: 0,
    topics: [{ topic: TOPIC, partitions: [partition] }],
    forgottenTopicsData: [],
  }
  const { responses } = await client.call('Fetch', body, 12)
  return responses[0]?.partitions[0]?.errorCode
}

test('a clean restart goes on in the same epoch', async () => {
  await produce()
  await stop()
  await start()
  expect(await leaderEpoch()).toBe(0)
  expect(await fetchAt(0)).toBe('NONE')
})

test('after a crash there is a new epoch, and readers find out where theirs ended', async () => {
  expect(await produce()).toBe(0)
  expect(await produce()).toBe(1)
  await crash()
  expect(await leaderEpoch()).toBe(1)
  expect(await fetchAt(0)).toBe('FENCED_LEADER_EPOCH')
  expect(await fetchAt(1)).toBe('NONE')
  expect(await endOffset(0)).toEqual([0, 2])
  expect(await produce()).toBe(2)
  expect(await endOffset(0)).toEqual([0, 2])
  expect(await endOffset(1)).toEqual([1, 3])
  await crash()
  expect(await leaderEpoch()).toBe(2)
  expect(await endOffset(1)).toEqual([1, 3])
  expect(await endOffset(2)).toEqual([2, 3])
})
