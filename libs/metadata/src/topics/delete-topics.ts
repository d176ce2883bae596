import { type ErrorCode, ZERO_UUID } from '@fairlead/protocol'
import type { Decision } from '../decision.ts'
import type { DeleteTopicsRequest, DeleteTopicsResponse } from '../messages.ts'
import type { MetadataImage, Topic } from '../metadata-image.ts'
import { type MutationQuota, QUOTA_EXCEEDED } from './mutation-quota.ts'
import { isInternalTopic } from './topic-name.ts'

type DeletionResult = DeleteTopicsResponse['responses'][number]
type Target = { readonly name: string | null; readonly topicId: string }

export type DeletionContext = {
  readonly apiVersion: number
  /** `delete.topic.enable` */
  readonly isDeletionEnabled: boolean
  readonly quota: MutationQuota
}

/** From this version on a topic is named by name or by id. */
const TOPICS_SINCE_VERSION = 6
/** From this version on clients know TOPIC_DELETION_DISABLED. */
const DELETION_DISABLED_SINCE_VERSION = 3

/**
 * DeleteTopics (key 20).
 *
 * v3  TOPIC_DELETION_DISABLED
 * v4  flexible
 * v5  error message; THROTTLING_QUOTA_EXCEEDED (KIP-599)
 * v6  topics by name or by id (KIP-516)
 *
 * Topics fail one by one. Unlike Kafka we never delete an internal topic: every group's offsets
 * would be gone, and nothing would notice.
 */
export function deleteTopics(
  image: MetadataImage,
  request: DeleteTopicsRequest,
  context: DeletionContext,
): Decision<DeleteTopicsResponse> {
  const targets: readonly Target[] =
    context.apiVersion >= TOPICS_SINCE_VERSION
      ? request.topics
      : request.topicNames.map((name) => ({ name, topicId: ZERO_UUID }))
  const timesNamed = new Map<string, number>()
  for (const target of targets) {
    timesNamed.set(keyOf(target), (timesNamed.get(keyOf(target)) ?? 0) + 1)
  }
  const deleted = new Set<string>()
  const responses = targets.map((target): DeletionResult => {
    const outcome = check(image, target, context)
    if ('errorCode' in outcome) return { ...target, ...outcome }
    // What the client meant by a topic that it names twice is unclear.
    if (timesNamed.get(keyOf(target)) !== 1 || deleted.has(outcome.topicId)) {
      return { ...target, errorCode: 'INVALID_REQUEST', errorMessage: 'Duplicate topic.' }
    }
    if (!context.quota.take(outcome.partitions.length)) {
      return { ...target, ...refused(QUOTA_EXCEEDED.errorCode, QUOTA_EXCEEDED.message) }
    }
    deleted.add(outcome.topicId)
    const { name, topicId } = outcome
    return { name, topicId, errorCode: 'NONE', errorMessage: null }
  })
  return {
    records: Array.from(deleted, (topicId) => ({ kind: 'RemoveTopicRecord', topicId })),
    response: { responses },
  }
}

type Refusal = { readonly errorCode: ErrorCode; readonly errorMessage: string }

function check(image: MetadataImage, target: Target, context: DeletionContext): Topic | Refusal {
  const { name, topicId } = target
  if (!context.isDeletionEnabled) return deletionDisabled(context.apiVersion)
  if (name !== null && topicId !== ZERO_UUID) {
    return refused('INVALID_REQUEST', 'You may not specify both topic name and topic id.')
  }
  if (name === null && topicId === ZERO_UUID) {
    return refused('INVALID_REQUEST', 'Neither topic name nor id were specified.')
  }
  const topic = name === null ? image.topicById(topicId) : image.topic(name)
  if (topic === undefined) {
    return name === null
      ? refused('UNKNOWN_TOPIC_ID', 'This server does not host this topic ID.')
      : refused('UNKNOWN_TOPIC_OR_PARTITION', 'This server does not host this topic-partition.')
  }
  if (!isInternalTopic(topic.name)) return topic
  return refused('INVALID_REQUEST', `Deletion of internal topic ${topic.name} is prohibited.`)
}

function deletionDisabled(apiVersion: number): Refusal {
  const errorCode =
    apiVersion >= DELETION_DISABLED_SINCE_VERSION ? 'TOPIC_DELETION_DISABLED' : 'INVALID_REQUEST'
  return refused(errorCode, 'Topic deletion is disabled.')
}

function keyOf({ name, topicId }: Target): string {
  return name === null ? `id ${topicId}` : `name ${name} ${topicId}`
}

function refused(errorCode: ErrorCode, errorMessage: string): Refusal {
  return { errorCode, errorMessage }
}
