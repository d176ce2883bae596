import {
  type CommitPosition,
  type KeyCounts,
  eventCountOf,
  tellsPartitions,
} from '@fairlead/outbox'
import type { AppliedPosition } from './checkpoint-poller.ts'

/** What a transaction wrote into one topic. */
export type Write = Pick<CommitPosition, 'lsn' | 'transactionId'> & {
  readonly topic: string
  readonly events: KeyCounts | null
}

export function writesOf({ lsn, transactionId, written }: CommitPosition): readonly Write[] {
  return [...written].map(([topic, events]) => ({ lsn, transactionId, topic, events }))
}

/** False when none of the events has a key with this hash. */
export function mayHaveKey({ events }: Write, hash: number): boolean {
  return events === null || events.counts.has(hash % events.modulus)
}

/**
 * Whether all events of the write are applied, or those in the partition of one key.
 *
 * A partition has them when its commits have come past the bound of the write, as they are applied in the order of
 * their LSNs, or when it has as many events of the transaction as it is to have. That something of it is
 * applied is not enough: a batch may end in the middle of a transaction.
 *
 * `applied` are the partitions that have a checkpoint. They get them one by one: how many there will be
 * says which of them a key is in.
 */
export function isApplied(
  applied: readonly AppliedPosition[],
  write: Write,
  keyHash?: number,
): boolean {
  const { topic, events } = write
  const partitions = new Map(
    applied.flatMap((each) => (each.topic === topic ? [[each.partition, each] as const] : [])),
  )
  const partitionCount = partitions.values().next().value?.partitionCount ?? null
  if (partitionCount === null) return false
  const only = keyHash === undefined ? undefined : keyHash % partitionCount
  if (events !== null && tellsPartitions(events, partitionCount)) {
    const expected = countsByPartition(events, partitionCount)
    const awaited = only === undefined ? [...expected.keys()] : [only]
    return awaited.every((partition) =>
      hasAll(partitions.get(partition), write, expected.get(partition) ?? 0),
    )
  }
  if (events !== null && appliedCount(partitions.values(), write) >= eventCountOf(events)) {
    return true
  }
  const awaited = only === undefined ? partitionsOf(partitionCount) : [only]
  return awaited.every((partition) => isPast(partitions.get(partition), write))
}

function countsByPartition(events: KeyCounts, partitionCount: number): Map<number, number> {
  const counts = new Map<number, number>()
  for (const [residue, count] of events.counts) {
    const partition = residue % partitionCount
    counts.set(partition, (counts.get(partition) ?? 0) + count)
  }
  return counts
}

function hasAll(position: AppliedPosition | undefined, write: Write, eventCount: number): boolean {
  return isPast(position, write) || appliedCount([position], write) >= eventCount
}

function appliedCount(
  positions: Iterable<AppliedPosition | undefined>,
  { transactionId }: Write,
): number {
  let count = 0
  for (const position of positions) count += position?.recentEventCounts.get(transactionId) ?? 0
  return count
}

function isPast(position: AppliedPosition | undefined, { lsn }: Write): boolean {
  const commitLsn = position?.commitLsn ?? null
  return commitLsn !== null && commitLsn >= lsn
}

function partitionsOf(count: number): readonly number[] {
  return Array.from({ length: count }, (_, partition) => partition)
}
