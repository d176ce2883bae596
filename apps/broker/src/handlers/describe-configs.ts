import { describeConfigs } from '@fairlead/metadata'
import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'

/**
 * DescribeConfigs (key 32), versions 1 to 4; the rules are in `@fairlead/metadata`.
 *
 * v1  source and synonyms of each value (KIP-226)
 * v3  type and documentation (KIP-569)
 * v4  flexible
 */
export function handleDescribeConfigs(
  request: RequestOf<'DescribeConfigs'>,
  { image, settings, node }: HandlerContext,
): ResponseBody<'DescribeConfigs'> {
  return describeConfigs(image, request, { brokerId: node.nodeId, broker: settings })
}
