import { offset } from '@fairlead/base'
import type { BatchHeader } from '@fairlead/protocol'
import { type DiskTask, perform } from './disk-task.ts'
import { corruptLog } from './disk.ts'
import type { FindRecord, RecordAnswer, RecordQuery } from './find-record.ts'
import type { FoundOffset } from './outcomes.ts'
import type { Segment } from './segment.ts'
import type { BatchStart } from './segment-index.ts'
import { type ScanVerdict, type ScannedBatch, scanBatches } from './segment-scan.ts'

export type LookupRange = {
  /** Records below are not found. */
  readonly logStartOffset: number
  /** Nor are batches that end after this. */
  readonly highWatermark: number
  readonly findRecord: FindRecord
  /** A log that ended waits for its readers: nobody needs the answer any more. */
  readonly hasEnded: () => boolean
}

/** The index tells the place to a few KiB. */
const LOOKUP_BUFFER_BYTES = 65_536

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
    let start = (yield* segment.index()).startForTimestamp(timestampMs)
    for (;;) {
      if (range.hasEnded()) return null
      const candidate = yield* nextCandidate(segment, start, timestampMs, range)
      if (candidate === undefined) break
      const found = yield* findInBatch(candidate, timestampMs, range)
      if (found !== null) return found
      start = candidate.next
    }
  }
  return null
}

type CandidateBatch = Pick<ScannedBatch, 'header' | 'bytes'> & { readonly next: BatchStart }

/** The first batch from `start` on that says that it holds a record as late as this. */
function* nextCandidate(
  segment: Segment,
  start: BatchStart,
  timestampMs: number,
  range: LookupRange,
): DiskTask<CandidateBatch | undefined> {
  let candidate: CandidateBatch | undefined
  yield* visitReadable(segment, start, range, (batch) => {
    if (batch.header.maxTimestampMs < timestampMs) return 'continue'
    candidate = candidateOf(batch)
    return 'stop'
  })
  return candidate
}

/** The buffer of the scan is nobody else's: the next part of the segment is read into another. */
function candidateOf({ header, bytes, position }: ScannedBatch): CandidateBatch {
  const next = { position: position + header.sizeBytes, offset: nextOffsetOf(header) }
  return { header, bytes, next }
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
  const found = yield* findTimestamp(segments, maxTimestampMs, range)
  return found ?? (yield* findMaxOfRemaining(segments, range))
}

/**
 * The same, when the batch that has the greatest timestamp has lost the record of it: to a log start in
 * the middle of its segment, or to compaction, which keeps batches without records. Reads the whole log.
 */
function* findMaxOfRemaining(
  segments: readonly Segment[],
  range: LookupRange,
): DiskTask<FoundOffset | null> {
  let cut: CandidateBatch | undefined
  let maxTimestampMs = Number.NEGATIVE_INFINITY
  for (const segment of segments) {
    if (range.hasEnded()) return null
    const start = { position: 0, offset: segment.baseOffset }
    yield* visitReadable(segment, start, range, (batch) => {
      const { header } = batch
      if (header.baseOffset < range.logStartOffset) cut = candidateOf(batch)
      else if (header.recordCount > 0) {
        maxTimestampMs = Math.max(maxTimestampMs, header.maxTimestampMs)
      }
      return 'continue'
    })
  }
  const inCut = cut === undefined ? null : yield* findMaxInBatch(cut, range)
  if (inCut !== null && inCut.timestampMs >= maxTimestampMs) return inCut
  return yield* findTimestamp(segments, maxTimestampMs, range)
}

/** The first record of the batch with its greatest timestamp, by halving what is possible. */
function* findMaxInBatch(batch: CandidateBatch, range: LookupRange): DiskTask<FoundOffset | null> {
  let latest = yield* findInBatch(batch, Number.MIN_SAFE_INTEGER, range)
  let limitMs = batch.header.maxTimestampMs
  while (latest !== null && latest.timestampMs < limitMs) {
    const middleMs = latest.timestampMs + Math.ceil((limitMs - latest.timestampMs) / 2)
    const later: FoundOffset | null = yield* findInBatch(batch, middleMs, range)
    if (later === null) limitMs = middleMs - 1
    else latest = later
  }
  return latest
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
    bufferBytes: LOOKUP_BUFFER_BYTES,
  }
  const end = yield* scanBatches(segment.file, scan, undefined, (batch) => {
    const nextOffset = nextOffsetOf(batch.header)
    if (nextOffset > range.highWatermark) return 'stop'
    return nextOffset <= range.logStartOffset ? 'continue' : visit(batch)
  })
  if (end.problem !== undefined) {
    throw corruptLog(`segment ${segment.baseOffset} at byte ${end.position}: ${end.problem}`)
  }
}

function nextOffsetOf({ baseOffset, lastOffsetDelta }: BatchHeader): number {
  return baseOffset + lastOffsetDelta + 1
}

/** The answer of one batch; null when none of its records is as late, or kept. */
function* findInBatch(
  { bytes, header }: CandidateBatch,
  timestampMs: number,
  { logStartOffset, findRecord }: LookupRange,
): DiskTask<FoundOffset | null> {
  const leaderEpoch = header.partitionLeaderEpoch
  // All records of a batch with LogAppendTime have the same time: that of the batch.
  const isUniform = header.timestampType === 'LogAppendTime'
  const query = { bytes, header, timestampMs, fromOffset: logStartOffset }
  const answer = isUniform ? 'unreadable' : yield* asked(findRecord, query)
  if (answer === 'unreadable') {
    const first = Math.max(header.baseOffset, logStartOffset)
    return { offset: offset(first), timestampMs: header.maxTimestampMs, leaderEpoch }
  }
  return answer === null ? null : { ...answer, offset: offset(answer.offset), leaderEpoch }
}

function* asked(find: FindRecord, query: RecordQuery): DiskTask<RecordAnswer> {
  return yield* perform<RecordAnswer>((done) => find(query, (value) => done({ ok: true, value })))
}
