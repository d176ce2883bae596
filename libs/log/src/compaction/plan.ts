import type { SegmentRange } from '../checkpoints.ts'
import type { LogConfig } from '../log-config.ts'

export type CompactionSegment = SegmentRange & {
  readonly sizeBytes: number
  /** Whether batches may be missing already. */
  readonly isCompacted: boolean
  readonly indexBytes: number
  /** Of its records; -1 when they have none. */
  readonly maxTimestampMs: number
  /** Of its first batch; -1 when it has none. */
  readonly firstTimestampMs: number
  /** Wall clock when it was begun. */
  readonly createdMs: number
}

/** What a compaction of a log is decided by. */
export type CompactionState = {
  /** In offset order; the last one takes the appends. */
  readonly segments: readonly CompactionSegment[]
  readonly logStartOffset: number
  readonly logEndOffset: number
  readonly lastStableOffset: number
  /** Where the last compaction ended. */
  readonly firstDirtyOffset: number
}

export type CompactionRules = Pick<
  LogConfig,
  'minCompactionLagMs' | 'maxCompactionLagMs' | 'minCleanableDirtyRatio'
>

/** The part of a log that may be compacted, and whether it should be. */
export type CompactionPlan = {
  readonly firstDirtyOffset: number
  /** Where the part ends, a segment begins there. Nothing at or above is touched. */
  readonly endOffset: number
  readonly cleanableBytes: number
  /** Share of what is new, of everything below `endOffset`; 0 to 1. */
  readonly dirtyRatio: number
  /** How long `max.compaction.lag.ms` has been over for the oldest new record; 0 when it is not. */
  readonly delayMs: number
  readonly isDue: boolean
}

export type PlannedCompaction = {
  readonly plan: CompactionPlan
  readonly segments: readonly CompactionSegment[]
}

/**
 * Kafka's `LogCleanerManager.cleanableOffsets` and `LogToClean`: segments are compacted below the last
 * stable offset, never the active one, nor those from the first on that holds a record younger than
 * `min.compaction.lag.ms`; as soon as enough of them is new, or has been for too long.
 */
export function planCompaction(
  state: CompactionState,
  rules: CompactionRules,
  nowMs: number,
): CompactionPlan {
  const firstDirtyOffset = firstDirtyOf(state)
  const closed = state.segments.slice(0, -1)
  const isUncleanable = (segment: CompactionSegment): boolean =>
    segment.endOffset > state.lastStableOffset ||
    (segment.endOffset > firstDirtyOffset && isTooYoung(segment, rules, nowMs))
  const firstKept = closed.findIndex(isUncleanable)
  const cleanable = firstKept < 0 ? closed : closed.slice(0, firstKept)
  const endOffset = cleanable.at(-1)?.endOffset ?? firstDirtyOffset
  const dirty = cleanable.filter((segment) => segment.endOffset > firstDirtyOffset)
  const cleanableBytes = bytesOf(dirty)
  const totalBytes = bytesOf(cleanable)
  const dirtyRatio = totalBytes === 0 ? 0 : cleanableBytes / totalBytes
  const waiting = closed.filter((segment) => segment.endOffset > firstDirtyOffset)
  const delayMs = delayOf(waiting, rules, nowMs)
  return {
    firstDirtyOffset,
    endOffset,
    cleanableBytes,
    dirtyRatio,
    delayMs,
    isDue: cleanableBytes > 0 && (delayMs > 0 || dirtyRatio > rules.minCleanableDirtyRatio),
  }
}

/** A checkpoint outside of the log says nothing: records were deleted, or the tail was lost. */
function firstDirtyOf({ firstDirtyOffset, logStartOffset, logEndOffset }: CompactionState): number {
  const isInLog = firstDirtyOffset >= logStartOffset && firstDirtyOffset <= logEndOffset
  return isInLog ? firstDirtyOffset : logStartOffset
}

function isTooYoung(
  { maxTimestampMs, createdMs }: CompactionSegment,
  { minCompactionLagMs }: CompactionRules,
  nowMs: number,
): boolean {
  if (minCompactionLagMs <= 0) return false
  const newestMs = maxTimestampMs < 0 ? createdMs : maxTimestampMs
  return newestMs > nowMs - minCompactionLagMs
}

function delayOf(
  waiting: readonly CompactionSegment[],
  { maxCompactionLagMs }: CompactionRules,
  nowMs: number,
): number {
  const oldestMs = waiting.reduce(
    (oldest, { firstTimestampMs }) =>
      firstTimestampMs > 0 ? Math.min(oldest, firstTimestampMs) : oldest,
    Number.POSITIVE_INFINITY,
  )
  return Math.max(nowMs - maxCompactionLagMs - oldestMs, 0)
}

function bytesOf(segments: readonly CompactionSegment[]): number {
  return segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}

/** Offsets are relative to the base of a segment in Kafka's indexes: int32. */
const OFFSETS_PER_SEGMENT_MAX = 2_147_483_647

/**
 * Whether a compacted segment, as far as it is written, takes in the next source whole, so that
 * segments do not grow ever smaller. Kafka counts sources as they were before; what is left of them
 * makes fewer, fuller segments at once.
 */
export function mayJoin(
  written: { readonly baseOffset: number; readonly sizeBytes: number; readonly indexBytes: number },
  source: CompactionSegment,
  limits: { readonly segmentBytes: number; readonly indexBytes: number },
): boolean {
  return (
    written.sizeBytes + source.sizeBytes <= limits.segmentBytes &&
    written.indexBytes + source.indexBytes <= limits.indexBytes &&
    (source.sizeBytes === 0 || source.endOffset - 1 - written.baseOffset <= OFFSETS_PER_SEGMENT_MAX)
  )
}
