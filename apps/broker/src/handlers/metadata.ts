import { type Topic, isInternalTopic, topicNameProblem } from '@fairlead/metadata'
import { type ErrorCode, type RequestOf, type ResponseBody, ZERO_UUID } from '@fairlead/protocol'
import type { StorageFailures } from '../cluster/storage-failures.ts'
import { CLUSTER_OPERATIONS, NOT_ASKED, TOPIC_OPERATIONS } from './authorized-operations.ts'
import type { HandlerContext } from './handler.ts'

type RequestedTopic = NonNullable<RequestOf<'Metadata'>['topics']>[number]
const NO_LEADER = -1

type TopicAnswer = ResponseBody<'Metadata'>['topics'][number]

/**
 * Metadata (key 3).
 *
 * v0   an empty list of topics means all
 * v1   null means all, an empty list none; controller id
 * v2   cluster id
 * v4   the client decides whether topics may be created
 * v7   leader epochs (KIP-320)
 * v8   what the client may do (KIP-430); of the cluster until v10
 * v9   flexible
 * v10  topic ids in the response (KIP-516)
 * v12  topics asked for by id
 * v13  top-level error (KIP-1102)
 */
export async function handleMetadata(
  request: RequestOf<'Metadata'>,
  context: HandlerContext,
): Promise<ResponseBody<'Metadata'>> {
  const { node, image, apiVersion } = context
  const wantsAll = request.topics === null || (apiVersion === 0 && request.topics.length === 0)
  const failures = wantsAll ? NO_FAILURES : await createMissing(request, context)

  const topics = wantsAll
    ? [...image.topics()].map((topic) => describe(topic, context))
    : distinct(request.topics ?? []).map((requested) => answer(requested, failures, context))
  const topicAuthorizedOperations = request.includeTopicAuthorizedOperations
    ? TOPIC_OPERATIONS
    : NOT_ASKED
  return {
    brokers: [{ nodeId: node.nodeId, host: node.host, port: node.port, rack: node.rack }],
    clusterId: node.clusterId,
    controllerId: node.nodeId,
    topics: topics.map((topic) => ({ ...topic, topicAuthorizedOperations })),
    clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
      ? CLUSTER_OPERATIONS
      : NOT_ASKED,
  }
}

const NO_FAILURES: StorageFailures = new Map()

/** A topic that is named many times is described once: the answer must not be larger than the data. */
function distinct(topics: readonly RequestedTopic[]): readonly RequestedTopic[] {
  const byKey = new Map(topics.map((topic) => [topic.name ?? topic.topicId, topic]))
  return [...byKey.values()]
}

/** Returns which topics the disk refused. */
async function createMissing(
  request: RequestOf<'Metadata'>,
  { config, controller, image, quota }: HandlerContext,
): Promise<StorageFailures> {
  const mayCreate = config['auto.create.topics.enable'] && request.allowAutoTopicCreation
  if (!mayCreate) return NO_FAILURES
  const missing = (request.topics ?? [])
    .map(({ name }) => name)
    .filter((name) => name !== null && !isInternalTopic(name) && image.topic(name) === undefined)
  if (missing.length === 0) return NO_FAILURES
  return controller.autoCreate(missing as string[], quota.mutations({ isStrict: true }))
}

function answer(
  requested: RequestedTopic,
  failures: StorageFailures,
  context: HandlerContext,
): TopicAnswer {
  const { image } = context
  const { name, topicId } = requested
  if (name === null) {
    const topic = image.topicById(topicId)
    return topic === undefined
      ? failed('UNKNOWN_TOPIC_ID', { name: null, topicId })
      : describe(topic, context)
  }
  const topic = image.topic(name)
  if (topic !== undefined) return describe(topic, context)
  if (failures.has(name)) return failed('KAFKA_STORAGE_ERROR', { name, topicId: ZERO_UUID })
  const isValid = topicNameProblem(name) === undefined
  const errorCode = isValid ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'INVALID_TOPIC_EXCEPTION'
  return failed(errorCode, { name, topicId: ZERO_UUID })
}

function failed(
  errorCode: ErrorCode,
  topic: { readonly name: string | null; readonly topicId: string },
): TopicAnswer {
  return { ...topic, errorCode, isInternal: false, partitions: [] }
}

function describe(topic: Topic, { node, partitions }: HandlerContext): TopicAnswer {
  const { nodeId } = node
  return {
    errorCode: 'NONE',
    name: topic.name,
    topicId: topic.topicId,
    isInternal: isInternalTopic(topic.name),
    partitions: topic.partitions.map(({ partition, leaderEpoch }) => {
      const isOffline = partitions.offline(topic.name, partition) !== undefined
      return {
        errorCode: isOffline ? 'LEADER_NOT_AVAILABLE' : 'NONE',
        partitionIndex: partition,
        leaderId: isOffline ? NO_LEADER : nodeId,
        leaderEpoch,
        replicaNodes: [nodeId],
        isrNodes: [nodeId],
        offlineReplicas: isOffline ? [nodeId] : [],
      }
    }),
  }
}
