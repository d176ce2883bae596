import { compressionsAlgorithmsByBitmask, crc32c } from '@platformatic/kafka'
import { DecodeError } from '@fairlead/base'
import { ByteReader } from './byte-reader.ts'
import type { IncomingRecord, RecordHeader, TopicPartition } from './records.ts'

const BATCH_PREFIX_BYTES = 12
const BATCH_MAGIC = 2
/** From the attributes on: what the CRC covers, relative to the start of the batch. */
const CRC_START = 21
const COMPRESSION_MASK = 0b111
const LOG_APPEND_TIME = 0b1000
const CONTROL = 0b10_0000

export type DecodedRecords = { readonly records: IncomingRecord[]; readonly nextOffset: number }

/**
 * Decodes the batches of a fetch response. Records below `fromOffset` are dropped (a broker answers
 * whole batches), control batches give no records but move `nextOffset`, and a last batch that was
 * cut off is left for the next fetch.
 *
 * @throws {DecodeError} for bytes that are no batches, a wrong CRC included.
 */
export function decodeRecordBatches(
  bytes: Uint8Array,
  target: TopicPartition & { readonly fromOffset: number },
): DecodedRecords {
  const records: IncomingRecord[] = []
  let nextOffset = target.fromOffset
  let position = 0
  while (bytes.length - position >= BATCH_PREFIX_BYTES) {
    const prefix = new ByteReader(bytes, position)
    prefix.int64()
    const end = position + BATCH_PREFIX_BYTES + prefix.int32()
    if (end > bytes.length) break
    if (end <= position + CRC_START)
      throw new DecodeError('batch is shorter than its header', position)
    const lastOffset = decodeBatch(bytes.subarray(position, end), target, records)
    nextOffset = Math.max(nextOffset, lastOffset + 1)
    position = end
  }
  return { records, nextOffset }
}

function decodeBatch(
  batch: Uint8Array,
  target: TopicPartition & { readonly fromOffset: number },
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
  const baseTimestampMs = reader.int64()
  const maxTimestampMs = reader.int64()
  reader.view(8 + 2 + 4)
  const recordCount = reader.int32()
  if ((attributes & CONTROL) !== 0 || lastOffset < target.fromOffset) return lastOffset

  const body = recordReader(reader, attributes)
  for (let index = 0; index < recordCount; index += 1) {
    const record = decodeRecord(body, target, baseOffset)
    if (record.offset < target.fromOffset) continue
    const isLogAppendTime = (attributes & LOG_APPEND_TIME) !== 0
    const timestampMs = isLogAppendTime ? maxTimestampMs : baseTimestampMs + record.timestampMs
    records.push({ ...record, timestampMs })
  }
  return lastOffset
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

/** The timestamp of the result is still the delta to the batch's base. */
function decodeRecord(
  reader: ByteReader,
  { topic, partition }: TopicPartition,
  baseOffset: number,
): IncomingRecord {
  const record = new ByteReader(reader.view(reader.varint()))
  record.int8()
  const timestampMs = record.varint()
  const offset = baseOffset + record.varint()
  const key = record.varintBytes()
  const value = record.varintBytes()
  const headerCount = record.varint()
  const headers: RecordHeader[] = []
  for (let index = 0; index < headerCount; index += 1) {
    const name = record.varintBytes()
    if (name === null) throw new DecodeError('a header has no key', record.position)
    headers.push([new TextDecoder().decode(name), record.varintBytes()])
  }
  return { topic, partition, offset, timestampMs, key, value, headers }
}
