import { compressionsAlgorithms, crc32c } from '@platformatic/kafka'
import { invariant } from '@fairlead/base'
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
/** Below, a loop is faster than the call that copies. */
const LOOP_BYTES_MAX = 40

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
  for (const [index, record] of records.entries()) {
    body.record(record, {
      offsetDelta: index,
      timestampDeltaMs: record.timestampMs - first.timestampMs,
    })
    maxTimestampMs = Math.max(maxTimestampMs, record.timestampMs)
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
  let sizeBytes =
    RECORD_OVERHEAD_BYTES_MAX + (record.key?.length ?? 0) + (record.value?.length ?? 0)
  for (const [key, value] of record.headers) {
    sizeBytes += HEADER_OVERHEAD_BYTES_MAX + Buffer.byteLength(key) + (value?.length ?? 0)
  }
  return sizeBytes
}

type RecordDeltas = { readonly offsetDelta: number; readonly timestampDeltaMs: number }

/** Writes records behind the space of the batch header. */
class RecordWriter {
  readonly #buffer: Buffer
  /** Records of a batch mostly have the same header names. */
  readonly #headerNames = new Map<string, Uint8Array>()
  #position = BATCH_HEADER_BYTES

  constructor(buffer: Buffer) {
    this.#buffer = buffer
  }

  record(record: OutgoingRecord, deltas: RecordDeltas): void {
    const { headers } = record
    this.#varint(this.#recordLength(record, deltas))
    this.#buffer[this.#position] = 0
    this.#position += 1
    this.#varint(deltas.timestampDeltaMs)
    this.#varint(deltas.offsetDelta)
    this.#nullableBytes(record.key)
    this.#nullableBytes(record.value)
    this.#varint(headers.length)
    for (const [key, value] of headers) {
      this.#nullableBytes(this.#headerName(key))
      this.#nullableBytes(value)
    }
  }

  written(): Buffer {
    return this.#buffer.subarray(0, this.#position)
  }

  #headerName(key: string): Uint8Array {
    const known = this.#headerNames.get(key)
    if (known !== undefined) return known
    const bytes = Buffer.from(key)
    this.#headerNames.set(key, bytes)
    return bytes
  }

  #nullableBytes(bytes: Uint8Array | null): void {
    if (bytes === null) {
      this.#varint(-1)
      return
    }
    const { length } = bytes
    this.#varint(length)
    const buffer = this.#buffer
    const position = this.#position
    if (length > LOOP_BYTES_MAX) buffer.set(bytes, position)
    else {
      for (let index = 0; index < length; index += 1) {
        buffer[position + index] = bytes[index] as number
      }
    }
    this.#position = position + length
  }

  #recordLength({ key, value, headers }: OutgoingRecord, deltas: RecordDeltas): number {
    let length = 1 + varintSize(deltas.timestampDeltaMs) + varintSize(deltas.offsetDelta)
    length += bytesSize(key) + bytesSize(value) + varintSize(headers.length)
    for (const [name, header] of headers) {
      length += bytesSize(this.#headerName(name)) + bytesSize(header)
    }
    return length
  }

  #varint(value: number): void {
    if (value >= 0 && value < 0x40) {
      this.#buffer[this.#position] = value * 2
      this.#position += 1
      return
    }
    let rest = zigzag(value)
    while (rest >= 0x80) {
      this.#buffer[this.#position] = (rest % 0x80) | 0x80
      this.#position += 1
      rest = Math.floor(rest / 0x80)
    }
    this.#buffer[this.#position] = rest
    this.#position += 1
  }
}

function bytesSize(bytes: Uint8Array | null): number {
  return bytes === null ? 1 : varintSize(bytes.length) + bytes.length
}

function varintSize(value: number): number {
  let size = 1
  for (let rest = zigzag(value); rest >= 0x80; rest = Math.floor(rest / 0x80)) size += 1
  return size
}

function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value
}

function setInt64(view: DataView, position: number, value: number): void {
  view.setInt32(position, Math.floor(value / 2 ** 32))
  view.setUint32(position + 4, value - Math.floor(value / 2 ** 32) * 2 ** 32)
}
