import { type Duration, durationMs } from './duration.ts'

export type BatchBounds = {
  /**
   * A transaction applies at most so many records, and never more than the projector's `batch.records.max`
   * lets it: for look-ups that are slow, as a batch waits for the slowest, and for handlers that lock much.
   */
  readonly max?: number
  /**
   * At the end of the log, a batch that is not full waits so long for more records: fewer transactions, and rows that
   * are later by as much. At most a second. Default: none, a batch is what came in while the one before was applied.
   */
  readonly linger?: Duration
}

/** Most that a projector may be configured to take. */
const RECORDS_MAX = 100_000
/** A promotion waits two seconds for a version to catch up. */
const LINGER_MAX_MS = 1_000

export type CheckedBounds = {
  /** Most records that one transaction applies, where the projector would take more. */
  readonly batchMax?: number
  /** How long a batch that is not full waits for more records; undefined: it does not. */
  readonly lingerMs?: number
}

/** @throws {TypeError} for what is no bound, or outside its range. */
export function checkedBounds(
  name: string,
  { max, linger, ...others }: BatchBounds,
): CheckedBounds {
  const [other] = Object.keys(others)
  if (other !== undefined) {
    throw new TypeError(`${name}: a batch has a max and a linger, and no ${other}`)
  }
  return {
    ...(max === undefined ? {} : { batchMax: checkedMax(name, max) }),
    ...(linger === undefined ? {} : { lingerMs: checkedLinger(name, linger) }),
  }
}

function checkedMax(name: string, max: number): number {
  if (Number.isInteger(max) && max >= 1 && max <= RECORDS_MAX) return max
  throw new TypeError(`${name}: batch.max is from 1 to ${RECORDS_MAX}, not ${max}`)
}

function checkedLinger(name: string, linger: Duration): number {
  const lingerMs = durationMs(linger)
  if (lingerMs <= LINGER_MAX_MS) return lingerMs
  throw new TypeError(`${name}: batch.linger is 1s at most, not ${linger}`)
}
