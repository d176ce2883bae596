import type { PreparedRecord } from './log-record.ts'

/**
 * Whether `left` comes before `right`, a record of another partition: by their places in the source
 * database where both have one, else by their timestamps. A key whose partition changed, since the
 * topic got more of them, has its events in order that way.
 */
export function comesBefore(left: PreparedRecord, right: PreparedRecord): boolean {
  const { source: a } = left
  const { source: b } = right
  if (a === null || b === null || a.commitTimeMs !== b.commitTimeMs) {
    return timeOf(left) < timeOf(right)
  }
  if (a.commitLsn !== b.commitLsn) return a.commitLsn < b.commitLsn
  return a.index < b.index
}

function timeOf({ source, record }: PreparedRecord): number {
  return source?.commitTimeMs ?? record.timestampMs
}
