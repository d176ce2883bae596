import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import { NO_AUTHORIZER_FOR_CHANGES } from './no-authorizer.ts'

/**
 * DeleteAcls (key 31), versions 1 to 3: there is no authorizer, so that every filter is refused.
 *
 * v1  patterns of resource names (KIP-290)
 * v2  flexible
 */
export function handleDeleteAcls(request: RequestOf<'DeleteAcls'>): ResponseBody<'DeleteAcls'> {
  return {
    filterResults: request.filters.map(() => ({ ...NO_AUTHORIZER_FOR_CHANGES, matchingAcls: [] })),
  }
}
