import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'

const ENDPOINT_TYPE_BROKERS = 1

/**
 * DescribeCluster (key 60).
 *
 * v1  endpoint type: brokers or controllers (KIP-919)
 * v2  fenced brokers (KIP-1073)
 */
export function handleDescribeCluster(
  request: RequestOf<'DescribeCluster'>,
  { node }: HandlerContext,
): ResponseBody<'DescribeCluster'> {
  const cluster = { clusterId: node.clusterId, controllerId: node.nodeId }
  if (request.endpointType !== ENDPOINT_TYPE_BROKERS) {
    return {
      ...cluster,
      errorCode: 'MISMATCHED_ENDPOINT_TYPE',
      errorMessage: 'this listener serves brokers, not controllers',
      brokers: [],
    }
  }
  const { nodeId: brokerId, host, port, rack } = node
  return {
    ...cluster,
    errorCode: 'NONE',
    errorMessage: null,
    brokers: [{ brokerId, host, port, rack, isFenced: false }],
  }
}
