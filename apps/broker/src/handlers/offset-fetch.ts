import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import { groupClient } from './group-client.ts'
import type { HandlerContext } from './handler.ts'

/**
 * OffsetFetch (key 9).
 *
 * v2  top-level error; null topics mean all
 * v5  leader epoch of the commit (KIP-320)
 * v6  flexible
 * v7  stable offsets only (KIP-447)
 * v8  several groups at once (KIP-709)
 * v9  member id and epoch (KIP-848)
 * v10 topic ids (KIP-848)
 *
 * A partition without a commit, or an unknown group, is offset -1 without an error.
 */
export function handleOffsetFetch(
  request: RequestOf<'OffsetFetch'>,
  context: HandlerContext,
): Promise<ResponseBody<'OffsetFetch'>> {
  return context.groups.fetchOffsets(request, groupClient(context))
}
