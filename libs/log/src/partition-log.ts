import { type Offset, invariant, offset } from '@fairlead/base'
import {
  type Crc32c,
  type Decompress,
  readBatchHeader,
  setLogAppendTime,
  stampBatch,
} from '@fairlead/protocol'
import { admitBatches } from './admission.ts'
import { type ValidBatch, refused, validateBatches } from './batch-validation.ts'
import type { Disk, DiskCallback, StorageError } from './disk.ts'
import { type DiskTask, runTask } from './disk-task.ts'
import { Fifo } from './fifo.ts'
import type { LeaderEpochs } from './leader-epochs.ts'
import type { LogConfig } from './log-config.ts'
import { LogDirectory } from './log-directory.ts'
import { LogWriter, type PlacedBatch } from './log-writer.ts'
import type {
  AppendContext,
  AppendRefusal,
  AppendResult,
  Appended,
  FoundOffset,
  ReadRequest,
  ReadResult,
  TimestampLookup,
} from './outcomes.ts'
import { type ProducerEntry, ProducerStates } from './producer-state.ts'
import { type RecoveredLog, recoverLog } from './recovery.ts'
import { expiredSegmentCount } from './retention.ts'
import { type Segment, createSegment } from './segment.ts'
import { type ReadBatches, readSegment } from './segment-read.ts'
import type { PartitionTail, TailCache } from './tail-cache.ts'
import { TaskQueue } from './task-queue.ts'
import { findTimestamp } from './timestamp-lookup.ts'

