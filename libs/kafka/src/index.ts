export { createAdmin } from './admin.ts'
export type { ClientSecurity, SaslCredentials, TlsSettings } from './client-security.ts'
export type {
  Admin,
  AssignedPartition,
  ClientOptions,
  FetchRequest,
  FetchResult,
  GroupMember,
  GroupMemberOptions,
  IdempotentProducer,
  Isolation,
  KafkaLogger,
  OffsetTimestamp,
  PlacedRecord,
  ProducerOptions,
  Reader,
  TopicSpec,
  TransactionalProducer,
  TransactionalProducerOptions,
} from './clients.ts'
export { createClusterAdmin } from './cluster-admin/create-cluster-admin.ts'
export type {
  BrokerDescription,
  ClusterAdmin,
  ClusterDescription,
  CommittedOffset,
  ConfigChange,
  ConfigEntry,
  ConfigResource,
  GroupDescription,
  GroupListing,
  GroupMemberDescription,
  NewTopic,
  Outcome,
  PartitionDescription,
  PartitionOffset,
  QuotaChange,
  QuotaDescription,
  QuotaEntity,
  TopicDescription,
} from './cluster-admin/types.ts'
export { quotaEntityText } from './cluster-admin/quota-entity.ts'
export { createGroupMember } from './group-member.ts'
export { KafkaError, type KafkaErrorOptions, type RejectedRecord } from './kafka-error.ts'
export { partitionOfKey } from '@fairlead/base'
export { PRECEDING_RECORD_REJECTED } from './partition-queue.ts'
export { createProducer } from './producer.ts'
export { createTransactionalProducer } from './transactional-producer.ts'
export { createReader } from './reader.ts'
export { RejectedKeys } from './rejected-keys.ts'
export type { Compression } from './record-batch-encoder.ts'
export type {
  EncodedBody,
  IncomingRecord,
  OutgoingRecord,
  RecordHeader,
  RecordLocation,
  TopicPartition,
} from './records.ts'
