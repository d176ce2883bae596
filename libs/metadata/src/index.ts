export {
  PRODUCER_ID_BLOCK_SIZE,
  type ProducerIdBlock,
  allocateProducerIds,
} from './allocate-producer-ids.ts'
export { BROKER_CONFIGS } from './config/broker-configs.ts'
export { brokerSettings } from './config/broker-settings.ts'
export { type ConfigRule, type ConfigType, configProblem } from './config/definition.ts'
export { type DescribeConfigsContext, describeConfigs } from './config/describe-configs.ts'
export {
  type BrokerSettings,
  type ConfigOrigin,
  type ConfigSource,
  type EffectiveConfig,
  effectiveTopicConfig,
  effectiveTopicConfigs,
  topicConfigsProblem,
} from './config/effective-topic-config.ts'
export { TOPIC_CONFIGS, type TopicConfigDefinition } from './config/topic-configs.ts'
export { type TopicSettings, topicSettings } from './config/topic-settings.ts'
export { UNSUPPORTED_BROKER_CONFIGS } from './config/unsupported-broker-configs.ts'
export type { Decision } from './decision.ts'
export type * from './messages.ts'
export { MetadataImage, type Partition, type Topic } from './metadata-image.ts'
export type * from './metadata-record.ts'
export { decodeMetadataRecord, encodeMetadataRecord } from './metadata-record-codec.ts'
export { randomUuid } from './random-uuid.ts'
export {
  type CreatedTopic,
  type NewTopic,
  type TopicContext,
  type TopicRefusal,
  createTopic,
} from './topics/create-topic.ts'
export { createTopics } from './topics/create-topics.ts'
export { type DeletionContext, deleteTopics } from './topics/delete-topics.ts'
export { isInternalTopic, topicNameProblem } from './topics/topic-name.ts'
