import { type ErrorCode, ZERO_UUID } from '@fairlead/protocol'
import type { Group } from './group.ts'
import type { OffsetFetchRequest, OffsetFetchResponse } from './messages.ts'
import type { TopicDirectory } from './types.ts'

/** From this version on a request asks for several groups (KIP-709). */
const GROUPS_SINCE_VERSION = 8
/** The first version with an error for the whole answer; before it, each partition has it. */
const TOP_LEVEL_ERROR_SINCE_VERSION = 2
/** From this version on topics are named by id. */
const TOPIC_IDS_SINCE_VERSION = 10

/** "Never committed", which is no error. */
const NO_OFFSET = { committedOffset: -1, committedLeaderEpoch: -1, metadata: '' } as const

const NO_ANSWER = { errorCode: 'NONE', topics: [] } as const

type FetchContext = {
  readonly apiVersion: number
  readonly topics: TopicDirectory
  /** Their offsets are there only because they cannot be removed yet. */
  readonly deletedTopics: ReadonlySet<string>
}

type GroupQuery = OffsetFetchRequest['groups'][number]
type GroupAnswer = NonNullable<OffsetFetchResponse['groups']>[number] & {
  readonly errorCode: ErrorCode
}
type TopicAnswer = GroupAnswer['topics'][number]

/** The groups that a request asks for, in the form of version 8, whatever its version. */
export function requestedGroups(
  request: OffsetFetchRequest,
  apiVersion: number,
): readonly GroupQuery[] {
  if (apiVersion >= GROUPS_SINCE_VERSION) return request.groups
  const topics = request.topics?.map((topic) => ({ ...topic, topicId: ZERO_UUID })) ?? null
  return [{ groupId: request.groupId, memberId: null, memberEpoch: -1, topics }]
}

/**
 * OffsetFetch (key 9), one group.
 *
 * v1   no error for the whole answer
 * v2   null topics mean all that have an offset
 * v5   leader epoch
 * v6   flexible
 * v7   requireStable: nothing is ever unstable here, since there are no transactions
 * v8   several groups
 * v9   member id and epoch, for the groups of KIP-848
 * v10  topics by id
 *
 * A group or a partition without a committed offset answers -1 and no error.
 */
export function fetchOffsets(
  group: Group | undefined,
  query: GroupQuery,
  context: FetchContext,
): GroupAnswer {
  const { groupId } = query
  const topics =
    query.topics === null
      ? allOffsets(group, context)
      : query.topics.map((topic) => topicAnswer(group, topic, context))
  return { groupId, errorCode: 'NONE', topics }
}

/** An answer for a group that this broker cannot serve. */
export function refusedFetch(query: GroupQuery, errorCode: ErrorCode): GroupAnswer {
  const topics = (query.topics ?? []).map(({ name, topicId, partitionIndexes }) => ({
    name,
    topicId,
    partitions: partitionIndexes.map((partitionIndex) => ({
      partitionIndex,
      ...NO_OFFSET,
      errorCode,
    })),
  }))
  return { groupId: query.groupId, errorCode, topics }
}

/** Puts the answers where the version has its fields. */
export function offsetFetchResponse(
  answers: readonly GroupAnswer[],
  apiVersion: number,
): OffsetFetchResponse {
  if (apiVersion >= GROUPS_SINCE_VERSION) {
    return {
      groups: answers.map((answer) =>
        answer.errorCode === 'NONE' ? answer : { ...answer, topics: [] },
      ),
    }
  }
  const [{ errorCode, topics } = NO_ANSWER] = answers
  const hasTopLevelError = apiVersion >= TOP_LEVEL_ERROR_SINCE_VERSION
  return hasTopLevelError && errorCode !== 'NONE'
    ? { errorCode, topics: [] }
    : {
        errorCode: hasTopLevelError ? errorCode : 'NONE',
        topics: topics.map(({ name = '', partitions }) => ({ name, partitions })),
      }
}

function topicAnswer(
  group: Group | undefined,
  query: NonNullable<GroupQuery['topics']>[number],
  context: FetchContext,
): TopicAnswer {
  const name =
    context.apiVersion >= TOPIC_IDS_SINCE_VERSION
      ? context.topics.topicName(query.topicId)
      : query.name
  const isDeleted = (topic: string): boolean => context.deletedTopics.has(topic)
  return {
    name: query.name,
    topicId: query.topicId,
    partitions: query.partitionIndexes.map((partitionIndex) =>
      name === undefined
        ? { partitionIndex, ...NO_OFFSET, errorCode: 'UNKNOWN_TOPIC_ID' as const }
        : partitionAnswer(isDeleted(name) ? undefined : group, name, partitionIndex),
    ),
  }
}

function partitionAnswer(
  group: Group | undefined,
  topic: string,
  partitionIndex: number,
): TopicAnswer['partitions'][number] {
  const committed = group?.replicated.committed(topic, partitionIndex)
  if (committed === undefined) return { partitionIndex, ...NO_OFFSET, errorCode: 'NONE' }
  return {
    partitionIndex,
    committedOffset: committed.committedOffset,
    committedLeaderEpoch: committed.leaderEpoch,
    metadata: committed.metadata,
    errorCode: 'NONE',
  }
}

function allOffsets(
  group: Group | undefined,
  { topics, deletedTopics }: FetchContext,
): readonly TopicAnswer[] {
  const partitions = new Map<string, number[]>()
  for (const { topic, partition } of group?.replicated.offsets() ?? []) {
    if (deletedTopics.has(topic)) continue
    const known = partitions.get(topic)
    if (known === undefined) partitions.set(topic, [partition])
    else known.push(partition)
  }
  return Array.from(partitions, ([name, indexes]) => ({
    name,
    topicId: topics.topicId(name) ?? ZERO_UUID,
    partitions: indexes.map((partitionIndex) => partitionAnswer(group, name, partitionIndex)),
  }))
}
