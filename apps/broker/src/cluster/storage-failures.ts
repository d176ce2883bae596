import type {
  AlterClientQuotasResponse,
  AlterConfigsResponse,
  CreatePartitionsResponse,
  CreateTopicsResponse,
  DeleteTopicsResponse,
} from '@fairlead/metadata'
import { type ErrorCode, ZERO_UUID } from '@fairlead/protocol'

/** By topic: why it was not created, or why new partitions of it are offline. */
export type StorageFailures = ReadonlyMap<string, string>

/** What the disk made of a change that was decided. */
export type StorageOutcome =
  | { readonly kind: 'done'; readonly failures: StorageFailures }
  /** Not even the change itself could be written: nothing of it is in force. */
  | { readonly kind: 'unwritten'; readonly message: string }

/** How the answer tells it, where there is something to tell. */
export type Say<Response> = (response: Response, outcome: StorageOutcome) => Response

/** CreateTopics answers for topics that could not be created, or not be opened as a whole. */
export const sayNotOpened: Say<CreateTopicsResponse> = ({ topics, ...response }, outcome) => ({
  ...response,
  topics: topics.map((topic) => {
    const failure = failureOf(topic, topic.name, outcome)
    if (failure === undefined) return topic
    const counts = { numPartitions: -1, replicationFactor: -1 }
    return { ...topic, topicId: ZERO_UUID, ...failure, ...counts, configs: [] }
  }),
})

/** CreatePartitions answers for topics of which a new partition could not be created, or opened. */
export const sayNotAdded: Say<CreatePartitionsResponse> = ({ results, ...response }, outcome) => ({
  ...response,
  results: results.map((result) => ({ ...result, ...failureOf(result, result.name, outcome) })),
})

export const sayNotDeleted: Say<DeleteTopicsResponse> = ({ responses, ...response }, outcome) => ({
  ...response,
  responses: responses.map((each) => ({ ...each, ...failureOf(each, each.name, outcome) })),
})

export const sayNotAltered: Say<AlterConfigsResponse> = ({ responses, ...response }, outcome) => ({
  ...response,
  responses: responses.map((each) => ({ ...each, ...failureOf(each, null, outcome) })),
})

export const sayNotLimited: Say<AlterClientQuotasResponse> = (
  { entries, ...response },
  outcome,
) => ({
  ...response,
  entries: entries.map((each) => ({ ...each, ...failureOf(each, null, outcome) })),
})

/** What was refused for another reason keeps that. */
function failureOf(
  { errorCode }: { readonly errorCode: ErrorCode },
  topic: string | null | undefined,
  outcome: StorageOutcome,
): { readonly errorCode: ErrorCode; readonly errorMessage: string } | undefined {
  const errorMessage =
    outcome.kind === 'unwritten' ? outcome.message : outcome.failures.get(topic ?? '')
  if (errorCode !== 'NONE' || errorMessage === undefined) return undefined
  return { errorCode: 'KAFKA_STORAGE_ERROR', errorMessage }
}
