import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'

/**
 * Heartbeat (key 12).
 *
 * v3  static members (KIP-345)
 * v4  flexible
 */
export function handleHeartbeat(
  request: RequestOf<'Heartbeat'>,
  context: HandlerContext,
): Promise<ResponseBody<'Heartbeat'>> {
  return context.groups.heartbeat(request)
}
