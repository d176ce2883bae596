import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import { groupClient } from './group-client.ts'
import type { HandlerContext } from './handler.ts'

/**
 * DescribeGroups (key 15).
 *
 * v3  authorized operations
 * v4  static members (KIP-345)
 * v5  flexible
 * v6  GROUP_ID_NOT_FOUND and an error message (KIP-1043)
 */
export function handleDescribeGroups(
  request: RequestOf<'DescribeGroups'>,
  context: HandlerContext,
): Promise<ResponseBody<'DescribeGroups'>> {
  return context.groups.describe(request, groupClient(context))
}
