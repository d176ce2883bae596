import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import { CLUSTER_OPERATIONS, NOT_ASKED } from './authorized-operations.ts'
import type { HandlerContext } from './handler.ts'

const ENDPOINT_TYPE_BROKERS = 1
const UNKNOWN_CONTROLLER = -1

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
      controllerId: UNKNOWN_CONTROLLER,
      errorCode: 'MISMATCHED_ENDPOINT_TYPE',
      errorMessage:
        'The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER',
      brokers: [],
    }
  }
  const { nodeId: brokerId, host, port, rack } = node
  return {
    ...cluster,
    errorCode: 'NONE',
    errorMessage: null,
    brokers: [{ brokerId, host, port, rack, isFenced: false }],
    clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
      ? CLUSTER_OPERATIONS
      : NOT_ASKED,
  }
}
