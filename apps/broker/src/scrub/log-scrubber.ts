import { type Clock, type Random, type Timers, invariant } from '@fairlead/base'
import { type DamagedRange, type ScrubJob, StorageError, isProcessShort } from '@fairlead/log'
import type { BackgroundThread } from '../background/background-thread.ts'
import { BackgroundWork } from '../background/background-work.ts'
import { CANCELLED } from '../background/messages.ts'
import { SCRUB_BUFFER_BYTES, SCRUB_DELAY_MS } from '../limits.ts'
import type { LocalPartition, PartitionTable } from '../partitions/partition-table.ts'

/**
 * The work was cancelled, or retention or compaction removed a file while it was read: the next round is
 * another try.
 */
const PASSING_CODES: readonly string[] = [CANCELLED, 'ENOENT']

export type LogScrubberOptions = {
  /** `log.scrub.interval.ms` */
  readonly intervalMs: number
  /** `log.scrub.io.max.bytes.per.second` */
  readonly bytesPerSecond: number
  readonly partitions: PartitionTable
  readonly thread: BackgroundThread
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: { error(fields: object, message: string): void }
}

/** What the gauges of the scrub show. */
export type ScrubState = {
  /** Since the start. */
  readonly readBytes: number
  readonly damagedRangeCount: number
  /** When every partition was last read; undefined before the first time. */
  readonly completedMs: number | undefined
}

/**
 * Reads every partition again from time to time, slowly, to find what the disk has damaged while there
 * is still something to repair it from. What two looks in a row find damaged is taken out of service
 * and reported; it is never cut off.
 *
 * After a start it begins with another partition each time, so that all have their turn even when the
 * broker starts more often than a round takes.
 */
export class LogScrubber {
  readonly #options: LogScrubberOptions
  readonly #work: BackgroundWork
  #readBytes = 0
  #damagedRangeCount = 0
  #completedMs: number | undefined

  constructor(options: LogScrubberOptions) {
    this.#options = options
    this.#work = new BackgroundWork(options)
  }

  get state(): ScrubState {
    return {
      readBytes: this.#readBytes,
      damagedRangeCount: this.#damagedRangeCount,
      completedMs: this.#completedMs,
    }
  }

  start(): void {
    this.#work.begin(() => this.#loop())
  }

  stop(): Promise<void> {
    return this.#work.stop()
  }

  async #loop(): Promise<void> {
    const { intervalMs, clock, thread } = this.#options
    await this.#work.pause(Math.min(intervalMs, SCRUB_DELAY_MS))
    while (!this.#work.isStopped) {
      const startedMs = clock.nowMs()
      await this.#round()
      await thread.rest()
      const restMs = intervalMs - (clock.nowMs() - startedMs)
      await this.#work.pause(Math.max(restMs, Math.min(intervalMs, SCRUB_DELAY_MS)))
    }
  }

  async #round(): Promise<void> {
    const { partitions, thread, clock, random } = this.#options
    const all = partitions.snapshot()
    const first = random.int(Math.max(all.length, 1))
    for (const partition of [...all.slice(first), ...all.slice(0, first)]) {
      if (this.#work.isStopped) return
      if (partitions.get(partition.topic, partition.partition) !== partition) continue
      await this.#work.run(partition, thread, () => this.#scrub(partition))
    }
    this.#completedMs = clock.wallNowMs()
  }

  async #scrub(partition: LocalPartition): Promise<void> {
    const suspected = await this.#read(partition, () => true)
    if (suspected.length === 0) return
    // Compaction may have put another segment in its place between two reads: look again.
    const segments = new Set(suspected.map(({ segment }) => segment.baseOffset))
    const damaged = await this.#read(partition, ({ baseOffset }) => segments.has(baseOffset))
    for (const range of damaged) this.#report(partition, range)
  }

  async #read(
    partition: LocalPartition,
    isWanted: (segment: ScrubJob['segments'][number]) => boolean,
  ): Promise<readonly DamagedRange[]> {
    const { bytesPerSecond, thread } = this.#options
    const whole = partition.log.scrubJob(SCRUB_BUFFER_BYTES)
    const job = { ...whole, segments: whole.segments.filter(isWanted) }
    if (job.segments.length === 0) return []
    const damaged: DamagedRange[] = []
    const end = await thread.run({ kind: 'scrub', job, bytesPerSecond }, (report) => {
      if (report.kind === 'damage') damaged.push(report.range)
    })
    invariant(end.kind !== 'compacted', 'a scrub ends as one')
    if (end.kind === 'scrubbed') this.#readBytes += end.readBytes
    else if (end.kind === 'died') throw new Error(`the scrub thread died: ${end.message}`)
    else if (!PASSING_CODES.includes(end.code)) {
      const failure = new StorageError(end.message, { code: end.code })
      if (!isProcessShort(failure)) partition.log.fail(failure)
    }
    return damaged
  }

  #report({ topic, partition, log }: LocalPartition, range: DamagedRange): void {
    if (!log.quarantine(range)) return
    this.#damagedRangeCount += 1
    const { fromOffset, endOffset, position, problem, segment } = range
    const { baseOffset } = segment
    this.#options.logger.error(
      { topic, partition, fromOffset, endOffset, segment: baseOffset, position, problem },
      'records are damaged on the disk: they are not served any more',
    )
  }
}
