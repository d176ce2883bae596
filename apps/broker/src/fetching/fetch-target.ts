import type { ErrorCode, RequestOf, ResponseBody } from '@fairlead/protocol'

export type FetchRequest = RequestOf<'Fetch'>
export type FetchResponse = ResponseBody<'Fetch'>
export type PartitionRequest = FetchRequest['topics'][number]['partitions'][number]
export type PartitionAnswer = FetchResponse['responses'][number]['partitions'][number]

/** From this version on topics are named by id (KIP-516). */
export const TOPIC_IDS_SINCE_VERSION = 13

/** What is asked of one partition. The topic has a name or, from version 13 on, an id. */
export type FetchTarget = {
  readonly topic: string
  readonly topicId: string
  readonly request: PartitionRequest
}

export type AnsweredTarget = {
  readonly target: FetchTarget
  /** Of the topic, whatever the request calls it; empty when there is none with this id. */
  readonly topicName: string
  readonly answer: PartitionAnswer
}

/** The name of a partition in its request: what the client calls the topic, and the index. */
export function targetKey(
  topic: { readonly topic: string; readonly topicId: string },
  partition: number,
): string {
  return `${topic.topic}${topic.topicId}:${partition}`
}

/** Every partition of a request. Of one that is named twice the last word counts. */
export function targetsOf(request: FetchRequest): readonly FetchTarget[] {
  const [topic, ...otherTopics] = request.topics
  const [only, ...others] = topic?.partitions ?? []
  if (topic === undefined || only === undefined || otherTopics.length + others.length > 0) {
    return [...requestedTargets(request).values()]
  }
  return [{ topic: topic.topic, topicId: topic.topicId, request: only }]
}

/** The same, by key. */
export function requestedTargets({ topics }: FetchRequest): Map<string, FetchTarget> {
  const targets = new Map<string, FetchTarget>()
  for (const { topic, topicId, partitions } of topics) {
    for (const request of partitions) {
      targets.set(targetKey({ topic, topicId }, request.partition), { topic, topicId, request })
    }
  }
  return targets
}

/** Neighbours of one topic share an entry, as the protocol demands no more than that. */
export function groupByTopic(answered: readonly AnsweredTarget[]): FetchResponse['responses'] {
  const responses: { topic: string; topicId: string; partitions: PartitionAnswer[] }[] = []
  for (const { target, answer } of answered) {
    const { topic, topicId } = target
    const last = responses.at(-1)
    if (last?.topic === topic && last.topicId === topicId) last.partitions.push(answer)
    else responses.push({ topic, topicId, partitions: [answer] })
  }
  return responses
}

const UNKNOWN_TOPIC_ERRORS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'UNKNOWN_TOPIC_ID',
])

export function recordBytes({ records }: PartitionAnswer): number {
  if (records === null) return 0
  if (records instanceof Uint8Array) return records.length
  return records.reduce((total, chunk) => total + chunk.length, 0)
}

/** Of the topics that there are: clients go on asking for deleted ones, and for whatever they like. */
export function bytesByTopic(answered: readonly AnsweredTarget[]): ReadonlyMap<string, number> {
  const bytes = new Map<string, number>()
  for (const { topicName, answer } of answered) {
    if (UNKNOWN_TOPIC_ERRORS.has(answer.errorCode)) continue
    bytes.set(topicName, (bytes.get(topicName) ?? 0) + recordBytes(answer))
  }
  return bytes
}
