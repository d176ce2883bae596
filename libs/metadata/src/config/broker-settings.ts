import { BROKER_CONFIGS } from './broker-configs.ts'
import type { BrokerSettings } from './effective-topic-config.ts'

/**
 * The settings of a checked configuration (`loadConfig` of `@fairlead/service`): the keys that a
 * flag, a variable or a file set. Defaults are left out, so that DescribeConfigs can tell them apart; so are
 * keys without effect.
 */
export function brokerSettings(
  config: Readonly<Record<string, unknown>>,
  sources: ReadonlyMap<string, string>,
): BrokerSettings {
  return new Map(
    Object.entries(config)
      .filter(([name, value]) => value !== undefined && sources.get(name) !== 'default')
      .filter(([name]) => name in BROKER_CONFIGS)
      .map(([name, value]) => [name, Array.isArray(value) ? value.join(',') : String(value)]),
  )
}
