import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import { groupClient } from './group-client.ts'
import type { HandlerContext } from './handler.ts'

/**
 * LeaveGroup (key 13).
 *
 * v3  several members at once (KIP-345)
 * v4  flexible
 * v5  reason (KIP-800)
 */
export function handleLeaveGroup(
  request: RequestOf<'LeaveGroup'>,
  context: HandlerContext,
): Promise<ResponseBody<'LeaveGroup'>> {
  return context.groups.leave(request, groupClient(context))
}
