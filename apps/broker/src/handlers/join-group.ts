import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import { groupClient } from './group-client.ts'
import { type HandlerContext, NO_RESPONSE } from './handler.ts'

/**
 * JoinGroup (key 11).
 *
 * v1  rebalance timeout
 * v4  the first join of a dynamic member is answered MEMBER_ID_REQUIRED (KIP-394)
 * v5  static members (KIP-345)
 * v6  flexible
 * v7  protocol type in the response (KIP-559)
 * v8  reason of the join (KIP-800)
 * v9  the leader may skip the assignment (KIP-814)
 *
 * The response waits until the group has all its members, or for the rebalance timeout.
 */
export async function handleJoinGroup(
  request: RequestOf<'JoinGroup'>,
  context: HandlerContext,
): Promise<ResponseBody<'JoinGroup'> | typeof NO_RESPONSE> {
  const { departure } = context.peer
  return (await context.groups.join(request, groupClient(context), departure)) ?? NO_RESPONSE
}
