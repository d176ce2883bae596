import { expect, test } from 'vitest'
import type { LocalPartition } from '../partitions/partition-table.ts'
import { FetchMemory } from './fetch-memory.ts'
import { readRound } from './read-round.ts'

test('without memory a round reads no records, and is an answer nevertheless', async () => {
  const log = {
    logStartOffset: 1,
    logEndOffset: 9,
    highWatermark: 9,
    lastStableOffset: 9,
    readableBytes: 100,
    read: () => expect.fail('records were read'),
  }
  const found = { log, leaderEpoch: 0 } as unknown as LocalPartition
  const fetchMemory = new FetchMemory(100, { after: () => () => {} })
  const request = {
    partition: 0,
    currentLeaderEpoch: -1,
    fetchOffset: 5,
    lastFetchedEpoch: -1,
    logStartOffset: -1,
    partitionMaxBytes: 100,
    replicaDirectoryId: '',
    highWatermark: -1,
  }
  const round = await readRound(
    {
      targets: [{ topic: 'orders', topicId: '', request }],
      grantedBytes: undefined,
      isCommittedOnly: false,
    },
    {
      image: { topicName: () => undefined },
      partitions: { get: () => found, errorOfMissing: () => 'UNKNOWN_TOPIC_OR_PARTITION' },
      fetchMemory,
    },
  )
  expect(round).toMatchObject({ sizeBytes: 0, isFinal: true })
  expect(round.answered[0]?.answer).toMatchObject({
    errorCode: 'NONE',
    highWatermark: 9,
    records: [],
  })
  round.release()
  expect(fetchMemory.usedBytes).toBe(0)
})
