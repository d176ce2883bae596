import { truncated } from '@fairlead/base'
import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'

const NAME_LENGTH_MAX = 200

/**
 * UpdateFeatures (key 57), versions 0 to 2.
 *
 * v1  type of the change, and validation only
 * v2  no results of single features any more
 *
 * All or nothing: one error for the request, in every version. No feature has levels here, so that
 * each is refused as one that the controller does not know.
 */
export function handleUpdateFeatures(
  request: RequestOf<'UpdateFeatures'>,
  { node }: HandlerContext,
): ResponseBody<'UpdateFeatures'> {
  const [update] = request.featureUpdates
  if (update === undefined) return { errorCode: 'NONE', errorMessage: null, results: [] }
  const feature = truncated(update.feature, NAME_LENGTH_MAX)
  const reason = `Invalid update version ${update.maxVersionLevel} for feature ${feature}. Local controller ${node.nodeId} does not support this feature.`
  return {
    errorCode: 'INVALID_UPDATE_VERSION',
    errorMessage: `The update failed for all features since the following feature had an error: ${reason}`,
    results: [],
  }
}
