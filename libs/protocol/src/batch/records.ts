import { DecodeError, errorMessage, invariant } from '@fairlead/base'
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  type CompressionType,
  writeBatchHeader,
} from './batch-header.ts'
import type { Crc32c } from './crc32c.ts'
import { VarintReader, varintSizeBytes, writeVarint } from './varint.ts'

export type RecordHeader = { readonly key: string; readonly value: Uint8Array | null }

export type DecodedRecord = {
  readonly offset: number
  readonly timestampMs: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
}

/** Undoes a compression. It must bound what it makes, and throw when the bytes are malformed. */
export type Decompress = (type: Exclude<CompressionType, 'none'>, bytes: Uint8Array) => Uint8Array

export type NewRecord = {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers?: readonly RecordHeader[]
  readonly timestampMs: number
}

/** Of one record: length, attributes, two deltas, two lengths, the count of headers; a byte each. */
export const RECORD_BYTES_MIN = 7
/** Header keys are the producer's own business: as in Kafka, malformed UTF-8 is replaced there. */
const UTF8_DECODER = new TextDecoder('utf-8', { ignoreBOM: true })
const UTF8_ENCODER = new TextEncoder()

/**
 * The records of the batch at `position`, views into its bytes.
 *
 * @throws {DecodeError} when the records are malformed, or fewer or more than the header says, or
 *   outside its offsets, or compressed and no `decompress` is given.
 */
export function decodeRecords(
  bytes: Uint8Array,
  position: number,
  header: BatchHeader,
  decompress?: Decompress,
): DecodedRecord[] {
  const reader = new VarintReader(decompressedRecords(bytes, position, header, decompress))
  const { recordCount } = header
  if (recordCount < 0 || recordCount * RECORD_BYTES_MIN > reader.bytes.length) {
    throw new DecodeError(`${recordCount} records in ${reader.bytes.length} bytes`, position)
  }
  const records: DecodedRecord[] = []
  for (let index = 0; index < recordCount; index += 1) records.push(decodeRecord(reader, header))
  if (reader.position !== reader.bytes.length) {
    throw new DecodeError('there are bytes behind the last record', reader.position)
  }
  return records
}

/** @throws {DecodeError} when they are malformed, or compressed and no `decompress` is given. */
export function decompressedRecords(
  bytes: Uint8Array,
  position: number,
  header: BatchHeader,
  decompress: Decompress | undefined,
): Uint8Array {
  const stored = bytes.subarray(position + BATCH_HEADER_BYTES, position + header.sizeBytes)
  return decompressed(stored, header.compression, decompress)
}

function decompressed(
  stored: Uint8Array,
  compression: CompressionType,
  decompress: Decompress | undefined,
): Uint8Array {
  if (compression === 'none') return stored
  if (decompress === undefined) throw new DecodeError(`cannot decompress ${compression}`, 0)
  try {
    return decompress(compression, stored)
  } catch (error) {
    throw new DecodeError(`malformed ${compression}: ${errorMessage(error)}`, 0)
  }
}

function decodeRecord(reader: VarintReader, header: BatchHeader): DecodedRecord {
  const start = reader.position
  const end = reader.varint() + reader.position
  if (end > reader.bytes.length) throw new DecodeError('a record passes the end', start)
  reader.position += 1 // Attributes: none is defined.
  const timestampMs = recordTimestampMs(header, reader.varint())
  const offsetDelta = reader.varint()
  if (offsetDelta < 0 || offsetDelta > header.lastOffsetDelta) {
    throw new DecodeError(`offset delta ${offsetDelta} is outside its batch`, start)
  }
  if (!Number.isSafeInteger(timestampMs)) {
    throw new DecodeError('a timestamp exceeds 53 bits', start)
  }
  const key = reader.nullableBytes()
  const value = reader.nullableBytes()
  const headers = decodeHeaders(reader)
  if (reader.position !== end) throw new DecodeError('a record has another length', start)
  return {
    offset: header.baseOffset + offsetDelta,
    timestampMs,
    key,
    value,
    headers,
  }
}

function recordTimestampMs(header: BatchHeader, deltaMs: number): number {
  return header.timestampType === 'LogAppendTime'
    ? header.maxTimestampMs
    : header.baseTimestampMs + deltaMs
}

