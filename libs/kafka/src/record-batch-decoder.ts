import { compressionsAlgorithmsByBitmask, crc32c } from './platformatic.ts'
import { DecodeError } from '@fairlead/base'
import { ByteReader } from './byte-reader.ts'
import type { AbortedTransaction } from './requests/fetch.ts'
import { FetchedBatch, FetchedRecord } from './fetched-record.ts'
import { KeyTexts } from './key-texts.ts'
import type { IncomingRecord, TopicPartition } from './records.ts'

const BATCH_PREFIX_BYTES = 12
const BATCH_MAGIC = 2
/** From the attributes on: what the CRC covers, relative to the start of the batch. */
const CRC_START = 21
const COMPRESSION_MASK = 0b111
const LOG_APPEND_TIME = 0b1000
const TRANSACTIONAL = 0b1_0000
const CONTROL = 0b10_0000

/** The latest time that a `Date` can hold; its negative is the earliest. */
const TIMESTAMP_MAX_MS = 8.64e15

export type DecodedRecords = {
  readonly records: IncomingRecord[]
  readonly nextOffset: number
  /** Of the last whole batch; undefined when there is none. */
  readonly leaderEpoch: number | undefined
}

/**
 * Decodes the batches of a fetch response. Records below `fromOffset` are dropped (a broker answers
 * whole batches), control batches give no records but move `nextOffset`, and a last batch that was
 * cut off is left for the next fetch. A timestamp that no `Date` can hold becomes the nearest that one can.
 *
 * @param keyTexts where texts of keys are known from other fetches.
 * @param abortedTransactions whose records are left out: what the broker tells for `read_committed`.
 * @throws {DecodeError} for bytes that are no batches, a wrong CRC included.
 */
export function decodeRecordBatches(
  bytes: Uint8Array,
  target: TopicPartition & { readonly fromOffset: number },
  abortedTransactions: readonly AbortedTransaction[] = [],
  keyTexts: KeyTexts = new KeyTexts(),
): DecodedRecords {
  const aborted = new AbortedProducers(abortedTransactions)
  const records: IncomingRecord[] = []
  let nextOffset = target.fromOffset
  let position = 0
  let leaderEpoch: number | undefined
  while (bytes.length - position >= BATCH_PREFIX_BYTES) {
    const prefix = new ByteReader(bytes, position)
    prefix.int64()
    const end = position + BATCH_PREFIX_BYTES + prefix.int32()
    if (end > bytes.length) break
    if (end <= position + CRC_START)
      throw new DecodeError('batch is shorter than its header', position)
    const lastOffset = decodeBatch(
      bytes.subarray(position, end),
      { ...target, aborted, keyTexts },
      records,
    )
    nextOffset = Math.max(nextOffset, lastOffset + 1)
    leaderEpoch = prefix.int32()
    position = end
  }
  return { records, nextOffset, leaderEpoch }
}

function decodeBatch(
  batch: Uint8Array,
  target: TopicPartition & {
    readonly fromOffset: number
    readonly aborted: AbortedProducers
    readonly keyTexts: KeyTexts
  },
  records: IncomingRecord[],
): number {
  const reader = new ByteReader(batch)
  const baseOffset = reader.int64()
  reader.view(8)
  const magic = reader.int8()
  if (magic !== BATCH_MAGIC)
    throw new DecodeError(`batch has magic ${magic}, not ${BATCH_MAGIC}`, 16)
  const crc = reader.uint32()
  if (crc !== crc32c(batch.subarray(CRC_START))) {
    throw new DecodeError(`the CRC of the batch at offset ${baseOffset} does not match`, 17)
  }
  const attributes = reader.int16()
  const lastOffset = baseOffset + reader.int32()
  const baseTimestampMs = reader.wideInt64()
  const maxTimestampMs = reader.wideInt64()
  const producerId = reader.int64()
  reader.view(2 + 4)
  const recordCount = reader.int32()
  const isAborted = target.aborted.holds({ producerId, attributes, lastOffset })
  const isControl = (attributes & CONTROL) !== 0
  if (isControl || isAborted || lastOffset < target.fromOffset) return lastOffset

  const decoder = new RecordDecoder(recordReader(reader, attributes), {
    ...target,
    recordCount,
    baseOffset,
    baseTimestampMs,
    logAppendTimeMs:
      (attributes & LOG_APPEND_TIME) === 0 ? undefined : timestampOf(maxTimestampMs, 0),
  })
  for (let index = 0; index < recordCount; index += 1) {
    const offset = decoder.next(index)
    if (offset >= target.fromOffset) records.push(new FetchedRecord(decoder.batch, index))
  }
  return lastOffset
}

