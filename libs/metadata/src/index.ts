export { PARTITIONS_MAX } from './topics/create-topic.ts'
export {
  PRODUCER_ID_BLOCK_SIZE,
  type ProducerIdBlock,
  allocateProducerIds,
} from './allocate-producer-ids.ts'
export { BROKER_CONFIGS } from './config/broker-configs.ts'
export { BROKER_KEYS, type BrokerKey } from './config/broker-key.ts'
export { alterConfigs, incrementalAlterConfigs } from './config/alter-configs.ts'
export {
  type BrokerSettings,
  type SettingSource,
  type SettingsLayer,
  brokerSetting,
  staticSettings,
} from './config/broker-settings.ts'
export type { AlterConfigsContext } from './config/config-resource.ts'
export { type ConfigRule, type ConfigType, configProblem, shownValue } from './config/definition.ts'
export { type DescribeConfigsContext, describeConfigs } from './config/describe-configs.ts'
export {
  type ConfigOrigin,
  type ConfigSource,
  type EffectiveConfig,
  effectiveTopicConfig,
  effectiveTopicConfigs,
  topicConfigsProblem,
} from './config/effective-topic-config.ts'
export { listConfigResources } from './config/list-config-resources.ts'
export { TOPIC_CONFIGS, type TopicConfigDefinition } from './config/topic-configs.ts'
export { type TopicSettings, topicSettings } from './config/topic-settings.ts'
export {
  UNSUPPORTED_BROKER_CONFIGS,
  UNSUPPORTED_BROKER_PREFIXES,
} from './config/unsupported-broker-configs.ts'
export type { Decision } from './decision.ts'
export type * from './messages.ts'
export { MetadataImage, type Partition, type Topic } from './metadata-image.ts'
export type * from './metadata-record.ts'
export { decodeMetadataRecord, encodeMetadataRecord } from './metadata-record-codec.ts'
export { alterClientQuotas } from './quotas/alter-client-quotas.ts'
export {
  ClientQuotas,
  type ClientQuotasOptions,
  type QuotaReading,
  type QuotaResource,
} from './quotas/client-quotas.ts'
export { ConnectionRates } from './quotas/connection-rates.ts'
export { describeClientQuotas } from './quotas/describe-client-quotas.ts'
export type { QuotaEntity } from './quotas/quota-entity.ts'
export type { QuotaClient, QuotasImage } from './quotas/quotas-image.ts'
export type { QuotaWindows } from './quotas/rate.ts'
export { randomUuid } from './random-uuid.ts'
export { alterPartitionReassignments } from './topics/alter-partition-reassignments.ts'
export { createPartitions } from './topics/create-partitions.ts'
export {
  type CreatedTopic,
  type NewTopic,
  type TopicContext,
  type TopicRefusal,
  createTopic,
} from './topics/create-topic.ts'
export { createTopics } from './topics/create-topics.ts'
export { type DeletionContext, deleteTopics } from './topics/delete-topics.ts'
export { describeTopicPartitions } from './topics/describe-topic-partitions.ts'
export { type MutationQuota, UNLIMITED_MUTATIONS } from './topics/mutation-quota.ts'
export { electLeaders } from './topics/elect-leaders.ts'
export { leadAgain } from './topics/lead-again.ts'
export { isInternalTopic, topicNameProblem } from './topics/topic-name.ts'
