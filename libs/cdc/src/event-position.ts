import { type Lsn, formatLsn, lsn, parseLsn } from '@fairlead/base'

/**
 * Where an event stands in the total order of a database: its transaction, and its place in that.
 * The LSN of the row itself would not do: those of concurrent transactions interleave, and rows of
 * one COPY share one.
 */
export type EventPosition = {
  readonly commitLsn: Lsn
  /** From 0, over the rows of the transaction that are published; -1 is where the transaction begins. */
  readonly commitIndex: number
}

/**
 * A position for what no commit brings, at the record of the log that ends at `endLsn`: a place inside
 * of that record. The end itself would not do, since a commit record may begin there.
 */
export function positionWithin(endLsn: Lsn, index: number): EventPosition {
  return { commitLsn: lsn(endLsn - 1n), commitIndex: index }
}

/** Negative when `left` comes first, 0 when they are the same. */
export function comparePositions(left: EventPosition, right: EventPosition): number {
  if (left.commitLsn === right.commitLsn) return left.commitIndex - right.commitIndex
  return left.commitLsn < right.commitLsn ? -1 : 1
}

export function formatPosition({ commitLsn, commitIndex }: EventPosition): string {
  return `${formatLsn(commitLsn)}#${commitIndex}`
}

/**
 * The position in the texts of two record headers; undefined when they are no position, as in
 * records that another program wrote.
 */
export function parsePosition(
  commitLsn: string | undefined,
  commitIndex: string | undefined,
): EventPosition | undefined {
  if (commitLsn === undefined || commitIndex === undefined) return undefined
  if (!/^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/.test(commitLsn)) return undefined
  if (!/^(-1|\d{1,10})$/.test(commitIndex)) return undefined
  return { commitLsn: parseLsn(commitLsn), commitIndex: Number(commitIndex) }
}
