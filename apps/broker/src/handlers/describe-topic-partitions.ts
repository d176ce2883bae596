import { describeTopicPartitions } from '@fairlead/metadata'
import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import { TOPIC_OPERATIONS } from './authorized-operations.ts'
import type { HandlerContext } from './handler.ts'

/** DescribeTopicPartitions (key 75), version 0 (KIP-966); the rules are in `@fairlead/metadata`. */
export function handleDescribeTopicPartitions(
  request: RequestOf<'DescribeTopicPartitions'>,
  { image, config }: HandlerContext,
): ResponseBody<'DescribeTopicPartitions'> {
  const partitionsMax = config['max.request.partition.size.limit']
  const response = describeTopicPartitions(image, request, { partitionsMax })
  const topics = response.topics.map((topic) =>
    topic.errorCode === 'NONE' ? { ...topic, topicAuthorizedOperations: TOPIC_OPERATIONS } : topic,
  )
  return { ...response, topics }
}
