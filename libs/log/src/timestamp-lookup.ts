import { DecodeError, offset } from '@fairlead/base'
import {
  type BatchHeader,
  type DecodedRecord,
  type Decompress,
  decodeRecords,
} from '@fairlead/protocol'
import { type DiskTask } from './disk-task.ts'
import { corruptLog } from './disk.ts'
import type { FoundOffset } from './outcomes.ts'
import type { Segment } from './segment.ts'
import type { BatchStart } from './segment-index.ts'
import { type ScanVerdict, type ScannedBatch, scanBatches } from './segment-scan.ts'

export type LookupRange = {
  /** Records below are not found. */
  readonly logStartOffset: number
  /** Nor are batches that end after this. */
  readonly highWatermark: number
  /** Throws DecodeError for bad bytes. Without it a compressed batch is answered by its first offset. */
  readonly decompress: Decompress | undefined
}

/**
 * The earliest record whose timestamp is `timestampMs` or later; null when there is none. The index
 * says where in a segment the greatest timestamp passes it; only the batch that is found is decoded.
 */
export function* findTimestamp(
  segments: readonly Segment[],
  timestampMs: number,
  range: LookupRange,
): DiskTask<FoundOffset | null> {
  for (const segment of segments) {
    if (segment.maxTimestampMs < timestampMs) continue
    let found: FoundOffset | null = null
    const start = (yield* segment.index()).startForTimestamp(timestampMs)
    yield* visitReadable(segment, start, range, ({ header, bytes }) => {
      if (header.maxTimestampMs >= timestampMs)
        found = findInBatch(bytes, header, timestampMs, range)
      return found === null ? 'continue' : 'stop'
    })
    if (found !== null) return found
  }
  return null
}

/** The first record that has the greatest timestamp; null when nothing can be read. */
export function* findMaxTimestamp(
  segments: readonly Segment[],
  range: LookupRange,
): DiskTask<FoundOffset | null> {
  let maxTimestampMs = Number.NEGATIVE_INFINITY
  for (const segment of segments) {
    const maxMs = yield* maxTimestampOf(segment, range)
    maxTimestampMs = Math.max(maxTimestampMs, maxMs)
  }
  return yield* findTimestamp(segments, maxTimestampMs, range)
}

/** What a segment knows of itself includes batches that nobody may see yet. */
function* maxTimestampOf(segment: Segment, range: LookupRange): DiskTask<number> {
  if (segment.nextOffset <= range.highWatermark) return segment.maxTimestampMs
  let maxTimestampMs = -1
  const start = { position: 0, offset: segment.baseOffset }
  yield* visitReadable(segment, start, range, ({ header }) => {
    maxTimestampMs = Math.max(maxTimestampMs, header.maxTimestampMs)
    return 'continue'
  })
  return maxTimestampMs
}

/** Visits the batches from `start` on that lie between log start and high watermark. */
function* visitReadable(
  segment: Segment,
  start: BatchStart,
  range: LookupRange,
  visit: (batch: ScannedBatch) => ScanVerdict,
): DiskTask<void> {
  const scan = {
    fromPosition: start.position,
    fromOffset: start.offset,
    endPosition: segment.sizeBytes,
    isCompacted: segment.isCompacted,
  }
  const end = yield* scanBatches(segment.file, scan, undefined, (batch) => {
    const nextOffset = batch.header.baseOffset + batch.header.lastOffsetDelta + 1
    if (nextOffset > range.highWatermark) return 'stop'
    return nextOffset <= range.logStartOffset ? 'continue' : visit(batch)
  })
  if (end.problem !== undefined) {
    throw corruptLog(`segment ${segment.baseOffset} at byte ${end.position}: ${end.problem}`)
  }
}

function findInBatch(
  bytes: Uint8Array,
  header: BatchHeader,
  timestampMs: number,
  range: LookupRange,
): FoundOffset | null {
  const leaderEpoch = header.partitionLeaderEpoch
  // All records of a batch with LogAppendTime have the same time: that of the batch.
  const isUniform = header.timestampType === 'LogAppendTime'
  const records = isUniform ? undefined : recordsOf(bytes, header, range.decompress)
  if (records === undefined) {
    const first = Math.max(header.baseOffset, range.logStartOffset)
    return { offset: offset(first), timestampMs: header.maxTimestampMs, leaderEpoch }
  }
  for (const record of records) {
    if (record.timestampMs < timestampMs || record.offset < range.logStartOffset) continue
    return { offset: offset(record.offset), timestampMs: record.timestampMs, leaderEpoch }
  }
  return null
}

/**
 * The records, or undefined when they cannot be read: compressed without a way to undo it, or
 * malformed. An append does not look into batches, so what a client put there is not to be trusted.
 */
function recordsOf(
  bytes: Uint8Array,
  header: BatchHeader,
  decompress: Decompress | undefined,
): readonly DecodedRecord[] | undefined {
  try {
    return decodeRecords(bytes, 0, header, decompress)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}