/** Which producers are in a transaction that was aborted, as the batches go by in offset order. */
class AbortedProducers {
  /** In the order of their first offsets. */
  readonly #ahead: AbortedTransaction[]
  readonly #producerIds = new Set<number>()

  constructor(transactions: readonly AbortedTransaction[]) {
    this.#ahead = [...transactions].sort((left, right) => left.firstOffset - right.firstOffset)
  }

  holds(batch: {
    readonly producerId: number
    readonly attributes: number
    readonly lastOffset: number
  }): boolean {
    const { producerId, attributes, lastOffset } = batch
    for (let next = this.#ahead[0]; next !== undefined; next = this.#ahead[0]) {
      if (next.firstOffset > lastOffset) break
      this.#producerIds.add(next.producerId)
      this.#ahead.shift()
    }
    // The marker ends the transaction; what comes behind it is of another one.
    if ((attributes & CONTROL) !== 0) this.#producerIds.delete(producerId)
    return (attributes & TRANSACTIONAL) !== 0 && this.#producerIds.has(producerId)
  }
}

function recordReader(reader: ByteReader, attributes: number): ByteReader {
  const compression = attributes & COMPRESSION_MASK
  if (compression === 0) return reader
  const algorithm = compressionsAlgorithmsByBitmask[compression]
  if (algorithm === undefined) throw new DecodeError(`compression ${compression} is unknown`, 21)
  const compressed = reader.view(reader.remaining)
  return new ByteReader(
    algorithm.decompressSync(
      Buffer.from(compressed.buffer, compressed.byteOffset, compressed.byteLength),
    ),
  )
}

/** A timestamp is whatever its producer says: microseconds, too, which must not cost a batch. */
function timestampOf(baseMs: number | bigint, deltaMs: number | bigint): number {
  const timestampMs =
    typeof baseMs === 'number' && typeof deltaMs === 'number'
      ? baseMs + deltaMs
      : Number(BigInt(baseMs) + BigInt(deltaMs))
  return Math.min(Math.max(timestampMs, -TIMESTAMP_MAX_MS), TIMESTAMP_MAX_MS)
}

/** Length, attributes, two deltas, two lengths and a count of headers, of a byte each at least. */
const RECORD_BYTES_MIN = 7

type BatchContext = TopicPartition & {
  readonly keyTexts: KeyTexts
  readonly recordCount: number
  readonly baseOffset: number
  readonly baseTimestampMs: number | bigint
  /** Time of every record; undefined when each has its own. */
  readonly logAppendTimeMs: number | undefined
}

/** Reads the records of one batch, one after the other. */
class RecordDecoder {
  readonly batch: FetchedBatch
  readonly #reader: ByteReader
  readonly #context: BatchContext

  constructor(reader: ByteReader, context: BatchContext) {
    this.#reader = reader
    this.#context = context
    const { topic, partition, recordCount, keyTexts, logAppendTimeMs } = context
    const timestampType = logAppendTimeMs === undefined ? 'CreateTime' : 'LogAppendTime'
    // The count is whatever the batch says; there are no more records than bytes for them.
    const recordCountMax = Math.min(
      Math.max(0, recordCount),
      Math.ceil(reader.remaining / RECORD_BYTES_MIN),
    )
    const target = { topic, partition, timestampType, keyTexts } as const
    this.batch = new FetchedBatch(reader.bytes, { ...target, recordCountMax })
  }

  /** Its offset. */
  next(index: number): number {
    const reader = this.#reader
    const { baseOffset, baseTimestampMs, logAppendTimeMs } = this.#context
    const lengthBytes = reader.varint()
    const end = reader.position + lengthBytes
    reader.int8()
    const ownTimestampMs = timestampOf(baseTimestampMs, reader.wideVarlong())
    const offset = baseOffset + reader.varint()
    const keyLengthBytes = reader.skipVarintBytes()
    const keyEnd = reader.position
    const valueLengthBytes = reader.skipVarintBytes()
    const valueEnd = reader.position
    this.batch.readHeaders(index, reader)
    if (reader.position !== end) {
      throw new DecodeError(`a record of ${lengthBytes} bytes ends elsewhere`, reader.position)
    }
    const timestampMs = logAppendTimeMs ?? ownTimestampMs
    this.batch.setPlaces(index, {
      offset,
      timestampMs,
      keyEnd,
      keyLengthBytes,
      valueEnd,
      valueLengthBytes,
    })
    return offset
  }
}
