import {
  BATCH_HEADER_BYTES,
  crc32c,
  decodeRecords,
  encodeBatch,
  readBatchHeader,
} from '@fairlead/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { findRecord } from './find-record.ts'

const TIME_MS = 1_700_000_000_000
const record = fc.record({
  key: fc.option(fc.uint8Array({ maxLength: 5 })),
  value: fc.option(fc.uint8Array({ maxLength: 20 })),
  timestampMs: fc.integer({ min: TIME_MS, max: TIME_MS + 10 }),
})

test('the record that is found is the first that decoding every record finds', () => {
  const records = fc.array(record, { minLength: 1, maxLength: 8 })
  const late = fc.integer({ min: -1, max: 12 })
  fc.assert(
    fc.property(records, late, fc.nat({ max: 9 }), (given, afterMs, fromOffset) => {
      const bytes = encodeBatch({ records: given, baseOffset: 2 }, crc32c)
      const header = readBatchHeader(bytes, 0)
      const timestampMs = TIME_MS + afterMs
      const first = decodeRecords(bytes, 0, header).find(
        (decoded) => decoded.timestampMs >= timestampMs && decoded.offset >= fromOffset,
      )
      const expected = first && { offset: first.offset, timestampMs: first.timestampMs }
      const found = findRecord({ bytes, header, timestampMs, fromOffset }, undefined)
      expect(found).toEqual(expected ?? null)
    }),
  )
})

test('bytes that are no records are said to be so', () => {
  const records = [{ key: null, value: null, timestampMs: TIME_MS }]
  const bytes = encodeBatch({ records }, crc32c)
  const header = readBatchHeader(bytes, 0)
  const query = { bytes, header, timestampMs: TIME_MS, fromOffset: 0 }
  expect(findRecord({ ...query, header: { ...header, recordCount: 1e9 } }, undefined)).toBe(
    'unreadable',
  )
  expect(findRecord({ ...query, header: { ...header, compression: 'lz4' } }, undefined)).toBe(
    'unreadable',
  )
  const late = { ...header, baseTimestampMs: Number.MAX_SAFE_INTEGER + 1 }
  expect(findRecord({ ...query, header: late }, undefined)).toBe('unreadable')
  bytes[BATCH_HEADER_BYTES] = 0xff
  expect(findRecord(query, undefined)).toBe('unreadable')
})
