import type { LogFiles } from '../log-files.ts'
import type { DurablePoint } from '../log-writer.ts'
import type { DamagedRange, ScrubJob } from './scrub-log.ts'

/** Everything of a log that is durable, segment by segment; see `scrubLog`. */
export function durableSegments(
  { segments, active }: LogFiles,
  { segment, nextOffset: endOffset, sizeBytes }: DurablePoint,
): ScrubJob['segments'] {
  const closed = segments
    .filter((other) => other !== active)
    .map((other) => ({ ...other.place, endOffset: other.nextOffset }))
  const scrubbed = [...closed, { ...segment.place, endOffset, sizeBytes }]
  return scrubbed.filter((range) => range.sizeBytes > 0)
}

/** Whether a damaged segment is what it was when it was read: neither deleted nor compacted. */
export function isAsScrubbed({ segments, active }: LogFiles, { segment }: DamagedRange): boolean {
  const { baseOffset, isCompacted, sizeBytes } = segment
  const now = segments.find((other) => other.baseOffset === baseOffset)
  if (now === undefined || now.isCompacted !== isCompacted) return false
  return now === active || now.sizeBytes === sizeBytes
}
