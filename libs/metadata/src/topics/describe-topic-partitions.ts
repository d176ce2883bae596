import type {
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse,
} from '../messages.ts'
import type { ErrorCode } from '@fairlead/protocol'
import { ZERO_UUID } from '@fairlead/protocol'
import type { MetadataImage, Topic } from '../metadata-image.ts'
import { isInternalTopic, topicNameProblem } from './topic-name.ts'

type Response = DescribeTopicPartitionsResponse
type TopicAnswer = Response['topics'][number]

/**
 * DescribeTopicPartitions (key 75), version 0 (KIP-966): topics in the order of their names, as many
 * partitions as fit a page, and where the next page begins. No topics asked for means all.
 */
export function describeTopicPartitions(
  image: MetadataImage,
  request: DescribeTopicPartitionsRequest,
  /** `max.request.partition.size.limit`: partitions of one page. */
  { partitionsMax }: { readonly partitionsMax: number },
): Response {
  const { cursor } = request
  const wantsAll = request.topics.length === 0
  const names = wantsAll
    ? Array.from(image.topics(), ({ name }) => name)
    : [...new Set(request.topics.map(({ name }) => name))]
  if (cursor !== null && cursor.partitionIndex < 0) {
    return { topics: names.map((name) => failed('INVALID_REQUEST', name)) }
  }
  const remaining = names.filter((name) => cursor === null || name >= cursor.topicName).sort()
  const known = remaining.flatMap((name) => image.topic(name) ?? [])
  const unknown = remaining
    .filter((name) => image.topic(name) === undefined)
    .map((name) => failed(errorOfUnknown(name), name))
  const first = cursor !== null && known[0]?.name === cursor.topicName ? cursor.partitionIndex : 0
  const limit = Math.max(1, Math.min(request.responsePartitionLimit, partitionsMax))
  const { topics, nextCursor } = page(known, first, limit)
  return { topics: [...topics, ...unknown], nextCursor }
}

function page(
  topics: readonly Topic[],
  firstPartition: number,
  limit: number,
): Required<Pick<Response, 'topics' | 'nextCursor'>> {
  const answers: TopicAnswer[] = []
  let rest = limit
  let from = firstPartition
  for (const topic of topics) {
    if (rest === 0) return { topics: answers, nextCursor: cursorAt(topic.name, 0) }
    const to = Math.min(topic.partitions.length, from + rest)
    answers.push(described(topic, from, to))
    if (to < topic.partitions.length) {
      return { topics: answers, nextCursor: cursorAt(topic.name, to) }
    }
    rest -= Math.max(0, to - from)
    from = 0
  }
  return { topics: answers, nextCursor: null }
}

function cursorAt(topicName: string, partitionIndex: number): Response['nextCursor'] {
  return { topicName, partitionIndex }
}

function described({ name, topicId, partitions }: Topic, from: number, to: number): TopicAnswer {
  return {
    errorCode: 'NONE',
    name,
    topicId,
    isInternal: isInternalTopic(name),
    partitions: partitions.slice(from, to).map((partition) => ({
      errorCode: 'NONE',
      partitionIndex: partition.partition,
      leaderId: partition.leader,
      leaderEpoch: partition.leaderEpoch,
      replicaNodes: partition.replicas,
      isrNodes: partition.isr,
      eligibleLeaderReplicas: [],
      lastKnownElr: [],
      offlineReplicas: [],
    })),
  }
}

function errorOfUnknown(name: string): ErrorCode {
  return topicNameProblem(name) === undefined
    ? 'UNKNOWN_TOPIC_OR_PARTITION'
    : 'INVALID_TOPIC_EXCEPTION'
}

function failed(errorCode: ErrorCode, name: string): TopicAnswer {
  return { errorCode, name, topicId: ZERO_UUID, partitions: [] }
}
