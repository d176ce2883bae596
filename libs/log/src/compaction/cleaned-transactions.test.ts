import { crc32c, encodeBatch, readBatchHeader } from '@fairlead/protocol'
import { SimulatedDisk } from '@fairlead/simulation'
import { describe, expect, test } from 'vitest'
import { compact, keyed, records } from '../testing/compaction-fixture.ts'
import { NOW_MS, append, open } from '../testing/log-fixture.ts'
import { BatchFilter, type BatchFilterOptions } from './batch-filter.ts'
import { CleanedTransactions } from './cleaned-transactions.ts'
import { OffsetMap } from './offset-map.ts'

const HOUR_MS = 3_600_000
const NO_CODEC = () => {
  throw new Error('nothing is compressed here')
}

function data(baseOffset: number, key: string, producerId = 7): Uint8Array {
  const options = { baseOffset, producerId, producerEpoch: 0, isTransactional: true }
  return keyed([{ key, value: 'value' }], options)
}

function marker(baseOffset: number, type: 'abort' | 'commit', producerId = 7): Uint8Array {
  const key = Uint8Array.of(0, 0, 0, type === 'abort' ? 0 : 1)
  const value = Uint8Array.of(0, 0, 0, 0, 0, 0)
  return encodeBatch(
    {
      records: [{ key, value, timestampMs: NOW_MS }],
      baseOffset,
      producerId,
      producerEpoch: 0,
      isTransactional: true,
      isControl: true,
    },
    crc32c,
  )
}

function filter(options: Partial<BatchFilterOptions> = {}) {
  const latest = new OffsetMap({ bufferBytes: 2400, loadFactor: 0.9, keysMax: 20 })
  latest.put(new TextEncoder().encode('old'), 0, 3, 90)
  const batches = new BatchFilter({
    map: latest,
    mapEndOffset: 100,
    nowMs: NOW_MS,
    deleteRetentionMs: HOUR_MS,
    producers: new Map(),
    roundEndOffset: 100,
    transactions: new CleanedTransactions([{ producerId: 7, firstOffset: 10 }]),
    codecs: { compress: NO_CODEC, decompress: NO_CODEC },
    crc32c,
    ...options,
  })
  return (batch: Uint8Array) => batches.retain(batch, readBatchHeader(batch, 0))
}

describe('a compaction', () => {
  test('removes the records of an aborted transaction whatever their keys, and keeps its marker', () => {
    const retain = filter()
    expect(retain(data(5, 'a'))).toEqual(data(5, 'a'))
    expect(retain(marker(6, 'commit'))).toEqual(marker(6, 'commit'))
    expect(retain(data(10, 'b'))).toBeUndefined()
    expect(retain(data(11, 'c', 8))).toEqual(data(11, 'c', 8))
    expect(retain(marker(12, 'abort'))).toEqual(marker(12, 'abort'))
    expect(retain(data(13, 'd'))).toEqual(data(13, 'd'))
  })

  test('gives a marker without records its time, and removes it after that', () => {
    const none = { transactions: new CleanedTransactions([]) }
    const timed = filter(none)(marker(6, 'commit'))
    expect(timed && readBatchHeader(timed, 0)).toMatchObject({
      hasDeleteHorizon: true,
      baseTimestampMs: NOW_MS + HOUR_MS,
      isControl: true,
      recordCount: 1,
    })
    const early = filter({ ...none, nowMs: NOW_MS + HOUR_MS - 1 })
    expect(early(timed ?? new Uint8Array())).toEqual(timed)
    const late = filter({ ...none, nowMs: NOW_MS + HOUR_MS })
    expect(late(timed ?? new Uint8Array())).toBeUndefined()
  })

  test('keeps the marker of a transaction of which a record is left', () => {
    const retain = filter({ nowMs: NOW_MS + 2 * HOUR_MS })
    expect(retain(data(5, 'a'))).toEqual(data(5, 'a'))
    expect(retain(marker(6, 'commit'))).toEqual(marker(6, 'commit'))
  })

  test('keeps the last marker of a producer of which nothing else is left', () => {
    const producers = new Map([[7, { producerEpoch: 0, lastDataOffset: -1 }]])
    const none = { transactions: new CleanedTransactions([]) }
    const timed = filter({ ...none, producers })(marker(6, 'commit')) ?? new Uint8Array()
    const kept = filter({ ...none, producers, nowMs: NOW_MS + HOUR_MS })(timed)
    expect(kept && readBatchHeader(kept, 0)).toMatchObject({ recordCount: 0, isControl: true })
  })

  test('keeps what ends where the round ends, for the offset alone', () => {
    const retain = filter({ roundEndOffset: 6 })
    const kept = retain(keyed([{ key: 'old', value: 'value' }], { baseOffset: 5 }))
    expect(kept && readBatchHeader(kept, 0)).toMatchObject({ baseOffset: 5, recordCount: 0 })
    expect(retain(keyed([{ key: 'old', value: 'value' }], { baseOffset: 6 }))).toBeUndefined()
  })
})

test('a record of an aborted transaction makes no other of its key obsolete', () => {
  const disk = new SimulatedDisk()
  const log = open(disk, { config: { segmentBytes: 1, cleanupPolicy: ['compact'] } })
  const stored = [data(0, 'a'), marker(1, 'commit'), data(2, 'a'), marker(3, 'abort')]
  for (const batch of [...stored, keyed([{ key: 'b', value: 'value' }])]) {
    append(log, batch, { origin: 'coordinator' })
  }
  const abortedTransactions = [{ producerId: 7, firstOffset: 2 }]
  expect(compact(disk, log, { abortedTransactions })).toMatchObject({ ok: true })
  const ofKey = records(log).filter(({ key }) => key === 'a')
  expect(ofKey).toMatchObject([{ offset: 0, key: 'a', value: 'value' }])
})
