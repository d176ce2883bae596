import { alterPartitionReassignments } from '@fairlead/metadata'
import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'

/**
 * AlterPartitionReassignments (key 45), versions 0 and 1; the rules are in `@fairlead/metadata`.
 *
 * v1  the client may forbid another replication factor (KIP-860)
 */
export function handleAlterPartitionReassignments(
  request: RequestOf<'AlterPartitionReassignments'>,
  { image, node }: HandlerContext,
): ResponseBody<'AlterPartitionReassignments'> {
  return alterPartitionReassignments(image, request, { brokerId: node.nodeId })
}
