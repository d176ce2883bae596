import { InvariantViolation, offset } from '@fairlead/base'
import type { PartitionLog, ReadRequest, ReadResult } from '@fairlead/log'
import { expect, test, vi } from 'vitest'
import type { Departure } from '../network/departure.ts'
import type { LocalPartition } from '../partitions/partition-table.ts'
import { FetchMemory } from './fetch-memory.ts'
import { readRound } from './read-round.ts'

const NO_READ_AHEAD = { take: () => undefined }

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
  const round = await readRound(
    {
      targets: [{ topic: 'orders', topicId: '', request }],
      grantedBytes: undefined,
      isCommittedOnly: false,
      readAhead: NO_READ_AHEAD,
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

test('a read that throws gives back the memory of the round, and what was read before', async () => {
  const released = vi.fn()
  const logOf = (read: PartitionLog['read']) => ({
    logStartOffset: 0,
    logEndOffset: 9,
    highWatermark: 9,
    lastStableOffset: 9,
    readableBytes: 100,
    read,
  })
  const bytes = new Uint8Array(10)
  const read = {
    ok: true,
    chunks: [bytes],
    sizeBytes: 10,
    heldBytes: 16,
    nextOffset: offset(9),
    release: released,
  }
  const logs = [
    logOf((_, done) => done(read as ReadResult)),
    logOf(() => {
      throw new InvariantViolation('a bug')
    }),
  ]
  const fetchMemory = new FetchMemory(100, { after: () => () => {} })
  const departure = { hasLeft: false, onLeft: () => () => {} } as unknown as Departure
  const grantedBytes = await fetchMemory.take(50, { delayMs: 0, departure })
  const targets = [0, 1].map((partition) => ({
    topic: 'orders',
    topicId: '',
    request: { ...request, partition },
  }))
  const context = {
    image: { topicName: () => undefined },
    partitions: {
      get: (_: string, partition: number) =>
        ({ log: logs[partition], leaderEpoch: 0 }) as unknown as LocalPartition,
      errorOfMissing: () => 'UNKNOWN_TOPIC_OR_PARTITION' as const,
    },
    fetchMemory,
  }
  const options = { targets, grantedBytes, isCommittedOnly: false, readAhead: NO_READ_AHEAD }
  expect(() => readRound(options, context)).toThrow('a bug')
  expect(released).toHaveBeenCalledOnce()
  expect(fetchMemory.usedBytes).toBe(0)
})

test('what a round holds is what its buffers hold, however small the batches in them are', async () => {
  const read = { ok: true, chunks: [new Uint8Array(10)], sizeBytes: 10, heldBytes: 70 }
  const log = {
    logStartOffset: 0,
    logEndOffset: 9,
    highWatermark: 9,
    lastStableOffset: 9,
    readableBytes: 100,
    read: (_: ReadRequest, done: (result: ReadResult) => void) =>
      done({ ...read, nextOffset: offset(9), release: () => {} } as ReadResult),
  }
  const fetchMemory = new FetchMemory(1_000, { after: () => () => {} })
  const departure = { hasLeft: false, onLeft: () => () => {} } as unknown as Departure
  const grantedBytes = await fetchMemory.take(50, { delayMs: 0, departure })
  const targets = [0, 1, 2].map((partition) => ({
    topic: 'orders',
    topicId: '',
    request: { ...request, partition },
  }))
  const round = await readRound(
    { targets, grantedBytes, isCommittedOnly: false, readAhead: NO_READ_AHEAD },
    {
      image: { topicName: () => undefined },
      partitions: {
        get: () => ({ log, leaderEpoch: 0 }) as unknown as LocalPartition,
        errorOfMissing: () => 'UNKNOWN_TOPIC_OR_PARTITION',
      },
      fetchMemory,
    },
  )
  expect(round.sizeBytes).toBe(30)
  expect(fetchMemory.usedBytes).toBe(210)
  round.release()
  expect(fetchMemory.usedBytes).toBe(0)
})
