import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'

const STRICT_QUOTA_SINCE_VERSION = 6

/**
 * CreateTopics (key 19), versions 2 to 7; the rules are in `@fairlead/metadata`.
 *
 * v4  -1 for the default number of partitions and replicas (KIP-464)
 * v5  flexible; the configuration in the response (KIP-525)
 * v6  THROTTLING_QUOTA_EXCEEDED; older versions wait instead (KIP-599)
 * v7  topic ids in the response (KIP-516)
 *
 * The response waits until the topics are durable and their logs are open, whatever `timeoutMs`.
 */
export function handleCreateTopics(
  request: RequestOf<'CreateTopics'>,
  { controller, apiVersion, quota }: HandlerContext,
): Promise<ResponseBody<'CreateTopics'>> {
  const isStrict = apiVersion >= STRICT_QUOTA_SINCE_VERSION
  return controller.createTopics(request, quota.mutations({ isStrict }))
}
