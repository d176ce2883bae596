import { DecodeError } from '@fairlead/base'
import {
  BATCH_HEADER_BYTES,
  DecompressedTooLarge,
  crc32c,
  decodeRecords,
  encodeBatch,
  readBatchHeader,
  recompressBatch,
} from '@fairlead/protocol'
import type { CompressionType } from '@fairlead/protocol'
import { describe, expect, test } from 'vitest'
import { DEFAULT_LOG_CONFIG, type LogConfig } from './log-config.ts'
import { mustOpen, openBatch } from './open-batch.ts'
import { NOW_MS, concat } from './testing/log-fixture.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** A compression that only a test can undo: every bit is turned. */
const turned = (_: CompressionType, bytes: Uint8Array): Uint8Array => bytes.map((byte) => ~byte)

type Written = { readonly key?: string | null; readonly timestampMs?: number }

function batchOf(
  records: readonly Written[],
  compression: CompressionType = 'gzip',
  producer: {
    readonly producerId?: number
    readonly producerEpoch?: number
    readonly baseSequence?: number
  } = {},
): Uint8Array {
  const plain = encodeBatch(
    {
      ...producer,
      records: records.map(({ key = 'k', timestampMs = NOW_MS }) => ({
        key: key === null ? null : new TextEncoder().encode(key),
        value: new TextEncoder().encode('value'),
        timestampMs,
      })),
    },
    crc32c,
  )
  if (compression === 'none') return plain
  const header = readBatchHeader(plain, 0)
  const { maxTimestampMs } = header
  return recompressBatch(header, plain.subarray(BATCH_HEADER_BYTES), {
    compression,
    maxTimestampMs,
    compress: turned,
    crc32c,
  })
}

function open(records: Uint8Array, config: Partial<LogConfig> = {}) {
  return openBatch(records, {
    config: { ...DEFAULT_LOG_CONFIG, ...config },
    nowMs: NOW_MS,
    decompress: turned,
    compress: turned,
    crc32c,
  })
}

describe('a batch under another compression than its topic', () => {
  test.for([
    ['gzip', 'none'],
    ['none', 'zstd'],
    ['lz4', 'snappy'],
  ] as const)('is stored as %s to %s with the same records', ([from, to]) => {
    const producer = { producerId: 7, producerEpoch: 1, baseSequence: 5 }
    const times = [NOW_MS, NOW_MS + 5, NOW_MS - 9]
    const batch = batchOf(
      times.map((timestampMs) => ({ timestampMs })),
      from,
      producer,
    )
    const opened = open(batch, { compressionType: to })
    expect(opened.ok).toBe(true)
    const records = opened.ok ? opened.records : new Uint8Array()
    const header = readBatchHeader(records, 0)
    expect(header).toMatchObject({ ...producer, compression: to, maxTimestampMs: NOW_MS + 5 })
    const values = (bytes: Uint8Array) => decodeRecords(bytes, 0, readBatchHeader(bytes, 0), turned)
    expect(values(records)).toEqual(values(batch))
  })

  test('keeps its bytes when only its records are looked at', () => {
    const batch = batchOf([{}])
    expect(open(batch, { compressionType: 'gzip', cleanupPolicy: ['compact'] })).toEqual({
      ok: true,
      records: batch,
    })
  })
})

