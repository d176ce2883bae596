import { InvariantViolation, assertNever, errorMessage } from '@fairlead/base'
import {
  Attempts,
  EventFailure,
  type FailureClass,
  type FloodBreaker,
  INFRA_BACKOFF,
  classifyFailure,
  decideBatchFailure,
  errorCode,
  isEventFault,
} from '@fairlead/projection'
import { type BatchMode, FloodError } from './apply-batch.ts'
import { StaleRowsError } from './batch-rows.ts'
import type { BatchSize } from './batch-size.ts'
import { BlameNeeded } from './blame-needed.ts'
import type { HeldPartition } from './held-partition.ts'
import { pause, pauseFor } from './pause.ts'
import { StopRequired, classifyRead, explainBatch, explainRead } from './stop-reasons.ts'
import { StaleKeysError } from './store/park-letters.ts'
import { ParkLimitError } from './store/park-limits.ts'
import type { ProjectionPartition } from './store/registered-projection.ts'
import type { WorkerObserver } from './worker-observer.ts'
import type { Activity, WorkerTroubles } from './worker-troubles.ts'

/** How often a partition that may park no more looks whether letters were dealt with. */
const ROOM_LOOK_INTERVAL_MS = 1_000
/** How often it says that it may: as often as a flood is tried again. */
const ROOM_TELL_INTERVAL_MS = 60_000

type RecoveryOptions = {
  readonly partition: ProjectionPartition
  readonly held: HeldPartition
  readonly breaker: FloodBreaker
  readonly batchSize: BatchSize
  readonly troubles: WorkerTroubles
  readonly observer: Pick<WorkerObserver, 'failed'>
  readonly nowMs: () => number
  /** The worker stops. */
  readonly signal: AbortSignal
}

/**
 * What a worker does about what fails: decides, waits, and reads again what the database holds, whose
 * last transaction may have committed.
 */
export class Recovery {
  readonly #options: RecoveryOptions
  #attempts = Attempts.none
  #nextRoomTellMs = Number.NEGATIVE_INFINITY

  constructor(options: RecoveryOptions) {
    this.#options = options
  }

  /** How often events have failed since the last commit. */
  get attempts(): Attempts {
    return this.#attempts
  }

  /** A transaction of the worker has committed. */
  committed(): void {
    this.#attempts = Attempts.none
    this.#options.troubles.settle('apply')
  }

  /** For transactions that follow one another until one of them commits. */
  begin(): Tries {
    return new Tries((error, tries) => this.#recover(error, tries))
  }

  /**
   * Repeats a read until its peers answer; null when the worker stops meanwhile.
   *
   * @throws {StopRequired} when waiting does not help.
   */
  async untilDone<T>(activity: Activity, attemptOnce: () => Promise<T>): Promise<T | null> {
    const { troubles, observer, signal } = this.#options
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      try {
        const result = await attemptOnce()
        troubles.settle(activity)
        return result
      } catch (error) {
        if (signal.aborted) return null
        if (error instanceof InvariantViolation || error instanceof StopRequired) throw error
        const failureClass = classifyRead(error)
        observer.failed({ error, failureClass })
        if (failureClass !== 'infra' && failureClass !== 'contention') {
          throw new StopRequired(explainRead(error), { cause: error })
        }
        troubles.pause(activity, { failureClass, reason: errorMessage(error) })
        await pause(attempt, INFRA_BACKOFF, signal)
      }
    }
    return null
  }

  /** Decides about a batch that did not commit, waits as decided, and reads the checkpoint again. */
  async #recover(error: unknown, { mode, attempt }: Failed): Promise<BatchMode | 'lost'> {
    if (error instanceof InvariantViolation) throw error
    if (error instanceof BlameNeeded) return 'isolated'
    if (error instanceof StaleKeysError || error instanceof StaleRowsError)
      return this.#reload(mode)
    if (error instanceof FloodError) {
      await this.#sitOut(error)
      return this.#reload(mode)
    }
    if (error instanceof ParkLimitError) {
      await this.#makeRoom(error)
      return this.#reload(mode)
    }
    if (error instanceof EventFailure) {
      await this.#retryEvent(error)
      return this.#reload('isolated')
    }

