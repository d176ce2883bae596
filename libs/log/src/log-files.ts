import { invariant } from '@fairlead/base'
import type { CleanerCheckpoint, SegmentRange } from './checkpoints.ts'
import type { CompactionSegment } from './compaction/plan.ts'
import { swapIn } from './compaction/swap.ts'
import { type DiskCallback, StorageError, isShortage } from './disk.ts'
import type { DiskTask } from './disk-task.ts'
import type { FileBudget } from './file-budget.ts'
import type { IndexCache } from './index-cache.ts'
import type { LeaderEpochs } from './leader-epochs.ts'
import type { LogConfig } from './log-config.ts'
import type { LogDirectory } from './log-directory.ts'
import type { DurablePoint } from './log-writer.ts'
import type { ProducerStates } from './producer-state.ts'
import { openCompacted } from './recovery.ts'
import { expiredSegmentCount } from './retention.ts'
import { type Segment, createSegment } from './segment.ts'
import { TaskQueue } from './task-queue.ts'

export type LogFilesOptions = {
  readonly directory: LogDirectory
  /** From recovery: in offset order, at least one. Taken over. */
  readonly segments: Segment[]
  readonly logStartOffset: number
  /** Of the newest durable state that was found; -1 for none. */
  readonly checkpointOffset: number
  readonly indexCache: IndexCache
  /** Of the files of all logs. Without it a log may have any number of segments. */
  readonly fileBudget: FileBudget | undefined
  /** As of the durable point: written into the durable state. */
  readonly producers: ProducerStates
  readonly leaderEpochs: LeaderEpochs
  readonly cleaner: CleanerCheckpoint
  readonly onLogStartRaised: () => void
  /** A change that failed leaves the files unknown: the log must not go on. */
  readonly onFailure: (error: StorageError) => void
}

/** The index of the segment that takes the appends. */
const GROWING_INDEX_FILES = 1

/**
 * The segments of a log, and every change to its files but the appends: roll, checkpoint, retention,
 * compacted segments, and the end. They run one after the other, in the order of the calls.
 *
 * Invariants: segments are contiguous, and the last one takes the appends; the log start is durable
 * before what lies below it is removed; after `close` or `remove` nothing is changed any more.
 */
export class LogFiles {
  readonly #options: LogFilesOptions
  readonly #segments: Segment[]
  readonly #tasks = new TaskQueue()
  #cleaner: CleanerCheckpoint
  #logStartOffset: number
  /** Of the newest durable state; -1 before the first. */
  #checkpointOffset: number
  #hasEnded = false
  /** The directory has segments of a swap that the log does not serve yet. */
  #isSwapping = false
  #hasBegunNext = false

  constructor(options: LogFilesOptions) {
    invariant(options.segments.length > 0, 'a log has a segment')
    this.#options = options
    this.#segments = options.segments
    this.#cleaner = options.cleaner
    this.#logStartOffset = options.logStartOffset
    this.#checkpointOffset = options.checkpointOffset
    this.#countFiles(this.#segments.length + GROWING_INDEX_FILES)
  }

  /** The first offset that is kept: durable, and it never goes back. */
  get logStartOffset(): number {
    return this.#logStartOffset
  }

  get segments(): readonly Segment[] {
    return this.#segments
  }

  /** The segment that takes the appends. */
  get active(): Segment {
    const active = this.#segments.at(-1)
    invariant(active !== undefined, 'a log that is open has a segment')
    return active
  }

  /** Whether the file of the next segment may be there: it begins where the active one ends now. */
  get hasBegunNext(): boolean {
    return this.#hasBegunNext
  }

  /** Everything below was compacted at least once. */
  get firstDirtyOffset(): number {
    return this.#cleaner.firstDirtyOffset
  }

  /** What a compaction is planned by, but for the watermarks. First timestamps only on demand. */
  compactionSegments(
    options: { readonly withFirstTimestamps: boolean },
    done: DiskCallback<readonly CompactionSegment[]>,
  ): void {
    this.#tasks.run(() => this.#compactionSegments(options), done)
  }

  /** Begins the next segment. Everything up to `end`, the end of the active one, is durable. */
  roll(
    end: DurablePoint,
    next: Pick<Segment, 'createdMs'> & { readonly indexIntervalBytes: number },
    done: DiskCallback<Segment>,
  ): void {
    this.#tasks.run(() => this.#roll(end, next), done)
  }

  /** Writes a durable state. `pointNow` is asked when it is its turn. */
  checkpoint(pointNow: () => DurablePoint | undefined, done: DiskCallback<void>): void {
    this.#change(() => this.#checkpoint(pointNow()), done)
  }

