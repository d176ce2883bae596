import {
  type Admin,
  type ClientOptions,
  KafkaError,
  createAdmin,
  createGroupMember,
  createReader,
} from '@fairlead/kafka'
import type { EventLog, GroupDeletion, JoinOptions, Membership } from './event-log.ts'

/** What a producer aborted never happened; our own relay may publish in transactions, too. */
const ISOLATION = 'read_committed'

/** A worker gives its partitions up within seconds; nobody waits longer for one that does not. */
const REBALANCE_TIMEOUT_MS = 30_000

export type GroupOptions = {
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
  /** Static membership (KIP-345), for a process that comes back under its name. */
  readonly instanceId?: string | undefined
}

/** The log of a Kafka cluster, read as a member of a consumer group. */
export function kafkaEventLog(client: ClientOptions, group: GroupOptions): EventLog {
  const admin = createAdmin(client)
  const reader = kafkaLogReader(client)
  return {
    join: (options) => joinGroup(client, group, options),
    earliestOffset: (topic, partition) =>
      admin.listOffsets({ topic, partition, timestamp: 'earliest' }),
    topicId: (topic) => admin.topicId(topic),
    endOffset: (topic, partition) =>
      admin.listOffsets({ topic, partition, timestamp: 'latest', isolation: ISOLATION }),
    highWatermark: (topic, partition) =>
      admin.listOffsets({ topic, partition, timestamp: 'latest' }),
    partitionCount: async (topic) => (await admin.partitionCount(topic)) ?? 0,
    read: (request) => reader.read(request),
    deleteGroup: (groupId) => deleteGroup(admin, groupId),
    close: async () => {
      await Promise.all([admin.close(), reader.close()])
    },
  }
}

/** The part of {@link kafkaEventLog} that reads records. */
export function kafkaLogReader(client: ClientOptions): Pick<EventLog, 'read' | 'close'> {
  const reader = createReader(client)
  return {
    read: (request) => reader.fetch({ ...request, isolation: ISOLATION }),
    close: () => reader.close(),
  }
}

async function deleteGroup(admin: Admin, groupId: string): Promise<GroupDeletion> {
  try {
    await admin.deleteGroup(groupId)
    return 'deleted'
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error
    if (error.code === 'GROUP_ID_NOT_FOUND') return 'absent'
    if (error.code === 'NON_EMPTY_GROUP') return 'hasMembers'
    throw error
  }
}

async function joinGroup(
  client: ClientOptions,
  group: GroupOptions,
  options: JoinOptions,
): Promise<Membership> {
  const { groupId, topics } = options
  const member = createGroupMember({
    ...client,
    sessionTimeoutMs: group.sessionTimeoutMs,
    heartbeatIntervalMs: group.heartbeatIntervalMs,
    rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS,
    ...(group.instanceId === undefined ? {} : { instanceId: group.instanceId }),
    groupId,
    topics,
    onAssigned: (partitions) => {
      options.onAssigned(partitions)
    },
    onRevoked: (partitions, reason) => options.onRevoked(partitions, reason),
    onError: (error) => options.onError(error, { isFatal: !error.retryable }),
  })
  return {
    fetch: (request) => member.fetch({ ...request, isolation: ISOLATION }),
    commit: (positions) => member.commit(positions),
    close: () => member.close(),
  }
}