function decodeHeaders(reader: VarintReader): RecordHeader[] {
  const start = reader.position
  const count = reader.varint()
  if (count < 0 || count > reader.bytes.length - reader.position) {
    throw new DecodeError(`${count} headers`, start)
  }
  const headers: RecordHeader[] = []
  for (let index = 0; index < count; index += 1) {
    const key = reader.nullableBytes()
    if (key === null) throw new DecodeError('a header without a key', start)
    headers.push({ key: UTF8_DECODER.decode(key), value: reader.nullableBytes() })
  }
  return headers
}

/** Encodes an uncompressed batch. `records` must not be empty. */
export function encodeBatch(
  batch: {
    readonly records: readonly NewRecord[]
    readonly baseOffset?: number
    readonly partitionLeaderEpoch?: number
    readonly producerId?: number
    readonly producerEpoch?: number
    readonly baseSequence?: number
    readonly isTransactional?: boolean
    readonly isControl?: boolean
  },
  crc32c: Crc32c,
): Uint8Array<ArrayBuffer> {
  const { records } = batch
  const first = records[0]
  invariant(first !== undefined, 'a batch holds at least one record')
  const sized = records.map((record, index) => measure(record, index, first.timestampMs))
  const sizeBytes = sized.reduce(
    (sum, { bodyBytes }) => sum + varintSizeBytes(bodyBytes) + bodyBytes,
    BATCH_HEADER_BYTES,
  )
  const bytes = new Uint8Array(sizeBytes)
  let position = BATCH_HEADER_BYTES
  for (const record of sized) position = writeRecord(bytes, position, record)
  invariant(position === sizeBytes, 'a batch is as large as was measured')

  writeBatchHeader(
    bytes,
    {
      baseOffset: batch.baseOffset ?? 0,
      partitionLeaderEpoch: batch.partitionLeaderEpoch ?? -1,
      compression: 'none',
      timestampType: 'CreateTime',
      isTransactional: batch.isTransactional ?? false,
      isControl: batch.isControl ?? false,
      hasDeleteHorizon: false,
      lastOffsetDelta: records.length - 1,
      baseTimestampMs: first.timestampMs,
      maxTimestampMs: records.reduce((max, record) => Math.max(max, record.timestampMs), -1),
      producerId: batch.producerId ?? -1,
      producerEpoch: batch.producerEpoch ?? -1,
      baseSequence: batch.baseSequence ?? -1,
      recordCount: records.length,
    },
    crc32c,
  )
  return bytes
}

type MeasuredRecord = {
  readonly record: NewRecord
  readonly headers: readonly (readonly [key: Uint8Array, value: Uint8Array | null])[]
  readonly offsetDelta: number
  readonly timestampDeltaMs: number
  readonly bodyBytes: number
}

function measure(record: NewRecord, offsetDelta: number, baseTimestampMs: number): MeasuredRecord {
  const headers = (record.headers ?? []).map(
    ({ key, value }) => [UTF8_ENCODER.encode(key), value] as const,
  )
  const timestampDeltaMs = record.timestampMs - baseTimestampMs
  const headerBytes = headers.reduce(
    (sum, [key, value]) => sum + nullableSizeBytes(key) + nullableSizeBytes(value),
    varintSizeBytes(headers.length),
  )
  const bodyBytes =
    1 +
    varintSizeBytes(timestampDeltaMs) +
    varintSizeBytes(offsetDelta) +
    nullableSizeBytes(record.key) +
    nullableSizeBytes(record.value) +
    headerBytes
  return { record, headers, offsetDelta, timestampDeltaMs, bodyBytes }
}

function writeRecord(bytes: Uint8Array, position: number, measured: MeasuredRecord): number {
  const { record, headers } = measured
  // The byte behind the length is the attributes, which stay 0.
  let at = writeVarint(bytes, position, measured.bodyBytes) + 1
  at = writeVarint(bytes, at, measured.timestampDeltaMs)
  at = writeVarint(bytes, at, measured.offsetDelta)
  at = writeNullable(bytes, at, record.key)
  at = writeNullable(bytes, at, record.value)
  at = writeVarint(bytes, at, headers.length)
  for (const [key, value] of headers) {
    at = writeNullable(bytes, at, key)
    at = writeNullable(bytes, at, value)
  }
  return at
}

function nullableSizeBytes(value: Uint8Array | null): number {
  return value === null ? 1 : varintSizeBytes(value.length) + value.length
}

function writeNullable(bytes: Uint8Array, position: number, value: Uint8Array | null): number {
  if (value === null) return writeVarint(bytes, position, -1)
  const at = writeVarint(bytes, position, value.length)
  bytes.set(value, at)
  return at + value.length
}
