import { compressionsAlgorithms, crc32c } from './platformatic.ts'
import {
  copyBytes,
  invariant,
  nullableBytesSize,
  varintSize,
  writeNullableBytes,
  writeVarint,
} from '@fairlead/base'
import type { OutgoingRecord } from './records.ts'

/** Bytes of a batch before its records (magic 2). */
export const BATCH_HEADER_BYTES = 61

const BATCH_LENGTH_POSITION = 8
/** Of the attributes. */
const TRANSACTIONAL = 0b1_0000
const CRC_POSITION = 17
const ATTRIBUTES_POSITION = 21
/** Length, attributes, timestamp delta, offset delta, key length, value length, header count. */
const RECORD_OVERHEAD_BYTES_MAX = 5 + 1 + 10 + 5 + 5 + 5 + 5
const HEADER_OVERHEAD_BYTES_MAX = 5 + 5

export type StampedRecord = OutgoingRecord & { readonly timestampMs: number }

/** Kafka's `compression.type`. */
export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

export type BatchIdentity = {
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly isTransactional: boolean
}

/**
 * Encodes one batch (magic 2) with the offsets 0, 1, … and its CRC. Records that would not become smaller
 * are not compressed.
 *
 * @param sizeBytesMax the sum of `recordSizeBytesMax`, where the caller has it.
 */
export function encodeRecordBatch(
  records: readonly StampedRecord[],
  { compression, ...identity }: BatchIdentity & { readonly compression: Compression },
  sizeBytesMax: number = records.reduce((sum, record) => sum + recordSizeBytesMax(record), 0),
): Buffer {
  const first = records[0]
  invariant(first !== undefined, 'a batch holds at least one record')
  const body = new RecordWriter(Buffer.allocUnsafe(BATCH_HEADER_BYTES + sizeBytesMax))
  let maxTimestampMs = first.timestampMs
  let offsetDelta = 0
  for (const record of records) {
    const { timestampMs } = record
    body.record(record, offsetDelta, timestampMs - first.timestampMs)
    offsetDelta += 1
    maxTimestampMs = Math.max(maxTimestampMs, timestampMs)
  }
  const { batch, attributes } = compressed(body.written(), compression)
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength)
  setInt64(view, 0, 0)
  view.setInt32(BATCH_LENGTH_POSITION, batch.length - BATCH_LENGTH_POSITION - 4)
  view.setInt32(12, -1)
  view.setInt8(16, 2)
  view.setInt16(ATTRIBUTES_POSITION, attributes | (identity.isTransactional ? TRANSACTIONAL : 0))
  view.setInt32(23, records.length - 1)
  setInt64(view, 27, first.timestampMs)
  setInt64(view, 35, maxTimestampMs)
  setInt64(view, 43, identity.producerId)
  view.setInt16(51, identity.producerEpoch)
  view.setInt32(53, identity.baseSequence)
  view.setInt32(57, records.length)
  view.setUint32(CRC_POSITION, crc32c(batch.subarray(ATTRIBUTES_POSITION)))
  return batch
}

function compressed(
  plain: Buffer,
  compression: Compression,
): { readonly batch: Buffer; readonly attributes: number } {
  const { bitmask, compressSync } = compressionsAlgorithms[compression]
  if (bitmask === 0) return { batch: plain, attributes: 0 }
  const records = compressSync(plain.subarray(BATCH_HEADER_BYTES))
  if (BATCH_HEADER_BYTES + records.length >= plain.length) return { batch: plain, attributes: 0 }
  const header = plain.subarray(0, BATCH_HEADER_BYTES)
  return { batch: Buffer.concat([header, records]), attributes: bitmask }
}

/** No encoding of `record` in a batch takes more; exact enough to fill batches by. */
export function recordSizeBytesMax(record: OutgoingRecord): number {
  const { body } = record
  if (body !== undefined) return RECORD_OVERHEAD_BYTES_MAX + body.end - body.start
  let sizeBytes =
    RECORD_OVERHEAD_BYTES_MAX + (record.key?.length ?? 0) + (record.value?.length ?? 0)
  for (const [key, value] of record.headers) {
    sizeBytes += HEADER_OVERHEAD_BYTES_MAX + Buffer.byteLength(key) + (value?.length ?? 0)
  }
  return sizeBytes
}

/** Writes records behind the space of the batch header. */
class RecordWriter {
  readonly #buffer: Buffer
  /** Records of a batch mostly have the same header names. */
  readonly #headerNames = new Map<string, Uint8Array>()
  #position = BATCH_HEADER_BYTES

  constructor(buffer: Buffer) {
    this.#buffer = buffer
  }

  record(record: OutgoingRecord, offsetDelta: number, timestampDeltaMs: number): void {
    const { body } = record
    const bodyBytes = body === undefined ? this.#bodyBytes(record) : body.end - body.start
    this.#varint(1 + varintSize(timestampDeltaMs) + varintSize(offsetDelta) + bodyBytes)
    this.#buffer[this.#position] = 0
    this.#position += 1
    this.#varint(timestampDeltaMs)
    this.#varint(offsetDelta)
    if (body === undefined) this.#body(record)
    else {
      const { bytes, start, end } = body
      this.#position = copyBytes(bytes, start, end, this.#buffer, this.#position)
    }
  }

  written(): Buffer {
    return this.#buffer.subarray(0, this.#position)
  }

  #body({ key, value, headers }: OutgoingRecord): void {
    this.#nullableBytes(key)
    this.#nullableBytes(value)
    this.#varint(headers.length)
    for (const [name, bytes] of headers) {
      this.#nullableBytes(this.#headerName(name))
      this.#nullableBytes(bytes)
    }
  }

  #bodyBytes({ key, value, headers }: OutgoingRecord): number {
    let sizeBytes = nullableBytesSize(key) + nullableBytesSize(value) + varintSize(headers.length)
    for (const [name, bytes] of headers) {
      sizeBytes += nullableBytesSize(this.#headerName(name)) + nullableBytesSize(bytes)
    }
    return sizeBytes
  }

  #headerName(name: string): Uint8Array {
    const known = this.#headerNames.get(name)
    if (known !== undefined) return known
    const bytes = Buffer.from(name)
    this.#headerNames.set(name, bytes)
    return bytes
  }

  #nullableBytes(bytes: Uint8Array | null): void {
    this.#position = writeNullableBytes(this.#buffer, this.#position, bytes)
  }

  #varint(value: number): void {
    this.#position = writeVarint(this.#buffer, this.#position, value)
  }
}

function setInt64(view: DataView, position: number, value: number): void {
  view.setInt32(position, Math.floor(value / 2 ** 32))
  view.setUint32(position + 4, value - Math.floor(value / 2 ** 32) * 2 ** 32)
}
