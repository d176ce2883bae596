export {
  type Disk,
  type DiskCallback,
  type DiskFile,
  type DiskResult,
  StorageError,
  isNoSpace,
  isProcessShort,
  isShortage,
} from './disk.ts'
export { type BatchCodecs } from './compaction/batch-records.ts'
export {
  type CompactionJob,
  type CompactionPorts,
  type CompactionResult,
  compactLog,
} from './compaction/compact-log.ts'
export type { CompactionPlan, PlannedCompaction } from './compaction/plan.ts'
export {
  type DamagedRange,
  type ScrubJob,
  type ScrubPorts,
  scrubLog,
} from './scrub/scrub-log.ts'
export { type StoredLog, readStoredLog } from './scrub/stored-log.ts'
export type { SegmentRange } from './checkpoints.ts'
export { FileBudget } from './file-budget.ts'
export {
  type FindRecord,
  type RecordAnswer,
  type RecordQuery,
  findRecord,
} from './find-record.ts'
export { RetentionClock } from './retention-clock.ts'
export { DiskSpace } from './disk-space.ts'
export { IndexCache } from './index-cache.ts'
export { DEFAULT_LOG_CONFIG, type LogConfig } from './log-config.ts'
export type { EpochEnd } from './leader-epochs.ts'
export { type OpenBatchOptions, mustOpen, openBatch } from './open-batch.ts'
export type {
  AppendContext,
  AppendErrorCode,
  AppendRefusal,
  AppendResult,
  Appended,
  DeletedRecords,
  FoundOffset,
  ReadRequest,
  ReadResult,
  RejectedRecords,
  TimestampLookup,
} from './outcomes.ts'
export { PartitionLog, type PartitionLogOptions, openPartitionLog } from './partition-log.ts'
export type { LogWatcher } from './watermarks.ts'
export { TailCache } from './tail-cache.ts'
export { deleteLog, purgeDeletedLogs } from './log-directory.ts'
export { PARTITION_METADATA_FILE, decodePartitionMetadata } from './partition-metadata.ts'
export { DISK_CONTRACT, type DiskFact } from './testing/disk-contract.ts'
export {
  type DiskTask,
  perform,
  readFile,
  replaceFile,
  runTask,
  writeNewFile,
} from './disk-task.ts'
