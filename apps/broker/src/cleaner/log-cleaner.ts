import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Clock, type Timers, invariant } from '@fairlead/base'
import {
  type CompactionResult,
  type DiskCallback,
  type PlannedCompaction,
  type SegmentRange,
  StorageError,
  isShortage,
} from '@fairlead/log'
import type { BackgroundThread, JobOutcome } from '../background/background-thread.ts'
import { BackgroundWork } from '../background/background-work.ts'
import { CANCELLED } from '../background/messages.ts'
import { settled } from '../partitions/log-calls.ts'
import type { LocalPartition, PartitionTable } from '../partitions/partition-table.ts'
import type { CleanerConfig } from './cleaner-config.ts'

/** Planning takes microseconds a partition: clients come between so many of them. */
const PLANS_PER_TURN = 32
/** A compaction that found the disk full, or its files gone, is tried again after this. */
const RETRY_MS = 60_000

export type LogCleanerOptions = {
  readonly config: CleanerConfig
  readonly partitions: PartitionTable
  readonly createThread: () => BackgroundThread
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: {
    info(fields: object, message: string): void
    warn(fields: object, message: string): void
  }
}

type Filthy = {
  readonly partition: LocalPartition
  readonly planned: PlannedCompaction
  /** How many compactions of it had ended when it was planned: another one makes the plan obsolete. */
  readonly endedCount: number
}

export type LastCompaction = CompactionResult & { readonly durationMs: number }

/** What the gauges of compaction show. */
export type CleanerState = {
  /** Of the dirtiest log when it was last looked for, 0 to 1. */
  readonly maxDirtyRatio: number
  /** For how long a log should have been compacted already, at most. */
  readonly maxDelayMs: number
  /** When logs were last looked at. */
  readonly lastRunMs: number
  /** Partitions whose compaction failed; they are left alone until the next start. */
  readonly uncleanable: ReadonlySet<LocalPartition>
  /** Threads that died, since the start. */
  readonly deadThreadCount: number
  readonly compactionCount: number
  /** Of each thread, its last one. */
  readonly last: readonly LastCompaction[]
}

/**
 * Compacts logs in the background, the filthiest first (Kafka's `LogCleaner`). It plans on the event
 * loop, which owns the logs; reading, hashing and writing are the threads' work; then the log puts the
 * compacted segments in their place.
 *
 * Invariants: what failed for a reason that stays is not tried again; no segment of a log begins to be
 * replaced once its `cleanup.policy` is without `compact`, whatever was under way (Kafka's `abortCleaning`).
 *
 * A new configuration holds for the next compaction, its rate for those under way, too.
 */
export class LogCleaner {
  readonly #options: LogCleanerOptions
  readonly #work: BackgroundWork
  readonly #uncleanable = new Set<LocalPartition>()
  readonly #waitingForRoom = new Set<LocalPartition>()
  readonly #retryMs = new Map<LocalPartition, number>()
  readonly #endedCounts = new WeakMap<LocalPartition, number>()
  readonly #last = new Map<BackgroundThread, LastCompaction>()
  #config: CleanerConfig
  /** Those that go on; one that is not here any more ends after its compaction. */
  #threads: readonly BackgroundThread[] = []
  #maxDirtyRatio = 0
  #maxDelayMs = 0
  #lastRunMs: number
  #deadThreadCount = 0
  #compactionCount = 0

  constructor(options: LogCleanerOptions) {
    this.#options = options
    this.#config = options.config
    this.#lastRunMs = options.clock.nowMs()
    this.#work = new BackgroundWork(options)
    options.partitions.afterConfiguration((partition) => {
      if (!partition.log.isCompacted) this.#work.cancel(partition)
    })
  }

