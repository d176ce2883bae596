import { invariant } from '@fairlead/base'
import type { Attempts } from './attempts.ts'
import type { AnyEvent, Projection } from './definition.ts'
import { type EventFailureAction, isEventFailureAction } from './error-rules.ts'
import { isGivenPromise } from './given-promise.ts'
import {
  EventFailure,
  type FailureClass,
  classifyFailure,
  decideEventFailure,
  isEventFault,
} from './failure.ts'
import { fingerprintOf } from './fingerprint.ts'
import type { LogRecord, PreparedRecord } from './log-record.ts'
import { describeError, redactedError, redactionOf } from './redacted-error.ts'

/** Where an event failed. */
export type Stage = 'decode' | 'handle' | 'write'

/** An event set aside: the one that failed, or one that waits behind it. */
export type Letter = {
  readonly key: string
  /** Whose the event is; empty without tenants. */
  readonly tenant: string
  readonly eventType: string | null
  readonly record: LogRecord
  readonly cause:
    | { readonly kind: 'blocked' }
    | {
        readonly kind: 'failed'
        readonly stage: Stage
        readonly failureClass: FailureClass
        /** Name of the error's class. */
        readonly errorClass: string
        /** SQLSTATE or another code; empty without one. */
        readonly errorCode: string
        readonly errorMessage: string
        readonly errorStack: string
        /** Names the cause; see `fingerprintOf`. */
        readonly fingerprint: string
        readonly attempts: number
        /** The event may pass when it is tried again later: what it lacks may come, or what it asks. */
        readonly mayPass: boolean
        /** The tenant is what is wrong, and no code: however many keys it parks, they are no flood. */
        readonly isOfTenant: boolean
      }
}

/** An event that failed, and that `errors.classify` has nobody come back to. */
export type SkippedEvent = {
  readonly record: LogRecord
  readonly failureClass: FailureClass
  /** Without what is personal. */
  readonly error: unknown
}

/**
 * What becomes of each event of a batch. The key is the unit of failure: once an event is parked, all
 * later events of its key are set aside behind it, and all other keys go on.
 *
 * It changes nothing outside: the caller takes over `parkedKeys` when the batch commits.
 */
export class BatchLedger {
  readonly #projection: Projection
  readonly #parkedBefore: ReadonlySet<string>
  readonly #parked = new Set<string>()
  readonly #letters: Letter[] = []
  readonly #skipped: SkippedEvent[] = []
  readonly #failureCounts = new Map<FailureClass, number>()
  readonly #attempts: Attempts
  readonly #classifyFailed: (error: unknown) => void
  /** What was opened last, and its event. */
  #opened: PreparedRecord | undefined
  #event: AnyEvent | undefined
  #appliedCount = 0
  #repeatedCount = 0

  constructor(options: {
    readonly projection: Projection
    readonly parkedKeys: ReadonlySet<string>
    readonly attempts: Attempts
    /** Told when the projection's own `classify` throws; its event is parked then. */
    readonly classifyFailed?: (error: unknown) => void
  }) {
    this.#projection = options.projection
    this.#parkedBefore = options.parkedKeys
    this.#attempts = options.attempts
    this.#classifyFailed = options.classifyFailed ?? (() => undefined)
  }

  get letters(): readonly Letter[] {
    return this.#letters
  }

  /** Keys that this batch parks. */
  get parkedKeys(): ReadonlySet<string> {
    return this.#parked
  }

  get appliedCount(): number {
    return this.#appliedCount
  }

  get skipped(): readonly SkippedEvent[] {
    return this.#skipped
  }

  /** Records whose event the inbox knew. */
  get repeatedCount(): number {
    return this.#repeatedCount
  }

  /** Events that failed for good, parked or skipped, by whose fault it was. */
  get failureCounts(): ReadonlyMap<FailureClass, number> {
    return this.#failureCounts
  }

  /** The event to handle now; null when the record is set aside instead. Call in log order. */
  open(prepared: PreparedRecord): AnyEvent | null {
    if (this.isParked(prepared.key)) {
      this.#setAside(prepared, { kind: 'blocked' })
      return null
    }
    const { content } = prepared
    invariant(
      content.kind === 'event' || content.kind === 'undecodable',
      'ignored and unknown records are not applied',
    )
    if (content.kind === 'undecodable') {
      this.#countFailure('decode')
      const { error } = content
      const failed = { error, stage: 'decode', failureClass: 'decode' } as const
      this.#park(prepared, { ...failed, attempts: 1, mayPass: false })
      return null
    }
    this.#opened = prepared
    this.#event = content.event
    return content.event
  }

