import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'

/**
 * DeleteTopics (key 20), versions 1 to 6; the rules are in `@fairlead/metadata`.
 *
 * v4  flexible
 * v5  error message
 * v6  topics by name or by id (KIP-516)
 *
 * The response waits until the files are gone, so that the name can be used again.
 */
export function handleDeleteTopics(
  request: RequestOf<'DeleteTopics'>,
  { controller, apiVersion }: HandlerContext,
): Promise<ResponseBody<'DeleteTopics'>> {
  return controller.deleteTopics(request, apiVersion)
}
