import { expect, test } from 'vitest'
import { FakeBroker } from './fake-broker.ts'
import { createReader } from './reader.ts'

const NONE = 0
const OFFSET_OUT_OF_RANGE = 1

test.for([
  { name: 'NOT_LEADER_OR_FOLLOWER', errorCode: 6 },
  { name: 'LEADER_NOT_AVAILABLE', errorCode: 5 },
  { name: 'FENCED_LEADER_EPOCH', errorCode: 74 },
  { name: 'UNKNOWN_LEADER_EPOCH', errorCode: 75 },
])(
  'a fetch waits for a leader that has changed, and asks who it is ($name)',
  async ({ errorCode }) => {
    const broker = await FakeBroker.listen()
    broker.fetchErrorCodes.push(NONE, errorCode, errorCode, NONE)
    const reader = createReader({ bootstrapServers: [broker.address], clientId: 'test' })
    const request = { topic: 't', partition: 0, fromOffset: 0, maxWaitMs: 100, maxBytes: 1_000 }
    await reader.fetch(request)
    const before = broker.metadataRequestCount
    expect(await reader.fetch(request)).toMatchObject({ nextOffset: 0, records: [] })
    expect(broker.metadataRequestCount - before).toBe(2)
    expect(broker.fetchRequestCount).toBe(4)
    await reader.close()
    await broker.close()
  },
)

test('a fetch of a client that is beyond its quota is tried again', async () => {
  const broker = await FakeBroker.listen()
  broker.fetchErrorCodes.push('throttled', NONE)
  const reader = createReader({ bootstrapServers: [broker.address], clientId: 'test' })
  const request = { topic: 't', partition: 0, fromOffset: 7, maxWaitMs: 100, maxBytes: 1_000 }
  expect(await reader.fetch(request)).toMatchObject({ nextOffset: 7, records: [] })
  expect(broker.fetchRequestCount).toBe(2)
  await reader.close()
  await broker.close()
})

test.for([
  {
    leader: 'that was replaced is not believed: other brokers are asked',
    leaderEpoch: 5,
    outcome: { status: 'fulfilled', value: { nextOffset: 9 } },
    metadataRequestCount: 2,
  },
  {
    leader: 'of the records before is believed',
    leaderEpoch: 6,
    outcome: { status: 'rejected', reason: { code: 'OFFSET_OUT_OF_RANGE', retryable: false } },
    metadataRequestCount: 1,
  },
  {
    leader: 'whose epoch the broker does not tell is believed',
    leaderEpoch: -1,
    outcome: { status: 'rejected', reason: { code: 'OFFSET_OUT_OF_RANGE', retryable: false } },
    metadataRequestCount: 1,
  },
])(
  'of a place that the log does not have, a leader $leader',
  async ({ leaderEpoch, outcome, metadataRequestCount }) => {
    const broker = await FakeBroker.listen()
    broker.leaderEpoch = leaderEpoch
    broker.fetchErrorCodes.push(OFFSET_OUT_OF_RANGE, NONE)
    const reader = createReader({ bootstrapServers: [broker.address], clientId: 'test' })
    const place = { topic: 't', partition: 0, fromOffset: 9, lastFetchedEpoch: 6 }
    const fetching = reader.fetch({ ...place, maxWaitMs: 100, maxBytes: 1_000 })
    const [fetched] = await Promise.allSettled([fetching])
    expect(fetched).toMatchObject(outcome)
    expect(broker.metadataRequestCount).toBe(metadataRequestCount)
    await reader.close()
    await broker.close()
  },
)
