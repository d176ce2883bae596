import type { LogConfig } from './log-config.ts'

export type RetainedSegment = {
  readonly sizeBytes: number
  /** -1 when the segment holds no batch. */
  readonly maxTimestampMs: number
  /** All its records were deleted (DeleteRecords). */
  readonly isBelowLogStart: boolean
}

/**
 * How many segments may go, counted from the oldest: those below the log start, and, with
 * `cleanup.policy=delete`, those whose newest record is older than `retention.ms` and those without
 * which the log still holds `retention.bytes`. The last segment takes the appends: when it is among
 * them, another has to take its place first.
 */
export function expiredSegmentCount(
  segments: readonly RetainedSegment[],
  config: Pick<LogConfig, 'retentionMs' | 'retentionBytes' | 'cleanupPolicy'>,
  nowMs: number,
): number {
  const isDeleting = config.cleanupPolicy.includes('delete')
  let remainingBytes = segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  let count = 0
  for (const { sizeBytes, maxTimestampMs, isBelowLogStart } of segments) {
    const isOld = config.retentionMs >= 0 && nowMs - maxTimestampMs > config.retentionMs
    const isBeyond =
      config.retentionBytes >= 0 && remainingBytes - sizeBytes >= config.retentionBytes
    if (!isBelowLogStart && !(isDeleting && (isOld || isBeyond))) break
    remainingBytes -= sizeBytes
    count += 1
  }
  return count
}
