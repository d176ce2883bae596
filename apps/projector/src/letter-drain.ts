import { InvariantViolation } from '@fairlead/base'
import {
  EventFailure,
  type FloodBreaker,
  classifyFailure,
  decideBatchFailure,
} from '@fairlead/projection'
import type { BatchMode } from './apply-batch.ts'
import { StaleRowsError } from './batch-rows.ts'
import { BlameNeeded } from './blame-needed.ts'
import { drainLetters } from './drain-letters.ts'
import { DrainPace } from './drain-pace.ts'
import type { HeldPartition } from './held-partition.ts'
import type { RecordReader } from './log/prepare-records.ts'
import type { PauseGate } from './pause-gate.ts'
import type { Portions } from './portions.ts'
import type { Recovery } from './recovery.ts'
import type { ReplayLook, ReplayOrders } from './replay-orders.ts'
import type { Database } from './store/database.ts'
import {
  LETTERS_PER_DRAIN_MAX,
  type LetterQueue,
  putOffTry,
  readDueLetters,
} from './store/letter-queue.ts'
import { StaleKeysError } from './store/park-letters.ts'
import type { ProjectionPartition } from './store/registered-projection.ts'
import { TimedTries } from './timed-tries.ts'
import { TrySize } from './try-size.ts'
import type { WorkerObserver } from './worker-observer.ts'
import type { WorkerTroubles } from './worker-troubles.ts'

/** What a replay begins with: whether its letters pass, and how long they take, is not known yet. */
const REPLAY_LETTERS_FIRST = 50
/** How often it looks whether there still are any: one that has none asks for nothing. */
const PARKED_LOOK_INTERVAL_MS = 60_000

type LetterDrainOptions = {
  readonly db: Database
  readonly partition: ProjectionPartition
  readonly reader: RecordReader
  readonly gate: Pick<PauseGate, 'isClosed'>
  readonly breaker: Pick<FloodBreaker, 'isOpen'>
  readonly held: HeldPartition
  readonly portions: Pick<Portions, 'mayShareKeys'>
  readonly recovery: Recovery
  readonly replayOrders: Pick<ReplayOrders, 'latest'>
  readonly troubles: WorkerTroubles
  readonly observer: Pick<WorkerObserver, 'failed' | 'drained'>
  readonly nowMs: () => number
  /** The worker stops. */
  readonly signal: AbortSignal
  /** No effect of the worker may begin any more. */
  readonly effectsSignal: AbortSignal
}

/**
 * Applies the letters of a partition that somebody wants replayed, and those whose key is due to be tried
 * again, between its batches.
 */
export class LetterDrain {
  readonly #options: LetterDrainOptions
  readonly #pace = new DrainPace()
  readonly #timedTries: TimedTries
  readonly #trySize: TrySize
  /** Of replays, for which the events of other keys wait as well. */
  readonly #replaySize: TrySize
  /** Where events are tried once: what fails again has the time of the key's next try. */
  readonly #patient: ProjectionPartition
  /** Found nothing, or nothing that may go on: not until another one. */
  #vainLook: ReplayLook | undefined
  #nextParkedLookMs: number
  /** What has failed gives the records as much time as it took. */
  #restUntilMs = Number.NEGATIVE_INFINITY

  constructor(options: LetterDrainOptions) {
    const { held, partition } = options
    const { projection } = partition
    this.#options = options
    this.#nextParkedLookMs = options.nowMs() + PARKED_LOOK_INTERVAL_MS
    this.#timedTries = new TimedTries({ ...options, parkedKeys: held.parkedKeys })
    const { enrichEach, concurrency = 1 } = projection
    // Look-ups are made before it is known that the head fails again: the first of them show it.
    const first = (lettersMax: number): number =>
      enrichEach === undefined ? lettersMax : Math.min(concurrency, lettersMax)
    this.#trySize = new TrySize(first(LETTERS_PER_DRAIN_MAX))
    this.#replaySize = new TrySize(first(REPLAY_LETTERS_FIRST))
    const retry = { ...projection.retry, retries: 0 }
    this.#patient = { ...partition, projection: { ...projection, retry } }
  }

