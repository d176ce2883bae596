import { DecodeError } from '@fairlead/base'
import { VarintReader } from './varint.ts'

const NULL_LENGTH = -1

/** What was seen of the records of a batch. Times are relative to the base time of the batch. */
export type RecordsSummary = {
  readonly minTimestampDeltaMs: number
  readonly maxTimestampDeltaMs: number
  /** Records without a key. */
  readonly keylessCount: number
}

/**
 * Walks the records of a batch without decoding them: those in `bytes` from `position` on, to the end.
 * A checksum says that bytes arrived, not that they are records: one batch that cannot be read stops
 * every reader behind it.
 *
 * @throws {DecodeError} unless there are exactly `recordCount` records, with the offsets 0, 1, 2, …
 */
export function checkRecords(
  bytes: Uint8Array,
  position: number,
  recordCount: number,
): RecordsSummary {
  const walk = new RecordWalk(bytes, position)
  let minTimestampDeltaMs = Number.POSITIVE_INFINITY
  let maxTimestampDeltaMs = Number.NEGATIVE_INFINITY
  let keylessCount = 0
  for (let index = 0; index < recordCount; index += 1) {
    walk.next(index)
    minTimestampDeltaMs = Math.min(minTimestampDeltaMs, walk.timestampDeltaMs)
    maxTimestampDeltaMs = Math.max(maxTimestampDeltaMs, walk.timestampDeltaMs)
    if (!walk.hasKey) keylessCount += 1
  }
  walk.end()
  return { minTimestampDeltaMs, maxTimestampDeltaMs, keylessCount }
}

/**
 * Calls `visit` with what `checkRecords` sums up, record by record: to name those that break a rule.
 *
 * @throws {DecodeError} as `checkRecords`.
 */
export function visitRecords(
  bytes: Uint8Array,
  position: number,
  recordCount: number,
  visit: (index: number, timestampDeltaMs: number, hasKey: boolean) => void,
): void {
  const walk = new RecordWalk(bytes, position)
  for (let index = 0; index < recordCount; index += 1) {
    walk.next(index)
    visit(index, walk.timestampDeltaMs, walk.hasKey)
  }
  walk.end()
}

/** One record after the other; what was read of the last one stands in the fields. */
class RecordWalk {
  readonly #reader: VarintReader
  timestampDeltaMs = 0
  hasKey = false

  constructor(bytes: Uint8Array, position: number) {
    this.#reader = new VarintReader(bytes, position)
  }

  next(index: number): void {
    const reader = this.#reader
    const start = reader.position
    const end = reader.varint() + reader.position
    if (end > reader.bytes.length) throw new DecodeError('a record passes the end', start)
    reader.position += 1 // Attributes: none is defined.
    this.timestampDeltaMs = reader.varint()
    const offsetDelta = reader.varint()
    if (offsetDelta !== index) {
      throw new DecodeError(`record ${index} has the offset delta ${offsetDelta}`, start)
    }
    this.hasKey = skipNullable(reader) !== NULL_LENGTH
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

  end(): void {
    const { position, bytes } = this.#reader
    if (position !== bytes.length) {
      throw new DecodeError('there are bytes behind the last record', position)
    }
  }
}

/** Passes bytes with their length in front, and returns the length: -1 is null. */
function skipNullable(reader: VarintReader): number {
  const start = reader.position
  const length = reader.varint()
  if (length < NULL_LENGTH || reader.position + length > reader.bytes.length) {
    throw new DecodeError(`${length} bytes expected`, start)
  }
  if (length > 0) reader.position += length
  return length
}
