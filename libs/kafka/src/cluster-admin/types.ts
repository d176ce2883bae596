import type { OffsetTimestamp } from '../clients.ts'
import type { KafkaError } from '../kafka-error.ts'
import type { TopicPartition } from '../records.ts'

/** What became of one of several things asked for: the others are not affected by its error. */
export type Outcome<Value> =
  | { readonly ok: true; readonly name: string; readonly value: Value }
  | { readonly ok: false; readonly name: string; readonly error: KafkaError }

export type BrokerDescription = {
  readonly brokerId: number
  readonly host: string
  readonly port: number
  readonly rack: string | null
}

export type ClusterDescription = {
  readonly clusterId: string | null
  readonly controllerId: number
  readonly brokers: readonly BrokerDescription[]
}

export type PartitionDescription = {
  readonly partition: number
  /** -1 when there is none. */
  readonly leader: number
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
}

export type TopicDescription = {
  readonly topic: string
  readonly topicId: string
  readonly isInternal: boolean
  readonly partitions: readonly PartitionDescription[]
}

export type ConfigEntry = {
  readonly name: string
  /** Null when it has no value, or is sensitive. */
  readonly value: string | null
  /** Kafka's name, such as `DYNAMIC_TOPIC_CONFIG` or `DEFAULT_CONFIG`. */
  readonly source: string
  readonly isReadOnly: boolean
  readonly isSensitive: boolean
  readonly documentation: string | null
}

export type ConfigResource = { readonly type: 'topic' | 'broker'; readonly name: string }

/** `value` null removes the setting, so that the default holds again. */
export type ConfigChange = { readonly name: string; readonly value: string | null }

/**
 * Whom a quota limits: a user, a client id, both together, or an ip. Null stands for all of the type that
 * have no quota of their own.
 */
export type QuotaEntity = {
  readonly user?: string | null
  readonly 'client-id'?: string | null
  readonly ip?: string | null
}

/** `values` by Kafka's names, such as `producer_byte_rate`. */
export type QuotaDescription = {
  readonly entity: QuotaEntity
  readonly values: Readonly<Record<string, number>>
}

/** `value` null removes the quota. */
export type QuotaChange = { readonly key: string; readonly value: number | null }

export type GroupListing = {
  readonly groupId: string
  readonly protocolType: string
  readonly state: string
}

export type GroupMemberDescription = {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly assignment: readonly TopicPartition[]
}

export type GroupDescription = GroupListing & {
  readonly coordinator: number
  /** The assignor that the members agreed on; empty without members. */
  readonly assignor: string
  readonly members: readonly GroupMemberDescription[]
}

export type PartitionOffset = TopicPartition & { readonly offset: number }

export type CommittedOffset = PartitionOffset & { readonly metadata: string }

export type NewTopic = {
  readonly topic: string
  /** -1: the broker's `num.partitions`. */
  readonly partitions: number
  /** -1: the broker's `default.replication.factor`. */
  readonly replicationFactor: number
  readonly configs: Readonly<Record<string, string>>
}

/**
 * What an operator does with a cluster: for command lines and consoles. Needs Apache Kafka 3.2 or
 * Fairlead. Every call may throw a {@link KafkaError} when the request as a whole fails; what
 * fails alone is an {@link Outcome}.
 */
export interface ClusterAdmin {
  describeCluster(): Promise<ClusterDescription>
  /** All topics when `topics` is undefined; in the order of their names. */
  describeTopics(topics?: readonly string[]): Promise<readonly Outcome<TopicDescription>[]>
  /**
   * Sees to it that the topic exists, as Kafka's producers do: where `auto.create.topics.enable`
   * holds, the broker creates it.
   *
   * @throws {KafkaError} UNKNOWN_TOPIC_OR_PARTITION when it still does not exist after 5 s.
   */
  useTopic(topic: string): Promise<void>
  createTopics(
    topics: readonly NewTopic[],
    options: { readonly validateOnly: boolean },
  ): Promise<readonly Outcome<void>[]>
  deleteTopics(topics: readonly string[]): Promise<readonly Outcome<void>[]>
  /** `count` is the new total of the topic. */
  createPartitions(
    topic: string,
    count: number,
    options: { readonly validateOnly: boolean },
  ): Promise<void>
  /** Deletes the records before `offset`; -1 means all. The value is the new first offset. */
  deleteRecords(offsets: readonly PartitionOffset[]): Promise<readonly Outcome<number>[]>
  describeConfigs(resource: ConfigResource): Promise<readonly ConfigEntry[]>
  alterConfigs(
    resource: ConfigResource,
    changes: readonly ConfigChange[],
    options: { readonly validateOnly: boolean },
  ): Promise<void>
  /** Of all that the filter names; it leaves out what it does not say anything about. */
  describeQuotas(filter: QuotaEntity): Promise<readonly QuotaDescription[]>
  alterQuotas(
    entity: QuotaEntity,
    changes: readonly QuotaChange[],
    options: { readonly validateOnly: boolean },
  ): Promise<void>
  /** Of all brokers; in the order of their ids. */
  listGroups(): Promise<readonly GroupListing[]>
  describeGroup(groupId: string): Promise<GroupDescription>
  /** As `Admin.deleteGroup`. */
  deleteGroup(groupId: string): Promise<void>
  /** Every offset that the group has committed, in the order of topic and partition. */
  committedOffsets(groupId: string): Promise<readonly CommittedOffset[]>
  /** Refused with UNKNOWN_MEMBER_ID while the group has members. */
  commitOffsets(groupId: string, offsets: readonly PartitionOffset[]): Promise<void>
  /** Refused with GROUP_SUBSCRIBED_TO_TOPIC while members read the topic. */
  deleteOffsets(groupId: string, partitions: readonly TopicPartition[]): Promise<void>
  /** As `Admin.listOffsets`. */
  listOffsets(target: TopicPartition & { readonly timestamp: OffsetTimestamp }): Promise<number>
  close(): Promise<void>
}
