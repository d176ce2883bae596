import { describeTopicPartitions } from '@fairlead/metadata'
import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'

/** DescribeTopicPartitions (key 75), version 0 (KIP-966); the rules are in `@fairlead/metadata`. */
export function handleDescribeTopicPartitions(
  request: RequestOf<'DescribeTopicPartitions'>,
  { image }: HandlerContext,
): ResponseBody<'DescribeTopicPartitions'> {
  return describeTopicPartitions(image, request)
}
