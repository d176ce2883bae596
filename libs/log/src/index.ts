export {
  type Disk,
  type DiskCallback,
  type DiskFile,
  type DiskResult,
  StorageError,
} from './disk.ts'
export { DEFAULT_LOG_CONFIG, type LogConfig } from './log-config.ts'
export type {
  AppendContext,
  AppendErrorCode,
  AppendRefusal,
  AppendResult,
  Appended,
  FoundOffset,
  ReadRequest,
  ReadResult,
  TimestampLookup,
} from './outcomes.ts'
export type { PartitionLog, PartitionLogOptions } from './partition-log.ts'
export { TailCache } from './tail-cache.ts'
