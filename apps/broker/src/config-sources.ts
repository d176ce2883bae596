import { BROKER_CONFIG, type BrokerConfig } from './config.ts'

/**
 * Which keys somebody set, for DescribeConfigs. A key that was set to its default counts as a
 * default: the values are the same.
 */
export function configSources(config: BrokerConfig): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(BROKER_CONFIG).map(([name, key]) => {
      const standard: unknown = 'default' in key ? key.default : undefined
      const value: unknown = config[name as keyof BrokerConfig]
      const isDefault = JSON.stringify(value) === JSON.stringify(standard)
      return [name, isDefault ? 'default' : 'file']
    }),
  )
}
