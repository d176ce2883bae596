import { invariant } from '@fairlead/base'
import type { DiskCallback, StorageError } from './disk.ts'
import type { DiskTask } from './disk-task.ts'
import type { LeaderEpochs } from './leader-epochs.ts'
import type { LogConfig } from './log-config.ts'
import type { LogDirectory } from './log-directory.ts'
import type { DurablePoint } from './log-writer.ts'
import type { ProducerStates } from './producer-state.ts'
import { expiredSegmentCount } from './retention.ts'
import { type Segment, createSegment } from './segment.ts'
import { TaskQueue } from './task-queue.ts'

export type LogFilesOptions = {
  readonly directory: LogDirectory
  /** From recovery: in offset order, at least one. Taken over. */
  readonly segments: Segment[]
  /** As of the durable point: written into snapshots and checkpoints. */
  readonly producers: ProducerStates
  readonly leaderEpochs: LeaderEpochs
  /** A change that failed leaves the files unknown: the log must not go on. */
  readonly onFailure: (error: StorageError) => void
}

/**
 * The segments of a log, and every change to its files but the appends: roll, checkpoint, retention,
 * and the end. They run one after the other, in the order of the calls.
 *
 * Invariants: segments are contiguous, and the last one takes the appends; the log start is durable
 * before what lies below it is removed; after `close` or `remove` nothing is changed any more.
 */
export class LogFiles {
  readonly #options: LogFilesOptions
  readonly #segments: Segment[]
  readonly #tasks = new TaskQueue()
  /** Of the last recovery point; -1 before the first. */
  #checkpointOffset = -1
  #hasEnded = false

  constructor(options: LogFilesOptions) {
    invariant(options.segments.length > 0, 'a log has a segment')
    this.#options = options
    this.#segments = options.segments
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

  /** Begins the next segment. Everything up to `end`, the end of the active one, is durable. */
  roll(
    end: DurablePoint,
    next: Pick<Segment, 'createdMs'> & { readonly indexIntervalBytes: number },
    done: DiskCallback<Segment>,
  ): void {
    this.#tasks.run(() => this.#roll(end, next), done)
  }

  /** Writes a recovery point. `pointNow` is asked when it is its turn. */
  checkpoint(pointNow: () => DurablePoint | undefined, done: DiskCallback<void>): void {
    this.#change(() => this.#checkpoint(pointNow()), done)
  }

  /** Removes segments by age and size, never the active one; tells the log start before. */
  removeExpired(
    limits: { readonly config: LogConfig; readonly nowMs: number },
    onLogStart: (logStartOffset: number) => void,
    done: DiskCallback<void>,
  ): void {
    this.#change(() => this.#removeExpired(this.expiredCount(limits), onLogStart), done)
  }

  /** How many segments are expired, the active one included when it holds anything. */
  expiredCount({ config, nowMs }: { readonly config: LogConfig; readonly nowMs: number }): number {
    const retained = this.#segments.map(({ sizeBytes, maxTimestampMs, createdMs }) => ({
      sizeBytes,
      // Records without a timestamp are as old as their segment.
      maxTimestampMs: maxTimestampMs < 0 ? createdMs : maxTimestampMs,
    }))
    return expiredSegmentCount(retained, config, nowMs)
  }

  close(done: DiskCallback<void>): void {
    this.#tasks.run(() => this.#release(), done)
  }

  remove(done: DiskCallback<void>): void {
    this.#tasks.run(() => this.#remove(), done)
  }

  #change(task: () => DiskTask<void>, done: DiskCallback<void>): void {
    this.#tasks.run(task, (result) => {
      if (!result.ok) this.#options.onFailure(result.error)
      done(result)
    })
  }

  *#roll(
    end: DurablePoint,
    next: Pick<Segment, 'createdMs'> & { readonly indexIntervalBytes: number },
  ): DiskTask<Segment> {
    invariant(end.segment === this.active, 'the active segment is rolled')
    const { directory, producers, leaderEpochs } = this.#options
    yield* directory.sealSegment(end, producers, leaderEpochs)
    const segment = yield* createSegment({
      disk: directory.disk,
      directory: directory.path,
      baseOffset: end.nextOffset,
      nowMs: next.createdMs,
      indexIntervalBytes: next.indexIntervalBytes,
    })
    this.#segments.push(segment)
    return segment
  }

  *#checkpoint(point: DurablePoint | undefined): DiskTask<void> {
    if (this.#hasEnded || point === undefined) return
    if (point.nextOffset === this.#checkpointOffset) return
    const { directory, producers, leaderEpochs } = this.#options
    yield* directory.checkpoint(point, producers, leaderEpochs)
    this.#checkpointOffset = point.nextOffset
  }

  *#removeExpired(
    expiredCount: number,
    onLogStart: (logStartOffset: number) => void,
  ): DiskTask<void> {
    const count = Math.min(expiredCount, this.#segments.length - 1)
    const oldestKept = this.#segments[count]
    if (this.#hasEnded || count <= 0 || oldestKept === undefined) return
    const { directory } = this.#options
    yield* directory.writeLogStart(oldestKept.baseOffset)
    onLogStart(oldestKept.baseOffset)
    const removed = this.#segments.splice(0, count)
    try {
      yield* directory.removeSegments(removed.map(({ baseOffset }) => baseOffset))
    } finally {
      for (const segment of removed) yield* segment.release()
    }
  }

  *#release(): DiskTask<void> {
    this.#hasEnded = true
    for (const segment of this.#segments.splice(0)) yield* segment.release()
  }

  *#remove(): DiskTask<void> {
    yield* this.#release()
    yield* this.#options.directory.remove()
  }
}
