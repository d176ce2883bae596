import { DecodeError, InvariantViolation } from '@fairlead/base'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  BATCH_HEADER_BYTES,
  type NewRecord,
  batchCrc,
  crc32c,
  decodeRecords,
  encodeBatch,
  readBatchHeader,
  setLogAppendTime,
  splitBatches,
  stampBatch,
} from '../index.ts'

const TIME_MS = 1_700_000_000_000
const ATTRIBUTES_LOW_BYTE = 22
const GZIP = 1

const nullableBytes = fc.option(fc.uint8Array({ maxLength: 20 }), { nil: null })
const recordArbitrary: fc.Arbitrary<NewRecord> = fc.record({
  key: nullableBytes,
  value: nullableBytes,
  headers: fc.array(
    fc.record({ key: fc.string({ unit: 'binary', maxLength: 8 }), value: nullableBytes }),
    { maxLength: 3 },
  ),
  timestampMs: fc.integer({ min: TIME_MS - 1e12, max: TIME_MS + 1e12 }),
})

const batchOf = (count: number): Uint8Array<ArrayBuffer> => {
  const record = { key: null, value: Uint8Array.of(1, 2, 3), timestampMs: TIME_MS }
  return encodeBatch({ records: Array.from({ length: count }, () => record) }, crc32c)
}

const recordsOf = (batch: Uint8Array) => decodeRecords(batch, 0, readBatchHeader(batch, 0))

test('records are read as they were written', () => {
  const batches = fc.tuple(
    fc.array(recordArbitrary, { minLength: 1, maxLength: 8 }),
    fc.nat({ max: Number.MAX_SAFE_INTEGER - 10 }),
  )
  fc.assert(
    fc.property(batches, ([records, baseOffset]) => {
      const batch = encodeBatch({ records, baseOffset }, crc32c)
      const header = readBatchHeader(batch, 0)
      expect(header.crc).toBe(batchCrc(batch, 0, header, crc32c))
      expect(header.maxTimestampMs).toBe(Math.max(...records.map(({ timestampMs }) => timestampMs)))
      expect(decodeRecords(batch, 0, header)).toEqual(
        records.map((record, index) => ({ ...record, offset: baseOffset + index })),
      )
    }),
  )
})

test('a batch is found at any position, and batches are split where they end', () => {
  const bytes = new Uint8Array(Buffer.concat([batchOf(1), batchOf(3), batchOf(2)]))
  const batches = splitBatches(bytes)
  expect(batches.map(({ recordCount }) => recordCount)).toEqual([1, 3, 2])
  for (const batch of batches) {
    expect(batchCrc(bytes, batch.position, batch, crc32c)).toBe(batch.crc)
    expect(decodeRecords(bytes, batch.position, batch)).toHaveLength(batch.recordCount)
  }
  expect(() => splitBatches(bytes.subarray(0, bytes.length - 1))).toThrow(DecodeError)
  expect(splitBatches(new Uint8Array())).toEqual([])
})

test('stamping moves a batch without touching what its checksum covers', () => {
  const bytes = new Uint8Array(Buffer.concat([batchOf(1), batchOf(2)]))
  const position = splitBatches(bytes)[1]?.position ?? 0
  const { crc } = readBatchHeader(bytes, position)
  stampBatch(bytes, position, { baseOffset: 2 ** 40, partitionLeaderEpoch: 7 })
  const header = readBatchHeader(bytes, position)
  expect(header).toMatchObject({ baseOffset: 2 ** 40, partitionLeaderEpoch: 7, crc })
  expect(batchCrc(bytes, position, header, crc32c)).toBe(crc)
  expect(decodeRecords(bytes, position, header).map(({ offset }) => offset)).toEqual([
    2 ** 40,
    2 ** 40 + 1,
  ])
})

test('with LogAppendTime every record has the time of the append, and the checksum is right', () => {
  const batch = batchOf(2)
  setLogAppendTime(batch, 0, { logAppendTimeMs: TIME_MS + 9, crc32c })
  const header = readBatchHeader(batch, 0)
  expect(header).toMatchObject({ timestampType: 'LogAppendTime', maxTimestampMs: TIME_MS + 9 })
  expect(batchCrc(batch, 0, header, crc32c)).toBe(header.crc)
  expect(recordsOf(batch).map(({ timestampMs }) => timestampMs)).toEqual([TIME_MS + 9, TIME_MS + 9])
})

