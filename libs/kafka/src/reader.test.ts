import { expect, test } from 'vitest'
import { FakeBroker } from './fake-broker.ts'
import { createReader } from './reader.ts'

const NONE = 0

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