  isParked(key: string): boolean {
    // Hashing the key of every event is for those who have parked keys.
    return (
      (this.#parkedBefore.size > 0 && this.#parkedBefore.has(key)) ||
      (this.#parked.size > 0 && this.#parked.has(key))
    )
  }

  applied(): void {
    this.#appliedCount += 1
  }

  /** So many records were left out, as their events were in other records before. */
  repeated(count: number): void {
    this.#repeatedCount += count
  }

  /**
   * The handler of an event that `open` returned has failed: parks its key or skips the event.
   *
   * @throws {EventFailure} when the event is to be tried again, or stops the projection.
   * @throws the error itself when it is not the event's fault.
   */
  failed(prepared: PreparedRecord, error: unknown, stage: Stage): void {
    const event = this.#eventOf(prepared)
    const failureClass = classifyFailure(error, stage === 'write' ? 'database' : 'handler')
    const { sources } = this.#projection
    const told = redactedError(error, { sources, event, failureClass })
    if (!isEventFault(failureClass)) throw told

    const { record } = prepared
    const attempt = 1 + this.#attempts.countOf(record)
    const classified = this.#classify(error, event, attempt)
    const action = decideEventFailure({
      attempt,
      classified,
      retries: this.#attempts.mayRetry(record) ? this.#projection.retry.retries : 0,
    })
    switch (action) {
      case 'retry':
      case 'stop':
        throw new EventFailure(action, { record, attempt, failureClass, cause: told })
      case 'skip':
        this.#skipped.push({ record, failureClass, error: told })
        break
      case 'park': {
        const mayPass = failureClass !== 'decode' && classified !== 'park'
        const failed = { error, stage, failureClass, attempts: attempt }
        this.#park(prepared, { ...failed, mayPass, event })
        break
      }
    }
    this.#countFailure(failureClass)
  }

  /**
   * The opened event cannot be handled, and no handler has failed: its key is parked, whatever the
   * projection does about failures. It may pass later.
   */
  park(prepared: PreparedRecord, error: Error): void {
    const event = this.#eventOf(prepared)
    const isOfTenant = prepared.tenant !== ''
    const failureClass = classifyFailure(error, 'handler')
    const failed = { error, stage: 'handle', failureClass, attempts: 1 } as const
    this.#park(prepared, { ...failed, mayPass: true, isOfTenant, event })
    this.#countFailure(failureClass)
  }

  /** What was opened last is not decoded again, which an upcast that is not pure may refuse. */
  #eventOf(prepared: PreparedRecord): AnyEvent {
    if (prepared === this.#opened && this.#event !== undefined) return this.#event
    const { content } = prepared
    invariant(content.kind === 'event', 'only events are handled')
    return content.event
  }

  /**
   * A `classify` that throws is no reason to stop: it says nothing about the event. Nor does one with another answer,
   * as it may have that no compiler has seen, or is asynchronous.
   */
  #classify(error: unknown, event: AnyEvent, attempt: number): EventFailureAction | undefined {
    try {
      const answer: unknown = this.#projection.classify(error, event, { attempt })
      if (answer === undefined || isEventFailureAction(answer)) return answer
      const shown = typeof answer === 'string' ? answer : typeof answer
      const given = isGivenPromise(answer) ? 'a promise' : shown
      throw new TypeError(
        `errors.classify answers retry, park, skip, stop or undefined, at once, and not ${given}`,
      )
    } catch (thrown) {
      const { sources } = this.#projection
      this.#classifyFailed(redactedError(thrown, { sources, event, failureClass: 'code' }))
      return undefined
    }
  }

  #countFailure(failureClass: FailureClass): void {
    this.#failureCounts.set(failureClass, 1 + (this.#failureCounts.get(failureClass) ?? 0))
  }

  #park(
    prepared: PreparedRecord,
    failure: {
      readonly error: unknown
      readonly stage: Stage
      readonly failureClass: FailureClass
      readonly attempts: number
      readonly mayPass: boolean
      readonly isOfTenant?: boolean
      /** Undefined when it could not be decoded. */
      readonly event?: AnyEvent
    },
  ): void {
    const { error, stage, failureClass, attempts, mayPass, isOfTenant = false, event } = failure
    this.#parked.add(prepared.key)
    // Of one cause, whoever the events are of.
    const fingerprint = fingerprintOf({ stage, ...describeError(error) })
    const redact = event === undefined ? undefined : redactionOf(this.#projection.sources, event)
    this.#setAside(prepared, {
      kind: 'failed',
      stage,
      failureClass,
      attempts,
      mayPass,
      isOfTenant,
      ...describeError(error, redact),
      fingerprint,
    })
  }

  #setAside(prepared: PreparedRecord, cause: Letter['cause']): void {
    const { key, tenant, eventType, record } = prepared
    this.#letters.push({ key, tenant, eventType, record, cause })
  }
}
