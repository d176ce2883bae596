import {
  type BackoffPolicy,
  DecodeError,
  OperationalError,
  errorMessage,
  isConnectionMessage,
  isPeerErrorCode,
} from '@fairlead/base'
import type { EventFailureAction } from './error-rules.ts'
import type { LogRecord } from './log-record.ts'

/**
 * Whose fault a failure is.
 *
 * - `infra`: database, broker or registry cannot serve. Never the fault of an event.
 * - `contention`: another transaction was in the way; the same batch may pass.
 * - `schema`: the read model is not what the code expects; no event can pass.
 * - `data`: the database refuses what the event leads to.
 * - `decode`: the record is no event.
 * - `code`: the handler threw.
 * - `fenced`: another worker owns the partition.
 */
export type FailureClass = 'infra' | 'contention' | 'schema' | 'data' | 'decode' | 'code' | 'fenced'

/** Another worker has raised the fence of the partition: what this one holds is void. */
export class FencedError extends OperationalError {
  override readonly name = 'FencedError'

  constructor(message: string) {
    super(message, { code: 'FENCED', retryable: false })
  }
}

/** Stands for an error that says something personal of its event: the same without it. */
export class RedactedError extends Error {
  override readonly name: string
  /** Of the error; empty without one. */
  readonly code: string
  readonly failureClass: FailureClass

  constructor(
    message: string,
    of: Pick<RedactedError, 'name' | 'code' | 'failureClass'> & { readonly stack: string },
  ) {
    super(message)
    this.name = of.name
    this.code = of.code
    this.stack = of.stack
    this.failureClass = of.failureClass
  }
}

/** A handler failed on an event that is to be tried again, or that stops the projection. */
export class EventFailure extends Error {
  override readonly name = 'EventFailure'
  readonly action: 'retry' | 'stop'
  /** What loggers show of an error has no record in it. */
  readonly #record: LogRecord
  /** Failures of the event, this one included. */
  readonly attempt: number
  /** Of the cause. */
  readonly failureClass: FailureClass

  constructor(
    action: 'retry' | 'stop',
    options: {
      readonly record: LogRecord
      readonly attempt: number
      readonly failureClass: FailureClass
      /** Without what is personal: it is told wherever the failure is. */
      readonly cause: unknown
    },
  ) {
    const { record, attempt, failureClass, cause } = options
    super(`the event at offset ${record.offset} failed: ${errorMessage(cause)}`, { cause })
    this.action = action
    this.#record = record
    this.attempt = attempt
    this.failureClass = failureClass
  }

  get record(): LogRecord {
    return this.#record
  }
}

/** SQLSTATEs that do not go with their class (PostgreSQL, Appendix A). */
const BY_SQLSTATE: Readonly<Record<string, FailureClass>> = {
  '25006': 'infra', // read-only after a failover
  '25P03': 'infra', // idle in transaction too long
  '25P04': 'contention', // transaction timeout
  '3D000': 'infra', // the database is being restored
  '55P03': 'contention', // lock not available
  '57014': 'contention', // statement timeout
  '0A000': 'schema', // cached plan must not change result type
  '3F000': 'schema', // no such schema
  '55000': 'schema', // a table, view or publication that is not ready for the statement
  HV001: 'infra', // of a foreign server: out of memory
  HV00N: 'infra', // no connection to a foreign server
  HV005: 'schema', // a foreign column, table or schema that is not there
  HV007: 'schema',
  HV00Q: 'schema',
  HV00R: 'schema',
}

const BY_SQLSTATE_CLASS: Readonly<Record<string, FailureClass>> = {
  '08': 'infra', // connection
  '28': 'infra', // authorization: credentials are rotated, roles are restored
  '53': 'infra', // resources: disk full, too many connections
  '57': 'infra', // operator intervention
  '58': 'infra', // system error
  XX: 'infra', // internal error: corruption is not an event's fault either
  '40': 'contention', // serialization failure, deadlock
  '42': 'schema', // undefined table or column, wrong type, no privilege
  '21': 'data', // the same row twice in one upsert
  '22': 'data', // value out of range
  '23': 'data', // constraint violated
  '54': 'data', // a limit of Postgres exceeded, such as the size of an index entry
  '44': 'data', // view check option
  P0: 'data', // raised by a trigger
}

const SQLSTATE = /^[0-9A-Z]{5}$/

/** Errors wrap others; one that is its own cause would never end. */
const CAUSES_MAX = 8

