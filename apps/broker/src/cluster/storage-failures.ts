import type { StorageError } from '@fairlead/log'
import type { CreatePartitionsResponse, CreateTopicsResponse } from '@fairlead/metadata'
import { ZERO_UUID } from '@fairlead/protocol'

/** By topic: why new partitions of it are offline. */
export type StorageFailures = ReadonlyMap<string, StorageError>

/** CreateTopics answers for topics of which a partition could not be opened. They exist. */
export function sayNotOpened(
  { topics, ...response }: CreateTopicsResponse,
  failures: StorageFailures,
): CreateTopicsResponse {
  const said = topics.map((topic) => {
    const failure = failures.get(topic.name)
    if (failure === undefined) return topic
    const counts = { numPartitions: -1, replicationFactor: -1 }
    return { ...topic, topicId: ZERO_UUID, ...storageError(failure), ...counts, configs: [] }
  })
  return { ...response, topics: said }
}

/** CreatePartitions answers for topics of which a new partition could not be opened. */
export function sayNotAdded(
  { results, ...response }: CreatePartitionsResponse,
  failures: StorageFailures,
): CreatePartitionsResponse {
  const said = results.map((result) => {
    const failure = failures.get(result.name)
    return failure === undefined ? result : { ...result, ...storageError(failure) }
  })
  return { ...response, results: said }
}

function storageError({ message }: StorageError) {
  const errorMessage = `The partitions were created, but not all of them can be served: ${message}`
  return { errorCode: 'KAFKA_STORAGE_ERROR' as const, errorMessage }
}
