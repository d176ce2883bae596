import { listConfigResources } from '@fairlead/metadata'
import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'

/**
 * ListConfigResources (key 74), versions 0 and 1; the rules are in `@fairlead/metadata`.
 *
 * v0  client metrics alone, under the name ListClientMetricsResources (KIP-1000)
 * v1  every type of resource (KIP-1142)
 */
export function handleListConfigResources(
  request: RequestOf<'ListConfigResources'>,
  { image, node, apiVersion }: HandlerContext,
): ResponseBody<'ListConfigResources'> {
  return listConfigResources(image, request, { apiVersion, brokerId: node.nodeId })
}
