import { isInternalTopic } from '@fairlead/metadata'
import type { ErrorCode, RequestOf, ResponseBody } from '@fairlead/protocol'
import { deleteRecords } from '../partitions/log-calls.ts'
import type { HandlerContext } from './handler.ts'

type PartitionRequest = RequestOf<'DeleteRecords'>['topics'][number]['partitions'][number]
type PartitionAnswer = ResponseBody<'DeleteRecords'>['topics'][number]['partitions'][number]

const UNKNOWN_OFFSET = -1

/**
 * DeleteRecords (key 21), versions 0 to 2: raises the first offset of partitions (KIP-107). Offset -1
 * stands for the high watermark.
 *
 * v2  flexible
 *
 * The answer waits until the new start is durable; the disk has no deadline, whatever `timeoutMs`.
 */
export async function handleDeleteRecords(
  request: RequestOf<'DeleteRecords'>,
  context: HandlerContext,
): Promise<ResponseBody<'DeleteRecords'>> {
  const topics = request.topics.map(async ({ name, partitions }) => ({
    name,
    partitions: await Promise.all(partitions.map((partition) => answer(name, partition, context))),
  }))
  return { topics: await Promise.all(topics) }
}

async function answer(
  topic: string,
  { partitionIndex, offset }: PartitionRequest,
  { partitions, deletions }: HandlerContext,
): Promise<PartitionAnswer> {
  const failed = (errorCode: ErrorCode): PartitionAnswer => ({
    partitionIndex,
    lowWatermark: UNKNOWN_OFFSET,
    errorCode,
  })
  if (isInternalTopic(topic)) return failed('INVALID_TOPIC_EXCEPTION')
  const target = partitions.get(topic, partitionIndex)
  if (target === undefined) return failed(partitions.errorOfMissing(topic, partitionIndex))
  // Of a topic that is only compacted, each record is the latest word about its key.
  if (!target.config.cleanupPolicy.includes('delete')) return failed('POLICY_VIOLATION')
  const result = await deletions.run(() => deleteRecords(target.log, offset))
  if (!result.ok) return failed(result.errorCode)
  return { partitionIndex, lowWatermark: result.logStartOffset, errorCode: 'NONE' }
}
