import { crc32c, encodeBatch } from '@fairlead/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type TestBroker,
  removeDirectory,
  startTestBroker,
  temporaryDirectory,
} from '../testing/test-broker.ts'
import { TestClient } from '../testing/test-client.ts'

/** `WAITING_FETCHES=9000` for the long run: each takes two open files of this process. */
const FETCHES = Number(process.env['WAITING_FETCHES'] ?? 1_000)
const PATIENT_MS = 60_000
const TOPIC = 'awaited'

let broker: TestBroker
const clients: TestClient[] = []

beforeAll(async () => {
  broker = await startTestBroker(temporaryDirectory())
})
afterAll(async () => {
  for (const client of clients) client.close()
  await broker.stop()
  removeDirectory(broker.directory)
})

function open(): TestClient {
  const client = new TestClient(broker.port)
  clients.push(client)
  return client
}

async function waitingCount(): Promise<number> {
  const name = 'kafka_server_delayedoperationpurgatory_purgatorysize'
  const text = await broker.metrics.registry.getSingleMetricAsString(name)
  return Number(text.trim().split(' ').at(-1))
}

test('one append answers everybody who waits, and a neighbour is served meanwhile', async () => {
  const [producer, neighbour] = [open(), open()]
  const { topics } = await producer.call('CreateTopics', {
    topics: [{ name: TOPIC, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
    timeoutMs: 10_000,
  })
  const topicId = topics[0]?.topicId ?? ''
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }]
  const pending = { count: FETCHES }
  // One on each connection: the broker reads for one fetch of a connection at a time.
  const fetches = Array.from({ length: FETCHES }, async () => {
    const answer = await open().call('Fetch', {
      maxWaitMs: PATIENT_MS,
      minBytes: 1,
      topics: [{ topicId, partitions }],
      forgottenTopicsData: [],
    })
    pending.count -= 1
    return answer.responses[0]?.partitions[0]?.records?.length
  })
  await expect.poll(waitingCount, { timeout: PATIENT_MS }).toBe(FETCHES)

  const record = { key: null, value: new Uint8Array(10), headers: [], timestampMs: 1_000 }
  const records = encodeBatch({ records: [record] }, crc32c)
  await producer.call('Produce', {
    transactionalId: null,
    acks: -1,
    timeoutMs: 10_000,
    topicData: [{ topicId, partitionData: [{ index: 0, records }] }],
  })
  let neighbourCount = 0
  while (pending.count > 0) {
    await neighbour.call('Heartbeat', { groupId: 'none', generationId: 0, memberId: 'none' })
    neighbourCount += 1
  }
  expect(neighbourCount).toBeGreaterThan(3)
  expect(new Set(await Promise.all(fetches))).toEqual(new Set([records.length]))
  expect(await waitingCount()).toBe(0)
}, 120_000)
