import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'

/** OffsetDelete (key 47), version 0 (KIP-496). The response waits until the offsets are gone for good. */
export function handleOffsetDelete(
  request: RequestOf<'OffsetDelete'>,
  { groups }: HandlerContext,
): Promise<ResponseBody<'OffsetDelete'>> {
  return groups.deleteOffsets(request)
}
