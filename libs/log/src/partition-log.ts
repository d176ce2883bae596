import { type BufferPool, type Offset, invariant, offset } from '@fairlead/base'
import type { Crc32c } from '@fairlead/protocol'
import { refused } from './batch-validation.ts'
import type { SegmentRange } from './checkpoints.ts'
import type { CompactionJob } from './compaction/compact-log.ts'
import { type CompactionMeans, LogCompaction } from './compaction/log-compaction.ts'
import type { PlannedCompaction } from './compaction/plan.ts'
import type { Disk, DiskCallback, StorageError } from './disk.ts'
import type { DiskSpace } from './disk-space.ts'
import { runTask } from './disk-task.ts'
import type { FileBudget } from './file-budget.ts'
import type { FindRecord } from './find-record.ts'
import type { IndexCache } from './index-cache.ts'
import type { EpochEnd, LeaderEpochs } from './leader-epochs.ts'
import { Lifecycle } from './lifecycle.ts'
import { LogAppends } from './log-appends.ts'
import { LogCheckpoints } from './log-checkpoints.ts'
import type { LogConfig } from './log-config.ts'
import { LogDirectory } from './log-directory.ts'
import { LogFiles } from './log-files.ts'
import { LogReads } from './log-reads.ts'
import { LogRetention } from './log-retention.ts'
import type {
  AppendContext,
  AppendResult,
  DeletedRecords,
  ReadRequest,
  ReadResult,
  TimestampLookup,
} from './outcomes.ts'
import { type ActiveProducer, NO_SEQUENCE } from './producer-state.ts'
import { type RecoveredLog, recoverLog } from './recovery.ts'
import { durableSegments, isAsScrubbed } from './scrub/log-scrub.ts'
import { Quarantine } from './scrub/quarantine.ts'
import type { DamagedRange, ScrubJob } from './scrub/scrub-log.ts'
import type { PartitionTail, TailCache } from './tail-cache.ts'
import { findMaxTimestamp, findTimestamp } from './timestamp-lookup.ts'
import { type LogWatcher, Watermarks } from './watermarks.ts'

export type PartitionLogOptions = {
  readonly disk: Disk
  /** Directory of this partition alone, such as `<log.dir>/orders-0`; created when missing. */
  readonly directory: string
  /** Of the topic, for `partition.metadata`; without it none is written. */
  readonly topicId?: string
  readonly config: LogConfig
  readonly crc32c: Crc32c
  /** For lookups by time. Without it a compressed batch is answered by its first offset. */
  readonly findRecord?: FindRecord
  readonly tailCache: TailCache
  readonly indexCache: IndexCache
  /** Of the files of all logs. Without it a log may have any number of segments. */
  readonly fileBudget?: FileBudget
  /** For what is read from the disk. */
  readonly buffers: BufferPool
  /** Of the directory: appends end before it is full. Without it, nothing is refused for that. */
  readonly space?: DiskSpace
  /** Wall clock at opening, milliseconds since the Unix epoch. */
  readonly nowMs: number
  /** Called for each read that failed: what rotted, with code `LOG_CORRUPT`, or what the disk says. */
  readonly onReadFailure?: (error: StorageError) => void
  /** Called once, when a write or a sync failed: the log takes no more appends, and is reopened. */
  readonly onFailure: (error: StorageError) => void
}

/**
 * Recovers a log, or creates it. Fails with code `LOG_CORRUPT` when something that was durable is
 * damaged or missing; nothing is changed then, and the partition must answer KAFKA_STORAGE_ERROR.
 */
export function openPartitionLog(
  options: PartitionLogOptions,
  done: DiskCallback<PartitionLog>,
): void {
  const { indexIntervalBytes } = options.config
  runTask(recoverLog({ ...options, indexIntervalBytes }), (result) => {
    done(result.ok ? { ok: true, value: new PartitionLog(options, result.value) } : result)
  })
}

/**
 * The log of one partition on this machine: appends, reads below the high watermark, retention.
 *
 * Lifecycle: `openPartitionLog`, then `close` or `delete` once. One caller at a time, on one event
 * loop; callbacks may run before the call returns, and may call the log again.
 *
 * Invariants: logStartOffset ≤ highWatermark ≤ logEndOffset; the first two never go back; offsets
 * are assigned without gaps, in the order of the calls; an append is answered once.
 */
