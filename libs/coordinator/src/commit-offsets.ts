import { ZERO_UUID, type ErrorCode } from '@fairlead/protocol'
import type { Group } from './group.ts'
import { findMember } from './membership.ts'
import type { OffsetCommitRequest, OffsetCommitResponse } from './messages.ts'
import { extendSession } from './rebalance.ts'
import { type Turn, noteOffsets } from './turn.ts'
import type { GroupConfig, TopicDirectory } from './types.ts'

type TopicCommit = OffsetCommitRequest['topics'][number]
type PartitionCommit = TopicCommit['partitions'][number]

/** From this version on a group that does not exist has its own error. */
const GROUP_ID_NOT_FOUND_SINCE_VERSION = 9
/** From this version on topics are named by id. */
const TOPIC_IDS_SINCE_VERSION = 10

export type CommitContext = {
  readonly apiVersion: number
  readonly config: GroupConfig
  readonly topics: TopicDirectory
}

/**
 * Whether the sender may commit for the group.
 *
 * A consumer without group management (and an administrator) sends generation -1 and no member id;
 * it may commit while nobody is a member. Everybody else must be a member of the generation.
 */
export function checkCommitter(
  group: Group | undefined,
  request: OffsetCommitRequest,
  apiVersion: number,
): ErrorCode {
  const { generationIdOrMemberEpoch: generationId, memberId, groupInstanceId } = request
  if (group === undefined) {
    if (generationId < 0) return 'NONE'
    return apiVersion >= GROUP_ID_NOT_FOUND_SINCE_VERSION
      ? 'GROUP_ID_NOT_FOUND'
      : 'ILLEGAL_GENERATION'
  }
  if (generationId < 0 && group.state === 'Empty') return 'NONE'
  if (generationId < 0 && memberId === '' && groupInstanceId === null) return 'UNKNOWN_MEMBER_ID'
  const found = findMember(group, { memberId, groupInstanceId })
  if (!found.ok) return found.errorCode
  if (generationId !== group.generationId) return 'ILLEGAL_GENERATION'
  // The member knows the generation but has no assignment in it yet: it can own nothing.
  return group.state === 'CompletingRebalance' ? 'REBALANCE_IN_PROGRESS' : 'NONE'
}

/**
 * OffsetCommit (key 8).
 *
 * v2-4  the client's own retention
 * v6    leader epoch (KIP-320)
 * v7    static members
 * v8    flexible
 * v9    GROUP_ID_NOT_FOUND (KIP-848)
 * v10   topics by id (KIP-516)
 *
 * Partitions fail one by one. Call it only when `checkCommitter` said NONE.
 */
export function commitOffsets(
  group: Group,
  request: OffsetCommitRequest,
  context: CommitContext,
  turn: Turn,
): OffsetCommitResponse {
  const member = group.members.get(request.memberId)
  if (member !== undefined) extendSession(member, turn)
  const response = answerPartitions(request, context, (name, partition) => {
    const errorCode = turn.isFull()
      ? 'INVALID_COMMIT_OFFSET_SIZE'
      : checkPartition(group, name, partition, context.config)
    if (errorCode === 'NONE') store(group, name, { partition, request, turn })
    return errorCode
  })
  noteOffsets('offsetsCommitted', group, turn)
  return response
}

/** Every partition of the request that there is gets the same error. */
export function refusedCommit(
  request: OffsetCommitRequest,
  context: Pick<CommitContext, 'apiVersion' | 'topics'>,
  errorCode: ErrorCode,
): OffsetCommitResponse {
  return answerPartitions(request, context, () => errorCode)
}

/** What does not exist is told so before the group is looked at, as Kafka's broker does. */
function answerPartitions(
  request: OffsetCommitRequest,
  { apiVersion, topics }: Pick<CommitContext, 'apiVersion' | 'topics'>,
  outcomeOf: (topicName: string, partition: PartitionCommit) => ErrorCode,
): OffsetCommitResponse {
  const hasTopicIds = apiVersion >= TOPIC_IDS_SINCE_VERSION
  const errorCodeOf = (topic: TopicCommit, partition: PartitionCommit): ErrorCode => {
    const name = hasTopicIds ? topics.topicName(topic.topicId) : topic.name
    if (name === undefined) return 'UNKNOWN_TOPIC_ID'
    return topics.hasPartition(name, partition.partitionIndex)
      ? outcomeOf(name, partition)
      : 'UNKNOWN_TOPIC_OR_PARTITION'
  }
  return {
    topics: request.topics.map((topic) => ({
      name: topic.name,
      topicId: topic.topicId ?? ZERO_UUID,
      partitions: topic.partitions.map((partition) => ({
        partitionIndex: partition.partitionIndex,
        errorCode: errorCodeOf(topic, partition),
      })),
    })),
  }
}

function checkPartition(
  group: Group,
  topic: string,
  { partitionIndex, committedMetadata }: PartitionCommit,
  config: GroupConfig,
): ErrorCode {
  if ((committedMetadata ?? '').length > config.offsetMetadataMaxBytes) {
    return 'OFFSET_METADATA_TOO_LARGE'
  }
  const isNew = group.replicated.committed(topic, partitionIndex) === undefined
  return isNew && group.replicated.offsetCount >= config.committedPartitionsMax
    ? 'INVALID_COMMIT_OFFSET_SIZE'
    : 'NONE'
}

function store(
  group: Group,
  topic: string,
  commit: {
    readonly partition: PartitionCommit
    readonly request: OffsetCommitRequest
    readonly turn: Turn
  },
): void {
  const { partition, request, turn } = commit
  turn.write({
    kind: 'offsetCommit',
    groupId: group.groupId,
    topic,
    partition: partition.partitionIndex,
    value: {
      committedOffset: partition.committedOffset,
      leaderEpoch: partition.committedLeaderEpoch,
      metadata: partition.committedMetadata ?? '',
      commitTimestampMs: turn.wallNowMs,
      expireTimestampMs: expireTimestampMs(request, turn),
    },
  })
}

/** -1 unless the client chose its own retention. "For ever" is the last moment that can be written. */
function expireTimestampMs({ retentionTimeMs }: OffsetCommitRequest, { wallNowMs }: Turn): number {
  if (retentionTimeMs < 0) return -1
  return Math.min(wallNowMs + retentionTimeMs, Number.MAX_SAFE_INTEGER)
}
