import type { CreatePartitionsResponse, CreateTopicsResponse } from '@fairlead/metadata'
import { ZERO_UUID } from '@fairlead/protocol'

/** By topic: why it was not created, or why new partitions of it are offline. */
export type StorageFailures = ReadonlyMap<string, string>

/** CreateTopics answers for topics that could not be created, or not be opened as a whole. */
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

/** CreatePartitions answers for topics of which a new partition could not be created, or opened. */
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

function storageError(errorMessage: string) {
  return { errorCode: 'KAFKA_STORAGE_ERROR' as const, errorMessage }
}
