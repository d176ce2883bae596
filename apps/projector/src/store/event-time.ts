/** Year 1 and the last day of `Date`: Postgres and its driver write and read what is between them. */
const EVENT_TIME_MIN_MS = -62_135_596_800_000
const EVENT_TIME_MAX_MS = 8.64e15 - 86_400_000

/**
 * The time of a record as a column takes it. A record says whatever its producer likes; a time that
 * Postgres refuses would hold the partition up, and no key in it is to blame.
 */
export function storableTime(timestampMs: number): Date {
  return new Date(Math.min(Math.max(timestampMs, EVENT_TIME_MIN_MS), EVENT_TIME_MAX_MS))
}
