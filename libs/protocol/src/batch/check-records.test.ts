import { DecodeError } from '@fairlead/base'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BATCH_HEADER_BYTES, readBatchHeader } from './batch-header.ts'
import { type RecordsSummary, checkRecords, visitRecords } from './check-records.ts'
import { crc32c } from './crc32c.ts'
import { decodeRecords, encodeBatch } from './records.ts'

const bytes = fc.option(fc.uint8Array({ maxLength: 20 }))
const records = fc.array(
  fc.record({
    key: bytes,
    value: bytes,
    headers: fc.array(fc.record({ key: fc.string({ maxLength: 5 }), value: bytes }), {
      maxLength: 3,
    }),
    timestampMs: fc.integer({ min: 0, max: 2 ** 40 }),
  }),
  { minLength: 1, maxLength: 5 },
)

const check = (batch: Uint8Array): RecordsSummary =>
  checkRecords(batch, BATCH_HEADER_BYTES, readBatchHeader(batch, 0).recordCount)

const errorOf = (run: () => void): unknown => {
  try {
    run()
    return undefined
  } catch (error) {
    return error
  }
}

test('every batch that is encoded passes', () => {
  fc.assert(
    fc.property(records, (given) => {
      const times = given.map(({ timestampMs }) => timestampMs - (given[0]?.timestampMs ?? 0))
      expect(check(encodeBatch({ records: given }, crc32c))).toEqual({
        minTimestampDeltaMs: Math.min(...times),
        maxTimestampDeltaMs: Math.max(...times),
        keylessCount: given.filter(({ key }) => key === null).length,
      })
    }),
  )
})

test('a batch with a byte changed passes only when its records can be decoded', () => {
  fc.assert(
    fc.property(records, fc.nat(), fc.integer({ min: 1, max: 255 }), (given, at, change) => {
      const batch = encodeBatch({ records: given }, crc32c)
      const position = 61 + (at % (batch.length - 61))
      batch[position] = (batch[position] ?? 0) ^ change
      const error = errorOf(() => check(batch))
      const isRefused = error instanceof DecodeError
      expect(isRefused || error === undefined).toBe(true)
      const count = isRefused
        ? given.length
        : decodeRecords(batch, 0, readBatchHeader(batch, 0)).length
      expect(count).toBe(given.length)
    }),
  )
})

/** A batch of one record with these bytes instead of it. */
const batchOf = (content: readonly number[]): Uint8Array => {
  const whole = encodeBatch({ records: [{ key: null, value: null, timestampMs: 0 }] }, crc32c)
  const batch = new Uint8Array(61 + content.length)
  batch.set(whole.subarray(0, 61))
  batch.set(content, 61)
  new DataView(batch.buffer).setInt32(8, batch.length - 12)
  return batch
}

test.for([
  ['no records at all', Array.from({ length: 10 }, () => 0xff)],
  ['another offset', [12, 0, 0, 10, 1, 1, 0]],
  ['bytes behind the last record', [12, 0, 0, 0, 1, 1, 0, 0]],
  ['a header without a key', [16, 0, 0, 0, 1, 1, 2, 1, 1]],
  ['more headers than bytes', [12, 0, 0, 0, 1, 1, 120]],
] as const)('%s is refused', ([, content]) => {
  expect(() => check(batchOf(content))).toThrow(DecodeError)
})

test('the smallest record passes', () => {
  check(batchOf([12, 0, 0, 0, 1, 1, 0]))
})

test('records are visited one by one', () => {
  const key = Uint8Array.of(1)
  const batch = encodeBatch(
    {
      records: [
        { key, value: null, timestampMs: 5 },
        { key: null, value: null, timestampMs: 3 },
      ],
    },
    crc32c,
  )
  const visited: (readonly [number, number, boolean])[] = []
  visitRecords(batch, BATCH_HEADER_BYTES, 2, (...record) => visited.push(record))
  expect(visited).toEqual([
    [0, 0, true],
    [1, -2, false],
  ])
})
