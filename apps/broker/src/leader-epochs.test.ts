import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { crc32c, encodeBatch } from '@fairlead/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { breakableDisk } from './testing/breakable-disk.test-fixture.ts'
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

async function fetch(
  partition: {
    readonly currentLeaderEpoch?: number
    readonly lastFetchedEpoch?: number
    readonly fetchOffset?: number
  },
  version = 12,
) {
  const { topics } = await client.call('Metadata', { topics: [{ name: TOPIC }] })
  const asked = { partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000, ...partition }
  const body = {
    maxWaitMs: 0,
    minBytes: 0,
    topics: [{ topic: TOPIC, topicId: topics[0]?.topicId ?? '', partitions: [asked] }],
    forgottenTopicsData: [],
  }
  const { responses, nodeEndpoints } = await client.call('Fetch', body, version)
  return { ...responses[0]?.partitions[0], nodeEndpoints }
}

async function fetchAt(currentLeaderEpoch: number) {
  return (await fetch({ currentLeaderEpoch })).errorCode
}

test('a clean restart goes on in the same epoch', async () => {
  await produce()
  await stop()
  await start()
  expect(await leaderEpoch()).toBe(0)
  expect(await fetchAt(0)).toBe('NONE')
})

test('after one log failed there is a new epoch, though all others were closed in order', async () => {
  await stop()
  const disk = breakableDisk()
  broker = await startTestBroker(directory, {}, { disk })
  client = new TestClient(broker.port)
  expect(await produce()).toBe(0)
  disk.breakWith = ({ kind, path }) =>
    kind === 'datasync' && path.includes(`${TOPIC}-0`) ? 'EMFILE' : undefined
  expect(await produce()).toBe(-1)
  await stop()
  await start()
  expect(await leaderEpoch()).toBe(1)
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

test('who asks in an old epoch is told the new leader, and where it is (KIP-951)', async () => {
  await crash()
  expect(await fetch({ currentLeaderEpoch: 0 }, 18)).toMatchObject({
    errorCode: 'FENCED_LEADER_EPOCH',
    currentLeader: { leaderId: 1, leaderEpoch: 1 },
    nodeEndpoints: [{ nodeId: 1, host: '127.0.0.1', port: broker.port }],
  })
  const current = await fetch({ currentLeaderEpoch: 1 }, 18)
  expect(current).toMatchObject({ errorCode: 'NONE', nodeEndpoints: [] })
})

test('a reader that went further than its epoch is told where the logs part', async () => {
  await produce()
  await crash()
  await produce()
  const diverging = async (fetchOffset: number, lastFetchedEpoch: number) => {
    const { errorCode, divergingEpoch } = await fetch({ fetchOffset, lastFetchedEpoch })
    return [errorCode, divergingEpoch?.epoch, divergingEpoch?.endOffset]
  }
  expect(await diverging(1, 0)).toEqual(['NONE', -1, -1])
  expect(await diverging(2, 0)).toEqual(['NONE', 0, 1])
  expect(await diverging(2, 1)).toEqual(['NONE', -1, -1])
  expect((await diverging(2, 7))[0]).toBe('OFFSET_OUT_OF_RANGE')
})
