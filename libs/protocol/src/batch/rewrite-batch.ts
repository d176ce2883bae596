import { invariant } from '@fairlead/base'
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  type CompressionType,
  writeBatchHeader,
} from './batch-header.ts'
import type { Crc32c } from './crc32c.ts'
import type { RecordCursor } from './record-cursor.ts'
import { varintSizeBytes, writeVarint } from './varint.ts'

/** Compresses the records of a batch. */
export type Compress = (type: Exclude<CompressionType, 'none'>, bytes: Uint8Array) => Uint8Array

/** The attributes of a record: none is defined. */
const ATTRIBUTES_BYTES = 1

/**
 * Gathers the records of a batch that stay, byte by byte as they were. With a `deleteHorizonMs` their
 * times are written anew, relative to it: it takes the place of the batch's base time (KIP-534).
 */
export class RetainedRecords {
  readonly #parts: Uint8Array[] = []
  readonly #header: BatchHeader
  readonly #baseTimestampMs: number
  #sizeBytes = 0
  #count = 0
  #maxTimestampMs = Number.NEGATIVE_INFINITY

  constructor(header: BatchHeader, deleteHorizonMs: number | undefined) {
    this.#header = header
    this.#baseTimestampMs = deleteHorizonMs ?? header.baseTimestampMs
  }

  get count(): number {
    return this.#count
  }

  get baseTimestampMs(): number {
    return this.#baseTimestampMs
  }

  /** Of the records, unless the time of the append stands for all of them. */
  get maxTimestampMs(): number {
    const { timestampType, maxTimestampMs } = this.#header
    return timestampType === 'LogAppendTime' ? maxTimestampMs : this.#maxTimestampMs
  }

  add(record: RecordCursor): void {
    const timestampMs = this.#header.baseTimestampMs + record.timestampDeltaMs
    this.#maxTimestampMs = Math.max(this.#maxTimestampMs, timestampMs)
    this.#count += 1
    const bytes =
      this.#baseTimestampMs === this.#header.baseTimestampMs
        ? record.bytes.subarray(record.start, record.end)
        : rebased(record, timestampMs - this.#baseTimestampMs)
    this.#parts.push(bytes)
    this.#sizeBytes += bytes.length
  }

  /** All records, one after the other. */
  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.#sizeBytes)
    let position = 0
    for (const part of this.#parts) {
      bytes.set(part, position)
      position += part.length
    }
    return bytes
  }
}

/** The record with another timestamp delta. */
function rebased(record: RecordCursor, timestampDeltaMs: number): Uint8Array {
  const rest = record.bytes.subarray(record.offsetDeltaStart, record.end)
  const bodyBytes = ATTRIBUTES_BYTES + varintSizeBytes(timestampDeltaMs) + rest.length
  const bytes = new Uint8Array(varintSizeBytes(bodyBytes) + bodyBytes)
  // The byte behind the length is the attributes, which stay 0.
  const position = writeVarint(bytes, 0, bodyBytes) + ATTRIBUTES_BYTES
  bytes.set(rest, writeVarint(bytes, position, timestampDeltaMs))
  return bytes
}

/**
 * The batch with `retained` instead of its records. Base offset and last offset delta stay, and with
 * them the sequence numbers of its producer.
 */
export function rewriteBatch(
  header: BatchHeader,
  retained: RetainedRecords,
  options: {
    readonly hasDeleteHorizon: boolean
    readonly compress: Compress
    readonly crc32c: Crc32c
  },
): Uint8Array {
  invariant(retained.count > 0, 'a batch that is written anew keeps a record')
  const { compression } = header
  const plain = retained.bytes()
  const records = compression === 'none' ? plain : options.compress(compression, plain)
  const batch = new Uint8Array(BATCH_HEADER_BYTES + records.length)
  batch.set(records, BATCH_HEADER_BYTES)
  writeBatchHeader(
    batch,
    {
      ...header,
      hasDeleteHorizon: options.hasDeleteHorizon,
      baseTimestampMs: retained.baseTimestampMs,
      maxTimestampMs: retained.maxTimestampMs,
      recordCount: retained.count,
    },
    options.crc32c,
  )
  return batch
}

const NO_TIMESTAMP_MS = -1

/** The header alone, as Kafka keeps it of a batch that is needed for its offsets or its producer. */
export function emptyBatch(header: BatchHeader, crc32c: Crc32c): Uint8Array {
  const batch = new Uint8Array(BATCH_HEADER_BYTES)
  writeBatchHeader(
    batch,
    {
      ...header,
      compression: 'none',
      hasDeleteHorizon: false,
      baseTimestampMs: NO_TIMESTAMP_MS,
      recordCount: 0,
    },
    crc32c,
  )
  return batch
}
