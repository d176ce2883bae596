import { readdirSync } from 'node:fs'
import { ZERO_UUID, crc32c, decodeRecords, encodeBatch, splitBatches } from '@fairlead/protocol'
import { afterEach, describe, expect, test } from 'vitest'
import {
  type TestBroker,
  removeDirectory,
  startTestBroker,
  temporaryDirectory,
} from './testing/test-broker.ts'
import { TestClient } from './testing/test-client.ts'

const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

function directory(): string {
  const path = temporaryDirectory()
  cleanups.push(() => removeDirectory(path))
  return path
}

async function start(path: string): Promise<TestBroker> {
  const broker = await startTestBroker(path)
  cleanups.push(() => broker.stop())
  return broker
}

function connect(port: number): TestClient {
  const client = new TestClient(port)
  cleanups.push(() => client.close())
  return client
}

async function topicIdOf(client: TestClient, name: string): Promise<string> {
  const { topics } = await client.call('Metadata', { topics: [{ name }] })
  expect(topics[0]?.errorCode).toBe('NONE')
  return topics[0]?.topicId ?? ''
}

async function produce(client: TestClient, topicId: string, value: string): Promise<number> {
  const record = {
    key: null,
    value: new TextEncoder().encode(value),
    headers: [],
    timestampMs: 1,
  }
  const { responses } = await client.call('Produce', {
    transactionalId: null,
    acks: -1,
    timeoutMs: 10_000,
    topicData: [
      {
        topicId,
        partitionData: [{ index: 0, records: encodeBatch({ records: [record] }, crc32c) }],
      },
    ],
  })
  const answer = responses[0]?.partitionResponses[0]
  if (answer?.errorCode !== 'NONE') throw new Error(`produce failed: ${answer?.errorCode}`)
  return answer.baseOffset
}

async function valuesOf(client: TestClient, topicId: string): Promise<string[]> {
  const { responses } = await client.call('Fetch', {
    maxWaitMs: 0,
    minBytes: 1,
    topics: [
      { topicId, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 10_000_000 }] },
    ],
    forgottenTopicsData: [],
  })
  const records = responses[0]?.partitions[0]?.records ?? new Uint8Array()
  return splitBatches(records).flatMap((batch) =>
    decodeRecords(records, batch.position, batch).map(({ value }) =>
      Buffer.from(value ?? []).toString(),
    ),
  )
}

async function commit(client: TestClient, groupId: string, committedOffset: number): Promise<void> {
  await client.call('FindCoordinator', { keyType: 0, coordinatorKeys: [groupId] })
  await expect
    .poll(async () => {
      const partitions = [{ partitionIndex: 0, committedOffset, committedMetadata: null }]
      const request = {
        groupId,
        memberId: '',
        topics: [{ name: 'kept', topicId: ZERO_UUID, partitions }],
      }
      const { topics } = await client.call('OffsetCommit', request, 9)
      return topics[0]?.partitions[0]?.errorCode
    })
    .toBe('NONE')
}

async function committed(client: TestClient, groupId: string): Promise<number | undefined> {
  const topics = [{ name: 'kept', partitionIndexes: [0] }]
  const { groups } = await client.call('OffsetFetch', { groups: [{ groupId, topics }] }, 9)
  const answer = groups[0]
  return answer?.errorCode === 'NONE' ? answer.topics[0]?.partitions[0]?.committedOffset : undefined
}

describe('a broker that starts again', () => {
  test('has its topics, records, offsets, cluster id and producer ids', async () => {
    const path = directory()
    const first = await startTestBroker(path)
    const before = connect(first.port)
    const topicId = await topicIdOf(before, 'kept')
    await produce(before, topicId, 'one')
    await commit(before, 'group', 1)
    const init = { transactionalId: null, transactionTimeoutMs: 1_000 }
    const { producerId } = await before.call('InitProducerId', init)
    await first.stop()

    const second = await start(path)
    const after = connect(second.port)
    expect(second.clusterId).toBe(first.clusterId)
    expect(await topicIdOf(after, 'kept')).toBe(topicId)
    expect(await valuesOf(after, topicId)).toEqual(['one'])
    expect(await produce(after, topicId, 'two')).toBe(1)
    await expect.poll(() => committed(after, 'group')).toBe(1)
    const next = await after.call('InitProducerId', init)
    expect(next.producerId).toBeGreaterThan(producerId)
    expect(second.failures).toEqual([])
  })

  test('does not find the records of a deleted topic', async () => {
    const path = directory()
    const first = await startTestBroker(path)
    const before = connect(first.port)
    await produce(before, await topicIdOf(before, 'gone'), 'old')
    await before.call('DeleteTopics', {
      topics: [{ name: 'gone', topicId: ZERO_UUID }],
      timeoutMs: 1_000,
    })
    await first.stop()
    expect(readdirSync(path).filter((name) => name.startsWith('gone'))).toEqual([])

    const second = await start(path)
    const after = connect(second.port)
    expect(await valuesOf(after, await topicIdOf(after, 'gone'))).toEqual([])
  })
})

describe('one directory', () => {
  test('is used by one broker at a time', async () => {
    const path = directory()
    await start(path)
    await expect(startTestBroker(path)).rejects.toThrow(/two brokers cannot share/)
  })
})
