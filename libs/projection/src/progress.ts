import { invariant } from '@fairlead/base'
import { type PreparedRecord, planOf } from './log-record.ts'
import {
  RECENT_TRANSACTIONS_MAX,
  type SourceProgress,
  advanceSource,
  isRepublished,
  recentTransactions,
} from './source-position.ts'
import { TransactionTally } from './transaction-tally.ts'

/**
 * How far a projection has come in one partition. It is stored with the rows, in one transaction.
 *
 * Invariants: `nextOffset` never goes back. Every record below it was applied, ignored or set aside
 * as a dead letter, once. `source` is the position of the last applied record that had one.
 */
export type Progress = {
  /** Offset of the next record to apply. */
  readonly nextOffset: number
  readonly source: SourceProgress | null
  /** Timestamp of the last record; null before the first. */
  readonly eventTimeMs: number | null
}

/** The records of a fetch that are news, and the progress once they are applied. */
export type Admitted = {
  readonly from: Progress
  readonly to: Progress
  /** In offset order; ignored records are left out. */
  readonly records: readonly PreparedRecord[]
  /** Records that the projection has no handler for. */
  readonly ignoredCount: number
  /** Records below the checkpoint, and events that the relay published again. */
  readonly duplicateCount: number
}

/** What was fetched: all that the log has from `startOffset` up to `nextOffset`. */
type FetchedRecords = {
  readonly startOffset: number
  readonly records: readonly PreparedRecord[]
  /** Behind the last record, and behind control batches and compacted records. */
  readonly nextOffset: number
}

/** Sorts out what of a fetch is to be applied. It has what comes next: nothing is passed over unseen. */
export function admit(from: Progress, fetched: FetchedRecords): Admitted {
  invariant(
    fetched.startOffset <= from.nextOffset,
    'what is applied begins at the checkpoint, or before',
  )
  const records: PreparedRecord[] = []
  const tally = new TransactionTally(from.source)
  let { source, eventTimeMs, nextOffset } = from
  let ignoredCount = 0
  let duplicateCount = 0

  for (const prepared of fetched.records) {
    const { offset, timestampMs } = prepared.record
    if (offset < nextOffset) {
      duplicateCount += 1
      continue
    }
    nextOffset = offset + 1
    const position = prepared.source
    if (position !== null && isRepublished(position, source)) {
      duplicateCount += 1
      continue
    }
    if (position !== null) {
      source = advanceSource(position, source)
      tally.count(position)
    }
    eventTimeMs = timestampMs
    if (planOf(prepared) === 'ignored') ignoredCount += 1
    else records.push(prepared)
  }
  const counted = tally.newest(RECENT_TRANSACTIONS_MAX)
  if (source !== null && counted.length > 0) {
    const recent = recentTransactions(source.recentTransactions, counted)
    source = { ...source, recentTransactions: recent }
  }
  const to = { nextOffset: Math.max(nextOffset, fetched.nextOffset), source, eventTimeMs }
  invariant(to.nextOffset >= from.nextOffset, 'a checkpoint does not go back')
  return { from, to, records, ignoredCount, duplicateCount }
}