export class PartitionLog {
  readonly #options: PartitionLogOptions
  readonly #lifecycle = new Lifecycle()
  readonly #watermarks: Watermarks
  readonly #files: LogFiles
  readonly #tail: PartitionTail
  readonly #leaderEpochs: LeaderEpochs
  readonly #quarantine = new Quarantine()
  readonly #checkpoints: LogCheckpoints
  readonly #appends: LogAppends
  readonly #reads: LogReads
  readonly #retention: LogRetention
  readonly #compaction: LogCompaction
  /** Bytes of a torn write that recovery cut off. */
  readonly truncatedBytes: number
  #config: LogConfig

  constructor(options: PartitionLogOptions, recovered: RecoveredLog) {
    const { crc32c, config, directory } = options
    const { producers, leaderEpochs, replayedBytes } = recovered
    this.#options = options
    this.#config = config
    this.#leaderEpochs = leaderEpochs
    this.truncatedBytes = recovered.truncatedBytes
    this.#files = this.#filesOf(recovered)
    this.#watermarks = new Watermarks(this.#files.active.nextOffset)
    this.#tail = options.tailCache.partition()
    invariant(this.logStartOffset <= this.logEndOffset, 'a log does not end before it starts')

    const parts = {
      lifecycle: this.#lifecycle,
      watermarks: this.#watermarks,
      files: this.#files,
      tail: this.#tail,
    }
    const writer = () => this.#appends.writer
    this.#checkpoints = new LogCheckpoints({ ...parts, writer, replayedBytes })
    this.#appends = new LogAppends({
      ...parts,
      config,
      crc32c,
      space: options.space,
      producers,
      leaderEpochs,
      durable: recovered.durable,
      checkpoints: this.#checkpoints,
      onFailure: (error) => this.fail(error),
    })
    this.#reads = new LogReads({
      ...parts,
      crc32c,
      findRecord: options.findRecord,
      buffers: options.buffers,
      quarantine: this.#quarantine,
      writtenOffset: () => this.#appends.writer.writtenOffset,
      onReadFailure: options.onReadFailure,
    })
    this.#retention = new LogRetention({ ...parts, appends: this.#appends })
    this.#compaction = new LogCompaction({ ...parts, directory, durableProducers: producers })
  }

  /** The first offset that is kept. */
  get logStartOffset(): Offset {
    return offset(this.#files.logStartOffset)
  }

  /** The offset of the next record to be appended. */
  get logEndOffset(): Offset {
    return this.#watermarks.logEndOffset
  }

  /** The first offset that does not count yet: durable, or written, as the topic demands. */
  get highWatermark(): Offset {
    return this.#watermarks.highWatermark
  }

  /**
   * Bytes that came below the high watermark since the log was opened. Never goes back: the difference
   * of two moments is what became readable between them.
   */
  get readableBytes(): number {
    return this.#watermarks.readableBytes
  }

  /** The high watermark: no transaction is ever open, since none can begin. */
  get lastStableOffset(): Offset {
    return this.#watermarks.lastStableOffset
  }

  /** Epoch of the last append; -1 before the first. */
  get leaderEpoch(): number {
    return this.#leaderEpochs.latest
  }

  /** The idempotent producers that are remembered, the longest silent first. */
  *producers(): Generator<ActiveProducer> {
    const entries = this.#appends.durableProducers.entries()
    for (const [producerId, { producerEpoch, batches, lastSeenMs }] of entries) {
      const lastSequence = batches.at(-1)?.lastSequence ?? NO_SEQUENCE
      yield { producerId, producerEpoch, lastSequence, lastSeenMs }
    }
  }

  /** Where the records of a leader epoch end; undefined for one that wrote nothing here yet. */
  endOffsetOfEpoch(leaderEpoch: number): EpochEnd | undefined {
    return this.#leaderEpochs.endOf(leaderEpoch, this.logEndOffset)
  }

  get segmentCount(): number {
    return this.#files.segments.length
  }

  /** Of all segments. */
  get sizeBytes(): number {
    return this.#files.segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  }

  /** Why the log takes no more appends. */
  get failure(): StorageError | undefined {
    return this.#lifecycle.failure
  }

  /**
   * Appends record batches, all or none. Offsets and leader epoch are stamped into `records`, which
   * nobody else may touch until the append counts; after a refusal it may still be on its way to the
   * disk.
   *
   * `onDurable` is called once, when the append counts or is refused; possibly before this returns.
   */
  append(
    records: Uint8Array,
    context: AppendContext,
    onDurable: (result: AppendResult) => void,
  ): void {
    this.#appends.append(records, context, onDurable)
  }

  /** Reads whole batches from the one that holds `fetchOffset`. */
  read(request: ReadRequest, done: (result: ReadResult) => void): void {
    this.#reads.read(request, done)
  }

  /** Whether a read at this offset needs no disk. */
  isInTail(offset: number): boolean {
    return this.#tail.holds(offset)
  }

  /** The earliest record with this timestamp or a later one; null when there is none. */
  offsetForTimestamp(timestampMs: number, done: (result: TimestampLookup) => void): void {
    this.#reads.lookUp((segments, range) => findTimestamp(segments, timestampMs, range), done)
  }

  /** The first record that has the greatest timestamp of the log; null when the log is empty. */
  offsetOfMaxTimestamp(done: (result: TimestampLookup) => void): void {
    this.#reads.lookUp(findMaxTimestamp, done)
  }

  /** Tells `watcher` what readers wait for, until the returned function runs or the log ends. */
  watch(watcher: LogWatcher): () => void {
    this.#tail.follow()
    return this.#watermarks.watch(watcher)
  }

  /** Applies to the next append; `indexIntervalBytes` to the next segment. */
  updateConfig(config: LogConfig): void {
    this.#config = config
    this.#appends.updateConfig(config)
  }

  /**
   * Removes whole segments by age and size, and forgets producers that were silent for long. When all
   * segments are expired, so is the active one: the next begins, empty.
   */
  enforceRetention(nowMs: number, done: DiskCallback<void>): void {
    this.#retention.enforce({ config: this.#config, nowMs }, done)
  }

  /**
   * Deletes the records before an offset, up to the high watermark (KIP-107): -1 is all of them.
   * Below the log start it changes nothing. Whole segments go at once, the active one with the next
   * `enforceRetention`.
   */
  deleteRecords(beforeOffset: number, done: (result: DeletedRecords) => void): void {
    this.#retention.deleteRecords(beforeOffset, done)
  }

  /** Files of deleted segments that are still there. */
  get deletedFileCount(): number {
    return this.#files.deletedFileCount
  }

  /**
   * Removes the files of segments that were deleted `file.delete.delay.ms` before, up to the time between
   * two calls more; all of them when the disk is full. `nowMs` is of a clock that never jumps.
   */
  removeDeleted(
    { nowMs, isFull }: { readonly nowMs: number; readonly isFull: boolean },
    done: DiskCallback<void>,
  ): void {
    const delayMs = isFull ? 0 : this.#config.fileDeleteDelayMs
    this.#files.removeDeleted({ nowMs, delayMs }, done)
  }

  /** Whether later records of a key make earlier ones obsolete (`cleanup.policy`). */
  get isCompacted(): boolean {
    return this.#config.cleanupPolicy.includes('compact')
  }

  /** What of the log may be compacted, and whether it is due. */
  planCompaction(nowMs: number, done: DiskCallback<PlannedCompaction>): void {
    this.#compaction.plan(this.#config, nowMs, done)
  }

  /** A planned compaction as a piece of work, which may be done on another thread. */
  compactionJob(planned: PlannedCompaction, means: CompactionMeans): CompactionJob {
    return this.#compaction.job(planned, this.#config, means)
  }

  /**
   * Puts a compacted segment in the place of the segments of `range`; see `LogFiles`. Readers that are
   * in the old ones finish there.
   */
  replaceSegments(range: SegmentRange, nowMs: number, done: DiskCallback<boolean>): void {
    const { indexIntervalBytes } = this.#config
    this.#compaction.replaceSegments(range, { nowMs, indexIntervalBytes }, done)
  }

  /** Notes that everything below `firstDirtyOffset` was compacted, unless the log has ended. */
  endCompaction(firstDirtyOffset: number, done: DiskCallback<void>): void {
    this.#compaction.end(firstDirtyOffset, done)
  }

  /** Everything durable, to be read again; see `scrubLog`. Nothing of a log that has ended. */
  scrubJob(bufferBytes: number): ScrubJob {
    const { directory } = this.#options
    const segments = this.#lifecycle.isOpen
      ? durableSegments(this.#files, this.#appends.writer.durable)
      : []
    return { directory, segments, bufferBytes }
  }

  /** Ranges that are not served, because the disk damaged them. */
  get quarantined(): readonly DamagedRange[] {
    return this.#quarantine.ranges
  }

  /**
   * Takes a damaged range out of service. False when it is known, or its segment is not what it was
   * when it was read: deleted, or compacted.
   */
  quarantine(range: DamagedRange): boolean {
    return isAsScrubbed(this.#files, range) && this.#quarantine.add(range)
  }

  /** Syncs what has waited for longer than the topic allows (`flush.ms`), in modes os and interval. */
  flushOverdue(nowMs: number): void {
    if (this.#lifecycle.isOpen) this.#appends.writer.flushOverdue(nowMs)
  }

  /**
   * Whether what recovery found may still be in the page cache only: the disk has had no room to make
   * it durable. It is served, and nothing is appended behind it until there is room.
   */
  get hasUnsureTail(): boolean {
    return this.#appends.writer.hasUnsureTail
  }

  /** What opening would have to read after a crash now. */
  get recoveryBytes(): number {
    return this.#checkpoints.recoveryBytes
  }

  /** Makes everything appended durable and writes the durable state, so that opening scans less. */
  checkpoint(done: DiskCallback<void>): void {
    this.#checkpoints.flushAndWrite(done)
  }

  /** Makes everything appended durable, unless the disk is full, then closes the files. */
  close(done: DiskCallback<void>): void {
    const { writer } = this.#appends
    this.#lifecycle.end('closed')
    this.#watermarks.dismiss()
    writer.flush((isDurable) => {
      const release = (): void => {
        // What waits for a sync that runs will not hear of it.
        this.#watermarks.waiters.refuse(refused('KAFKA_STORAGE_ERROR', 'the log is closed'))
        writer.stop(() => {
          this.#tail.drop()
          this.#files.close(done)
        })
      }
      if (isDurable) this.#checkpoints.write(release)
      else release()
    })
  }

  /** Removes the log and its directory. Appends under way are refused. */
  delete(done: DiskCallback<void>): void {
    this.#lifecycle.end('deleted')
    this.#watermarks.dismiss()
    const refusal = refused('UNKNOWN_TOPIC_OR_PARTITION', 'the log is deleted')
    this.#watermarks.waiters.refuse(refusal)
    this.#appends.writer.stop(() => {
      this.#tail.drop()
      this.#files.remove(done)
    })
  }

  #filesOf(recovered: RecoveredLog): LogFiles {
    const { directory: path, disk, crc32c, indexCache, fileBudget } = this.#options
    const { stateOffsets } = recovered
    return new LogFiles({
      ...recovered,
      directory: new LogDirectory({ path, disk, crc32c, stateOffsets }),
      indexCache,
      fileBudget,
      onLogStartRaised: () => this.#onLogStartRaised(),
      onFailure: (error) => this.fail(error),
    })
  }

  #onLogStartRaised(): void {
    invariant(this.logStartOffset <= this.highWatermark, 'only durable records are removed')
    this.#quarantine.forgetBelow(this.logStartOffset)
    this.#watermarks.announceChange()
  }

  /** Ends the log for appends: those under way are refused. Reads go on until `close`. */
  fail(error: StorageError): void {
    if (!this.#lifecycle.fail(error)) return
    this.#appends.writer.halt()
    this.#watermarks.waiters.refuse(refused('KAFKA_STORAGE_ERROR', error.message))
    this.#options.onFailure(error)
  }
}
