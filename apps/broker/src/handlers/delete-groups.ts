import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'

/**
 * DeleteGroups (key 42).
 *
 * v2  flexible
 * v3  error message per group
 *
 * Groups fail one by one: GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP.
 */
export function handleDeleteGroups(
  request: RequestOf<'DeleteGroups'>,
  { groups }: HandlerContext,
): Promise<ResponseBody<'DeleteGroups'>> {
  return groups.deleteGroups(request)
}
