export type {
  Admin,
  AssignedPartition,
  ClientOptions,
  FetchRequest,
  FetchResult,
  GroupMember,
  GroupMemberOptions,
  IdempotentProducer,
  KafkaLogger,
  ProducerOptions,
  Reader,
  TopicSpec,
} from './clients.ts'
export { KafkaError, type KafkaErrorOptions, type RejectedRecord } from './kafka-error.ts'
export type {
  IncomingRecord,
  OutgoingRecord,
  RecordHeader,
  RecordLocation,
  TopicPartition,
} from './records.ts'
