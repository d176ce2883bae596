import type { ErrorCode } from '@fairlead/protocol'
import type { Group } from './group.ts'
import type { OffsetDeleteRequest, OffsetDeleteResponse } from './messages.ts'
import { subscriptionOf, usesConsumerProtocol } from './subscribed-topics.ts'
import { type Turn, noteOffsets } from './turn.ts'
import type { TopicDirectory } from './types.ts'

/**
 * OffsetDelete (key 47), version 0 (KIP-496).
 *
 * Of a group of consumers with members only the offsets of topics that nobody subscribes to are
 * removed. Partitions fail one by one; an offset that is not there is removed without an error.
 * Removes as many as one step may write: whoever calls it again gets the same answer.
 */
export function deleteOffsets(
  group: Group | undefined,
  request: OffsetDeleteRequest,
  topics: TopicDirectory,
  turn: Turn,
): OffsetDeleteResponse {
  const exists = (topic: string, partition: number): boolean =>
    topics.hasPartition(topic, partition)
  const isAllMissing = !request.topics.some(({ name, partitions }) =>
    partitions.some(({ partitionIndex }) => exists(name, partitionIndex)),
  )
  // Partitions that do not exist are answered without a look at the group, as in Kafka.
  const errorCode = isAllMissing && request.topics.length > 0 ? 'NONE' : checkGroup(group)
  if (errorCode !== 'NONE') return refusedOffsetDelete(errorCode)
  const isSubscribed = group === undefined ? () => false : subscriptionOf(group)
  const response: OffsetDeleteResponse = {
    errorCode: 'NONE',
    topics: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => {
        if (!exists(name, partitionIndex)) {
          return { partitionIndex, errorCode: 'UNKNOWN_TOPIC_OR_PARTITION' }
        }
        if (isSubscribed(name)) return { partitionIndex, errorCode: 'GROUP_SUBSCRIBED_TO_TOPIC' }
        if (group !== undefined) deleteOffset(group, name, partitionIndex, turn)
        return { partitionIndex, errorCode: 'NONE' }
      }),
    })),
  }
  if (group !== undefined) noteOffsets('offsetsDeleted', group, turn)
  return response
}

export function refusedOffsetDelete(errorCode: ErrorCode): OffsetDeleteResponse {
  return { errorCode, topics: [] }
}

function checkGroup(group: Group | undefined): ErrorCode {
  if (group === undefined) return 'GROUP_ID_NOT_FOUND'
  // What members of other groups (Connect) read is not known here.
  const mayBeInUse = group.state !== 'Empty' && !usesConsumerProtocol(group)
  return mayBeInUse ? 'NON_EMPTY_GROUP' : 'NONE'
}

function deleteOffset(group: Group, topic: string, partition: number, turn: Turn): void {
  const { groupId, replicated } = group
  if (turn.isFull() || replicated.committed(topic, partition) === undefined) return
  turn.write({ kind: 'offsetCommit', groupId, topic, partition, value: null })
}
