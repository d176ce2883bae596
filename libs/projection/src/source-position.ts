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
}

/** The newest position applied, and the latest commit time of all events before it. */
export type SourceProgress = SourcePosition

const DECIMAL = /^\d{1,15}$/

/**
 * The position in the headers of a record; null when the relay did not write the record, or wrote it
 * behind its place: a replayed event is older than those before it, and no repetition.
 */
export function sourcePosition(headers: Readonly<Record<string, string>>): SourcePosition | null {
  if (headers[EVENT_HEADERS.replayed] !== undefined) return null
  const commitLsn = headers[EVENT_HEADERS.commitLsn] ?? ''
  const index = headers[EVENT_HEADERS.commitIndex] ?? ''
  const commitTimeMs = headers[EVENT_HEADERS.commitTimestampMs] ?? ''
  if (commitLsn === '' || !DECIMAL.test(index) || !DECIMAL.test(commitTimeMs)) return null
  return {
    commitLsn: parseLsn(commitLsn),
    index: Number(index),
    commitTimeMs: Number(commitTimeMs),
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
  return {
    ...position,
    commitTimeMs: Math.max(position.commitTimeMs, seen?.commitTimeMs ?? position.commitTimeMs),
  }
}
