import type { AnyEvent } from './definition.ts'
import { type Duration, durationMs } from './duration.ts'
import { refuseUnknownParts } from './known-parts.ts'

/**
 * What becomes of an event whose handler threw: tried again with the events behind it waiting, its
 * key parked, the event dropped, or the projection stopped.
 */
export type EventFailureAction = 'retry' | 'park' | 'skip' | 'stop'

const EVENT_FAILURE_ACTIONS: ReadonlySet<unknown> = new Set<EventFailureAction>([
  'retry',
  'park',
  'skip',
  'stop',
])

export function isEventFailureAction(answer: unknown): answer is EventFailureAction {
  return EVENT_FAILURE_ACTIONS.has(answer)
}

/** What `classify` is told beside the error and its event. */
export type EventFailureContext = {
  /**
   * Failures of the event where it is tried now, in place, this one included. A try of its parked key, a
   * replay, a rebuild and another process begin with 1.
   */
  readonly attempt: number
}

export type ErrorOptions<E> = {
  /**
   * Decides about an error of a handler; undefined leaves it to the default: `retry`, then `park`.
   * When it throws, or answers anything else, that is logged and counted, and it has said nothing.
   */
  readonly classify?: (
    error: unknown,
    event: E,
    failure: EventFailureContext,
  ) => EventFailureAction | undefined
  /** How often a failing event is tried again in place before its key is parked; default never. */
  readonly retry?: {
    readonly retries?: number
    readonly base?: Duration
    readonly max?: Duration
  }
  /**
   * How often a parked key is tried again by itself, in its order and with all that waits in it, and
   * after how long: `base`, twice as long each time, up to `max`. Of events that `data` or `code` is to
   * blame for, unless `classify` says `park`; default: what the projector is configured to.
   */
  readonly retryParked?: {
    /** 0: never. */
    readonly retries?: number
    readonly base?: Duration
    readonly max?: Duration
  }
  /**
   * How much may wait in dead letters, where more would be kept than anybody deals with. A partition that
   * would go beyond pauses instead, with all that it has not applied yet in the log, until letters are replayed or
   * discarded. Default: no bound. Not for rebuilds.
   */
  readonly park?: {
    /** Letters of one key: the one that parked it, and those that wait behind it. From 1. */
    readonly maxPerKey?: number
    /** Parked keys of the version, in all of its partitions; those that commit at once may go beyond by what each of them parks. From 1. */
    readonly maxKeys?: number
  }
}

export type RetryPolicy = {
  /** So many tries at most; 0: none. */
  readonly retries: number
  readonly baseMs: number
  readonly maxMs: number
}

/** How much may wait in dead letters; what is not there has no bound. */
export type ParkLimits = { readonly maxPerKey?: number; readonly maxKeys?: number }

/** What a projection does about events that fail. */
export type ErrorRules = {
  readonly classify: (
    error: unknown,
    event: AnyEvent,
    failure: EventFailureContext,
  ) => EventFailureAction | undefined
  readonly retry: RetryPolicy
  /** Of keys that are parked; what is not there is the projector's. */
  readonly retryParked?: Partial<RetryPolicy>
  readonly parkLimits?: ParkLimits
}

/** Of a projection without a `classify` of its own. */
export const leaveToDefault = (): undefined => undefined

const DEFAULT_RETRY_BASE: Duration = '100ms'
const DEFAULT_RETRY_MAX: Duration = '30s'
const RETRIES_MAX = 1_000_000
/** A timer of Node that is longer ends at once. */
const RETRY_BACKOFF_MAX_MS = 2 ** 31 - 1

/** @throws {TypeError} */
export function errorRulesOf(name: string, options: ErrorOptions<AnyEvent> = {}): ErrorRules {
  refuseUnknownParts(`${name}: errors`, options, ['classify', 'retry', 'retryParked', 'park'])
  const { classify = leaveToDefault, retry = {}, retryParked, park } = options
  return {
    classify,
    retry: retryOf(name, retry),
    ...(retryParked === undefined ? {} : { retryParked: parkedRetryOf(name, retryParked) }),
    ...(park === undefined ? {} : { parkLimits: parkLimitsOf(name, park) }),
  }
}

const RETRY_PARTS = ['retries', 'base', 'max'] as const

function retryOf(name: string, retry: NonNullable<ErrorOptions<AnyEvent>['retry']>): RetryPolicy {
  refuseUnknownParts(`${name}: errors.retry`, retry, RETRY_PARTS)
  const { retries = 0, base = DEFAULT_RETRY_BASE, max } = retry
  refuseCount(name, 'errors.retry.retries', retries)
  const baseMs = durationMs(base)
  const maxMs =
    max === undefined ? Math.max(baseMs, durationMs(DEFAULT_RETRY_MAX)) : durationMs(max)
  refuseBackoff(name, 'errors.retry', { baseMs, maxMs })
  if (maxMs <= RETRY_BACKOFF_MAX_MS) return { retries, baseMs, maxMs }
  throw new TypeError(`${name}: errors.retry.max is 24d at most, as the partition waits so long`)
}

function parkedRetryOf(
  name: string,
  retryParked: NonNullable<ErrorOptions<AnyEvent>['retryParked']>,
): Partial<RetryPolicy> {
  refuseUnknownParts(`${name}: errors.retryParked`, retryParked, RETRY_PARTS)
  const { retries, base, max } = retryParked
  if (retries !== undefined) refuseCount(name, 'errors.retryParked.retries', retries)
  const policy = {
    ...(retries === undefined ? {} : { retries }),
    ...(base === undefined ? {} : { baseMs: durationMs(base) }),
    ...(max === undefined ? {} : { maxMs: durationMs(max) }),
  }
  refuseBackoff(name, 'errors.retryParked', policy)
  return policy
}

function refuseCount(name: string, field: string, retries: number): void {
  if (Number.isSafeInteger(retries) && retries >= 0 && retries <= RETRIES_MAX) return
  throw new TypeError(`${name}: ${field} is from 0 to ${RETRIES_MAX}, not ${retries}`)
}

function refuseBackoff(
  name: string,
  field: string,
  { baseMs = 0, maxMs = Infinity }: { readonly baseMs?: number; readonly maxMs?: number },
): void {
  if (baseMs <= maxMs) return
  throw new TypeError(`${name}: ${field}.base is the shortest wait, and longer than ${field}.max`)
}

function parkLimitsOf(name: string, park: ParkLimits): ParkLimits {
  for (const [field, value] of Object.entries<number | undefined>(park)) {
    if (field !== 'maxPerKey' && field !== 'maxKeys') {
      throw new TypeError(`${name}: errors.park has maxPerKey and maxKeys, and no ${field}`)
    }
    if (value === undefined || (Number.isSafeInteger(value) && value >= 1)) continue
    throw new TypeError(`${name}: errors.park.${field} is a whole number from 1, not ${value}`)
  }
  return park
}
