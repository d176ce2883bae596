import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'

const STRICT_QUOTA_SINCE_VERSION = 5

/**
 * DeleteTopics (key 20), versions 1 to 6; the rules are in `@fairlead/metadata`.
 *
 * v4  flexible
 * v5  error message; THROTTLING_QUOTA_EXCEEDED, older versions wait instead (KIP-599)
 * v6  topics by name or by id (KIP-516)
 *
 * The response waits until the files are gone, so that the name can be used again.
 */
export function handleDeleteTopics(
  request: RequestOf<'DeleteTopics'>,
  { controller, apiVersion, quota }: HandlerContext,
): Promise<ResponseBody<'DeleteTopics'>> {
  const isStrict = apiVersion >= STRICT_QUOTA_SINCE_VERSION
  return controller.deleteTopics(request, { apiVersion, quota: quota.mutations({ isStrict }) })
}
