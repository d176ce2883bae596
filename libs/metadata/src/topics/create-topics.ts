import { truncated } from '@fairlead/base'
import { ZERO_UUID } from '@fairlead/protocol'
import { effectiveTopicConfigs } from '../config/effective-topic-config.ts'
import { CONFIG_SOURCE_IDS } from '../config/wire-ids.ts'
import type { Decision } from '../decision.ts'
import {
  type CreateTopicsRequest,
  type CreateTopicsResponse,
  ERROR_MESSAGE_LENGTH_MAX,
} from '../messages.ts'
import type { MetadataImage } from '../metadata-image.ts'
import type { MetadataRecord } from '../metadata-record.ts'
import {
  type CreatedTopic,
  PARTITIONS_MAX,
  PARTITIONS_PER_REQUEST_MAX,
  type TopicContext,
  type TopicRefusal,
  createTopic,
} from './create-topic.ts'
import { type MutationQuota, QUOTA_EXCEEDED } from './mutation-quota.ts'
import { isInternalTopic, metricName } from './topic-name.ts'

type CreateTopicsContext = TopicContext & { readonly quota: MutationQuota }
type TopicResult = CreateTopicsResponse['topics'][number]

/**
 * CreateTopics (key 19).
 *
 * v2  flexible from v5 on
 * v4  -1 partitions and -1 replicas mean the defaults (KIP-464); older requests may say so too
 * v5  the answer carries partitions, replicas and configuration (KIP-525)
 * v6  THROTTLING_QUOTA_EXCEEDED (KIP-599)
 * v7  the answer carries the topic id
 *
 * Topics fail one by one; the request as a whole never does.
 */
export function createTopics(
  image: MetadataImage,
  request: CreateTopicsRequest,
  context: CreateTopicsContext,
): Decision<CreateTopicsResponse> {
  const duplicates = repeated(request.topics.map(({ name }) => name))
  const batch: Batch = { partitionCount: 0, names: new Map() }
  const records: MetadataRecord[] = []
  const topics: TopicResult[] = []

  for (const topic of request.topics) {
    if (duplicates.has(topic.name)) continue
    const decided = internalRefusal(topic.name) ?? createTopic(image, topic, context)
    const outcome = withinBatch(topic.name, decided, { ...context, image, batch })
    if (outcome.ok) records.push(...outcome.records)
    topics.push(
      outcome.ok
        ? created(topic.name, outcome, request.validateOnly, context)
        : refusal(topic.name, outcome),
    )
  }
  for (const name of duplicates) {
    const message = 'Duplicate topic name.'
    topics.push(refusal(name, { ok: false, errorCode: 'INVALID_REQUEST', message }))
  }
  return { records: request.validateOnly ? [] : records, response: { topics } }
}

/** The coordinators count on the partitions that the broker gives their topics. */
function internalRefusal(name: string): TopicRefusal | undefined {
  if (!isInternalTopic(name)) return undefined
  const message = `Creation of internal topic ${name} is prohibited: the broker makes it when it is needed.`
  return { ok: false, errorCode: 'INVALID_REQUEST', message }
}

function repeated(names: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>()
  return new Set(
    names.filter((name) => {
      const isRepeated = seen.has(name)
      seen.add(name)
      return isRepeated
    }),
  )
}

/** What the topics of one request have taken already, though the image does not show it yet. */
type Batch = { partitionCount: number; readonly names: Map<string, string> }

function withinBatch(
  name: string,
  outcome: CreatedTopic | TopicRefusal,
  context: {
    readonly image: MetadataImage
    readonly batch: Batch
    readonly quota: MutationQuota
    readonly partitionsMax?: number
  },
): CreatedTopic | TopicRefusal {
  if (!outcome.ok) return outcome
  const { image, batch, quota, partitionsMax = PARTITIONS_MAX } = context
  const other = batch.names.get(metricName(name))
  if (other !== undefined) {
    const message = `Topic '${name}' collides with existing topic: ${other}`
    return { ok: false, errorCode: 'INVALID_TOPIC_EXCEPTION', message }
  }
  const partitionCount = batch.partitionCount + outcome.partitionCount
  if (
    partitionCount > PARTITIONS_PER_REQUEST_MAX ||
    image.partitionCount + partitionCount > partitionsMax
  ) {
    const message = 'Excessively large number of partitions per request.'
    return { ok: false, errorCode: 'POLICY_VIOLATION', message }
  }
  if (!quota.take(outcome.partitionCount)) return { ok: false, ...QUOTA_EXCEEDED }
  batch.partitionCount = partitionCount
  batch.names.set(metricName(name), name)
  return outcome
}

function created(
  name: string,
  outcome: CreatedTopic,
  validateOnly: boolean,
  { broker }: TopicContext,
): TopicResult {
  return {
    name,
    // An id that was never given must not look like one.
    topicId: validateOnly ? ZERO_UUID : outcome.topicId,
    errorCode: 'NONE',
    errorMessage: null,
    numPartitions: outcome.partitionCount,
    replicationFactor: 1,
    configs: effectiveTopicConfigs(outcome.configs, broker).map((config) => ({
      name: config.name,
      value: config.value,
      readOnly: false,
      configSource: CONFIG_SOURCE_IDS[config.source],
      isSensitive: false,
    })),
  }
}

function refusal(name: string, { errorCode, message }: TopicRefusal): TopicResult {
  return {
    name,
    topicId: ZERO_UUID,
    errorCode,
    errorMessage: truncated(message, ERROR_MESSAGE_LENGTH_MAX),
    numPartitions: -1,
    replicationFactor: -1,
    configs: [],
  }
}
