import { DecodeError } from '@fairlead/base'
import { type Crc32c, combineCrc32c, crc32c as softwareCrc32c } from './crc32c.ts'

/**
 * Record batches of magic 2 (Kafka protocol guide, "Record Batch"). Layout, in bytes:
 *
 *      0  baseOffset int64            27  baseTimestamp int64
 *      8  batchLength int32           35  maxTimestamp int64
 *     12  partitionLeaderEpoch int32  43  producerId int64
 *     16  magic int8                  51  producerEpoch int16
 *     17  crc uint32                  53  baseSequence int32
 *     21  attributes int16            57  records int32 (count)
 *     23  lastOffsetDelta int32       61  records
 *
 * The CRC covers everything from the attributes on, so that a broker sets base offset and leader
 * epoch without computing it again.
 */
const BATCH_LENGTH = 8
const LEADER_EPOCH = 12
const MAGIC = 16
const CRC = 17
const ATTRIBUTES = 21
const LAST_OFFSET_DELTA = 23
const BASE_TIMESTAMP = 27
const MAX_TIMESTAMP = 35
const PRODUCER_ID = 43
const PRODUCER_EPOCH = 51
const BASE_SEQUENCE = 53
const RECORD_COUNT = 57

/** Bytes before the records. */
export const BATCH_HEADER_BYTES = 61
/** `batchLength` counts what follows it. */
const LENGTH_PREFIX_BYTES = 12
const MAGIC_V2 = 2

export type CompressionType = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

const COMPRESSION_TYPES: readonly CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const COMPRESSION_MASK = 0x07
const LOG_APPEND_TIME_FLAG = 0x08
const TRANSACTIONAL_FLAG = 0x10
const CONTROL_FLAG = 0x20
const DELETE_HORIZON_FLAG = 0x40

export type TimestampType = 'CreateTime' | 'LogAppendTime'

export type BatchHeader = {
  readonly baseOffset: number
  /** The whole batch, with the 12 bytes before what `batchLength` counts. */
  readonly sizeBytes: number
  readonly partitionLeaderEpoch: number
  readonly magic: number
  /** As stored; see `batchCrc`. */
  readonly crc: number
  readonly compression: CompressionType
  readonly timestampType: TimestampType
  readonly isTransactional: boolean
  readonly isControl: boolean
  /** The base timestamp says until when tombstones and markers are kept (KIP-534). */
  readonly hasDeleteHorizon: boolean
  readonly lastOffsetDelta: number
  readonly baseTimestampMs: number
  readonly maxTimestampMs: number
  /** -1 for a producer that is not idempotent. */
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly recordCount: number
}

/**
 * Reads the header of the batch at `position`. It says nothing about the CRC.
 *
 * @throws {DecodeError} when the bytes do not hold the whole batch, or it is of another magic.
 */
export function readBatchHeader(bytes: Uint8Array, position: number): BatchHeader {
  const available = bytes.length - position
  if (available < BATCH_HEADER_BYTES) {
    throw new DecodeError(
      `a batch header has ${BATCH_HEADER_BYTES} bytes, not ${available}`,
      position,
    )
  }
  const view = viewOf(bytes, position)
  const magic = view.getInt8(MAGIC)
  if (magic !== MAGIC_V2) throw new DecodeError(`magic ${magic} is not supported`, position)
  const sizeBytes = view.getInt32(BATCH_LENGTH) + LENGTH_PREFIX_BYTES
  if (sizeBytes < BATCH_HEADER_BYTES || sizeBytes > available) {
    throw new DecodeError(`a batch of ${sizeBytes} bytes in ${available}`, position)
  }
  const attributes = view.getInt16(ATTRIBUTES)
  const compression = COMPRESSION_TYPES[attributes & COMPRESSION_MASK]
  if (compression === undefined) {
    throw new DecodeError(`compression type ${attributes & COMPRESSION_MASK} is unknown`, position)
  }
  return {
    baseOffset: int64(view, 0, position),
    sizeBytes,
    partitionLeaderEpoch: view.getInt32(LEADER_EPOCH),
    magic,
    crc: view.getUint32(CRC),
    compression,
    timestampType: attributes & LOG_APPEND_TIME_FLAG ? 'LogAppendTime' : 'CreateTime',
    isTransactional: (attributes & TRANSACTIONAL_FLAG) !== 0,
    isControl: (attributes & CONTROL_FLAG) !== 0,
    hasDeleteHorizon: (attributes & DELETE_HORIZON_FLAG) !== 0,
    lastOffsetDelta: view.getInt32(LAST_OFFSET_DELTA),
    baseTimestampMs: int64(view, BASE_TIMESTAMP, position),
    maxTimestampMs: int64(view, MAX_TIMESTAMP, position),
    producerId: int64(view, PRODUCER_ID, position),
    producerEpoch: view.getInt16(PRODUCER_EPOCH),
    baseSequence: view.getInt32(BASE_SEQUENCE),
    recordCount: view.getInt32(RECORD_COUNT),
  }
}

export type PositionedBatch = BatchHeader & { readonly position: number }

/**
 * The batches that stand one behind the other in `bytes`.
 *
 * @throws {DecodeError} when the last one is cut off, or one is malformed.
 */