test('a control batch says so', () => {
  const marker = { key: Uint8Array.of(0, 0, 0, 1), value: null, timestampMs: TIME_MS }
  const batch = encodeBatch(
    { records: [marker], producerId: 5, producerEpoch: 1, isControl: true, isTransactional: true },
    crc32c,
  )
  const header = readBatchHeader(batch, 0)
  expect(header).toMatchObject({ isControl: true, isTransactional: true, baseSequence: -1 })
})

test('a batch without records cannot be written', () => {
  expect(() => encodeBatch({ records: [] }, crc32c)).toThrow(InvariantViolation)
})

describe('compressed records', () => {
  const compressed = batchOf(1)
  compressed[ATTRIBUTES_LOW_BYTE] = GZIP
  const header = readBatchHeader(compressed, 0)

  test('go through the decompression that is given', () => {
    const seen: string[] = []
    const records = decodeRecords(compressed, 0, header, (type, bytes) => {
      seen.push(type)
      return bytes
    })
    expect(seen).toEqual(['gzip'])
    expect(records).toHaveLength(1)
  })

  test('without one, or with one that fails, are a decode error', () => {
    expect(() => decodeRecords(compressed, 0, header)).toThrow(DecodeError)
    const failing = () => {
      throw new RangeError('incorrect header check')
    }
    expect(() => decodeRecords(compressed, 0, header, failing)).toThrow(DecodeError)
  })
})

describe('bytes of a peer', () => {
  const batch = batchOf(3)
  /** The second record is a millisecond later than the first. */
  const soonAfter = (timestampMs: number): Uint8Array => {
    const times = [TIME_MS, TIME_MS + 1]
    const records = times.map((timeMs) => ({ key: null, value: null, timestampMs: timeMs }))
    const bytes = encodeBatch({ records }, crc32c)
    new DataView(bytes.buffer).setBigInt64(27, BigInt(timestampMs))
    return bytes
  }
  const changed = (at: number, ...bytes: readonly number[]): Uint8Array => {
    const copy = batch.slice()
    copy.set(bytes, at)
    return copy
  }

  test.for([
    { what: 'a length below that of a header', bytes: changed(8, 0, 0, 0, 48) },
    { what: 'a negative length', bytes: changed(8, 0xff, 0xff, 0xff, 0xff) },
    { what: 'a length that passes the end', bytes: changed(8, 0x7f, 0xff, 0xff, 0xff) },
    { what: 'magic 1', bytes: changed(16, 1) },
    { what: 'an unknown compression', bytes: changed(ATTRIBUTES_LOW_BYTE, 5) },
    { what: 'a producer id of 64 bits', bytes: changed(43, 0x7f) },
    { what: 'a negative count of records', bytes: changed(57, 0xff) },
    { what: 'more records than bytes', bytes: changed(57, 0x7f) },
    { what: 'fewer records than there are', bytes: changed(57, 0, 0, 0, 2) },
    { what: 'a record that passes the end', bytes: changed(BATCH_HEADER_BYTES, 0x7e) },
    { what: 'a record of negative length', bytes: changed(BATCH_HEADER_BYTES, 0x01) },
    { what: 'an offset behind the batch', bytes: changed(BATCH_HEADER_BYTES + 3, 0x06) },
    { what: 'an offset before the batch', bytes: changed(BATCH_HEADER_BYTES + 3, 0x01) },
    { what: 'a time of 54 bits', bytes: soonAfter(Number.MAX_SAFE_INTEGER) },
  ])('$what is an error', ({ bytes }) => {
    expect(() => recordsOf(bytes)).toThrow(DecodeError)
  })

  test('cut anywhere are an error', () => {
    for (let length = 0; length < batch.length; length += 1) {
      expect(() => recordsOf(batch.subarray(0, length))).toThrow(DecodeError)
    }
  })

  test('changed anywhere are an error or a value', () => {
    const mutations = fc.array(fc.tuple(fc.nat({ max: batch.length - 1 }), fc.nat({ max: 255 })), {
      minLength: 1,
      maxLength: 4,
    })
    fc.assert(
      fc.property(mutations, (list) => {
        const mutant = batch.slice()
        for (const [at, byte] of list) mutant[at] = byte
        let error: unknown
        try {
          for (const { offset, timestampMs } of recordsOf(mutant)) {
            const { baseOffset, lastOffsetDelta } = readBatchHeader(mutant, 0)
            expect(offset).toBeGreaterThanOrEqual(baseOffset)
            expect(offset).toBeLessThanOrEqual(baseOffset + lastOffsetDelta)
            expect(Number.isSafeInteger(timestampMs)).toBe(true)
          }
        } catch (thrown) {
          error = thrown
        }
        expect(error === undefined || error instanceof DecodeError, String(error)).toBe(true)
      }),
      { numRuns: 3_000 },
    )
  })
})
