import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import { groupClient } from './group-client.ts'
import type { HandlerContext } from './handler.ts'

/**
 * OffsetCommit (key 8).
 *
 * v5  no retention time
 * v6  leader epoch of the commit (KIP-320)
 * v7  static members (KIP-345)
 * v8  flexible
 * v9  STALE_MEMBER_EPOCH (KIP-848)
 * v10 topic ids (KIP-848)
 *
 * The response waits until the offsets are durable.
 */
export function handleOffsetCommit(
  request: RequestOf<'OffsetCommit'>,
  context: HandlerContext,
): Promise<ResponseBody<'OffsetCommit'>> {
  return context.groups.commitOffsets(request, groupClient(context))
}
