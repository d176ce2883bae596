import type { QuotaEntity } from './quotas/quota-entity.ts'

/**
 * Records of `__cluster_metadata`: Kafka's KRaft records with the fields that one broker needs.
 * `encodeMetadataRecord` and `decodeMetadataRecord` turn them into a record value and back.
 */
export type MetadataRecord =
  | TopicRecord
  | PartitionRecord
  | PartitionChangeRecord
  | RemoveTopicRecord
  | ConfigRecord
  | ProducerIdsRecord
  | ClientQuotaRecord

export type TopicRecord = {
  readonly kind: 'TopicRecord'
  readonly name: string
  readonly topicId: string
}

export type PartitionRecord = {
  readonly kind: 'PartitionRecord'
  readonly topicId: string
  readonly partitionId: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  /** Broker id of the leader. */
  readonly leader: number
  readonly leaderEpoch: number
  readonly partitionEpoch: number
}

/** A broker begins to lead a partition, again or for the first time: the leader epoch goes up by one. */
export type PartitionChangeRecord = {
  readonly kind: 'PartitionChangeRecord'
  readonly topicId: string
  readonly partitionId: number
  /** Broker id of the leader. */
  readonly leader: number
}

/** The topic, its partitions and its configuration end. */
export type RemoveTopicRecord = {
  readonly kind: 'RemoveTopicRecord'
  readonly topicId: string
}

export type ConfigRecord = {
  readonly kind: 'ConfigRecord'
  readonly resourceType: 'topic' | 'broker'
  /** The topic; the id of a broker, or nothing for all brokers. */
  readonly resourceName: string
  readonly name: string
  /** Null removes the key, so that its default applies again. */
  readonly value: string | null
}

export type ProducerIdsRecord = {
  readonly kind: 'ProducerIdsRecord'
  readonly brokerId: number
  readonly brokerEpoch: number
  /** First producer id of the next block. */
  readonly nextProducerId: number
}

export type ClientQuotaRecord = {
  readonly kind: 'ClientQuotaRecord'
  readonly entity: QuotaEntity
  /** One of `QuotaKey`. */
  readonly key: string
  /** Null removes the quota. */
  readonly value: number | null
}