  /**
   * Until there are records to apply or nothing is due; false when another worker has the partition. A
   * long queue gets one transaction after each batch. What cannot be applied for now does not keep the
   * records waiting: a try that nobody asked for is put off, and a replay goes on after the next batch.
   */
  async drainUntil(fetching: Promise<unknown>): Promise<boolean> {
    const { recovery, troubles, nowMs, signal } = this.#options
    let isFetched = false
    const fetched = () => {
      isFetched = true
    }
    fetching.then(fetched, fetched)
    const tries = recovery.begin()
    while (this.#mayDrain && !signal.aborted) {
      const { mode } = tries
      const startMs = nowMs()
      let queue: LetterQueue | undefined
      try {
        queue = await this.#nextQueue()
        if (queue.keys.length === 0) break
        await this.#drain(queue, mode)
        tries.succeeded()
        if (isFetched) break
      } catch (error) {
        // What was being looked up is not waited for.
        if (signal.aborted && error === signal.reason) break
        const ended = queue?.isTimed === true && endsTry(error, mode) ? queue : undefined
        if (queue?.isTimed !== true && isTooMuch(error)) this.#replaySize.failed()
        const isHeld = await (ended === undefined
          ? tries.failed(error)
          : this.#putOff(ended, error))
        if (!isHeld) return false
        // A failure that changes the mode is no reason to wait: what failed is tried at once as it says.
        if (ended !== undefined || (isFetched && tries.mode === mode)) {
          this.#restUntilMs = nowMs() + (nowMs() - startMs)
          break
        }
      }
    }
    if (tries.hasFailed) troubles.settle('apply')
    return true
  }

  get #mayDrain(): boolean {
    const { gate, held, nowMs } = this.#options
    return held.parkedKeys.mayHoldAny && !gate.isClosed && nowMs() >= this.#restUntilMs
  }

  async #nextQueue(): Promise<LetterQueue> {
    const { db, partition, held, nowMs, replayOrders } = this.#options
    if (nowMs() >= this.#nextParkedLookMs) {
      await held.parkedKeys.forgetIfNone()
      this.#nextParkedLookMs = nowMs() + PARKED_LOOK_INTERVAL_MS
    }
    const look = await replayOrders.latest()
    if (look !== this.#vainLook && look.has(partition)) {
      const { lettersMax } = this.#replaySize
      const resting = this.#pace.resting(nowMs())
      const ordered = await readDueLetters(db, partition, { resting, lettersMax })
      if (ordered.keys.length > 0) return ordered
      this.#vainLook = look
    }
    return this.#timedTries.due(this.#trySize.lettersMax)
  }

  async #drain(queue: LetterQueue, mode: BatchMode): Promise<void> {
    const { db, partition, reader, held, recovery, nowMs, observer, signal } = this.#options
    const startMs = nowMs()
    const context = {
      db,
      partition: queue.isTimed === true ? this.#patient : partition,
      reader,
      fence: held.fence,
      attempts: recovery.attempts,
      hasMovedKeys: this.#options.portions.mayShareKeys,
      codeFailed: (error: unknown) => observer.failed({ error, failureClass: 'code' }),
      signal,
      effectsSignal: this.#options.effectsSignal,
    }
    const drained = await drainLetters(context, queue, mode)
    held.drained(drained)
    recovery.committed()
    this.#timedTries.changed()
    const size = drained.isTimed ? this.#trySize : this.#replaySize
    size.committed({ failedCount: drained.failedCount, tookMs: nowMs() - startMs })
    this.#pace.tried(queue, { count: drained.replayedCount + drained.failedCount, startMs })
    observer.drained(drained)
  }

  /**
   * Ends a try that came to nothing. Of several keys none is blamed: each is tried alone from then on. False
   * when another worker has the partition.
   */
  async #putOff({ keys, letters }: LetterQueue, error: unknown): Promise<boolean> {
    const { db, partition, held, recovery, observer } = this.#options
    observer.failed({ error, failureClass: classifyFailure(error, 'database') })
    const [key = keys[0], ...others] = keys.filter((each) =>
      letters.some((letter) => letter.key === each.key),
    )
    this.#trySize.failed()
    const isHeld = await recovery.untilDone('reload', async () => {
      // The transaction may have committed all the same.
      if (!(await held.reload())) return false
      if (key !== undefined && others.length === 0) {
        await putOffTry(db, partition, { key, fence: held.fence })
      }
      return true
    })
    this.#timedTries.changed()
    return isHeld === true
  }
}

/** Whether fewer letters may pass where these did not: a statement took too long, or was in a dead lock. */
function isTooMuch(error: unknown): boolean {
  return classifyFailure(error, 'database') === 'contention'
}

/** Whether a failure is one that only waiting, or somebody, cures. */
function endsTry(error: unknown, mode: BatchMode): boolean {
  if (error instanceof EventFailure) return true
  if (error instanceof InvariantViolation || error instanceof BlameNeeded) return false
  if (error instanceof StaleKeysError || error instanceof StaleRowsError) return false
  const failureClass = classifyFailure(error, 'database')
  const { action } = decideBatchFailure({ failureClass, attempt: 1 })
  return action === 'isolate' ? mode === 'isolated' : action !== 'rejoin'
}