/**
 * Classifies anything that was thrown. `origin` is where: an error of the database without SQLSTATE
 * is a lost connection, one of a handler is the handler's. An error that says nothing itself is
 * classified by its cause: `fetch` and query builders wrap what went wrong.
 */
export function classifyFailure(error: unknown, origin: 'database' | 'handler'): FailureClass {
  let current = error
  for (let depth = 0; depth < CAUSES_MAX && current !== undefined; depth += 1) {
    const failureClass = classOf(current)
    if (failureClass !== undefined) return failureClass
    current = current instanceof Error ? current.cause : undefined
  }
  // A lost connection is a plain `Error` in `pg`; a `TypeError` is a bug wherever it is thrown.
  const isPlain = error instanceof Error && error.name === 'Error'
  return origin === 'database' && isPlain ? 'infra' : 'code'
}

/** What an error says without its cause; undefined when that is nothing. */
function classOf(error: unknown): FailureClass | undefined {
  if (error instanceof EventFailure || error instanceof RedactedError) return error.failureClass
  if (error instanceof FencedError) return 'fenced'
  if (error instanceof DecodeError) return 'decode'
  if (error instanceof OperationalError) return error.retryable ? 'infra' : 'code'
  const code = errorCode(error)
  if (isPeerErrorCode(code)) return 'infra'
  if (error instanceof Error && code === '' && isConnectionMessage(error.message)) return 'infra'
  if (!SQLSTATE.test(code)) return undefined
  return BY_SQLSTATE[code] ?? BY_SQLSTATE_CLASS[code.slice(0, 2)] ?? 'code'
}

/** The `code` property of an error; empty without one. */
export function errorCode(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return ''
  return typeof error.code === 'string' ? error.code : ''
}

/** What to do about a batch that did not commit. */
export type BatchDecision =
  /** Wait for the world to change, without end; with `halve`, for half of the records. */
  | { readonly action: 'pause'; readonly backoff: BackoffPolicy; readonly halve: boolean }
  /** Try again after a moment; with `halve`, with half of the records. */
  | { readonly action: 'retry'; readonly backoff: BackoffPolicy; readonly halve: boolean }
  /** Run event by event, to find the one to blame. */
  | { readonly action: 'isolate' }
  /** Give the partition up until it is assigned again or the fence is taken anew. */
  | { readonly action: 'rejoin'; readonly backoff: BackoffPolicy }
  /** Nothing but a change of code, schema or data helps. */
  | { readonly action: 'stop' }

export const INFRA_BACKOFF: BackoffPolicy = { baseMs: 200, maxMs: 10_000 }
const CONTENTION_BACKOFF: BackoffPolicy = { baseMs: 20, maxMs: 1_000 }

/** Long enough for the group to tell a worker that it no longer owns the partition. */
const REJOIN_BACKOFF: BackoffPolicy = { baseMs: 4_000, maxMs: 10_000 }

/**
 * A batch that fails this often is smaller from then on: it may be what takes too long, or what the server or the
 * connection fails over (a statement of over a gigabyte, too little memory).
 */
const ATTEMPTS_BEFORE_HALVING = 2

/** `attempt` counts the failures of this batch in a row, from 1. */
export function decideBatchFailure(failure: {
  readonly failureClass: FailureClass
  readonly attempt: number
}): BatchDecision {
  const halve = failure.attempt > ATTEMPTS_BEFORE_HALVING
  switch (failure.failureClass) {
    case 'infra':
      return { action: 'pause', backoff: INFRA_BACKOFF, halve }
    case 'contention':
      return { action: 'retry', backoff: CONTENTION_BACKOFF, halve }
    case 'fenced':
      return { action: 'rejoin', backoff: REJOIN_BACKOFF }
    case 'schema':
      return { action: 'stop' }
    case 'data':
    case 'decode':
    case 'code':
      return { action: 'isolate' }
  }
}

/**
 * What to do about one event whose handler failed, once it is known to be the one. `attempt` counts
 * its failures, from 1. Classes that are no event's fault are not decided here: they fail the batch.
 */
export function decideEventFailure(failure: {
  readonly attempt: number
  /** What the projection's own `classify` says. */
  readonly classified: EventFailureAction | undefined
  /** How often the event may be tried again. */
  readonly retries: number
}): EventFailureAction {
  const { attempt, classified, retries } = failure
  if (classified !== undefined && classified !== 'retry') return classified
  return attempt <= retries ? 'retry' : 'park'
}

/** True for failures that an event can be blamed for. */
export function isEventFault(failureClass: FailureClass): boolean {
  return failureClass === 'data' || failureClass === 'decode' || failureClass === 'code'
}
