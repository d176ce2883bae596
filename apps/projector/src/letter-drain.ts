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
import type { WorkerObserver } from './worker-observer.ts'
import type { WorkerTroubles } from './worker-troubles.ts'

/** How often a worker with parked keys looks whether somebody wants them replayed. */
const DRAIN_POLL_MS = 200

type LetterDrainOptions = {
  readonly db: Database
  readonly partition: ProjectionPartition
  readonly reader: RecordReader
  readonly gate: Pick<PauseGate, 'isClosed'>
  readonly held: HeldPartition
  readonly recovery: Recovery
  readonly troubles: WorkerTroubles
  readonly observer: Pick<WorkerObserver, 'failed' | 'drained'>
  readonly nowMs: () => number
  /** The worker stops. */
  readonly signal: AbortSignal
}

/** Applies the letters of a partition that somebody wants replayed, between its batches. */
export class LetterDrain {
  readonly #options: LetterDrainOptions
  readonly #pace = new DrainPace()
  /** Orders are looked for from time to time. */
  #nextLookMs = 0

  constructor(options: LetterDrainOptions) {
    this.#options = options
  }

  /**
   * Until there are records to apply or nothing is due; false when another worker has the partition. A
   * long queue gets one transaction after each batch.
   */
  async drainUntil(fetching: Promise<unknown>): Promise<boolean> {
    const { db, partition, recovery, troubles, nowMs, signal } = this.#options
    let isFetched = false
    const fetched = () => {
      isFetched = true
    }
    fetching.then(fetched, fetched)
    const tries = recovery.begin()
    while (this.#isDue && !signal.aborted) {
      try {
        const queue = await readDueLetters(db, partition, this.#pace.resting(nowMs()))
        if (queue.keys.length === 0) {
          this.#nextLookMs = nowMs() + DRAIN_POLL_MS
          break
        }
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

  get #isDue(): boolean {
    const { gate, held, nowMs } = this.#options
    return held.parkedKeys.mayHoldAny && !gate.isClosed && nowMs() >= this.#nextLookMs
  }

  async #drain(queue: LetterQueue, mode: BatchMode): Promise<void> {
    const { db, partition, reader, held, recovery, nowMs, observer } = this.#options
    const startMs = nowMs()
    const context = {
      db,
      partition,
      reader,
      fence: held.fence,
      attempts: recovery.attempts,
      codeFailed: (error: unknown) => observer.failed({ error, failureClass: 'code' }),
    }
    const drained = await drainLetters(context, queue, mode)
    held.parkedKeys.released(drained.unparked)
    recovery.committed()
    this.#pace.replayed(queue, { count: drained.replayedCount, startMs })
    observer.drained(drained)
  }
}
