import type { RequestOf, ResponseBody } from '@fairlead/protocol'

/** ListPartitionReassignments (key 46), version 0: on one broker there is never one under way. */
export function handleListPartitionReassignments(
  _request: RequestOf<'ListPartitionReassignments'>,
): ResponseBody<'ListPartitionReassignments'> {
  return { errorCode: 'NONE', errorMessage: null, topics: [] }
}
