import { errorMessage, invariant } from '@fairlead/base'
import type { AnyEvent, Projection } from './definition.ts'
import {
  EventFailure,
  classifyFailure,
  decideEventFailure,
  errorCode,
  isEventFault,
} from './failure.ts'
import { fingerprintOf } from './fingerprint.ts'
import type { LogRecord, PreparedRecord } from './log-record.ts'
import { REDACTED, personalTexts } from './personal-data.ts'

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
        /** Name of the error's class. */
        readonly errorClass: string
        /** SQLSTATE or another code; empty without one. */
        readonly errorCode: string
        readonly errorMessage: string
        readonly errorStack: string
        /** Names the cause; see `fingerprintOf`. */
        readonly fingerprint: string
        readonly attempts: number
      }
}

/** How often the event at `offset` has failed before in this run; 0 for all others. */
export type Attempts = { readonly offset: number; readonly count: number }

export const NO_ATTEMPTS: Attempts = { offset: -1, count: 0 }

/** Longer texts of an error are cut: a stack can hold a whole statement. */
const ERROR_TEXT_LENGTH_MAX = 8_192

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
  readonly #attempts: Attempts
  #appliedCount = 0
  #skippedCount = 0

  constructor(options: {
    readonly projection: Projection
    readonly parkedKeys: ReadonlySet<string>
    readonly attempts: Attempts
  }) {
    this.#projection = options.projection
    this.#parkedBefore = options.parkedKeys
    this.#attempts = options.attempts
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

  get skippedCount(): number {
    return this.#skippedCount
  }

  /** The event to handle now; null when the record is set aside instead. Call in log order. */
  open(prepared: PreparedRecord): AnyEvent | null {
    const { content } = prepared
    invariant(
      content.kind === 'event' || content.kind === 'undecodable',
      'ignored and unknown records are not applied',
    )
    if (this.isParked(prepared.key)) {
      this.#setAside(prepared, { kind: 'blocked' })
      return null
    }
    if (content.kind === 'undecodable') {
      this.#park(prepared, { error: content.error, stage: 'decode', attempts: 1 })
      return null
    }
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

  /**
   * The handler of an event that `open` returned has failed: parks its key or skips the event.
   *
   * @throws {EventFailure} when the event is to be tried again, or stops the projection.
   * @throws the error itself when it is not the event's fault.
   */
  failed(prepared: PreparedRecord, error: unknown, stage: Stage): void {
    invariant(prepared.content.kind === 'event', 'only events are handled')
    const origin = stage === 'write' ? 'database' : 'handler'
    if (!isEventFault(classifyFailure(error, origin))) throw error

    const { offset } = prepared.record
    const attempt = 1 + (this.#attempts.offset === offset ? this.#attempts.count : 0)
    const action = decideEventFailure({
      attempt,
      classified: this.#projection.classify(error, prepared.content.event),
      retry: this.#projection.retry,
    })
    switch (action) {
      case 'retry':
      case 'stop':
        throw new EventFailure(action, { offset, cause: error })
      case 'skip':
        this.#skippedCount += 1
        break
      case 'park':
        this.#park(prepared, { error, stage, attempts: attempt })
        break
    }
  }

  #park(
    prepared: PreparedRecord,
    failure: { readonly error: unknown; readonly stage: Stage; readonly attempts: number },
  ): void {
    const { error, stage, attempts } = failure
    this.#parked.add(prepared.key)
    const described = describeError(error)
    const fingerprint = fingerprintOf({ stage, ...described })
    const redacted = redactText(this.#projection, prepared)
    this.#setAside(prepared, {
      kind: 'failed',
      stage,
      attempts,
      ...described,
      errorMessage: redacted(described.errorMessage),
      errorStack: redacted(described.errorStack),
      fingerprint,
    })
  }

  #setAside(prepared: PreparedRecord, cause: Letter['cause']): void {
    const { key, tenant, eventType, record } = prepared
    this.#letters.push({ key, tenant, eventType, record, cause })
  }
}

function describeError(error: unknown) {
  return {
    errorClass: error instanceof Error ? error.name : typeof error,
    errorCode: errorCode(error),
    errorMessage: storable(errorMessage(error)),
    errorStack: error instanceof Error ? storable(error.stack ?? '') : '',
  }
}

/** Takes personal data of the event out of what an error says about it. */
function redactText(projection: Projection, { content }: PreparedRecord): (text: string) => string {
  if (content.kind !== 'event') return (text) => text
  const secrets = personalTexts(projection.sources, content.event)
  return (text) => secrets.reduce((rest, secret) => rest.replaceAll(secret, REDACTED), text)
}

/** Text that Postgres takes, of bounded length. */
function storable(text: string): string {
  return text.slice(0, ERROR_TEXT_LENGTH_MAX).replaceAll('\0', '')
}
