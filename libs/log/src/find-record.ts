import { DecodeError } from '@fairlead/base'
import {
  type BatchHeader,
  type Decompress,
  RecordCursor,
  decompressedRecords,
} from '@fairlead/protocol'

/** The first record of a batch that is as late as this, and not below an offset. */
export type RecordQuery = {
  /** The whole batch. */
  readonly bytes: Uint8Array
  readonly header: BatchHeader
  readonly timestampMs: number
  readonly fromOffset: number
}

/** Null when there is none; `unreadable` when the bytes are no records, or compressed for good. */
export type RecordAnswer =
  | { readonly offset: number; readonly timestampMs: number }
  | 'unreadable'
  | null

/** Answers when it has looked, at once or later: a compressed batch may be opened on another thread. */
export type FindRecord = (query: RecordQuery, done: (answer: RecordAnswer) => void) => void

/**
 * Walks the records, and makes an object of none: a small compressed batch may hold millions of them.
 *
 * An append does not look into compressed batches, so what a client put there is not to be trusted.
 */
export function findRecord(query: RecordQuery, decompress: Decompress | undefined): RecordAnswer {
  const { bytes, header, timestampMs, fromOffset } = query
  try {
    const cursor = new RecordCursor(decompressedRecords(bytes, 0, header, decompress), header)
    while (cursor.next()) {
      const foundMs = header.baseTimestampMs + cursor.timestampDeltaMs
      const offset = header.baseOffset + cursor.offsetDelta
      if (!Number.isSafeInteger(foundMs)) return 'unreadable'
      if (foundMs >= timestampMs && offset >= fromOffset) return { offset, timestampMs: foundMs }
    }
    return null
  } catch (error) {
    if (error instanceof DecodeError) return 'unreadable'
    throw error
  }
}
