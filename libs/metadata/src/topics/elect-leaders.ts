import { truncated } from '@fairlead/base'
import type { ElectLeadersRequest, ElectLeadersResponse } from '../messages.ts'
import type { MetadataImage } from '../metadata-image.ts'

type PartitionAnswer =
  ElectLeadersResponse['replicaElectionResults'][number]['partitionResult'][number]

/** A name of the client, as far as it is quoted: once per partition, however many it names. */
const NAME_LENGTH_MAX = 100

/** Preferred, or unclean. */
const ELECTION_TYPES: readonly number[] = [0, 1]

/**
 * ElectLeaders (key 43).
 *
 * v1  the type of election, and a top-level error (KIP-460)
 * v2  flexible
 *
 * The one replica of each partition leads it already, so that no election is ever needed. A request
 * for all partitions is answered with every topic, and the partitions where something happened: none.
 */
export function electLeaders(
  image: MetadataImage,
  request: ElectLeadersRequest,
): ElectLeadersResponse {
  if (!ELECTION_TYPES.includes(request.electionType)) {
    return { errorCode: 'INVALID_REQUEST', replicaElectionResults: [] }
  }
  const { topicPartitions } = request
  const replicaElectionResults =
    topicPartitions === null
      ? Array.from(image.topics(), ({ name }) => ({ topic: name, partitionResult: [] }))
      : topicPartitions.map(({ topic, partitions }) => ({
          topic,
          partitionResult: partitions.map((partition) => answer(image, topic, partition)),
        }))
  return { errorCode: 'NONE', replicaElectionResults }
}

function answer(image: MetadataImage, topic: string, partitionId: number): PartitionAnswer {
  if (image.hasPartition(topic, partitionId)) {
    return {
      partitionId,
      errorCode: 'ELECTION_NOT_NEEDED',
      errorMessage: 'Leader election not needed for topic partition.',
    }
  }
  return {
    partitionId,
    errorCode: 'UNKNOWN_TOPIC_OR_PARTITION',
    errorMessage:
      image.topic(topic) === undefined
        ? `No such topic as ${truncated(topic, NAME_LENGTH_MAX)}`
        : `No such partition as ${topic}-${partitionId}`,
  }
}
