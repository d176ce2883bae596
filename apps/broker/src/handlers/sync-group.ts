import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import { groupClient } from './group-client.ts'
import { type HandlerContext, NO_RESPONSE } from './handler.ts'

/**
 * SyncGroup (key 14).
 *
 * v3  static members (KIP-345)
 * v4  flexible
 * v5  protocol type and name (KIP-559)
 *
 * The response waits for the assignment that the leader sends.
 */
export async function handleSyncGroup(
  request: RequestOf<'SyncGroup'>,
  context: HandlerContext,
): Promise<ResponseBody<'SyncGroup'> | typeof NO_RESPONSE> {
  const { departure } = context.peer
  return (await context.groups.sync(request, groupClient(context), departure)) ?? NO_RESPONSE
}
