import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'

/**
 * ListGroups (key 16).
 *
 * v3  flexible
 * v4  filter by state (KIP-518)
 * v5  filter by type (KIP-848)
 */
export function handleListGroups(
  request: RequestOf<'ListGroups'>,
  context: HandlerContext,
): Promise<ResponseBody<'ListGroups'>> {
  return context.groups.list(request)
}
