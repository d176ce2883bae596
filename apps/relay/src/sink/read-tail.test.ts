import { EVENT_HEADERS, formatLsn, lsn } from '@fairlead/base'
import { SOURCE_HEADER } from '@fairlead/cdc'
import type { IncomingRecord } from '@fairlead/kafka'
import { expect, test } from 'vitest'
import { TailProgress, type TailRequest, readTail } from './read-tail.ts'

const SOURCE = '1/slot'
const TEXT = new TextEncoder()

type TailBounds = Pick<TailRequest, 'tailRecordCount' | 'tailBytes' | 'countedBytesMax'>

/** A partition of records without a copy of each: ours where `isOurs` says so, `valueBytes` large. */
class FakePartition {
  start = 0
  end: number
  fetchedRecords = 0
  /** The next fetch fails after so many. */
  failAfterFetches = Number.POSITIVE_INFINITY
  readonly #isOurs: (offset: number) => boolean
  readonly #value: Uint8Array

  constructor(end: number, isOurs: (offset: number) => boolean, valueBytes = 0) {
    this.end = end
    this.#isOurs = isOurs
    this.#value = new Uint8Array(valueBytes)
  }

  readonly request = (bounds: TailBounds): TailRequest => ({
    admin: {
      listOffsets: ({ timestamp }) =>
        Promise.resolve(timestamp === 'earliest' ? this.start : this.end),
    } as TailRequest['admin'],
    reader: {
      fetch: ({ fromOffset }) => {
        this.failAfterFetches -= 1
        if (this.failAfterFetches < 0) return Promise.reject(new Error('closed'))
        const nextOffset = Math.min(this.end, fromOffset + 4_096)
        const records = Array.from({ length: nextOffset - fromOffset }, (_, index) =>
          this.#record(fromOffset + index),
        )
        this.fetchedRecords += records.length
        const facts = { highWatermark: this.end, logStartOffset: 0, leaderEpoch: 0 }
        return Promise.resolve({ records, nextOffset, ...facts })
      },
      close: () => Promise.resolve(),
    },
    source: SOURCE,
    topic: 't',
    partition: 0,
    ...bounds,
  })

  #record(offset: number): IncomingRecord {
    const header = (name: string, text: string) => [name, TEXT.encode(text)] as const
    const headers = this.#isOurs(offset)
      ? [
          header(SOURCE_HEADER, SOURCE),
          header(EVENT_HEADERS.commitLsn, formatLsn(lsn(BigInt(offset)))),
          header(EVENT_HEADERS.commitIndex, '0'),
        ]
      : []
    return {
      topic: 't',
      partition: 0,
      offset,
      timestampMs: 0,
      key: null,
      value: this.#value,
      headers,
    }
  }
}

const at = (offset: number) => ({ commitLsn: lsn(BigInt(offset)), commitIndex: 0 })

test('a tail is found behind hundreds of thousands of records of others', async () => {
  const partition = new FakePartition(600_000, (offset) => offset < 300_000)
  const tail = await readTail(partition.request({ tailRecordCount: 2_048 }))
  expect(tail.newest).toEqual(at(299_999))
  expect(tail.count).toBeGreaterThanOrEqual(2_048)
  // Not all that lie in one long step back.
  expect(tail.count).toBeLessThan(40_000)
})

test('of large records no more is read than a batch can have, and a little', async () => {
  const partition = new FakePartition(10_000, () => true, 100_000)
  const bounds = { tailRecordCount: 400, tailBytes: 1_048_576 }
  const tail = await readTail(partition.request(bounds))
  expect(tail.count).toBeGreaterThanOrEqual(11)
  expect(tail.count).toBeLessThan(32)
})

test('a record that is larger than a batch counts as the batch that it was', async () => {
  const partition = new FakePartition(10_000, () => true, 5_000_000)
  const batchBytesMax = 1_048_576
  const bounds = { tailBytes: 40 * batchBytesMax, countedBytesMax: batchBytesMax }
  const tail = await readTail(partition.request({ tailRecordCount: 400, ...bounds }))
  expect(tail.count).toBeGreaterThanOrEqual(40)
})

test('what an earlier session has read is not read again, and what came since is', async () => {
  const partition = new FakePartition(300_000, (offset) => offset < 1_000 || offset >= 300_000)
  const progress = new TailProgress()
  const request = partition.request({ tailRecordCount: 100 })
  partition.failAfterFetches = 60
  await expect(readTail(request, progress)).rejects.toThrow('closed')
  const { fetchedRecords } = partition
  expect(fetchedRecords).toBeGreaterThan(200_000)
  partition.failAfterFetches = Number.POSITIVE_INFINITY
  partition.end += 3
  const tail = await readTail(request, progress)
  expect(partition.fetchedRecords).toBeLessThan(fetchedRecords + 150_000)
  expect(tail.newest).toEqual(at(300_002))
  expect([at(300_000), at(950)].map((position) => tail.includes(position))).toEqual([true, true])
})

test('of a log that was cut off, or has grown by much, the end is read anew', async () => {
  const partition = new FakePartition(50_000, () => true)
  const progress = new TailProgress()
  const request = partition.request({ tailRecordCount: 10 })
  await readTail(request, progress)
  partition.end = 40_000
  expect((await readTail(request, progress)).newest).toEqual(at(39_999))
  partition.end = 400_000
  const before = partition.fetchedRecords
  expect((await readTail(request, progress)).newest).toEqual(at(399_999))
  expect(partition.fetchedRecords - before).toBeLessThan(5_000)
})

test.for([
  {
    what: 'as many records of ours as can be missing',
    start: 99,
    tailRecordCount: 2,
    isHeld: true,
  },
  { what: 'fewer, since the rest was deleted', start: 100, tailRecordCount: 2, isHeld: false },
  { what: 'all that there ever were', start: 0, tailRecordCount: 1_000, isHeld: false },
])('with $what, what lies before the oldest is held: $isHeld', async (row) => {
  const partition = new FakePartition(101, (offset) => offset > 50)
  partition.start = row.start
  const tail = await readTail(partition.request({ tailRecordCount: row.tailRecordCount }))
  expect(tail.newest).toEqual(at(100))
  expect(tail.holds(at(40))).toBe(row.isHeld)
})
