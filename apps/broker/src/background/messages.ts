import type {
  CompactionJob,
  CompactionResult,
  DamagedRange,
  ScrubJob,
  SegmentRange,
} from '@fairlead/log'

/** What the event loop and a background thread say to each other: plain data, one job at a time. */

export type BackgroundJob = (
  | { readonly kind: 'compact'; readonly job: CompactionJob }
  | { readonly kind: 'scrub'; readonly job: ScrubJob }
) & {
  /** Of what the thread reads and writes; it may be changed while the job is under way. */
  readonly bytesPerSecond: number
}

/** What a job says on its way. */
export type JobReport =
  /** A compacted segment is durable in its `.cleaned` files. */
  | { readonly kind: 'segment'; readonly range: SegmentRange }
  | { readonly kind: 'damage'; readonly range: DamagedRange }

/** What it says last. */
export type JobEnd =
  | { readonly kind: 'compacted'; readonly result: CompactionResult }
  | { readonly kind: 'scrubbed'; readonly readBytes: number }
  /** The code of a `StorageError`, and its message. */
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }

/** The job was told to end early. */
export const CANCELLED = 'CANCELLED'

/** The memory that both sides see: a word of 32 bits, and behind it a rate as a double. */
export const CONTROL_BYTES = 16
/** Where the rate of the job under way is, in bytes per second. */
export const RATE_POSITION = 8
/** Not 0: the job under way is to end. The thread may be asleep on it. */
export const CANCEL_WORD = 0
