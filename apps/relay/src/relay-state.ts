import { type BackoffPolicy, type Random, backoffDelayMs } from '@fairlead/base'
import { isTlsErrorCode } from '@fairlead/postgres'

/**
 * - `starting`: connecting to the source.
 * - `standby`: another relay holds the slot.
 * - `streaming`: events flow.
 * - `backpressure`: the brokers take nothing; disconnected from Postgres until they are tried again.
 * - `reconnecting`: the source or the producer was lost.
 * - `completed`: `snapshot.mode=initial_only`, and everything that the tables held is published.
 * - `halted`: going on would lose events or cannot work; `code` and `reason` say what to do.
 * - `stopped`: asked to.
 */
export type RelayState =
  | 'starting'
  | 'standby'
  | 'streaming'
  | 'backpressure'
  | 'reconnecting'
  | 'completed'
  | 'halted'
  | 'stopped'

/** Why a session ended. */
export type SessionEnd =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'completed'; readonly reason: string }
  | { readonly kind: 'slot-in-use'; readonly reason: string }
  | { readonly kind: 'backpressure'; readonly reason: string }
  | { readonly kind: 'source-lost'; readonly code: string; readonly reason: string }
  | { readonly kind: 'sink-failed'; readonly code: string; readonly reason: string }
  | { readonly kind: 'halted'; readonly code: HaltCode; readonly reason: string }

export type HaltCode =
  | 'WAL_LEVEL'
  | 'NOT_A_REPLICATION_ROLE'
  | 'SLOT_LOST'
  | 'SLOT_AHEAD'
  | 'SLOT_UNSUITABLE'
  /** The server has never had what was published. */
  | 'TIMELINE_FORKED'
  | 'PUBLICATION_MISSING'
  | 'PUBLICATION_UNSUITABLE'
  | 'SNAPSHOT_REFUSED'
  | 'TABLE_MISSING'
  | 'OUTBOX_COLUMNS'
  | 'TOO_MANY_PARKED_KEYS'
  /** `delivery=transactional`, and brokers without. */
  | 'NO_TRANSACTIONS'
  /** `delivery=transactional`, and the topic of positions has not what it had. */
  | 'POSITION_LOST'
  | 'STREAM_NOT_UNDERSTOOD'
  /** `table.op.invalid.behavior=fatal` */
  | 'OUTBOX_UPDATED'

export type NextStep =
  | { readonly kind: 'stop' }
  /** There is nothing left to do, until it is stopped. */
  | { readonly kind: 'rest'; readonly state: RelayState }
  | { readonly kind: 'retry'; readonly state: RelayState; readonly delayMs: number }

/** Between two looks at a slot that another relay reads. */
const STANDBY_POLL: BackoffPolicy = { baseMs: 250, maxMs: 250 }
const SOURCE_BACKOFF: BackoffPolicy = { baseMs: 100, maxMs: 10_000 }
/**
 * A password that was changed, or a certificate that has expired, is not right again in a moment, and some
 * servers lock out who asks too often.
 */
const AUTHORIZATION_BACKOFF: BackoffPolicy = { baseMs: 2_000, maxMs: 30_000 }
/** SQLSTATE class 28: invalid authorization specification. */
const AUTHORIZATION_CLASS = '28'
const SINK_BACKOFF: BackoffPolicy = { baseMs: 500, maxMs: 10_000 }
/** An operator may repair what halted the relay; it then goes on without a restart. */
const HALTED_POLL: BackoffPolicy = { baseMs: 10_000, maxMs: 10_000 }

/**
 * What follows a session. Nothing is given up on but what was asked to stop.
 *
 * @param failures sessions in a row, this one included, that ended before they published anything.
 */
export function afterSession(end: SessionEnd, failures: number, random: Random): NextStep {
  const retry = (state: RelayState, policy: BackoffPolicy): NextStep => ({
    kind: 'retry',
    state,
    delayMs: backoffDelayMs(Math.max(1, failures), policy, random),
  })
  switch (end.kind) {
    case 'stopped':
      return { kind: 'stop' }
    case 'completed':
      return { kind: 'rest', state: 'completed' }
    case 'slot-in-use':
      return retry('standby', STANDBY_POLL)
    case 'backpressure':
      return retry('backpressure', SINK_BACKOFF)
    case 'sink-failed':
      return retry('backpressure', SINK_BACKOFF)
    case 'source-lost':
      return retry(
        'reconnecting',
        end.code.startsWith(AUTHORIZATION_CLASS) || isTlsErrorCode(end.code)
          ? AUTHORIZATION_BACKOFF
          : SOURCE_BACKOFF,
      )
    case 'halted':
      return retry('halted', HALTED_POLL)
  }
}

const READY_STATES: readonly RelayState[] = ['streaming', 'standby', 'completed']

/** Whether traffic may rely on this relay: it works, or has, or another one does. Lag is not a reason. */
export function readiness(state: RelayState, reason: string): true | string {
  return READY_STATES.includes(state) ? true : `${state}: ${reason}`
}