export function splitBatches(bytes: Uint8Array): PositionedBatch[] {
  const batches: PositionedBatch[] = []
  for (let position = 0; position < bytes.length; ) {
    const batch = { ...readBatchHeader(bytes, position), position }
    batches.push(batch)
    position += batch.sizeBytes
  }
  return batches
}

/** The CRC that the batch at `position` should carry. */
export function batchCrc(
  bytes: Uint8Array,
  position: number,
  header: Pick<BatchHeader, 'sizeBytes'>,
  crc32c: Crc32c,
): number {
  return crc32c(bytes.subarray(position + ATTRIBUTES, position + header.sizeBytes))
}

/**
 * The CRC of the whole batch at the start of `bytes`, the head that its own CRC does not cover
 * included: from that, without reading the records again.
 */
export function wholeBatchCrc(
  bytes: Uint8Array,
  { crc, sizeBytes }: Pick<BatchHeader, 'crc' | 'sizeBytes'>,
): number {
  return combineCrc32c(softwareCrc32c(bytes.subarray(0, ATTRIBUTES)), crc, sizeBytes - ATTRIBUTES)
}

/** Sets what the broker decides, in place and outside the CRC. */
export function stampBatch(
  bytes: Uint8Array,
  position: number,
  stamp: { readonly baseOffset: number; readonly partitionLeaderEpoch: number },
): void {
  const view = viewOf(bytes, position)
  setInt64(view, 0, stamp.baseOffset)
  view.setInt32(LEADER_EPOCH, stamp.partitionLeaderEpoch)
}

/**
 * Makes the time of the append the time of every record (`message.timestamp.type=LogAppendTime`), in
 * place. This is inside the CRC, which is computed again.
 */
export function setLogAppendTime(
  bytes: Uint8Array,
  position: number,
  options: { readonly logAppendTimeMs: number; readonly crc32c: Crc32c },
): void {
  const view = viewOf(bytes, position)
  view.setInt16(ATTRIBUTES, view.getInt16(ATTRIBUTES) | LOG_APPEND_TIME_FLAG)
  setMaxTimestamp(bytes, position, { ...options, maxTimestampMs: options.logAppendTimeMs })
}

/** Sets the greatest time of the batch, in place. It is inside the CRC, which is computed again. */
export function setMaxTimestamp(
  bytes: Uint8Array,
  position: number,
  options: { readonly maxTimestampMs: number; readonly crc32c: Crc32c },
): void {
  const view = viewOf(bytes, position)
  setInt64(view, MAX_TIMESTAMP, options.maxTimestampMs)
  const sizeBytes = view.getInt32(BATCH_LENGTH) + LENGTH_PREFIX_BYTES
  view.setUint32(CRC, batchCrc(bytes, position, { sizeBytes }, options.crc32c))
}

/** Writes a whole header and its CRC in front of records that are in place already. */
export function writeBatchHeader(
  batch: Uint8Array,
  header: Omit<BatchHeader, 'sizeBytes' | 'magic' | 'crc'>,
  crc32c: Crc32c,
): void {
  const view = viewOf(batch, 0)
  setInt64(view, 0, header.baseOffset)
  view.setInt32(BATCH_LENGTH, batch.length - LENGTH_PREFIX_BYTES)
  view.setInt32(LEADER_EPOCH, header.partitionLeaderEpoch)
  view.setInt8(MAGIC, MAGIC_V2)
  view.setInt16(ATTRIBUTES, attributesOf(header))
  view.setInt32(LAST_OFFSET_DELTA, header.lastOffsetDelta)
  setInt64(view, BASE_TIMESTAMP, header.baseTimestampMs)
  setInt64(view, MAX_TIMESTAMP, header.maxTimestampMs)
  setInt64(view, PRODUCER_ID, header.producerId)
  view.setInt16(PRODUCER_EPOCH, header.producerEpoch)
  view.setInt32(BASE_SEQUENCE, header.baseSequence)
  view.setInt32(RECORD_COUNT, header.recordCount)
  view.setUint32(CRC, batchCrc(batch, 0, { sizeBytes: batch.length }, crc32c))
}

function attributesOf(
  header: Pick<
    BatchHeader,
    'compression' | 'timestampType' | 'isTransactional' | 'isControl' | 'hasDeleteHorizon'
  >,
): number {
  return (
    COMPRESSION_TYPES.indexOf(header.compression) |
    (header.timestampType === 'LogAppendTime' ? LOG_APPEND_TIME_FLAG : 0) |
    (header.isTransactional ? TRANSACTIONAL_FLAG : 0) |
    (header.isControl ? CONTROL_FLAG : 0) |
    (header.hasDeleteHorizon ? DELETE_HORIZON_FLAG : 0)
  )
}

function viewOf(bytes: Uint8Array, position: number): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset + position, bytes.length - position)
}

function int64(view: DataView, at: number, position: number): number {
  const value = view.getInt32(at) * 0x1_0000_0000 + view.getUint32(at + 4)
  if (!Number.isSafeInteger(value)) {
    throw new DecodeError('an int64 of a batch header exceeds 53 bits', position + at)
  }
  return value
}

function setInt64(view: DataView, at: number, value: number): void {
  view.setInt32(at, Math.floor(value / 0x1_0000_0000))
  view.setUint32(at + 4, value >>> 0)
}
