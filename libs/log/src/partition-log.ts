import { type BufferPool, type Offset, invariant, offset } from '@fairlead/base'
import type { Crc32c, Decompress } from '@fairlead/protocol'
import { admitBatches } from './admission.ts'
import { AppendWaiters, appended } from './append-waiters.ts'
import type { SegmentRange } from './checkpoints.ts'
import { type ValidBatch, refused, validateBatches } from './batch-validation.ts'
import { encodeActiveProducers } from './compaction/active-producers.ts'
import type { CompactionJob } from './compaction/compact-log.ts'
import { type PlannedCompaction, planCompaction } from './compaction/plan.ts'
import type { Disk, DiskCallback, StorageError } from './disk.ts'
import type { DiskSpace } from './disk-space.ts'
import { type DiskTask, runTask } from './disk-task.ts'
import type { IndexCache } from './index-cache.ts'
import type { EpochEnd, LeaderEpochs } from './leader-epochs.ts'
import type { LogConfig } from './log-config.ts'
import { LogDirectory } from './log-directory.ts'
import { LogFiles } from './log-files.ts'
import { LogWriter, type PlacedBatch } from './log-writer.ts'
import type {
  AppendContext,
  AppendRefusal,
  AppendResult,
  DeletedRecords,
  FoundOffset,
  ReadRequest,
  ReadResult,
  TimestampLookup,
} from './outcomes.ts'
import { placeBatches } from './placement.ts'
import {
  type ActiveProducer,
  NO_SEQUENCE,
  type ProducerEntry,
  ProducerStates,
} from './producer-state.ts'
import { type RecoveredLog, recoverLog } from './recovery.ts'
import type { Segment } from './segment.ts'
import { Quarantine } from './scrub/quarantine.ts'
import type { DamagedRange, ScrubJob } from './scrub/scrub-log.ts'
import { type ReadBatches, type ReadRange, readSegment } from './segment-read.ts'
import type { HeldBatches, PartitionTail, TailCache } from './tail-cache.ts'
import { type LookupRange, findMaxTimestamp, findTimestamp } from './timestamp-lookup.ts'

