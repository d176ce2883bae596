import type { PartitionRecord } from '../metadata-record.ts'

/** A partition at its beginning: one replica, which leads. */
export function newPartition({
  topicId,
  partitionId,
  brokerId,
}: {
  readonly topicId: string
  readonly partitionId: number
  readonly brokerId: number
}): PartitionRecord {
  return {
    kind: 'PartitionRecord',
    topicId,
    partitionId,
    replicas: [brokerId],
    isr: [brokerId],
    leader: brokerId,
    leaderEpoch: 0,
    partitionEpoch: 0,
  }
}