  /** Removes segments by age and size, and those below the log start; never the active one. */
  removeExpired(
    limits: { readonly config: LogConfig; readonly nowMs: number },
    done: DiskCallback<void>,
  ): void {
    this.#change(() => this.#removeExpired(limits), done)
  }

  /** Makes `logStartOffset`, which is durable, the log start, and removes the segments below it. */
  raiseLogStart(logStartOffset: number, done: DiskCallback<void>): void {
    this.#change(() => this.#raiseLogStart(logStartOffset), done)
  }

  /** How many segments are expired, the active one included when it holds anything. */
  expiredCount({ config, nowMs }: { readonly config: LogConfig; readonly nowMs: number }): number {
    const retained = this.#segments.map(({ sizeBytes, nextOffset, maxTimestampMs, createdMs }) => ({
      sizeBytes,
      isBelowLogStart: nextOffset <= this.#logStartOffset,
      // Records without a timestamp are as old as their segment.
      maxTimestampMs: maxTimestampMs < 0 ? createdMs : maxTimestampMs,
    }))
    return expiredSegmentCount(retained, config, nowMs)
  }

  /**
   * Puts the compacted segment, which is durable in its `.cleaned` files, in the place of the segments
   * of `range`. False when these are not there any more: then nothing has changed.
   */
  replaceSegments(
    range: SegmentRange,
    next: { readonly nowMs: number; readonly indexIntervalBytes: number },
    done: DiskCallback<boolean>,
  ): void {
    this.#change(() => this.#replaceSegments(range, next), done)
  }

  /** Notes that a compaction has ended: what stands below `firstDirtyOffset` needs no other soon. */
  endCompaction(firstDirtyOffset: number, done: DiskCallback<void>): void {
    this.#change(() => this.#endCompaction(firstDirtyOffset), done)
  }

  /** Files of deleted segments that are still there. */
  get deletedFileCount(): number {
    return this.#options.directory.deleted.count
  }

  /** Removes the files of segments that were deleted `delayMs` ago, up to the time between two calls more. */
  removeDeleted(
    due: { readonly nowMs: number; readonly delayMs: number },
    done: DiskCallback<void>,
  ): void {
    this.#change(() => this.#removeDeleted(due), done)
  }

  close(done: DiskCallback<void>): void {
    this.#tasks.run(() => this.#release(), done)
  }

  remove(done: DiskCallback<void>): void {
    this.#tasks.run(() => this.#remove(), done)
  }

  #change<Value>(task: () => DiskTask<Value>, done: DiskCallback<Value>): void {
    this.#tasks.run(task, (result) => {
      // What has run out is met before anything is changed, but in a swap: it can be tried again.
      const canBeRetried = !result.ok && isShortage(result.error) && !this.#isSwapping
      if (!result.ok && !canBeRetried) this.#options.onFailure(result.error)
      done(result)
    })
  }

  *#roll(
    end: DurablePoint,
    next: Pick<Segment, 'createdMs'> & { readonly indexIntervalBytes: number },
  ): DiskTask<Segment> {
    invariant(end.segment === this.active, 'the active segment is rolled')
    invariant(end.sizeBytes > 0, 'no two segments begin at one offset')
    this.#refuseBeyondBudget()
    const { directory, producers, leaderEpochs } = this.#options
    yield* directory.checkpoint(end, producers, leaderEpochs)
    // A full disk is better met before the next segment exists: this one may still go on.
    yield* end.segment.finishIndex(end)
    this.#hasBegunNext = true
    const segment = yield* createSegment({
      disk: directory.disk,
      directory: directory.path,
      crc32c: directory.crc32c,
      indexCache: this.#options.indexCache,
      baseOffset: end.nextOffset,
      nowMs: next.createdMs,
      indexIntervalBytes: next.indexIntervalBytes,
    })
    yield* end.segment.close()
    this.#hasBegunNext = false
    this.#segments.push(segment)
    this.#countFiles(1)
    return segment
  }

  /** Before anything is changed: a roll that is refused can be tried again. */
  #refuseBeyondBudget(): void {
    const { fileBudget } = this.#options
    if (fileBudget?.admits(this.#segments.length) !== false) return
    const message =
      `a log of ${this.#segments.length} segments may begin no other: segments have ` +
      `${fileBudget.openCount} of ${fileBudget.filesMax} files open; raise segment.bytes and ` +
      `segment.ms, lower the retention, or raise the limit of open files (ulimit -n)`
    throw new StorageError(message, { code: 'EMFILE' })
  }

  #countFiles(change: number): void {
    this.#options.fileBudget?.change(change)
  }

  *#checkpoint(point: DurablePoint | undefined): DiskTask<void> {
    if (this.#hasEnded || point === undefined) return
    if (point.nextOffset === this.#checkpointOffset) return
    const { directory, producers, leaderEpochs } = this.#options
    const isWritten = yield* directory.checkpoint(point, producers, leaderEpochs)
    if (isWritten) this.#checkpointOffset = point.nextOffset
  }

  *#removeExpired(limits: { readonly config: LogConfig; readonly nowMs: number }): DiskTask<void> {
    if (this.#hasEnded) return
    const count = Math.min(this.expiredCount(limits), this.#segments.length - 1)
    const oldestKept = this.#segments[count]
    if (count > 0 && oldestKept !== undefined) yield* this.#raiseLogStart(oldestKept.baseOffset)
  }

  *#raiseLogStart(logStartOffset: number): DiskTask<void> {
    if (this.#hasEnded) return
    const { directory } = this.#options
    if (logStartOffset > this.#logStartOffset) {
      yield* directory.writeLogStart(logStartOffset)
      this.#logStartOffset = logStartOffset
      this.#options.onLogStartRaised()
    }
    const isStart = ({ baseOffset }: Segment): boolean => baseOffset <= this.#logStartOffset
    const removedCount = this.#segments.findLastIndex(isStart)
    if (removedCount <= 0) return
    const names = yield* directory.names()
    const removed = this.#segments.splice(0, removedCount)
    try {
      yield* directory.deleteSegments(
        removed.map(({ baseOffset }) => baseOffset),
        names,
      )
    } finally {
      for (const segment of removed) yield* segment.release()
      this.#countFiles(-removed.length)
    }
  }

  *#compactionSegments({
    withFirstTimestamps,
  }: {
    readonly withFirstTimestamps: boolean
  }): DiskTask<readonly CompactionSegment[]> {
    const described: CompactionSegment[] = []
    for (const segment of this.#segments) {
      const { baseOffset, nextOffset, sizeBytes, isCompacted, maxTimestampMs, createdMs } = segment
      const isDirty = nextOffset > this.firstDirtyOffset
      described.push({
        baseOffset,
        endOffset: nextOffset,
        sizeBytes,
        isCompacted,
        indexBytes: segment.indexBytesMax,
        maxTimestampMs,
        firstTimestampMs: withFirstTimestamps && isDirty ? yield* segment.firstTimestampMs() : -1,
        createdMs,
      })
    }
    return described
  }

  *#replaceSegments(
    range: SegmentRange,
    next: { readonly nowMs: number; readonly indexIntervalBytes: number },
  ): DiskTask<boolean> {
    const from = this.#segments.findIndex(({ baseOffset }) => baseOffset === range.baseOffset)
    const to = this.#segments.findIndex(({ baseOffset }) => baseOffset === range.endOffset)
    if (this.#hasEnded || from < 0 || to <= from) return false
    const { directory } = this.#options
    const { disk, crc32c } = directory
    const compactedTo = Math.max(this.#cleaner.compactedTo, range.endOffset)
    this.#cleaner = { ...this.#cleaner, compactedTo, swap: range }
    yield* directory.writeCleaner(this.#cleaner)
    const replacedFiles = yield* swapIn({ disk, directory: directory.path }, range, () => {
      this.#isSwapping = true
    })
    directory.deleted.add(replacedFiles)
    const compacted = yield* openCompacted(
      { disk, directory: directory.path, crc32c, indexCache: this.#options.indexCache, ...next },
      range,
    )
    this.#isSwapping = false
    const replaced = this.#segments.splice(from, to - from, compacted)
    this.#countFiles(1)
    for (const segment of replaced) yield* segment.release()
    this.#countFiles(-replaced.length)
    return true
  }

  *#endCompaction(firstDirtyOffset: number): DiskTask<void> {
    if (this.#hasEnded) return
    this.#cleaner = { ...this.#cleaner, firstDirtyOffset, swap: undefined }
    yield* this.#options.directory.writeCleaner(this.#cleaner)
  }

  *#removeDeleted(due: { readonly nowMs: number; readonly delayMs: number }): DiskTask<void> {
    if (!this.#hasEnded) yield* this.#options.directory.removeDeleted(due)
  }

  *#release(): DiskTask<void> {
    this.#hasEnded = true
    const released = this.#segments.splice(0)
    for (const segment of released) yield* segment.release()
    this.#countFiles(-released.length - GROWING_INDEX_FILES)
  }

  *#remove(): DiskTask<void> {
    yield* this.#release()
    yield* this.#options.directory.remove()
  }
}
