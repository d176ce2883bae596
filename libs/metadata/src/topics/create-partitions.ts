import { truncated } from '@fairlead/base'
import type { ErrorCode } from '@fairlead/protocol'
import type { Decision } from '../decision.ts'
import {
  type CreatePartitionsRequest,
  type CreatePartitionsResponse,
  ERROR_MESSAGE_LENGTH_MAX,
} from '../messages.ts'
import type { MetadataImage, Topic } from '../metadata-image.ts'
import type { MetadataRecord } from '../metadata-record.ts'
import { PARTITIONS_MAX, PARTITIONS_PER_REQUEST_MAX } from './create-topic.ts'
import { type MutationQuota, QUOTA_EXCEEDED } from './mutation-quota.ts'
import { newPartition } from './new-partition.ts'
import { replicasProblem } from './replicas.ts'
import { isInternalTopic } from './topic-name.ts'

type TopicRequest = CreatePartitionsRequest['topics'][number]
type Refusal = { readonly errorCode: ErrorCode; readonly errorMessage: string }

export type PartitionContext = {
  /** The only broker: every replica is here. */
  readonly brokerId: number
  readonly quota: MutationQuota
  /** Of all topics; `PARTITIONS_MAX` when left out. */
  readonly partitionsMax?: number
}

/**
 * CreatePartitions (key 37).
 *
 * v2  flexible
 * v3  THROTTLING_QUOTA_EXCEEDED (KIP-599)
 *
 * Topics fail one by one; the request as a whole never does.
 */
export function createPartitions(
  image: MetadataImage,
  request: CreatePartitionsRequest,
  context: PartitionContext,
): Decision<CreatePartitionsResponse> {
  const timesNamed = new Map<string, number>()
  for (const { name } of request.topics) timesNamed.set(name, (timesNamed.get(name) ?? 0) + 1)
  const records: MetadataRecord[] = []
  const results = request.topics.map((wanted) => {
    const { name } = wanted
    if (timesNamed.get(name) !== 1) {
      return { name, ...refused('INVALID_REQUEST', 'Duplicate topic name.') }
    }
    const topic = growable(image, name)
    const refusal =
      'errorCode' in topic ? topic : check(topic, wanted, { ...context, image, records })
    if (refusal !== undefined) return { name, ...refusal }
    if (!('errorCode' in topic)) {
      const partitions = added(topic, wanted.count, context)
      if (!context.quota.take(partitions.length)) {
        return { name, ...refused(QUOTA_EXCEEDED.errorCode, QUOTA_EXCEEDED.message) }
      }
      records.push(...partitions)
    }
    return { name, errorCode: 'NONE' as const, errorMessage: null }
  })
  return { records: request.validateOnly ? [] : records, response: { results } }
}

function growable(image: MetadataImage, name: string): Topic | Refusal {
  const topic = image.topic(name)
  if (topic === undefined) {
    const message = 'This server does not host this topic-partition.'
    return refused('UNKNOWN_TOPIC_OR_PARTITION', message)
  }
  // Where a group's offsets are follows from the number of partitions.
  if (isInternalTopic(name)) {
    return refused('INVALID_REQUEST', `Changing internal topic ${name} is prohibited.`)
  }
  return topic
}

function check(
  { name, partitions }: Topic,
  { count, assignments }: TopicRequest,
  context: PartitionContext & {
    readonly image: MetadataImage
    /** Of this request so far. */
    readonly records: readonly MetadataRecord[]
  },
): Refusal | undefined {
  const existing = partitions.length
  if (count === existing) {
    return refused('INVALID_PARTITIONS', `Topic already has ${existing} partition(s).`)
  }
  if (count < existing) {
    const message = `The topic ${name} currently has ${existing} partition(s); ${count} would not be an increase.`
    return refused('INVALID_PARTITIONS', message)
  }
  const additional = count - existing
  const planned = context.records.length + additional
  if (
    planned > PARTITIONS_PER_REQUEST_MAX ||
    context.image.partitionCount + planned > (context.partitionsMax ?? PARTITIONS_MAX)
  ) {
    return refused('POLICY_VIOLATION', 'Excessively large number of partitions per request.')
  }
  if (assignments === null) return undefined
  if (assignments.length !== additional) {
    const message = `Attempted to add ${additional} additional partition(s), but only ${assignments.length} assignment(s) were specified.`
    return refused('INVALID_REPLICA_ASSIGNMENT', message)
  }
  for (const { brokerIds } of assignments) {
    const problem = replicasProblem(brokerIds, context.brokerId)
    if (problem !== undefined) return refused('INVALID_REPLICA_ASSIGNMENT', problem)
  }
  return undefined
}

function added(
  { topicId, partitions }: Topic,
  count: number,
  { brokerId }: PartitionContext,
): MetadataRecord[] {
  const first = partitions.length
  return Array.from({ length: count - first }, (_, index) =>
    newPartition({ topicId, partitionId: first + index, brokerId }),
  )
}

function refused(errorCode: ErrorCode, message: string): Refusal {
  return { errorCode, errorMessage: truncated(message, ERROR_MESSAGE_LENGTH_MAX) }
}
