import type { FloodBreaker } from '@fairlead/projection'
import type { BatchMode } from './apply-batch.ts'
import { drainLetters } from './drain-letters.ts'
import { DrainPace } from './drain-pace.ts'
import type { HeldPartition } from './held-partition.ts'
import type { RecordReader } from './log/prepare-records.ts'
import type { PauseGate } from './pause-gate.ts'
import type { Recovery } from './recovery.ts'
import type { Database } from './store/database.ts'
import { type LetterQueue, readDueLetters } from './store/letter-queue.ts'
import type { ProjectionPartition } from './store/registered-projection.ts'
import { TimedTries } from './timed-tries.ts'
import type { WorkerObserver } from './worker-observer.ts'
import type { WorkerTroubles } from './worker-troubles.ts'

/** How often a worker with parked keys looks whether somebody wants them replayed. */
const DRAIN_POLL_MS = 200

type LetterDrainOptions = {
  readonly db: Database
  readonly partition: ProjectionPartition
  readonly reader: RecordReader
  readonly gate: Pick<PauseGate, 'isClosed'>
  readonly breaker: Pick<FloodBreaker, 'isOpen'>
  readonly held: HeldPartition
  readonly recovery: Recovery
  readonly troubles: WorkerTroubles
  readonly observer: Pick<WorkerObserver, 'failed' | 'drained'>
  readonly nowMs: () => number
  /** The worker stops. */
  readonly signal: AbortSignal
}

/**
 * Applies the letters of a partition that somebody wants replayed, and those whose key is due to be tried
 * again, between its batches.
 */
export class LetterDrain {
  readonly #options: LetterDrainOptions
  readonly #pace = new DrainPace()
  readonly #timedTries: TimedTries
  /** Where events are tried once: what fails again has the time of the key's next try. */
  readonly #patient: ProjectionPartition
  /** Orders are looked for from time to time. */
  #nextLookMs = 0

  constructor(options: LetterDrainOptions) {
    const { held, partition } = options
    const { projection } = partition
    this.#options = options
    this.#timedTries = new TimedTries({ ...options, parkedKeys: held.parkedKeys })
    const retry = { ...projection.retry, retries: 0 }
    this.#patient = { ...partition, projection: { ...projection, retry } }
  }

  /**
   * Until there are records to apply or nothing is due; false when another worker has the partition. A
   * long queue gets one transaction after each batch.
   */
  async drainUntil(fetching: Promise<unknown>): Promise<boolean> {
    const { recovery, troubles, signal } = this.#options
    let isFetched = false
    const fetched = () => {
      isFetched = true
    }
    fetching.then(fetched, fetched)
    const tries = recovery.begin()
    while (this.#mayDrain && !signal.aborted) {
      try {
        const queue = await this.#nextQueue()
        if (queue.keys.length === 0) break
        await this.#drain(queue, tries.mode)
        tries.succeeded()
        if (isFetched) break
      } catch (error) {
        if (!(await tries.failed(error))) return false
      }
    }
    if (tries.hasFailed) troubles.settle('apply')
    return true
  }

  get #mayDrain(): boolean {
    const { gate, held } = this.#options
    return held.parkedKeys.mayHoldAny && !gate.isClosed
  }

  async #nextQueue(): Promise<LetterQueue> {
    const { db, partition, nowMs } = this.#options
    if (nowMs() >= this.#nextLookMs) {
      const ordered = await readDueLetters(db, partition, this.#pace.resting(nowMs()))
      if (ordered.keys.length > 0) return ordered
      this.#nextLookMs = nowMs() + DRAIN_POLL_MS
    }
    return this.#timedTries.due()
  }

  async #drain(queue: LetterQueue, mode: BatchMode): Promise<void> {
    const { db, partition, reader, held, recovery, nowMs, observer } = this.#options
    const startMs = nowMs()
    const context = {
      db,
      partition: queue.isTimed === true ? this.#patient : partition,
      reader,
      fence: held.fence,
      attempts: recovery.attempts,
      codeFailed: (error: unknown) => observer.failed({ error, failureClass: 'code' }),
    }
    const drained = await drainLetters(context, queue, mode)
    held.parkedKeys.released(drained.unparked)
    recovery.committed()
    this.#timedTries.changed()
    this.#pace.replayed(queue, { count: drained.replayedCount, startMs })
    observer.drained(drained)
  }
}
