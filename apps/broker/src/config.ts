import {
  BROKER_CONFIGS,
  UNSUPPORTED_BROKER_CONFIGS,
  UNSUPPORTED_BROKER_PREFIXES,
} from '@fairlead/metadata'
import {
  type ConfigOf,
  type ConfigSpec,
  type UnsupportedNames,
  defineConfig,
} from '@fairlead/service'

/**
 * Kafka's `server.properties` names, defaults and meanings. The table is in `@fairlead/metadata`,
 * since DescribeConfigs and the defaults of topics read it, too.
 */
export const BROKER_CONFIG = defineConfig(BROKER_CONFIGS)

/** With the keys of Kafka that have no effect here: accepted, with a warning that says why. */
export const BROKER_CONFIG_ALL: typeof BROKER_CONFIG & ConfigSpec = {
  ...UNSUPPORTED_BROKER_CONFIGS,
  ...BROKER_CONFIG,
}

/** What else a configuration made for Kafka, or for its container images, may hold. */
export const BROKER_UNSUPPORTED: UnsupportedNames = {
  prefixes: UNSUPPORTED_BROKER_PREFIXES,
  variables:
    /^KAFKA_(OPTS|HOME|DEBUG|VERSION|HEAP_OPTS|GC_LOG_OPTS|JMX_\w+|LOG4J_\w+|TOOLS_LOG4J_\w+|JVM_PERFORMANCE_OPTS)$/,
}

export type BrokerConfig = ConfigOf<typeof BROKER_CONFIG>
