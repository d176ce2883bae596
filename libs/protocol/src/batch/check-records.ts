import { DecodeError } from '@fairlead/base'
import { BATCH_HEADER_BYTES, type BatchHeader } from './batch-header.ts'
import { VarintReader } from './varint.ts'

/**
 * Walks the records of an uncompressed batch without decoding them. A checksum says that bytes
 * arrived, not that they are records: one batch that cannot be read stops every reader behind it.
 *
 * @throws {DecodeError} unless the batch holds exactly its records, with the offsets 0, 1, 2, …
 */
export function checkRecords(bytes: Uint8Array, position: number, header: BatchHeader): void {
  const end = position + header.sizeBytes
  const reader = new VarintReader(bytes.subarray(0, end), position + BATCH_HEADER_BYTES)
  for (let index = 0; index < header.recordCount; index += 1) checkRecord(reader, index)
  if (reader.position !== end) {
    throw new DecodeError('there are bytes behind the last record', reader.position)
  }
}

function checkRecord(reader: VarintReader, index: number): void {
  const start = reader.position
  const end = reader.varint() + reader.position
  if (end > reader.bytes.length) throw new DecodeError('a record passes the end', start)
  reader.position += 1 // Attributes: none is defined.
  reader.varint() // Any timestamp is allowed here.
  const offsetDelta = reader.varint()
  if (offsetDelta !== index) {
    throw new DecodeError(`record ${index} has the offset delta ${offsetDelta}`, start)
  }
  skipNullable(reader)
  skipNullable(reader)
  const headerCount = reader.varint()
  if (headerCount < 0 || headerCount > end - reader.position) {
    throw new DecodeError(`${headerCount} headers`, start)
  }
  for (let header = 0; header < headerCount; header += 1) {
    if (skipNullable(reader) < 0) throw new DecodeError('a header without a key', start)
    skipNullable(reader)
  }
  if (reader.position !== end) throw new DecodeError('a record has another length', start)
}

/** Passes bytes with their length in front, and returns the length: -1 is null. */
function skipNullable(reader: VarintReader): number {
  const start = reader.position
  const length = reader.varint()
  if (length < -1 || reader.position + length > reader.bytes.length) {
    throw new DecodeError(`${length} bytes expected`, start)
  }
  if (length > 0) reader.position += length
  return length
}