export type PartitionLogOptions = {
  readonly disk: Disk
  /** Directory of this partition alone, such as `<log.dir>/orders-0`; created when missing. */
  readonly directory: string
  readonly config: LogConfig
  readonly crc32c: Crc32c
  /** For lookups by time inside compressed batches. */
  readonly decompress?: Decompress
  readonly tailCache: TailCache
  readonly indexCache: IndexCache
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

/** What a reader that waits is told of. Its methods may call the log again. */
export interface LogWatcher {
  /** So many bytes more came below the high watermark. */
  onReadable(sizeBytes: number): void
  /** The log ended, or begins later than before: reading it again may give an error. */
  onChanged(): void
}

/** Appends beyond this wait in memory for a disk that does not keep up: refused, to be retried. */
const PLACED_BYTES_MAX = 67_108_864
/** Recovery after a crash scans about this much of a partition. */
const CHECKPOINT_INTERVAL_BYTES = 16_777_216

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
  readonly #files: LogFiles
  readonly #writer: LogWriter
  readonly #tail: PartitionTail
  /** Producers with every batch that has an offset, and with the durable batches only. */
  #placedProducers: ProducerStates
  readonly #durableProducers: ProducerStates
  readonly #leaderEpochs: LeaderEpochs
  readonly #waiters = new AppendWaiters()
  readonly #watchers = new Set<LogWatcher>()
  readonly #quarantine = new Quarantine()
  /** Bytes of a torn write that recovery cut off. */
  readonly truncatedBytes: number
  #config: LogConfig
  #logEndOffset: Offset
  #highWatermark: Offset
  #readableBytes = 0
  #bytesSinceCheckpoint: number
  #isCheckpointQueued = false
  #failure: StorageError | undefined
  #state: 'open' | 'closed' | 'deleted' = 'open'

  constructor(options: PartitionLogOptions, recovered: RecoveredLog) {
    const { disk, directory, crc32c, config } = options
    const { segments, producers, leaderEpochs, logStartOffset } = recovered
    this.#options = options
    this.#config = config
    this.#files = new LogFiles({
      directory: new LogDirectory({
        path: directory,
        disk,
        crc32c,
        stateOffsets: recovered.stateOffsets,
      }),
      indexCache: options.indexCache,
      checkpointOffset: recovered.checkpointOffset,
      segments,
      logStartOffset,
      producers,
      leaderEpochs,
      cleaner: recovered.cleaner,
      onLogStartRaised: () => this.#onLogStartRaised(),
      onFailure: (error) => this.fail(error),
    })
    const { active } = this.#files
    this.#tail = options.tailCache.partition()
    this.#placedProducers = new ProducerStates(producers.entries())
    this.#durableProducers = producers
    this.#leaderEpochs = leaderEpochs
    this.truncatedBytes = recovered.truncatedBytes
    this.#bytesSinceCheckpoint = recovered.replayedBytes
    this.#logEndOffset = offset(active.nextOffset)
    this.#highWatermark = this.#logEndOffset
    invariant(logStartOffset <= this.#logEndOffset, 'a log does not end before it starts')
    this.#writer = new LogWriter({
      segment: active,
      config,
      events: {
        onWritten: (batches) => this.#onWritten(batches),
        onDurable: (batches) => this.#onDurable(batches),
        roll: (end, createdMs, done) => {
          const { indexIntervalBytes } = this.#config
          this.#files.roll(end, { createdMs, indexIntervalBytes }, done)
        },
        onDiskFull: (error) => this.#onDiskFull(error),
        onFailure: (error) => this.fail(error),
      },
    })
  }

  /** The first offset that is kept. */
  get logStartOffset(): Offset {
    return offset(this.#files.logStartOffset)
  }

  /** The offset of the next record to be appended. */
  get logEndOffset(): Offset {
    return this.#logEndOffset
  }

  /** The first offset that does not count yet: durable, or written, as the topic demands. */
  get highWatermark(): Offset {
    return this.#highWatermark
  }

  /**
   * Bytes that came below the high watermark since the log was opened. Never goes back: the difference
   * of two moments is what became readable between them.
   */
  get readableBytes(): number {
    return this.#readableBytes
  }

  /** The high watermark: no transaction is ever open, since none can begin. */
  get lastStableOffset(): Offset {
    return this.#highWatermark
  }

  /** Epoch of the last append; -1 before the first. */
  get leaderEpoch(): number {
    return this.#leaderEpochs.latest
  }

  /** The idempotent producers that are remembered, the longest silent first. */
  *producers(): Generator<ActiveProducer> {
    for (const [
      producerId,
      { producerEpoch, batches, lastSeenMs },
    ] of this.#durableProducers.entries()) {
      const lastSequence = batches.at(-1)?.lastSequence ?? NO_SEQUENCE
      yield { producerId, producerEpoch, lastSequence, lastSeenMs }
    }
  }

  /** Where the records of a leader epoch end; undefined for one that wrote nothing here yet. */
  endOffsetOfEpoch(leaderEpoch: number): EpochEnd | undefined {
    return this.#leaderEpochs.endOf(leaderEpoch, this.#logEndOffset)
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
    return this.#failure
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
    const unavailable = this.#appendRefusal()
    if (unavailable !== undefined) {
      onDurable(unavailable)
      return
    }
    const { crc32c } = this.#options
    const rules = { config: this.#config, nowMs: context.nowMs, crc32c, origin: context.origin }
    const valid = validateBatches(records, rules)
    if (!valid.ok) {
      onDurable(valid)
      return
    }
    const { nowMs, origin } = context
    const placement = { logEndOffset: this.#logEndOffset, nowMs, origin }
    const admitted = admitBatches(valid.batches, this.#placedProducers, placement)
    switch (admitted.kind) {
      case 'refused':
        onDurable(admitted.refusal)
        break
      case 'duplicate':
        this.#answerDuplicate(admitted, onDurable)
        break
      case 'append':
        if (this.#options.space?.admits(records.length, origin) === false) {
          onDurable(refused('KAFKA_STORAGE_ERROR', 'the disk is full'))
          break
        }
        this.#place(records, valid.batches, admitted.entries, context, onDurable)
        break
    }
  }

  /** Reads whole batches from the one that holds `fetchOffset`. */
  read(request: ReadRequest, done: (result: ReadResult) => void): void {
    const { crc32c } = this.#options
    const { fetchOffset, maxBytes } = request
    const upTo = Math.min(request.upTo ?? this.#highWatermark, this.#writer.writtenOffset)
    const closed = this.#closedRefusal()
    if (closed !== undefined) {
      done(closed)
    } else if (fetchOffset < this.logStartOffset || fetchOffset > this.#logEndOffset) {
      const message = `${fetchOffset} is not from ${this.logStartOffset} to ${this.#logEndOffset}`
      done({ ok: false, errorCode: 'OFFSET_OUT_OF_RANGE', message })
    } else if (fetchOffset >= upTo) {
      this.#tail.follow()
      done(nothingRead(fetchOffset))
    } else {
      const cached = this.#tail.read({ fetchOffset, upTo, maxBytes })
      if (cached !== undefined) done(batchesRead(cached))
      else this.#readFromDisk({ fetchOffset, upTo, maxBytes, crc32c }, done)
    }
  }

  /** The earliest record with this timestamp or a later one; null when there is none. */
  offsetForTimestamp(timestampMs: number, done: (result: TimestampLookup) => void): void {
    this.#lookUp((segments, range) => findTimestamp(segments, timestampMs, range), done)
  }

  /** The first record that has the greatest timestamp of the log; null when the log is empty. */
  offsetOfMaxTimestamp(done: (result: TimestampLookup) => void): void {
    this.#lookUp(findMaxTimestamp, done)
  }

  /** Tells `watcher` what readers wait for, until the returned function runs or the log ends. */
  watch(watcher: LogWatcher): () => void {
    this.#watchers.add(watcher)
    this.#tail.follow()
    return () => this.#watchers.delete(watcher)
  }

  /** Applies to the next append; `indexIntervalBytes` to the next segment. */
  updateConfig(config: LogConfig): void {
    this.#config = config
    this.#writer.updateConfig(config)
  }

  /**
   * Removes whole segments by age and size, and forgets producers that were silent for long. When all
   * segments are expired, so is the active one: the next begins, empty.
   */
  enforceRetention(nowMs: number, done: DiskCallback<void>): void {
    if (this.#state !== 'open' || this.#failure !== undefined) {
      done({ ok: true, value: undefined })
      return
    }
    const { producerIdExpirationMs } = this.#config
    this.#placedProducers.expire(nowMs, producerIdExpirationMs)
    this.#durableProducers.expire(nowMs, producerIdExpirationMs)
    const limits = { config: this.#config, nowMs }
    if (this.#files.expiredCount(limits) === this.#files.segments.length) {
      this.#writer.requestRoll(nowMs)
    }
    this.#files.removeExpired(limits, done)
  }

  /**
   * Deletes the records before an offset, up to the high watermark (KIP-107): -1 is all of them.
   * Below the log start it changes nothing. Whole segments go at once, the active one with the next
   * `enforceRetention`.
   */
  deleteRecords(beforeOffset: number, done: (result: DeletedRecords) => void): void {
    const target = beforeOffset === -1 ? this.#highWatermark : beforeOffset
    const refusal = this.#closedRefusal() ?? this.#failureRefusal()
    if (refusal !== undefined) {
      done(refusal)
      return
    }
    if (target < 0 || target > this.#highWatermark) {
      const message = `${beforeOffset} is not from 0 to the high watermark ${this.#highWatermark}`
      done({ ok: false, errorCode: 'OFFSET_OUT_OF_RANGE', message })
      return
    }
    // A log that starts above its end could not be opened: in mode os nothing below may be durable yet.
    this.#writer.flush((isDurable) => {
      if (!isDurable) {
        done(this.#closedRefusal() ?? this.#failureRefusal() ?? STOPPED)
        return
      }
      this.#files.raiseLogStart(target, (result) => {
        if (result.ok) done({ ok: true, logStartOffset: this.logStartOffset })
        else done(unavailable('KAFKA_STORAGE_ERROR', result.error.message))
      })
    })
  }

  /** Whether later records of a key make earlier ones obsolete (`cleanup.policy`). */
  get isCompacted(): boolean {
    return this.#config.cleanupPolicy.includes('compact')
  }

  /** What of the log may be compacted, and whether it is due. */
  planCompaction(nowMs: number, done: DiskCallback<PlannedCompaction>): void {
    const withFirstTimestamps = this.#config.maxCompactionLagMs < Number.MAX_SAFE_INTEGER
    this.#files.compactionSegments({ withFirstTimestamps }, (result) => {
      if (!result.ok) {
        done(result)
        return
      }
      const segments = result.value
      const { logStartOffset, logEndOffset, lastStableOffset } = this
      const { firstDirtyOffset } = this.#files
      const state = { segments, logStartOffset, logEndOffset, lastStableOffset, firstDirtyOffset }
      done({ ok: true, value: { segments, plan: planCompaction(state, this.#config, nowMs) } })
    })
  }

  /** A planned compaction as a piece of work, which may be done on another thread. */
  compactionJob(
    { segments, plan }: PlannedCompaction,
    options: Pick<CompactionJob, 'nowMs' | 'mapBytes' | 'mapLoadFactor' | 'bufferBytes'>,
  ): CompactionJob {
    const { deleteRetentionMs, segmentBytes, segmentIndexBytes, indexIntervalBytes } = this.#config
    const { firstDirtyOffset, endOffset } = plan
    return {
      ...options,
      directory: this.#options.directory,
      segments: segments.filter((segment) => segment.endOffset <= endOffset),
      firstDirtyOffset,
      endOffset,
      deleteRetentionMs,
      segmentBytes,
      segmentIndexBytes,
      indexIntervalBytes,
      producers: encodeActiveProducers(this.#durableProducers),
      // No transaction can begin yet.
      abortedTransactions: [],
    }
  }

  /**
   * Puts a compacted segment in the place of the segments of `range`; see `LogFiles`. Readers that are
   * in the old ones finish there.
   */
  replaceSegments(range: SegmentRange, nowMs: number, done: DiskCallback<boolean>): void {
    invariant(range.endOffset <= this.lastStableOffset, 'what is open is not compacted')
    const { indexIntervalBytes } = this.#config
    this.#files.replaceSegments(range, { nowMs, indexIntervalBytes }, (result) => {
      if (result.ok && result.value) this.#tail.dropBelow(range.endOffset)
      done(result)
    })
  }

  /** Notes that everything below `firstDirtyOffset` was compacted, unless the log has ended. */
  endCompaction(firstDirtyOffset: number, done: DiskCallback<void>): void {
    if (this.#state !== 'open') {
      done({ ok: true, value: undefined })
      return
    }
    invariant(firstDirtyOffset <= this.#files.active.baseOffset, 'appends are not compacted')
    this.#files.endCompaction(firstDirtyOffset, done)
  }

  /** Everything durable, to be read again; see `scrubLog`. Nothing of a log that has ended. */
  scrubJob(bufferBytes: number): ScrubJob {
    const { directory } = this.#options
    if (this.#state !== 'open') return { directory, segments: [], bufferBytes }
    const { segments, active } = this.#files
    const closed = segments
      .filter((segment) => segment !== active)
      .map((segment) => ({ ...segment.place, endOffset: segment.nextOffset }))
    const { segment, nextOffset: endOffset, sizeBytes } = this.#writer.durable
    const scrubbed = [...closed, { ...segment.place, endOffset, sizeBytes }]
    return {
      directory,
      segments: scrubbed.filter((range) => range.sizeBytes > 0),
      bufferBytes,
    }
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
    const { baseOffset, isCompacted, sizeBytes } = range.segment
    const segment = this.#files.segments.find((other) => other.baseOffset === baseOffset)
    const isSame =
      segment !== undefined &&
      segment.isCompacted === isCompacted &&
      (segment === this.#files.active || segment.sizeBytes === sizeBytes)
    if (!isSame || !this.#quarantine.add(range)) return false
    return true
  }

  /** Syncs what has waited for longer than the topic allows (`flush.ms`), in modes os and interval. */
  flushOverdue(nowMs: number): void {
    if (this.#state === 'open') this.#writer.flushOverdue(nowMs)
  }

  /** What opening would have to read after a crash now. */
  get recoveryBytes(): number {
    return this.#bytesSinceCheckpoint + this.#writer.unsyncedBytes
  }

  /** Makes everything appended durable and writes the durable state, so that opening scans less. */
  checkpoint(done: DiskCallback<void>): void {
    if (this.#state !== 'open') {
      done({ ok: true, value: undefined })
      return
    }
    this.#writer.flush((isDurable) => {
      if (isDurable) this.#writeCheckpoint(done)
      else if (this.#failure !== undefined) done({ ok: false, error: this.#failure })
      else done({ ok: true, value: undefined })
    })
  }

  /** Makes everything appended durable, then closes the files. */
  close(done: DiskCallback<void>): void {
    invariant(this.#state === 'open', 'a log is closed or deleted once')
    this.#state = 'closed'
    this.#dismissWatchers()
    this.#writer.flush((isDurable) => {
      const release = (): void =>
        this.#writer.stop(() => {
          this.#tail.drop()
          this.#files.close(done)
        })
      if (isDurable) this.#writeCheckpoint(release)
      else release()
    })
  }

  /** Removes the log and its directory. Appends under way are refused. */
  delete(done: DiskCallback<void>): void {
    invariant(this.#state === 'open', 'a log is closed or deleted once')
    this.#state = 'deleted'
    this.#dismissWatchers()
    this.#waiters.refuse(refused('UNKNOWN_TOPIC_OR_PARTITION', 'the log is deleted'))
    this.#writer.stop(() => {
      this.#tail.drop()
      this.#files.remove(done)
    })
  }

  #appendRefusal(): AppendRefusal | undefined {
    const closed = this.#closedRefusal()
    if (closed !== undefined) return closed
    const failed = this.#failureRefusal()
    if (failed !== undefined) return failed
    if (this.#writer.placedBytes > PLACED_BYTES_MAX) {
      return refused('REQUEST_TIMED_OUT', 'the disk does not keep up')
    }
    return undefined
  }

  #closedRefusal() {
    switch (this.#state) {
      case 'open':
        return undefined
      case 'closed':
        return unavailable('KAFKA_STORAGE_ERROR', 'the log is closed')
      case 'deleted':
        return unavailable('UNKNOWN_TOPIC_OR_PARTITION', 'the log is deleted')
    }
  }

  #failureRefusal() {
    if (this.#failure === undefined) return undefined
    return unavailable('KAFKA_STORAGE_ERROR', this.#failure.message)
  }

  #place(
    records: Uint8Array,
    batches: readonly ValidBatch[],
    entries: readonly (ProducerEntry | null)[],
    context: AppendContext,
    onDurable: (result: AppendResult) => void,
  ): void {
    const { leaderEpoch, nowMs } = context
    invariant(leaderEpoch >= this.leaderEpoch, 'leader epochs do not go back')
    const { crc32c } = this.#options
    const baseOffset = this.#logEndOffset
    const isLogAppendTime = this.#config.messageTimestampType === 'LogAppendTime'
    const placement = { baseOffset, leaderEpoch, nowMs, isLogAppendTime, crc32c }
    const placed = placeBatches(records, batches, entries, placement)
    this.#leaderEpochs.assign(leaderEpoch, baseOffset)
    for (const { header, producerEntry } of placed) {
      if (producerEntry !== null) this.#placedProducers.set(header.producerId, producerEntry)
    }
    this.#logEndOffset = offset(placed.at(-1)?.nextOffset ?? baseOffset)
    const result = appended(
      { baseOffset, lastOffset: this.#logEndOffset - 1 },
      {
        logAppendTimeMs: isLogAppendTime ? nowMs : -1,
        logStartOffset: this.logStartOffset,
        duplicate: false,
      },
    )
    this.#waiters.add(result, onDurable)
    this.#writer.write(placed)
  }

  /** A retry of a batch that is still on its way to the disk waits as its original does. */
  #answerDuplicate(
    range: { readonly baseOffset: number; readonly lastOffset: number },
    onDurable: (result: AppendResult) => void,
  ): void {
    const { logStartOffset } = this
    const result = appended(range, { logAppendTimeMs: -1, logStartOffset, duplicate: true })
    if (range.lastOffset < this.#highWatermark) onDurable(result)
    else this.#waiters.add(result, onDurable)
  }

  #onWritten(batches: readonly PlacedBatch[]): void {
    let sizeBytes = 0
    for (const { header, bytes, nextOffset } of batches) {
      this.#tail.add(bytes, header.baseOffset, nextOffset)
      sizeBytes += bytes.length
    }
    if (this.#config.durability !== 'group') {
      this.#advanceHighWatermark(this.#writer.writtenOffset, sizeBytes)
    }
  }

  #onDurable(batches: readonly PlacedBatch[]): void {
    let sizeBytes = 0
    for (const { header, bytes, producerEntry } of batches) {
      if (producerEntry !== null) this.#durableProducers.set(header.producerId, producerEntry)
      sizeBytes += bytes.length
    }
    this.#bytesSinceCheckpoint += sizeBytes
    this.#advanceHighWatermark(this.#writer.durable.nextOffset, sizeBytes)
    if (this.#bytesSinceCheckpoint >= CHECKPOINT_INTERVAL_BYTES && !this.#isCheckpointQueued) {
      this.#isCheckpointQueued = true
      this.#writeCheckpoint(() => {
        this.#isCheckpointQueued = false
      })
    }
  }

  /** Takes back what was placed and is not written. It is refused, to be retried. */
  #onDiskFull(error: StorageError): void {
    const end = this.#writer.writtenOffset
    this.#logEndOffset = offset(end)
    this.#leaderEpochs.cutFrom(end)
    this.#placedProducers = new ProducerStates(this.#durableProducers.entries())
    for (const { header, producerEntry } of this.#writer.unsynced()) {
      if (producerEntry !== null) this.#placedProducers.set(header.producerId, producerEntry)
    }
    this.#waiters.refuseFrom(end, refused('KAFKA_STORAGE_ERROR', error.message))
  }

  #onLogStartRaised(): void {
    invariant(this.logStartOffset <= this.#highWatermark, 'only durable records are removed')
    this.#quarantine.forgetBelow(this.logStartOffset)
    for (const watcher of this.#watchers) watcher.onChanged()
  }

  #advanceHighWatermark(to: number, sizeBytes: number): void {
    if (to <= this.#highWatermark) return
    invariant(to <= this.#logEndOffset, 'the high watermark stays below the log end')
    this.#highWatermark = offset(to)
    this.#readableBytes += sizeBytes
    this.#waiters.answerBelow(() => this.#highWatermark)
    for (const watcher of this.#watchers) watcher.onReadable(sizeBytes)
  }

  #readFromDisk(range: ReadRange, done: (result: ReadResult) => void): void {
    const segment = this.#files.segments.findLast(
      ({ baseOffset }) => baseOffset <= range.fetchOffset,
    )
    invariant(segment !== undefined, 'a segment starts at or below the log start')
    const problem = this.#quarantine.problemAt(range.fetchOffset)
    if (problem !== undefined) {
      done(unavailable('KAFKA_STORAGE_ERROR', problem))
      return
    }
    const upTo = this.#quarantine.limit(range.fetchOffset, range.upTo)
    const closeSegment = segment.hold()
    const { buffers } = this.#options
    const limited = { ...range, upTo }
    runTask<ReadBatches | undefined>(readSegment(segment, limited, buffers), (result) => {
      closeSegment()
      if (!result.ok) done(this.#readFailed(result.error))
      else if (result.value === undefined) this.#readBehind(segment, range, done)
      else {
        const { bytes, nextOffset } = result.value
        const chunks = bytes.length === 0 ? [] : [bytes]
        done(batchesRead({ chunks, nextOffset, release: () => buffers.giveBack(bytes) }))
      }
    })
  }

  #readFailed(error: StorageError) {
    this.#options.onReadFailure?.(error)
    return unavailable('KAFKA_STORAGE_ERROR', error.message)
  }

  /** Compaction left nothing of the segment from the wanted offset on: what follows comes next. */
  #readBehind(segment: Segment, range: ReadRange, done: (result: ReadResult) => void): void {
    const fetchOffset = Math.max(segment.nextOffset, this.logStartOffset)
    if (fetchOffset >= range.upTo) done(nothingRead(range.upTo))
    else this.#readFromDisk({ ...range, fetchOffset }, done)
  }

  #lookUp(
    find: (segments: readonly Segment[], range: LookupRange) => DiskTask<FoundOffset | null>,
    done: (result: TimestampLookup) => void,
  ): void {
    const closed = this.#closedRefusal()
    if (closed !== undefined) {
      done(closed)
      return
    }
    const segments = [...this.#files.segments]
    const releases = segments.map((segment) => segment.hold())
    const range = {
      logStartOffset: this.logStartOffset,
      highWatermark: this.#highWatermark,
      decompress: this.#options.decompress,
    }
    runTask(find(segments, range), (result) => {
      for (const release of releases) release()
      done(result.ok ? { ok: true, found: result.value } : this.#readFailed(result.error))
    })
  }

  #writeCheckpoint(done: DiskCallback<void>): void {
    this.#files.checkpoint(() => {
      if (this.#failure !== undefined || this.#state === 'deleted') return undefined
      this.#bytesSinceCheckpoint = 0
      return this.#writer.durable
    }, done)
  }

  /** Whoever waits for records of a log that ends must ask again, and learns why there are none. */
  #dismissWatchers(): void {
    const watchers = [...this.#watchers]
    this.#watchers.clear()
    for (const watcher of watchers) watcher.onChanged()
  }

  /** Ends the log for appends: those under way are refused. Reads go on until `close`. */
  fail(error: StorageError): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#writer.halt()
    this.#waiters.refuse(refused('KAFKA_STORAGE_ERROR', error.message))
    this.#options.onFailure(error)
  }
}

/** A flush that was under way when the log stopped, for whatever reason. */
const STOPPED = unavailable('KAFKA_STORAGE_ERROR', 'the log stopped before it was flushed')

function batchesRead({ chunks, nextOffset, release }: HeldBatches): ReadResult {
  const sizeBytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  return { ok: true, chunks, sizeBytes, nextOffset: offset(nextOffset), release }
}

function nothingRead(nextOffset: number): ReadResult {
  return batchesRead({ chunks: [], nextOffset, release: () => {} })
}

function unavailable<Code extends 'KAFKA_STORAGE_ERROR' | 'UNKNOWN_TOPIC_OR_PARTITION'>(
  errorCode: Code,
  message: string,
) {
  return { ok: false, errorCode, message } as const
}
