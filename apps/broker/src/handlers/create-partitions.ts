import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'

const STRICT_QUOTA_SINCE_VERSION = 3

/**
 * CreatePartitions (key 37), versions 0 to 3; the rules are in `@fairlead/metadata`.
 *
 * v2  flexible
 * v3  THROTTLING_QUOTA_EXCEEDED; older versions wait instead (KIP-599)
 *
 * The response waits until the partitions are durable and their logs are open, whatever `timeoutMs`.
 */
export function handleCreatePartitions(
  request: RequestOf<'CreatePartitions'>,
  { controller, apiVersion, quota }: HandlerContext,
): Promise<ResponseBody<'CreatePartitions'>> {
  const isStrict = apiVersion >= STRICT_QUOTA_SINCE_VERSION
  return controller.createPartitions(request, quota.mutations({ isStrict }))
}
