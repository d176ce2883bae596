import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'

/**
 * AlterClientQuotas (key 49), versions 0 and 1; the rules are in `@fairlead/metadata`.
 *
 * The response waits until the quotas are durable; they apply from the next request of each client on.
 */
export function handleAlterClientQuotas(
  request: RequestOf<'AlterClientQuotas'>,
  { controller }: HandlerContext,
): Promise<ResponseBody<'AlterClientQuotas'>> {
  return controller.alterClientQuotas(request)
}