export type PartitionLogOptions = {
  readonly disk: Disk
  /** Directory of this partition alone, such as `<log.dir>/orders-0`; created when missing. */
  readonly directory: string
  readonly config: LogConfig
  readonly crc32c: Crc32c
  /** For lookups by time inside compressed batches. */
  readonly decompress?: Decompress
  readonly tailCache: TailCache
  /** Wall clock at opening, milliseconds since the Unix epoch. */
  readonly nowMs: number
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

/** Appends beyond this wait in memory for a disk that does not keep up: refused, to be retried. */
const PLACED_BYTES_MAX = 67_108_864
/** Recovery after a crash scans about this much of a partition. */
const CHECKPOINT_INTERVAL_BYTES = 16_777_216

type Waiter = {
  readonly nextOffset: number
  readonly result: Appended
  readonly onDurable: (result: AppendResult) => void
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
  readonly #directory: LogDirectory
  readonly #segments: Segment[]
  readonly #writer: LogWriter
  readonly #tail: PartitionTail
  readonly #tasks = new TaskQueue()
  /** Producers with every batch that has an offset, and with the durable batches only. */
  readonly #placedProducers: ProducerStates
  readonly #durableProducers: ProducerStates
  readonly #leaderEpochs: LeaderEpochs
  readonly #waiters = new Fifo<Waiter>()
  readonly #listeners = new Set<(highWatermark: Offset) => void>()
  /** Bytes of a torn write that recovery cut off. */
  readonly truncatedBytes: number
  #config: LogConfig
  #logStartOffset: Offset
  #logEndOffset: Offset
  #highWatermark: Offset
  #checkpointOffset: number
  #bytesSinceCheckpoint = 0
  #isCheckpointQueued = false
  #failure: StorageError | undefined
  #state: 'open' | 'closed' | 'deleted' = 'open'

  constructor(options: PartitionLogOptions, recovered: RecoveredLog) {
    const { disk, directory, crc32c, config } = options
    const active = recovered.segments.at(-1)
    invariant(active !== undefined, 'a log has a segment')
    this.#options = options
    this.#config = config
    this.#directory = new LogDirectory({ path: directory, disk, crc32c })
    this.#segments = recovered.segments
    this.#tail = options.tailCache.partition()
    this.#placedProducers = new ProducerStates(recovered.producers.entries())
    this.#durableProducers = recovered.producers
    this.#leaderEpochs = recovered.leaderEpochs
    this.truncatedBytes = recovered.truncatedBytes
    this.#logEndOffset = offset(active.nextOffset)
    this.#highWatermark = this.#logEndOffset
    this.#logStartOffset = offset(Math.min(recovered.logStartOffset, active.nextOffset))
    this.#checkpointOffset = -1
    this.#writer = new LogWriter({
      segment: active,
      config,
      events: {
        onWritten: (batches) => this.#onWritten(batches),
        onDurable: (batches) => this.#onDurable(batches),
        roll: (baseOffset, nowMs, done) =>
          this.#tasks.run(() => this.#roll(baseOffset, nowMs), done),
        onFailure: (error) => this.#fail(error),
      },
    })
  }

  get logStartOffset(): Offset {
    return this.#logStartOffset
  }

  /** The offset of the next record to be appended. */
  get logEndOffset(): Offset {
    return this.#logEndOffset
  }

  /** The first offset that does not count yet: durable, or written, as the topic demands. */
  get highWatermark(): Offset {
    return this.#highWatermark
  }

  /** The high watermark: no transaction is ever open, since none can begin. */
  get lastStableOffset(): Offset {
    return this.#highWatermark
  }

  /** Epoch of the last append; -1 before the first. */
  get leaderEpoch(): number {
    return this.#leaderEpochs.latest
  }

  /** Of all segments. */
  get sizeBytes(): number {
    return this.#segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  }

  /** Why the log takes no more appends. */
  get failure(): StorageError | undefined {
    return this.#failure
  }

  /**
   * Appends record batches, all or none. Takes `records` over: offsets and leader epoch are stamped
   * into it, and readers get it from the cache, so nobody may change it afterwards.
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
    const { maxMessageBytes } = this.#config
    const valid = validateBatches(records, { maxMessageBytes, crc32c, origin: context.origin })
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
        this.#await({ ...admitted, logAppendTimeMs: -1, duplicate: true }, onDurable)
        break
      case 'append':
        this.#place(records, valid.batches, admitted.entries, context, onDurable)
        break
    }
  }

  /** Reads whole batches from the one that holds `fetchOffset`. */
  read(request: ReadRequest, done: (result: ReadResult) => void): void {
    const { fetchOffset, maxBytes } = request
    const upTo = Math.min(request.upTo ?? this.#highWatermark, this.#writer.writtenOffset)
    const closed = this.#closedRefusal()
    if (closed !== undefined) {
      done(closed)
    } else if (fetchOffset < this.#logStartOffset || fetchOffset > this.#logEndOffset) {
      const message = `${fetchOffset} is not from ${this.#logStartOffset} to ${this.#logEndOffset}`
      done({ ok: false, errorCode: 'OFFSET_OUT_OF_RANGE', message })
    } else if (fetchOffset >= upTo) {
      done(batchesRead([], fetchOffset))
    } else {
      const cached = this.#tail.read({ fetchOffset, upTo, maxBytes })
      if (cached !== undefined) done(batchesRead(cached.chunks, cached.nextOffset))
      else this.#readFromDisk({ fetchOffset, upTo, maxBytes }, done)
    }
  }

  /** The earliest record with this timestamp or a later one; null when there is none. */
  offsetForTimestamp(timestampMs: number, done: (result: TimestampLookup) => void): void {
    this.#lookUp((segment) => segment.maxTimestampMs >= timestampMs, timestampMs, done)
  }

  /** The first record that has the greatest timestamp of the log; null when the log is empty. */
  offsetOfMaxTimestamp(done: (result: TimestampLookup) => void): void {
    const maxTimestampMs = Math.max(...this.#segments.map((segment) => segment.maxTimestampMs))
    this.#lookUp((segment) => segment.maxTimestampMs === maxTimestampMs, maxTimestampMs, done)
  }

  /** Calls `listener` after each advance of the high watermark, until the returned function runs. */
  onHighWatermark(listener: (highWatermark: Offset) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Applies to the next append; `indexIntervalBytes` to the next segment. */
  updateConfig(config: LogConfig): void {
    this.#config = config
    this.#writer.updateConfig(config)
  }

  /** Removes whole segments by age and size, and forgets producers that were silent for long. */
  enforceRetention(nowMs: number, done: DiskCallback<void>): void {
    if (this.#state !== 'open' || this.#failure !== undefined) {
      done({ ok: true, value: undefined })
      return
    }
    const { producerIdExpirationMs } = this.#config
    this.#placedProducers.expire(nowMs, producerIdExpirationMs)
    this.#durableProducers.expire(nowMs, producerIdExpirationMs)
    this.#change(() => this.#removeExpired(nowMs), done)
  }

  /** Makes everything appended durable and writes the recovery point, so that opening scans less. */
  checkpoint(done: DiskCallback<void>): void {
    if (this.#state !== 'open') {
      done({ ok: true, value: undefined })
      return
    }
    this.#writer.flush(() => this.#change(() => this.#writeCheckpoint(), done))
  }

  /** Makes everything appended durable, then closes the files. */
  close(done: DiskCallback<void>): void {
    invariant(this.#state === 'open', 'a log is closed or deleted once')
    this.#state = 'closed'
    this.#writer.flush((isDurable) => {
      const release = () =>
        this.#writer.stop(() => this.#tasks.run(() => this.#releaseFiles(), done))
      if (!isDurable) release()
      else this.#change(() => this.#writeCheckpoint(), release)
    })
  }

  /** Removes the log and its directory. Appends under way are refused. */
  delete(done: DiskCallback<void>): void {
    invariant(this.#state === 'open', 'a log is closed or deleted once')
    this.#state = 'deleted'
    this.#refuseWaiters(refused('UNKNOWN_TOPIC_OR_PARTITION', 'the log is deleted'))
    this.#writer.stop(() => this.#tasks.run(() => this.#deleteFiles(), done))
  }

  #appendRefusal(): AppendRefusal | undefined {
    const closed = this.#closedRefusal()
    if (closed !== undefined) return closed
    if (this.#failure !== undefined) {
      return refused('KAFKA_STORAGE_ERROR', this.#failure.message)
    }
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

  #place(
    records: Uint8Array,
    batches: readonly ValidBatch[],
    entries: readonly (ProducerEntry | null)[],
    context: AppendContext,
    onDurable: (result: AppendResult) => void,
  ): void {
    const { leaderEpoch, nowMs } = context
    const { crc32c } = this.#options
    invariant(leaderEpoch >= this.leaderEpoch, 'leader epochs do not go back')
    const isLogAppendTime = this.#config.messageTimestampType === 'LogAppendTime'
    const baseOffset = this.#logEndOffset
    this.#leaderEpochs.assign(leaderEpoch, baseOffset)
    let nextOffset: number = baseOffset
    const placed = batches.map(({ position, header }, index): PlacedBatch => {
      stampBatch(records, position, { baseOffset: nextOffset, partitionLeaderEpoch: leaderEpoch })
      if (isLogAppendTime) setLogAppendTime(records, position, { logAppendTimeMs: nowMs, crc32c })
      const producerEntry = entries[index] ?? null
      if (producerEntry !== null) this.#placedProducers.set(header.producerId, producerEntry)
      nextOffset += header.lastOffsetDelta + 1
      const stamped = readBatchHeader(records, position)
      const bytes = records.subarray(position, position + header.sizeBytes)
      return { header: stamped, bytes, nextOffset, nowMs, producerEntry }
    })
    this.#logEndOffset = offset(nextOffset)
    const logAppendTimeMs = isLogAppendTime ? nowMs : -1
    const range = { baseOffset, lastOffset: nextOffset - 1, logAppendTimeMs, duplicate: false }
    this.#await(range, onDurable)
    this.#writer.write(placed)
  }

  /** Answers once the high watermark has passed `lastOffset`. */
  #await(
    appended: {
      readonly baseOffset: number
      readonly lastOffset: number
      readonly logAppendTimeMs: number
      readonly duplicate: boolean
    },
    onDurable: (result: AppendResult) => void,
  ): void {
    const { logAppendTimeMs, duplicate } = appended
    const result: Appended = {
      ok: true,
      baseOffset: offset(appended.baseOffset),
      lastOffset: offset(appended.lastOffset),
      logAppendTimeMs,
      logStartOffset: this.#logStartOffset,
      duplicate,
    }
    const nextOffset = appended.lastOffset + 1
    // A retry of a batch that is still on its way to the disk waits as its original does.
    if (nextOffset <= this.#highWatermark) onDurable(result)
    else this.#waiters.push({ nextOffset, result, onDurable })
  }

  #onWritten(batches: readonly PlacedBatch[]): void {
    for (const { header, bytes, nextOffset } of batches) {
      this.#tail.add(bytes, header.baseOffset, nextOffset)
    }
    if (this.#config.durability === 'os') this.#advanceHighWatermark(this.#writer.writtenOffset)
  }

  #onDurable(batches: readonly PlacedBatch[]): void {
    for (const { header, bytes, producerEntry } of batches) {
      if (producerEntry !== null) this.#durableProducers.set(header.producerId, producerEntry)
      this.#bytesSinceCheckpoint += bytes.length
    }
    this.#advanceHighWatermark(this.#writer.durable.nextOffset)
    if (this.#bytesSinceCheckpoint >= CHECKPOINT_INTERVAL_BYTES && !this.#isCheckpointQueued) {
      this.#isCheckpointQueued = true
      this.#change(
        () => this.#writeCheckpoint(),
        () => {
          this.#isCheckpointQueued = false
        },
      )
    }
  }

  #advanceHighWatermark(to: number): void {
    if (to <= this.#highWatermark) return
    invariant(to <= this.#logEndOffset, 'the high watermark stays below the log end')
    this.#highWatermark = offset(to)
    for (let next = this.#waiters.first(); next !== undefined; next = this.#waiters.first()) {
      if (next.nextOffset > this.#highWatermark) break
      this.#waiters.shift()
      next.onDurable(next.result)
    }
    for (const listener of this.#listeners) listener(this.#highWatermark)
  }

  #readFromDisk(
    range: { readonly fetchOffset: number; readonly upTo: number; readonly maxBytes: number },
    done: (result: ReadResult) => void,
  ): void {
    const segment = this.#segments.findLast(({ baseOffset }) => baseOffset <= range.fetchOffset)
    invariant(segment !== undefined, 'a segment starts at or below the log start')
    const release = segment.hold()
    runTask<ReadBatches>(readSegment(segment, range), (result) => {
      release()
      if (!result.ok) done(unavailable('KAFKA_STORAGE_ERROR', result.error.message))
      else {
        const { bytes, nextOffset } = result.value
        done(batchesRead(bytes.length === 0 ? [] : [bytes], nextOffset))
      }
    })
  }

  #lookUp(
    mayHold: (segment: Segment) => boolean,
    timestampMs: number,
    done: (result: TimestampLookup) => void,
  ): void {
    const closed = this.#closedRefusal()
    if (closed !== undefined) {
      done(closed)
      return
    }
    const candidates = this.#segments.filter(mayHold)
    const releases = candidates.map((segment) => segment.hold())
    runTask(this.#findTimestamp(candidates, timestampMs), (result) => {
      for (const release of releases) release()
      if (result.ok) done({ ok: true, found: result.value })
      else done(unavailable('KAFKA_STORAGE_ERROR', result.error.message))
    })
  }

  *#findTimestamp(segments: readonly Segment[], timestampMs: number): DiskTask<FoundOffset | null> {
    const { decompress } = this.#options
    for (const segment of segments) {
      const logStartOffset = this.#logStartOffset
      const range = { logStartOffset, highWatermark: this.#highWatermark, decompress }
      const found = yield* findTimestamp(segment, timestampMs, range)
      if (found !== null) return found
    }
    return null
  }

  /** Runs a task that writes: its failure is the failure of the log. */
  #change(task: () => DiskTask<void>, done: DiskCallback<void>): void {
    this.#tasks.run(task, (result) => {
      if (!result.ok) {
        this.#writer.stop(() => {})
        this.#fail(result.error)
      }
      done(result)
    })
  }

  *#roll(baseOffset: number, nowMs: number): DiskTask<Segment> {
    const { disk, path: directory } = this.#directory
    const { indexIntervalBytes } = this.#config
    yield* this.#directory.sealSegment(
      this.#writer.durable,
      this.#durableProducers,
      this.#leaderEpochs,
    )
    const options = { disk, directory, baseOffset, nowMs, indexIntervalBytes }
    const segment = yield* createSegment(options)
    this.#segments.push(segment)
    return segment
  }

  *#writeCheckpoint(): DiskTask<void> {
    const point = this.#writer.durable
    if (point.nextOffset === this.#checkpointOffset) return
    if (this.#failure !== undefined || this.#state === 'deleted') return
    this.#bytesSinceCheckpoint = 0
    yield* this.#directory.checkpoint(point, this.#durableProducers, this.#leaderEpochs)
    this.#checkpointOffset = point.nextOffset
  }

  *#removeExpired(nowMs: number): DiskTask<void> {
    const retained = this.#segments.map(({ sizeBytes, maxTimestampMs, createdMs }) => ({
      sizeBytes,
      // Records without a timestamp are as old as their segment.
      maxTimestampMs: maxTimestampMs < 0 ? createdMs : maxTimestampMs,
    }))
    const count = expiredSegmentCount(retained, this.#config, nowMs)
    const oldestKept = this.#segments[count]
    if (count === 0 || oldestKept === undefined) return
    yield* this.#directory.writeLogStart(oldestKept.baseOffset)
    this.#logStartOffset = offset(oldestKept.baseOffset)
    const removed = this.#segments.splice(0, count)
    yield* this.#directory.removeSegments(removed.map(({ baseOffset }) => baseOffset))
    for (const segment of removed) yield* segment.release()
  }

  *#releaseFiles(): DiskTask<void> {
    this.#tail.drop()
    this.#listeners.clear()
    for (const segment of this.#segments.splice(0)) yield* segment.release()
  }

  *#deleteFiles(): DiskTask<void> {
    yield* this.#releaseFiles()
    yield* this.#directory.remove()
  }

  #fail(error: StorageError): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#refuseWaiters(refused('KAFKA_STORAGE_ERROR', error.message))
    this.#options.onFailure(error)
  }

  #refuseWaiters(refusal: AppendRefusal): void {
    for (let next = this.#waiters.shift(); next !== undefined; next = this.#waiters.shift()) {
      next.onDurable(refusal)
    }
  }
}

function batchesRead(chunks: readonly Uint8Array[], nextOffset: number): ReadResult {
  const sizeBytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  return { ok: true, chunks, sizeBytes, nextOffset: offset(nextOffset) }
}

function unavailable<Code extends 'KAFKA_STORAGE_ERROR' | 'UNKNOWN_TOPIC_OR_PARTITION'>(
  errorCode: Code,
  message: string,
) {
  return { ok: false, errorCode, message } as const
}
