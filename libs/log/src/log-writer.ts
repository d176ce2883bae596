import { invariant } from '@fairlead/base'
import type { BatchHeader } from '@fairlead/protocol'
import { type DiskCallback, type DiskResult, type StorageError, isShortage } from './disk.ts'
import { type DiskTask, runTask } from './disk-task.ts'
import { Fifo } from './fifo.ts'
import type { LogConfig } from './log-config.ts'
import type { ProducerEntry } from './producer-state.ts'
import type { Segment, SegmentEnd } from './segment.ts'

/** A batch with its offsets, on its way to the disk. */
export type PlacedBatch = {
  /** As placed: with its offset in the log. */
  readonly header: BatchHeader
  readonly bytes: Uint8Array
  readonly nextOffset: number
  readonly nowMs: number
  /** What is known of its producer once it is durable; null for a batch without one. */
  readonly producerEntry: ProducerEntry | null
}

/** Up to where the active segment is durable. */
export type DurablePoint = SegmentEnd & { readonly segment: Segment }

export type LogWriterEvents = {
  readonly onWritten: (batches: readonly PlacedBatch[]) => void
  readonly onDurable: (batches: readonly PlacedBatch[]) => void
  /** Begins the next segment at `end`, which is durable and the end of the active one. */
  readonly roll: (end: DurablePoint, nowMs: number, done: DiskCallback<Segment>) => void
  /** Whether a roll that failed may have left the next segment: the active one must not pass its name. */
  readonly hasBegunNext: () => boolean
  /**
   * The disk is full: what was placed is not written, and never will be; what was written stays. The
   * next batch is the one after the last that was written. Nothing from `reachableOffset` on becomes durable
   * before there is room.
   */
  readonly onDiskFull: (error: StorageError) => void
  readonly onFailure: (error: StorageError) => void
}

/** One write takes no more than this, so that one partition does not hold the disk for long. */
const WRITE_BYTES_MAX = 4_194_304
/** Topics with durability `os` are synced in the background after this much. */
const BACKGROUND_SYNC_BYTES = 16_777_216
/** How often a tail is written again that had no room: each attempt reads it. */
const UNSURE_RETRY_MS = 1_000
/** Index entries hold relative offsets of 32 bits. */
const RELATIVE_OFFSET_MAX = 0xffff_ffff

/**
 * Carries batches to the active segment: one write and one sync under way at most.
 *
 * Group commit: a batch that arrives during a sync could not be covered by it, and writing to a file
 * that is being synced waits for the kernel's pages. In mode `group` it therefore waits, and goes
 * with everything else that arrived meanwhile into the next write, which the next sync covers. An
 * idle log starts at once: there is no linger.
 *
 * A failed write or sync leaves the tail of the file unknown: the kernel may already have dropped
 * the dirty pages, so that a later sync would succeed without them. Nothing is retried; the writer
 * stops for good, and recovery cuts what is torn. Only a write that found no space, or a roll that found
 * no file left, is different: nothing was lost, a part that was written is cut off again, and the writer
 * goes on with whatever comes next.
 *
 * What recovery found and had no room to make durable comes first of all: before that is done nothing is
 * written, synced, claimed or rolled.
 *
 * Invariants: durable ≤ written ≤ placed offsets; only the active segment holds unsynced bytes.
 */
export class LogWriter {
  #segment: Segment
  #config: LogConfig
  readonly #events: LogWriterEvents
  readonly #placed = new Fifo<PlacedBatch>()
  readonly #unsynced = new Fifo<PlacedBatch>()
  readonly #flushes: { readonly nextOffset: number; readonly done: (ok: boolean) => void }[] = []
  #placedBytes = 0
  /** The offset of the next batch to be placed. */
  #placedOffset: number
  #durable: DurablePoint
  #isWriting = false
  #isSyncing = false
  #isRolling = false
  /** Wall clock of a request to begin the next segment whatever the size of this one. */
  #rollRequestedMs: number | undefined
  /** Wall clock of the last attempt, but for those of appends. */
  #unsureRetriedMs = Number.NEGATIVE_INFINITY
  #isStopped = false
  #onIdle: (() => void) | undefined

