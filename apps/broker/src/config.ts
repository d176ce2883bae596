import { BROKER_CONFIGS, UNSUPPORTED_BROKER_CONFIGS } from '@fairlead/metadata'
import { type ConfigOf, type ConfigSpec, defineConfig } from '@fairlead/service'

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

export type BrokerConfig = ConfigOf<typeof BROKER_CONFIG>
