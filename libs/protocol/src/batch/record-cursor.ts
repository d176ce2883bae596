import { DecodeError } from '@fairlead/base'
import type { BatchHeader } from './batch-header.ts'
import { RECORD_BYTES_MIN } from './records.ts'
import { VarintReader } from './varint.ts'

const NULL_LENGTH = -1

/**
 * Walks the records of a batch without making an object of any: positions in `bytes`, valid until the
 * next call of `next`. For work on whole logs, where a decoded record each would cost more than the
 * work itself.
 */
export class RecordCursor {
  /** The records of the batch, decompressed. */
  readonly bytes: Uint8Array
  /** Of the record that was visited last, as all that follows. */
  start = 0
  end = 0
  timestampDeltaMs = 0
  offsetDelta = 0
  keyStart = 0
  /** -1 for a record without a key. */
  keyBytes: number = NULL_LENGTH
  hasValue = false
  /** Where the offset delta stands: what follows does not depend on the time of the batch. */
  offsetDeltaStart = 0
  readonly #header: BatchHeader
  readonly #reader: VarintReader
  #visitedCount = 0

  /** @throws {DecodeError} when the header claims more records than `bytes` can hold. */
  constructor(bytes: Uint8Array, header: BatchHeader) {
    const { recordCount } = header
    if (recordCount < 0 || recordCount * RECORD_BYTES_MIN > bytes.length) {
      throw new DecodeError(`${recordCount} records in ${bytes.length} bytes`, 0)
    }
    this.bytes = bytes
    this.#header = header
    this.#reader = new VarintReader(bytes)
  }

  get hasKey(): boolean {
    return this.keyBytes !== NULL_LENGTH
  }

  /** A view into the batch; empty for a record without a key. */
  get key(): Uint8Array {
    return this.bytes.subarray(this.keyStart, this.keyStart + Math.max(this.keyBytes, 0))
  }

  /**
   * Goes to the next record; false behind the last one.
   *
   * @throws {DecodeError} when it is malformed, or outside the offsets of its batch.
   */
  next(): boolean {
    const reader = this.#reader
    if (this.#visitedCount === this.#header.recordCount) {
      if (reader.position === this.bytes.length) return false
      throw new DecodeError('there are bytes behind the last record', reader.position)
    }
    this.#visitedCount += 1
    this.start = reader.position
    const bodyBytes = reader.varint()
    this.end = reader.position + bodyBytes
    if (bodyBytes < RECORD_BYTES_MIN - 1 || this.end > this.bytes.length) {
      throw new DecodeError('a record passes the end', this.start)
    }
    reader.position += 1 // Attributes: none is defined.
    this.timestampDeltaMs = reader.varint()
    this.offsetDeltaStart = reader.position
    this.#readOffsetDelta(reader)
    this.keyBytes = this.#length(reader)
    this.keyStart = reader.position
    reader.position += Math.max(this.keyBytes, 0)
    this.hasValue = this.#length(reader) !== NULL_LENGTH
    // Value and headers are nobody's business here; whoever reads them checks them.
    reader.position = this.end
    return true
  }

  #readOffsetDelta(reader: VarintReader): void {
    this.offsetDelta = reader.varint()
    if (this.offsetDelta < 0 || this.offsetDelta > this.#header.lastOffsetDelta) {
      throw new DecodeError(`offset delta ${this.offsetDelta} is outside its batch`, this.start)
    }
  }

  #length(reader: VarintReader): number {
    const length = reader.varint()
    if (length < NULL_LENGTH || reader.position + Math.max(length, 0) > this.end) {
      throw new DecodeError(`${length} bytes expected`, this.start)
    }
    return length
  }
}