  get state(): CleanerState {
    return {
      maxDirtyRatio: this.#maxDirtyRatio,
      maxDelayMs: this.#maxDelayMs,
      lastRunMs: this.#lastRunMs,
      uncleanable: this.#uncleanable,
      deadThreadCount: this.#deadThreadCount,
      compactionCount: this.#compactionCount,
      last: [...this.#last.values()],
    }
  }

  start(): void {
    const { threadCount } = this.#config
    const kept = this.#threads.slice(0, threadCount)
    const added = Array.from({ length: threadCount - kept.length }, this.#options.createThread)
    this.#threads = [...kept, ...added]
    for (const thread of added) this.#work.begin(() => this.#loop(thread))
  }

  configure(config: CleanerConfig): void {
    this.#config = config
    if (this.#threads.length === 0) return
    this.start()
    for (const thread of this.#threads) thread.limit(config.bytesPerSecond)
    this.#work.wake()
  }

  /** Ends what is under way, which leaves the logs as they are. */
  stop(): Promise<void> {
    return this.#work.stop()
  }

  async #loop(thread: BackgroundThread): Promise<void> {
    while (this.#goesOn(thread)) {
      const filthiest = await this.#filthiest()
      if (filthiest === undefined) {
        await thread.rest()
        await this.#work.pause(this.#config.backoffMs)
        // Threads that search at once find the same log, and only one may have it.
      } else if (this.#goesOn(thread) && this.#mayBegin(filthiest)) {
        await this.#work.run(filthiest.partition, thread, () => this.#compact(filthiest, thread))
      }
    }
    await thread.rest()
    this.#last.delete(thread)
  }

  #goesOn(thread: BackgroundThread): boolean {
    return !this.#work.isStopped && this.#threads.includes(thread)
  }

  /** The log that is due with the largest share of new bytes. */
  async #filthiest(): Promise<Filthy | undefined> {
    const { partitions, clock } = this.#options
    this.#lastRunMs = clock.nowMs()
    const found: Filthy[] = []
    let plannedCount = 0
    for (const partition of partitions.snapshot()) {
      if (this.#work.isStopped) return undefined
      if (!this.#mayPlan(partition)) continue
      const nowMs = clock.wallNowMs()
      const endedCount = this.#endedCountOf(partition)
      const planned = await unlessStorageFails<PlannedCompaction>((done) =>
        partition.log.planCompaction(nowMs, done),
      )
      if (typeof planned === 'string') this.#setAside(partition, 'KAFKA_STORAGE_ERROR', planned)
      else found.push({ partition, planned, endedCount })
      plannedCount += 1
      if (plannedCount % PLANS_PER_TURN === 0) await nextTurn()
    }
    this.#forgetClosed()
    this.#maxDirtyRatio = found.reduce((max, { planned }) => Math.max(max, ratioOf(planned)), 0)
    this.#maxDelayMs = found.reduce((max, { planned }) => Math.max(max, planned.plan.delayMs), 0)
    return found
      .filter(
        (filthy) => filthy.planned.plan.isDue && this.#mayBegin(filthy) && this.#hasRoom(filthy),
      )
      .reduce<Filthy | undefined>(
        (most, next) =>
          most === undefined || ratioOf(next.planned) > ratioOf(most.planned) ? next : most,
        undefined,
      )
  }

  #mayPlan(partition: LocalPartition): boolean {
    const { partitions, clock } = this.#options
    return (
      partition.log.isCompacted &&
      partition.log.failure === undefined &&
      !this.#work.isUnderWay(partition) &&
      !this.#uncleanable.has(partition) &&
      clock.nowMs() >= (this.#retryMs.get(partition) ?? 0) &&
      partitions.get(partition.topic, partition.partition) === partition
    )
  }

  #mayBegin({ partition, endedCount }: Filthy): boolean {
    return this.#mayPlan(partition) && this.#endedCountOf(partition) === endedCount
  }

  #endedCountOf(partition: LocalPartition): number {
    return this.#endedCounts.get(partition) ?? 0
  }

  /** The reserve of a disk is for what makes room for certain: a compaction takes room first. */
  #hasRoom({ partition, planned }: Filthy): boolean {
    const neededBytes = roomFor(partition, planned)
    const { space } = partition.directory
    if (space.hasRoomFor(neededBytes)) {
      this.#waitingForRoom.delete(partition)
      return true
    }
    if (!this.#waitingForRoom.has(partition)) {
      this.#waitingForRoom.add(partition)
      const { freeBytes, reserveBytes } = space
      const fields = { ...nameOf(partition), neededBytes, freeBytes, reserveBytes }
      this.#options.logger.warn(fields, 'a compaction waits for room on the disk')
    }
    return false
  }

  #forgetClosed(): void {
    const { partitions } = this.#options
    const known = [...this.#uncleanable, ...this.#waitingForRoom, ...this.#retryMs.keys()]
    for (const partition of known) {
      if (partitions.get(partition.topic, partition.partition) === partition) continue
      this.#uncleanable.delete(partition)
      this.#waitingForRoom.delete(partition)
      this.#retryMs.delete(partition)
    }
  }