    const { troubles, observer, batchSize, signal } = this.#options
    const failureClass = classifyFailure(error, 'database')
    // The text of one may quote a row; once the event is found, it is told without what is personal.
    const told = isEventFault(failureClass) ? new BatchRefused(error, failureClass) : error
    observer.failed({ error: told, failureClass })
    const decision = decideBatchFailure({ failureClass, attempt })
    switch (decision.action) {
      case 'isolate':
        if (mode === 'isolated') throw new StopRequired(errorMessage(error))
        return this.#reload('isolated')
      case 'stop':
        throw new StopRequired(explainBatch(error, failureClass))
      case 'retry':
        if (decision.halve) batchSize.halve()
        await pause(attempt, decision.backoff, signal)
        return this.#reload(mode)
      case 'pause':
        if (decision.halve) batchSize.halve()
        troubles.pause('apply', { failureClass, reason: errorMessage(error) })
        await pause(attempt, decision.backoff, signal)
        return this.#reload(mode)
      case 'rejoin': {
        // The checkpoint may have moved by a commit of ours that was thought lost: not fenced then.
        const reloaded = await this.#reload(mode)
        if (reloaded !== 'lost') return reloaded
        troubles.pause('apply', { failureClass, reason: errorMessage(error) })
        await pause(attempt, decision.backoff, signal)
        return 'lost'
      }
      default:
        return assertNever(decision)
    }
  }

  async #sitOut(flood: FloodError): Promise<void> {
    const { breaker, troubles, observer, nowMs, signal } = this.#options
    observer.failed({ error: flood, failureClass: 'flood' })
    troubles.pause('apply', { failureClass: 'flood', reason: flood.message })
    const delayMs = breaker.retryAtMs(nowMs()) - nowMs()
    await pauseFor(Math.max(0, delayMs), signal)
  }

  /** As much as may be set aside is: whoever is to make room finds it in the letters. */
  async #makeRoom(error: ParkLimitError): Promise<void> {
    const { batchSize, troubles, observer, nowMs, signal } = this.#options
    if (batchSize.shorten()) return
    if (nowMs() >= this.#nextRoomTellMs) {
      observer.failed({ error, failureClass: 'flood' })
      this.#nextRoomTellMs = nowMs() + ROOM_TELL_INTERVAL_MS
    }
    troubles.pause('apply', { failureClass: 'flood', reason: error.message })
    await pauseFor(ROOM_LOOK_INTERVAL_MS, signal)
  }

  async #retryEvent(failure: EventFailure): Promise<void> {
    const { action, record, attempt, failureClass } = failure
    const { partition, observer, signal } = this.#options
    observer.failed({ error: failure, failureClass })
    if (action === 'stop') throw new StopRequired(failure.message)
    this.#attempts = this.#attempts.with(record)
    await pause(attempt, partition.projection.retry, signal)
  }

  async #reload(mode: BatchMode): Promise<BatchMode | 'lost'> {
    const isHeld = await this.untilDone('reload', () => this.#options.held.reload())
    return isHeld === true ? mode : 'lost'
  }
}

/** Why events are applied one by one. */
class BatchRefused extends Error {
  override readonly name = 'BatchRefused'

  constructor(error: unknown, failureClass: FailureClass) {
    const code = errorCode(error)
    const of = code === '' ? failureClass : `${failureClass}, ${code}`
    super(
      `something in the batch is refused (${of}): its events are applied one by one, to find it`,
    )
  }
}

/** Failures that say what is waited for, or done, whatever has failed before them. */
function hasOwnRemedy(error: unknown): boolean {
  return (
    error instanceof BlameNeeded ||
    error instanceof StaleKeysError ||
    error instanceof StaleRowsError ||
    error instanceof FloodError ||
    error instanceof ParkLimitError ||
    error instanceof EventFailure
  )
}

type Failed = {
  readonly mode: BatchMode
  /** Failures in a row, this one included, without those that have a remedy of their own. */
  readonly attempt: number
}

type Recover = (error: unknown, failed: Failed) => Promise<BatchMode | 'lost'>

/** The tries of one transaction after another. */
class Tries {
  readonly #recover: Recover
  #mode: BatchMode = 'fast'
  #hasFailed = false
  #failedCount = 0

  constructor(recover: Recover) {
    this.#recover = recover
  }

  /** How to try next. */
  get mode(): BatchMode {
    return this.#mode
  }

  get hasFailed(): boolean {
    return this.#hasFailed
  }

  succeeded(): void {
    this.#mode = 'fast'
    this.#hasFailed = false
    this.#failedCount = 0
  }

  /**
   * False when another worker has the partition.
   *
   * @throws {StopRequired} when nothing but a change of code, schema or data helps.
   */
  async failed(error: unknown): Promise<boolean> {
    this.#hasFailed = true
    // A minute's wait for room is no reason to wait long for the database behind it.
    if (!hasOwnRemedy(error)) this.#failedCount += 1
    const next = await this.#recover(error, { mode: this.#mode, attempt: this.#failedCount })
    if (next === 'lost') return false
    this.#mode = next
    return true
  }
}
