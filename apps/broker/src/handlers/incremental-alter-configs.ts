import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'

/**
 * IncrementalAlterConfigs (key 44), versions 0 and 1 (KIP-339); the rules are in `@fairlead/metadata`.
 *
 * v1  flexible
 *
 * The response waits until the change is durable and in effect on every open partition.
 */
export function handleIncrementalAlterConfigs(
  request: RequestOf<'IncrementalAlterConfigs'>,
  { controller }: HandlerContext,
): Promise<ResponseBody<'IncrementalAlterConfigs'>> {
  return controller.incrementalAlterConfigs(request)
}
