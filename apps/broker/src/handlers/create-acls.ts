import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import { NO_AUTHORIZER_FOR_CHANGES } from './no-authorizer.ts'

/**
 * CreateAcls (key 30), versions 1 to 3: there is no authorizer, so that every rule is refused.
 *
 * v1  patterns of resource names (KIP-290)
 * v2  flexible
 */
export function handleCreateAcls(request: RequestOf<'CreateAcls'>): ResponseBody<'CreateAcls'> {
  return { results: request.creations.map(() => NO_AUTHORIZER_FOR_CHANGES) }
}
