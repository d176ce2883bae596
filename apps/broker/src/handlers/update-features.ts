import { truncated } from '@fairlead/base'
import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'

const NAME_LENGTH_MAX = 200

/**
 * UpdateFeatures (key 57), versions 0 to 2.
 *
 * v1  type of the change, and validation only
 * v2  all or nothing: one error for the request
 *
 * No feature has levels here, so that each is refused as one that the controller does not know.
 */
export function handleUpdateFeatures(
  request: RequestOf<'UpdateFeatures'>,
  { node, apiVersion }: HandlerContext,
): ResponseBody<'UpdateFeatures'> {
  const refusals = request.featureUpdates.map(({ feature, maxVersionLevel }) => {
    const name = truncated(feature, NAME_LENGTH_MAX)
    return {
      feature,
      errorCode: 'INVALID_UPDATE_VERSION' as const,
      errorMessage: `Invalid update version ${maxVersionLevel} for feature ${name}. Local controller ${node.nodeId} does not support this feature.`,
    }
  })
  const [first] = refusals
  if (first === undefined) return { errorCode: 'NONE', errorMessage: null, results: [] }
  if (apiVersion <= 1) return { errorCode: 'NONE', errorMessage: null, results: refusals }
  const { errorCode, errorMessage } = first
  return {
    errorCode,
    errorMessage: `The update failed for all features since the following feature had an error: ${errorMessage}`,
    results: [],
  }
}
