import type { LogRecord, PreparedRecord } from './log-record.ts'

/** What the order of a record depends on. */
type Ordered = Pick<PreparedRecord, 'source'> & {
  readonly record: Pick<LogRecord, 'timestampMs'>
}

/**
 * Whether `left` comes before `right`, a record of another partition: by their times, and those of one time by their
 * places in the source database, behind those that have none. A key whose partition changed, since the topic got more
 * of them, has its events in order that way. It is an order of all records: of partitions whose first ones wait for
 * each other, one has the first of all.
 */
export function comesBefore(left: Ordered, right: Ordered): boolean {
  const { source: a } = left
  const { source: b } = right
  const leftMs = timeOf(left)
  const rightMs = timeOf(right)
  if (leftMs !== rightMs) return leftMs < rightMs
  if (a === null || b === null) return b !== null && a === null
  if (a.commitLsn !== b.commitLsn) return a.commitLsn < b.commitLsn
  return a.index < b.index
}

function timeOf({ source, record }: Ordered): number {
  return source?.commitTimeMs ?? record.timestampMs
}