  async #compact({ partition, planned }: Filthy, thread: BackgroundThread): Promise<void> {
    const { clock } = this.#options
    const nowMs = clock.wallNowMs()
    const startedMs = clock.nowMs()
    const { mapBytes, mapLoadFactor, bufferBytes, bytesPerSecond } = this.#config
    const limits = { nowMs, mapBytes, mapLoadFactor, bufferBytes }
    const job = partition.log.compactionJob(planned, limits)
    const swaps: Promise<boolean>[] = []
    const outcome = await thread.run({ kind: 'compact', job, bytesPerSecond }, (report) => {
      if (report.kind !== 'segment') return
      const swap = this.#swap(partition, report.range, nowMs)
      swaps.push(swap)
      void swap.then((isDone) => {
        if (!isDone) thread.cancel()
      })
    })
    const areSwapped = (await Promise.all(swaps)).every((isDone) => isDone)
    this.#endedCounts.set(partition, this.#endedCountOf(partition) + 1)
    invariant(outcome.kind !== 'scrubbed', 'a compaction ends as one')
    if (outcome.kind !== 'compacted') this.#onFailed(partition, outcome)
    else if (!areSwapped) this.#retryLater(partition)
    else {
      await this.#onCompacted(partition, planned, outcome.result)
      this.#last.set(thread, { ...outcome.result, durationMs: clock.nowMs() - startedMs })
    }
  }

  /**
   * False when the segments are gone, or are to be kept whole by now, or when the log has failed, which
   * it reports itself.
   */
  async #swap(partition: LocalPartition, range: SegmentRange, nowMs: number): Promise<boolean> {
    if (!partition.log.isCompacted) return false
    const isDone = await unlessStorageFails<boolean>((done) =>
      partition.log.replaceSegments(range, nowMs, done),
    )
    return isDone === true
  }

  async #onCompacted(
    partition: LocalPartition,
    { plan }: PlannedCompaction,
    result: CompactionResult,
  ): Promise<void> {
    // A log that cannot note it has failed, and says so itself.
    await unlessStorageFails<void>((done) =>
      partition.log.endCompaction(result.firstDirtyOffset, done),
    )
    this.#retryMs.delete(partition)
    this.#compactionCount += 1
    const { logger } = this.#options
    const from = plan.firstDirtyOffset
    const compacted = { ...nameOf(partition), from, to: result.firstDirtyOffset, ...result }
    logger.info(compacted, 'a log was compacted')
    if (result.invalidRecordCount > 0) {
      logger.warn(compacted, 'records without a key were removed from a compacted topic')
    }
    if (result.unreadBatchCount > 0) {
      logger.warn(compacted, 'batches whose records cannot be read are kept as they are')
    }
  }

  #onFailed(
    partition: LocalPartition,
    outcome: Extract<JobOutcome, { readonly kind: 'failed' | 'died' }>,
  ): void {
    const { logger } = this.#options
    const { message } = outcome
    const code = outcome.kind === 'failed' ? outcome.code : 'THREAD_DIED'
    const failure = new StorageError(message, { code })
    // Retention may remove a segment that was to be read; what has run out may come back.
    if (code === 'ENOENT' || isShortage(failure)) {
      logger.warn({ ...nameOf(partition), code, message }, 'a compaction is tried again later')
      this.#retryLater(partition)
      return
    }
    switch (code) {
      case CANCELLED:
        return
      case 'THREAD_DIED':
        this.#deadThreadCount += 1
        this.#setAside(partition, code, message)
        return
      case 'LOG_CORRUPT':
      case 'COMPACTION_MISMATCH':
        this.#setAside(partition, code, message)
        return
      default:
        // The disk failed: its directory must not be used any more.
        partition.log.fail(failure)
    }
  }

  #setAside(partition: LocalPartition, code: string, message: string): void {
    this.#uncleanable.add(partition)
    const { logger } = this.#options
    logger.warn({ ...nameOf(partition), code, message }, 'a partition is not compacted any more')
  }

  #retryLater(partition: LocalPartition): void {
    this.#retryMs.set(partition, this.#options.clock.nowMs() + RETRY_MS)
  }
}

/** The value, or what the disk said. */
async function unlessStorageFails<Value>(
  start: (done: DiskCallback<Value>) => void,
): Promise<Value | string> {
  try {
    return await settled(start)
  } catch (error) {
    if (error instanceof StorageError) return error.message
    throw error
  }
}

/** What is written before the segments that it replaces go: one is swapped while the next is written. */
function roomFor({ config }: LocalPartition, { plan, segments }: PlannedCompaction): number {
  const sourceBytes = segments
    .filter(({ endOffset }) => endOffset <= plan.endOffset)
    .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  return Math.min(sourceBytes, 2 * config.segmentBytes)
}

function ratioOf({ plan }: PlannedCompaction): number {
  return plan.dirtyRatio
}

function nameOf({ topic, partition }: LocalPartition) {
  return { topic, partition }
}
