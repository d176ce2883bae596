import { truncated } from '@fairlead/base'
import type { ErrorCode } from '@fairlead/protocol'
import type {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
} from '../messages.ts'
import type { MetadataImage } from '../metadata-image.ts'
import { replicasProblem } from './replicas.ts'

type Answer = AlterPartitionReassignmentsResponse['responses'][number]['partitions'][number]

/** A name of the client, as far as it is quoted: once per partition, however many it names. */
const NAME_LENGTH_MAX = 100

/**
 * AlterPartitionReassignments (key 45).
 *
 * v1  the client may forbid another replication factor (KIP-860)
 *
 * Every replica is on the only broker: the one assignment that is possible is the one there is, and
 * there is never a move to be called off.
 */
export function alterPartitionReassignments(
  image: MetadataImage,
  request: AlterPartitionReassignmentsRequest,
  { brokerId }: { readonly brokerId: number },
): AlterPartitionReassignmentsResponse {
  return {
    allowReplicationFactorChange: request.allowReplicationFactorChange,
    errorCode: 'NONE',
    errorMessage: null,
    responses: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, replicas }): Answer => {
        const answer = (errorCode: ErrorCode, errorMessage: string | null): Answer => ({
          partitionIndex,
          errorCode,
          errorMessage,
        })
        if (image.topic(name) === undefined) {
          const message = `Unable to find a topic named ${truncated(name, NAME_LENGTH_MAX)}.`
          return answer('UNKNOWN_TOPIC_OR_PARTITION', message)
        }
        if (!image.hasPartition(name, partitionIndex)) {
          const message = `Unable to find partition ${name}:${partitionIndex}.`
          return answer('UNKNOWN_TOPIC_OR_PARTITION', message)
        }
        if (replicas === null) return answer('NO_REASSIGNMENT_IN_PROGRESS', null)
        const problem = replicasProblem(replicas, brokerId)
        return problem === undefined
          ? answer('NONE', null)
          : answer('INVALID_REPLICA_ASSIGNMENT', problem)
      }),
    })),
  }
}
