import type { ConfigType } from './definition.ts'
import type { ConfigSource } from './effective-topic-config.ts'

/** DescribeConfigs and CreateTopics: ConfigSource (KIP-226). */
export const CONFIG_SOURCE_IDS: Readonly<Record<ConfigSource, number>> = {
  DYNAMIC_TOPIC_CONFIG: 1,
  DYNAMIC_BROKER_CONFIG: 2,
  DYNAMIC_DEFAULT_BROKER_CONFIG: 3,
  STATIC_BROKER_CONFIG: 4,
  DEFAULT_CONFIG: 5,
}

/** DescribeConfigs v3: ConfigType (KIP-569). */
export const CONFIG_TYPE_IDS: Readonly<Record<ConfigType, number>> = {
  BOOLEAN: 1,
  STRING: 2,
  INT: 3,
  SHORT: 4,
  LONG: 5,
  DOUBLE: 6,
  LIST: 7,
  CLASS: 8,
  PASSWORD: 9,
}

/** Kinds of resources that have a configuration. */
export const RESOURCE_TYPE_TOPIC = 2
export const RESOURCE_TYPE_BROKER = 4
export const RESOURCE_TYPE_BROKER_LOGGER = 8
export const RESOURCE_TYPE_CLIENT_METRICS = 16
export const RESOURCE_TYPE_GROUP = 32
