import { EVENT_HEADERS, type Lsn, parseLsn } from '@fairlead/base'

/**
 * Where an event comes from: the commit LSN of its transaction in the source database, and its index
 * in the transaction. The relay publishes in commit order, so positions grow along a partition.
 */
export type SourcePosition = {
  readonly commitLsn: Lsn
  readonly index: number
  /** Commit time, milliseconds since the Unix epoch. */
  readonly commitTimeMs: number
  /** Of the source database; null when the service's outbox did not write it. */
  readonly transactionId: string | null
}

/** The newest position applied, and the latest commit time of all events before it. */
export type SourceProgress = Omit<SourcePosition, 'transactionId'> & {
  /** The last transactions of which something is applied, the newest last. */
  readonly recentTransactions: readonly AppliedTransaction[]
}

/** A transaction of the source database, as far as its events of one partition are applied. */
export type AppliedTransaction = {
  readonly transactionId: string
  /**
   * How many of its events are applied, ignored or set aside. A batch may end in the middle of a
   * transaction: that one of them is applied does not say that all are.
   */
  readonly eventCount: number
}

/**
 * A reader knows a bound above his commit, and his transaction's id. Between the two lie the commits of
 * others at the same time: as many as there are in a few milliseconds.
 */
export const RECENT_TRANSACTIONS_MAX = 64

const DECIMAL = /^\d{1,15}$/
/** Fits a bigint of Postgres; ids count transactions, so there is no larger one. */
const TRANSACTION_ID = /^\d{1,18}$/

/**
 * The position in the headers of a record; null when the relay did not write the record, or wrote it
 * behind its place: a replayed event is older than those before it, and no repetition.
 */
export function sourcePosition(headers: Readonly<Record<string, string>>): SourcePosition | null {
  if (headers[EVENT_HEADERS.replayed] !== undefined) return null
  const commitLsn = headers[EVENT_HEADERS.commitLsn] ?? ''
  const index = headers[EVENT_HEADERS.commitIndex] ?? ''
  const commitTimeMs = headers[EVENT_HEADERS.commitTimestampMs] ?? ''
  const transactionId = headers[EVENT_HEADERS.transactionId] ?? ''
  if (commitLsn === '' || !DECIMAL.test(index) || !DECIMAL.test(commitTimeMs)) return null
  return {
    commitLsn: parseLsn(commitLsn),
    index: Number(index),
    commitTimeMs: Number(commitTimeMs),
    transactionId: TRANSACTION_ID.test(transactionId) ? transactionId : null,
  }
}

/**
 * Whether a record repeats an event that the projection has seen at a lower offset: after a crash the
 * relay publishes what was not yet confirmed again, in the same order.
 *
 * A repeated event was committed no later than the latest commit seen. One that was committed later,
 * and still has a lower LSN, comes from a source that was created or restored anew: it is no
 * repetition, and its LSN is the start of a new history.
 *
 * Limit: the topic has one source database at a time. LSNs of two cannot be compared.
 */
export function isRepublished(position: SourcePosition, seen: SourceProgress | null): boolean {
  if (seen === null || position.commitTimeMs > seen.commitTimeMs) return false
  if (position.commitLsn !== seen.commitLsn) return position.commitLsn < seen.commitLsn
  return position.index <= seen.index
}

/** The progress after an event at `position` that is no repetition. */
export function advanceSource(
  position: SourcePosition,
  seen: SourceProgress | null,
): SourceProgress {
  const { commitLsn, index, commitTimeMs } = position
  return {
    commitLsn,
    index,
    commitTimeMs: Math.max(commitTimeMs, seen?.commitTimeMs ?? commitTimeMs),
    recentTransactions: seen?.recentTransactions ?? [],
  }
}

/**
 * The last transactions, once those of `applied` are, too; each is there once. The first of `applied` may
 * go on with the last of `before`.
 */
export function recentTransactions(
  before: readonly AppliedTransaction[],
  applied: readonly AppliedTransaction[],
): readonly AppliedTransaction[] {
  const newest = new Map<string, AppliedTransaction>()
  for (const known of [applied, before]) {
    for (let index = known.length - 1; index >= 0; index -= 1) {
      if (newest.size >= RECENT_TRANSACTIONS_MAX) break
      const transaction = known[index] as AppliedTransaction
      const { transactionId } = transaction
      if (!newest.has(transactionId)) newest.set(transactionId, transaction)
    }
  }
  return [...newest.values()].reverse()
}