  constructor(options: {
    readonly segment: Segment
    /** Up to where it is durable. */
    readonly durable: SegmentEnd
    readonly config: LogConfig
    readonly events: LogWriterEvents
  }) {
    this.#segment = options.segment
    this.#config = options.config
    this.#events = options.events
    this.#placedOffset = options.segment.nextOffset
    this.#durable = { segment: options.segment, ...options.durable }
  }

  /** Bytes that wait to be written. */
  get placedBytes(): number {
    return this.#placedBytes
  }

  get writtenOffset(): number {
    return this.#segment.nextOffset
  }

  get durable(): DurablePoint {
    return this.#durable
  }

  get unsyncedBytes(): number {
    return this.#segment.sizeBytes - this.#durable.sizeBytes
  }

  /** What is written and not durable yet, oldest first. */
  *unsynced(): IterableIterator<PlacedBatch> {
    for (let index = 0; index < this.#unsynced.length; index += 1) {
      const batch = this.#unsynced.at(index)
      if (batch !== undefined) yield batch
    }
  }

  /** Syncs what is older than the topic allows (`flush.ms`); tries again, now and then, what had no room. */
  flushOverdue(nowMs: number): void {
    if (Math.abs(nowMs - this.#unsureRetriedMs) >= UNSURE_RETRY_MS) {
      this.#unsureRetriedMs = nowMs
      this.flushUnsure()
    }
    const oldest = this.#unsynced.first()
    // Whichever way the clock was set: a sync too many does no harm.
    const isOverdue = oldest !== undefined && Math.abs(nowMs - oldest.nowMs) >= this.#config.flushMs
    if (isOverdue) this.#sync()
  }

  /** Whether recovery had no room to make durable all that it found. */
  get hasUnsureTail(): boolean {
    return this.#segment.hasUnsureTail
  }

  /** Up to where a flush makes durable what was taken over. An unsure tail, and what is behind it, waits for room. */
  get reachableOffset(): number {
    return this.hasUnsureTail ? this.#durable.nextOffset : this.#placedOffset
  }

  /** Tries again to make durable what recovery had no room for. */
  flushUnsure(): void {
    if (this.hasUnsureTail) this.flush(() => {})
  }

  updateConfig(config: LogConfig): void {
    this.#config = config
    this.#advance()
  }

  /** Takes batches over; their bytes are not changed any more. */
  write(batches: readonly PlacedBatch[]): void {
    invariant(!this.#isStopped, 'a stopped writer takes no batches')
    for (const batch of batches) {
      invariant(batch.header.baseOffset === this.#placedOffset, 'offsets are contiguous')
      this.#placed.push(batch)
      this.#placedOffset = batch.nextOffset
      this.#placedBytes += batch.bytes.length
    }
    this.#advance()
  }

  /** Calls back once everything taken over so far is durable, or with false when it never will be. */
  flush(done: (isDurable: boolean) => void): void {
    if (this.#isStopped) {
      done(false)
      return
    }
    this.#flushes.push({ nextOffset: this.#placedOffset, done })
    this.#finishFlushes()
    this.#advance()
  }

  /** Begins the next segment once the active one is durable, unless it is empty. */
  requestRoll(nowMs: number): void {
    // The segment that a roll under way begins is the next one, and empty: a second of its name would
    // be taken for it.
    if (this.#isStopped || this.#isRolling || this.#segment.sizeBytes === 0) return
    this.#rollRequestedMs = nowMs
    this.#advance()
  }

  /** Drops what is not written: from now on nothing is. What is under way has no consequence. */
  halt(): void {
    this.#isStopped = true
    this.#placed.clear()
    this.#placedBytes = 0
    for (const { done } of this.#flushes.splice(0)) done(false)
  }

  /** Halts, and calls back when no operation is under way any more. Called once. */
  stop(done: () => void): void {
    invariant(this.#onIdle === undefined, 'a writer is stopped once')
    this.halt()
    this.#onIdle = done
    this.#reportIdle()
  }

  #advance(): void {
    if (this.#isStopped || this.#isWriting || this.#isRolling) return
    const first = this.#placed.first()
    const rollMs =
      first !== undefined && this.#mustRoll(first) ? first.nowMs : this.#rollRequestedMs
    const isIdle = first === undefined && rollMs === undefined
    if (this.hasUnsureTail) {
      if (!isIdle || this.#flushes.length > 0) this.#rewriteTail()
      return
    }
    if (isIdle) {
      this.#syncIfDue()
      return
    }
    if (this.#isSyncing && this.#config.durability === 'group') return
    if (rollMs === undefined) {
      this.#writeNext()
    } else if (this.#isDurable()) {
      this.#roll(rollMs)
    } else {
      this.#sync()
    }
  }

  #rewriteTail(): void {
    const target = endOf(this.#segment)
    this.#isWriting = true
    runTask(rewriteTail(target), (rewritten) => {
      this.#isWriting = false
      if (rewritten.ok) this.#onSynced(target, rewritten)
      else this.#end(rewritten.error)
    })
  }

  #mustRoll(batch: PlacedBatch): boolean {
    const { sizeBytes, createdMs } = this.#segment
    if (sizeBytes === 0) return false
    return (
      this.#events.hasBegunNext() ||
      sizeBytes + batch.bytes.length > this.#config.segmentBytes ||
      batch.nowMs - createdMs >= this.#config.segmentMs ||
      this.#isTooFar(batch)
    )
  }

  #isTooFar({ nextOffset }: PlacedBatch): boolean {
    return nextOffset - this.#segment.baseOffset > RELATIVE_OFFSET_MAX
  }

  #roll(nowMs: number): void {
    this.#isRolling = true
    this.#rollRequestedMs = undefined
    this.#events.roll(this.#durable, nowMs, (result) => {
      this.#isRolling = false
      if (!result.ok) {
        this.#end(result.error)
        return
      }
      if (this.#reportIdle()) return
      this.#segment = result.value
      this.#durable = endOf(result.value)
      this.#advance()
    })
  }

  /**
   * First of all the index gets a place: what is written and synced is always said there, so that it is
   * never taken for torn once it was acknowledged, even if the disk has no more room then.
   */
  #writeNext(): void {
    const segment = this.#segment
    this.#isWriting = true
    if (segment.hasIndexPlace) {
      this.#writeBatches(segment)
      return
    }
    runTask(segment.reserveIndex(), (reserved) => {
      this.#isWriting = false
      if (!reserved.ok) this.#end(reserved.error)
      else if (!this.#reportIdle()) this.#advance()
    })
  }

  #writeBatches(segment: Segment): void {
    const batches = this.#takeForSegment()
    const chunks = batches.map((batch) => batch.bytes)
    segment.file.write(segment.sizeBytes, chunks, (result) => {
      if (!result.ok && isShortage(result.error)) {
        this.#takeBack(result.error)
        return
      }
      this.#isWriting = false
      if (!result.ok) {
        this.#fail(result.error)
        return
      }
      if (this.#reportIdle()) return
      for (const batch of batches) {
        segment.batchWritten(batch.header, batch.bytes, batch.nowMs)
        this.#unsynced.push(batch)
      }
      this.#events.onWritten(batches)
      this.#syncIfDue()
      this.#advance()
    })
  }

  /** The placed batches that fit into the active segment, at least the first. */
  #takeForSegment(): PlacedBatch[] {
    const batches: PlacedBatch[] = []
    const roomBytes = this.#config.segmentBytes - this.#segment.sizeBytes
    const limitBytes = Math.min(WRITE_BYTES_MAX, roomBytes)
    let takenBytes = 0
    for (let next = this.#placed.first(); next !== undefined; next = this.#placed.first()) {
      takenBytes += next.bytes.length
      const isForNext = takenBytes > limitBytes || this.#isTooFar(next) || this.#mustRoll(next)
      if (batches.length > 0 && isForNext) break
      batches.push(next)
      this.#placed.shift()
      this.#placedBytes -= next.bytes.length
    }
    return batches
  }

  #isDurable(): boolean {
    return this.#durable.nextOffset === this.#segment.nextOffset
  }

  #syncIfDue(): void {
    if (this.#isDurable() || this.hasUnsureTail) return
    const isDue =
      this.#config.durability === 'group' ||
      this.#flushes.length > 0 ||
      this.unsyncedBytes >= BACKGROUND_SYNC_BYTES ||
      this.#segment.nextOffset - this.#durable.nextOffset >= this.#config.flushMessages
    if (isDue) this.#sync()
  }

  #sync(): void {
    if (this.#isSyncing || this.#isStopped) return
    this.#isSyncing = true
    const target = endOf(this.#segment)
    target.segment.file.datasync((result) => {
      if (!result.ok || this.#isStopped) this.#onSynced(target, result)
      else runTask(target.segment.writeIndex(target), (indexed) => this.#onSynced(target, indexed))
    })
  }

  /** The index says so before anybody hears of it: what was acknowledged is never taken for torn. */
  #onSynced(target: DurablePoint, result: DiskResult<void>): void {
    this.#isSyncing = false
    if (!result.ok) {
      this.#fail(result.error)
      return
    }
    if (this.#reportIdle()) return
    invariant(target.segment === this.#segment, 'a segment is synced before the next begins')
    this.#durable = target
    this.#events.onDurable(this.#takeSynced(target.nextOffset))
    this.#finishFlushes()
    this.#advance()
  }

  #takeSynced(durableOffset: number): PlacedBatch[] {
    const synced: PlacedBatch[] = []
    for (let next = this.#unsynced.first(); next !== undefined; next = this.#unsynced.first()) {
      if (next.nextOffset > durableOffset) break
      synced.push(next)
      this.#unsynced.shift()
    }
    return synced
  }

  #finishFlushes(): void {
    while ((this.#flushes[0]?.nextOffset ?? Number.POSITIVE_INFINITY) <= this.#durable.nextOffset) {
      this.#flushes.shift()?.done(true)
    }
  }

  /** Cuts what a write left that found no space in the middle. */
  #takeBack(error: StorageError): void {
    const { file, sizeBytes } = this.#segment
    file.truncate(sizeBytes, (result) => {
      this.#isWriting = false
      if (result.ok) this.#end(error)
      else this.#fail(result.error)
    })
  }

  /** Nothing of what is placed can be written: for lack of space, or for good. */
  #end(error: StorageError): void {
    if (!isShortage(error)) {
      this.#fail(error)
      return
    }
    if (this.#reportIdle()) return
    this.#placed.clear()
    this.#placedBytes = 0
    this.#placedOffset = this.#segment.nextOffset
    this.#rollRequestedMs = undefined
    const given = this.#flushes.findIndex(({ nextOffset }) => nextOffset > this.reachableOffset)
    const lost = given < 0 ? [] : this.#flushes.splice(given)
    this.#events.onDiskFull(error)
    for (const { done } of lost) done(false)
    this.#syncIfDue()
  }

  #fail(error: StorageError): void {
    if (!this.#isStopped) {
      this.#isStopped = true
      // First of all: whoever waits for a flush asks for the reason.
      this.#events.onFailure(error)
      this.halt()
    }
    this.#reportIdle()
  }

  /** True when the writer is stopped: the operation that just ended has no consequence. */
  #reportIdle(): boolean {
    if (!this.#isStopped) return false
    if (this.#isWriting || this.#isSyncing || this.#isRolling) return true
    const done = this.#onIdle
    this.#onIdle = undefined
    done?.()
    return true
  }
}

/** Unsure until the index says that it is not: where that finds no file, all of it is tried again. */
function* rewriteTail(target: DurablePoint): DiskTask<void> {
  yield* target.segment.rewriteTail()
  yield* target.segment.writeIndex(target)
  target.segment.trust()
}

function endOf(segment: Segment): DurablePoint {
  return { segment, ...segment.end }
}
