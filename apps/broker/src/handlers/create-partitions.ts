import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'

/**
 * CreatePartitions (key 37), versions 0 to 3; the rules are in `@fairlead/metadata`.
 *
 * v2  flexible
 * v3  THROTTLING_QUOTA_EXCEEDED (KIP-599), which does not occur here
 *
 * The response waits until the partitions are durable and their logs are open, whatever `timeoutMs`.
 */
export function handleCreatePartitions(
  request: RequestOf<'CreatePartitions'>,
  { controller }: HandlerContext,
): Promise<ResponseBody<'CreatePartitions'>> {
  return controller.createPartitions(request)
}
