import type { ErrorCode, RequestOf, ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'
import { endOfEpoch, leaderEpochError } from './leader-epoch.ts'

type PartitionRequest = RequestOf<'OffsetForLeaderEpoch'>['topics'][number]['partitions'][number]
type PartitionAnswer = ResponseBody<'OffsetForLeaderEpoch'>['topics'][number]['partitions'][number]

const UNKNOWN = -1

/**
 * OffsetForLeaderEpoch (key 23), versions 2 to 4: where the records that a leader wrote in its epoch
 * end, by which a reader finds out whether what it read is still there (KIP-101, KIP-320).
 *
 * v2  leader epoch that the client knows
 * v3  replica id
 * v4  flexible
 */
export function handleOffsetForLeaderEpoch(
  request: RequestOf<'OffsetForLeaderEpoch'>,
  context: HandlerContext,
): ResponseBody<'OffsetForLeaderEpoch'> {
  return {
    topics: request.topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map((partition) => answer(topic, partition, context)),
    })),
  }
}

function answer(
  topic: string,
  { partition, currentLeaderEpoch, leaderEpoch }: PartitionRequest,
  { partitions }: HandlerContext,
): PartitionAnswer {
  const target = partitions.get(topic, partition)
  if (target === undefined) return failed(partition, partitions.errorOfMissing(topic, partition))
  const epochError = leaderEpochError(currentLeaderEpoch, target.leaderEpoch)
  if (epochError !== undefined) return failed(partition, epochError)
  const end = endOfEpoch(target, leaderEpoch)
  if (end === undefined) return failed(partition, 'NONE')
  return { partition, errorCode: 'NONE', leaderEpoch: end.leaderEpoch, endOffset: end.endOffset }
}

function failed(partition: number, errorCode: ErrorCode): PartitionAnswer {
  return { partition, errorCode, leaderEpoch: UNKNOWN, endOffset: UNKNOWN }
}
