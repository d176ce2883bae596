import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'

/**
 * AlterConfigs (key 33), versions 0 to 2; the rules are in `@fairlead/metadata`. Whatever the
 * request does not name loses its value: clients that can use IncrementalAlterConfigs.
 *
 * v2  flexible
 *
 * The response waits until the change is durable and in effect on every open partition.
 */
export function handleAlterConfigs(
  request: RequestOf<'AlterConfigs'>,
  { controller }: HandlerContext,
): Promise<ResponseBody<'AlterConfigs'>> {
  return controller.alterConfigs(request)
}
