import type { Offset } from '@fairlead/base'
import type { Disk, DiskCallback, StorageError } from './disk.ts'
import type { LogConfig } from './log-config.ts'
import type {
  AppendContext,
  AppendResult,
  ReadRequest,
  ReadResult,
  TimestampLookup,
} from './outcomes.ts'
import type { TailCache } from './tail-cache.ts'

export type PartitionLogOptions = {
  readonly disk: Disk
  /** Directory of this partition alone, such as `<log.dir>/orders-0`; created when missing. */
  readonly directory: string
  readonly config: LogConfig
  readonly crc32c: (bytes: Uint8Array) => number
  readonly tailCache: TailCache
  /** Wall clock at opening. */
  readonly nowMs: number
  /** Called once, when a write or a sync failed: the log takes no more appends. */
  readonly onFailure: (error: StorageError) => void
}

export type PartitionLog = {
  append(
    records: Uint8Array,
    context: AppendContext,
    onDurable: (result: AppendResult) => void,
  ): void
  read(request: ReadRequest, done: (result: ReadResult) => void): void
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
  readonly highWatermark: Offset
  readonly lastStableOffset: Offset
  /** -1 before the first append. */
  readonly leaderEpoch: number
  readonly sizeBytes: number
  readonly failure: StorageError | undefined
  offsetForTimestamp(timestampMs: number, done: (result: TimestampLookup) => void): void
  offsetOfMaxTimestamp(done: (result: TimestampLookup) => void): void
  /** Calls `listener` after each advance of the high watermark, until the returned function runs. */
  onHighWatermark(listener: (highWatermark: Offset) => void): () => void
  updateConfig(config: LogConfig): void
  enforceRetention(nowMs: number, done: DiskCallback<void>): void
  /** Writes the recovery point, so that the next opening scans less. */
  checkpoint(done: DiskCallback<void>): void
  close(done: DiskCallback<void>): void
  delete(done: DiskCallback<void>): void
}