describe('records of a compressed batch are refused', () => {
  test('without a key on a compacted topic, each by its index', () => {
    const batch = batchOf([{ key: null }, {}, { key: null }])
    expect(open(batch, { cleanupPolicy: ['compact'] })).toMatchObject({
      errorCode: 'INVALID_RECORD',
      recordErrors: [
        { batchIndex: 0, message: 'Compacted topic cannot accept message without key.' },
        { batchIndex: 2 },
      ],
    })
    expect(open(batch).ok).toBe(true)
  })

  test.for([
    ['older than message.timestamp.before.max.ms', NOW_MS - DAY_MS - 1],
    ['newer than message.timestamp.after.max.ms', NOW_MS + HOUR_MS + 1],
  ] as const)('%s', ([, timestampMs]) => {
    const config = { messageTimestampBeforeMaxMs: DAY_MS }
    const outcome = open(batchOf([{}, { timestampMs }], 'none'), config)
    expect(outcome).toMatchObject({
      errorCode: 'INVALID_TIMESTAMP',
      recordErrors: [
        {
          batchIndex: 1,
          message: `Timestamp ${timestampMs} of message with offset 1 is out of range. The timestamp should be within [${NOW_MS - DAY_MS}, ${NOW_MS + HOUR_MS}]`,
        },
      ],
    })
    expect(
      open(batchOf([{}, { timestampMs }]), { ...config, messageTimestampType: 'LogAppendTime' }).ok,
    ).toBe(true)
  })

  test('not when they have no timestamp, or one at the bounds', () => {
    const config = { messageTimestampBeforeMaxMs: DAY_MS }
    const times = [-1, NOW_MS - DAY_MS, NOW_MS + HOUR_MS]
    expect(open(batchOf(times.map((timestampMs) => ({ timestampMs }))), config).ok).toBe(true)
  })

  test('a thousand by name, and all of them in fact', () => {
    const outcome = open(batchOf(Array.from({ length: 1_500 }, () => ({ key: null }))), {
      cleanupPolicy: ['compact'],
    })
    expect(outcome).toMatchObject({ errorCode: 'INVALID_RECORD' })
    expect(outcome.ok ? [] : outcome.recordErrors).toHaveLength(1_000)
  })
})

function openFailing(error: Error) {
  return openBatch(batchOf([{}]), {
    config: DEFAULT_LOG_CONFIG,
    nowMs: NOW_MS,
    decompress: () => {
      throw error
    },
    compress: turned,
    crc32c,
  })
}

test.for([
  ['bytes that cannot be decompressed', new DecodeError('no gzip', 0), 'INVALID_RECORD'],
  ['more bytes than the limit', new DecompressedTooLarge(100), 'MESSAGE_TOO_LARGE'],
] as const)('%s are refused', ([, error, errorCode]) => {
  expect(openFailing(error)).toMatchObject({ ok: false, errorCode })
})

test('an error that is not about the bytes is not swallowed', () => {
  expect(() => openFailing(new TypeError('a bug'))).toThrow('a bug')
})

test('a batch with other records than its header says is refused', () => {
  const wrong = batchOf([{}, {}], 'none')
  const header = readBatchHeader(wrong, 0)
  const one = batchOf([{}], 'none').subarray(BATCH_HEADER_BYTES)
  const lying = recompressBatch(header, one, {
    compression: 'gzip',
    maxTimestampMs: NOW_MS,
    compress: turned,
    crc32c,
  })
  expect(open(lying)).toMatchObject({ errorCode: 'INVALID_RECORD' })
})

test('what the log refuses is refused before it is opened', () => {
  expect(open(batchOf([{}]), { maxMessageBytes: 10 })).toMatchObject({
    errorCode: 'MESSAGE_TOO_LARGE',
  })
  const damaged = batchOf([{}])
  damaged[30] = (damaged[30] ?? 0) ^ 1
  expect(open(damaged)).toMatchObject({ errorCode: 'CORRUPT_MESSAGE' })
  expect(open(concat(batchOf([{}]), batchOf([{}])))).toMatchObject({ errorCode: 'INVALID_RECORD' })
})

test.for([
  ['none', {}, false],
  ['gzip', {}, false],
  ['gzip', { compressionType: 'gzip' }, false],
  ['gzip', { compressionType: 'none' }, true],
  ['none', { compressionType: 'lz4' }, true],
  ['gzip', { cleanupPolicy: ['compact'] }, true],
  ['none', { cleanupPolicy: ['compact'] }, false],
  ['gzip', { messageTimestampBeforeMaxMs: 5 }, true],
  ['gzip', { messageTimestampBeforeMaxMs: 5, messageTimestampType: 'LogAppendTime' }, false],
] as const)('%s on a topic with %j: %s', ([compression, config, expected]) => {
  const header = readBatchHeader(batchOf([{}], compression), 0)
  expect(mustOpen(header, { ...DEFAULT_LOG_CONFIG, ...config })).toBe(expected)
})
