import type { LogRecord, PreparedRecord } from '@fairlead/projection'
import { expect, test } from 'vitest'
import { type BatchEnd, BatchSource } from './batch-source.ts'
import type { Fetched } from './event-log.ts'

const START: BatchEnd = { nextOffset: 10, leaderEpoch: -1 }

function recordAt(offset: number): LogRecord {
  return { topic: 't', partition: 0, offset, timestampMs: 0, key: null, value: null, headers: [] }
}

/** Offsets of records, and where the fetch ends. */
function fetched(offsets: readonly number[], nextOffset: number, leaderEpoch?: number): Fetched {
  return { records: offsets.map(recordAt), nextOffset, leaderEpoch, highWatermark: 100 }
}

function sourceOf(
  answers: readonly (Fetched | Error)[],
  recordsMax: () => number = () => 4,
  linger?: () => Promise<void>,
) {
  const asked: BatchEnd[] = []
  const waitsMs: number[] = []
  const preparedCounts: number[] = []
  const source = new BatchSource({
    from: START,
    recordsMax,
    linger,
    fetch: async (from, maxWaitMs) => {
      waitsMs.push(maxWaitMs)
      const answer = answers[asked.length] ?? fetched([], from.nextOffset)
      asked.push(from)
      if (answer instanceof Error) throw answer
      return answer
    },
    reader: {
      prepareLazily: async (records) => {
        preparedCounts.push(records.length)
        return records.map(
          (record): PreparedRecord => ({
            record,
            key: '',
            tenant: '',
            eventType: null,
            source: null,
            content: { kind: 'ignored' },
          }),
        )
      },
    },
  })
  return { source, asked, waitsMs, preparedCounts }
}

const shape = ({ records, ...end }: Awaited<ReturnType<BatchSource['next']>>) => ({
  offsets: records.map(({ record }) => record.offset),
  ...end,
})

test('a fetch is worked off in batches of one size, each of which ends where the next begins', async () => {
  // 12 was compacted away, and behind 19 lie two offsets of a control batch.
  const { source, asked, preparedCounts } = sourceOf([
    fetched([10, 11, 13, 14, 15, 17, 18, 19, 20], 23, 5),
    fetched([23], 24),
  ])
  expect(shape(await source.next())).toEqual({
    offsets: [10, 11, 13],
    startOffset: 10,
    nextOffset: 14,
    leaderEpoch: 5,
  })
  // Nothing is decoded before somebody wants it, and one fetch is ahead.
  expect(preparedCounts).toEqual([3])
  expect(asked).toEqual([START, { nextOffset: 23, leaderEpoch: 5 }])
  expect(shape(await source.next())).toMatchObject({
    offsets: [14, 15, 17],
    startOffset: 14,
    nextOffset: 18,
  })
  expect(shape(await source.next())).toMatchObject({ offsets: [18, 19, 20], nextOffset: 23 })
  expect(asked).toHaveLength(2)
  // An answer without batches tells no epoch.
  expect(shape(await source.next())).toEqual({
    offsets: [23],
    startOffset: 23,
    nextOffset: 24,
    leaderEpoch: 5,
  })
})

test('at the end of the log nothing is fetched ahead', async () => {
  const { source, asked } = sourceOf([fetched([98, 99], 100), fetched([100], 101)], () => 1)
  expect(shape(await source.next()).offsets).toEqual([98])
  expect(source.hasMore).toBe(true)
  expect(shape(await source.next()).offsets).toEqual([99])
  expect(source.hasMore).toBe(false)
  expect(asked).toHaveLength(1)
  expect(shape(await source.next()).offsets).toEqual([100])
  expect(asked).toHaveLength(2)
})

test('the size of a batch may change within a fetch', async () => {
  let recordsMax = 6
  const { source } = sourceOf([fetched([10, 11, 12, 13, 14, 15, 16, 17], 18)], () => recordsMax)
  expect(shape(await source.next()).offsets).toEqual([10, 11, 12, 13])
  recordsMax = 1
  expect(shape(await source.next()).offsets).toEqual([14])
})

test('a fetch without records is a batch without any: its end may be news', async () => {
  const { source, asked } = sourceOf([fetched([], 10), fetched([], 12, 1), fetched([12], 13)])
  const none = { offsets: [], startOffset: 10 }
  expect(shape(await source.next())).toEqual({ ...none, nextOffset: 10, leaderEpoch: -1 })
  expect(asked).toHaveLength(1)
  expect(shape(await source.next())).toEqual({ ...none, nextOffset: 12, leaderEpoch: 1 })
  expect(shape(await source.next())).toMatchObject({ offsets: [12], startOffset: 12 })
})

test('what failed is asked for again, a fetch that was ahead included', async () => {
  const away = new Error('away')
  const { source, asked } = sourceOf([away, fetched([10], 11), away, fetched([11], 12)])
  await expect(source.next()).rejects.toThrow(away)
  expect(shape(await source.next()).offsets).toEqual([10])
  await expect(source.next()).rejects.toThrow(away)
  expect(shape(await source.next())).toMatchObject({ offsets: [11], startOffset: 11 })
  expect(asked.map(({ nextOffset }) => nextOffset).slice(0, 4)).toEqual([10, 10, 11, 11])
  await source.close()
})

test('at the end of the log a batch that is not full lingers, and has what came in meanwhile', async () => {
  let lingerCount = 0
  const { source, waitsMs } = sourceOf(
    [
      { ...fetched([97], 98), highWatermark: 98 },
      { ...fetched([98, 99], 100, 3), highWatermark: 101 },
      fetched([100], 101),
    ],
    () => 4,
    async () => void (lingerCount += 1),
  )
  expect(shape(await source.next())).toEqual({
    offsets: [97, 98, 99],
    startOffset: 10,
    nextOffset: 100,
    leaderEpoch: 3,
  })
  // There is more by then: it is under way, as behind any fetch.
  expect(source.hasMore).toBe(true)
  expect(waitsMs).toEqual([500, 0, 500])
  expect(lingerCount).toBe(1)
})

test('nothing lingers behind the end of the log, when a batch is full, or empty', async () => {
  let lingerCount = 0
  const { source } = sourceOf(
    [fetched([10], 11), fetched([96, 97, 98, 99], 100), fetched([], 100)],
    () => 4,
    async () => void (lingerCount += 1),
  )
  expect(shape(await source.next()).offsets).toEqual([10])
  expect(shape(await source.next()).offsets).toEqual([96, 97, 98, 99])
  expect(shape(await source.next()).offsets).toEqual([])
  expect(lingerCount).toBe(0)
})

test('what was fetched before a batch lingered in vain is the next one', async () => {
  const away = new Error('away')
  const { source, asked } = sourceOf(
    [fetched([99], 100), away, fetched([100], 101)],
    () => 4,
    async () => {},
  )
  await expect(source.next()).rejects.toThrow(away)
  expect(shape(await source.next()).offsets).toEqual([99])
  expect(asked.map(({ nextOffset }) => nextOffset)).toEqual([10, 100])
})
