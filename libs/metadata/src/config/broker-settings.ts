/** Where a value that somebody set for the broker comes from (DescribeConfigs, KIP-226). */
export type SettingSource =
  | 'DYNAMIC_BROKER_CONFIG'
  | 'DYNAMIC_DEFAULT_BROKER_CONFIG'
  | 'STATIC_BROKER_CONFIG'

export type SettingsLayer = {
  readonly source: SettingSource
  /** As text, by key. A key that is absent is set in a weaker layer, or has its default. */
  readonly values: ReadonlyMap<string, string>
}

/**
 * What is set for the broker, the strongest layer first: for this broker alone, for all brokers, and
 * in `server.properties`, environment and flags. Values passed the checks of their key.
 */
export type BrokerSettings = readonly SettingsLayer[]

/** What `server.properties` and the like set, and nothing changes while the broker runs. */
export function staticSettings(values: ReadonlyMap<string, string>): SettingsLayer {
  return { source: 'STATIC_BROKER_CONFIG', values }
}

/** The value that somebody set for a key, or undefined when its default applies. */
export function brokerSetting(settings: BrokerSettings, name: string): string | undefined {
  return settings.find(({ values }) => values.has(name))?.values.get(name)
}
