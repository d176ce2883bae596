import {
  BROKER_KEYS,
  type BrokerSettings,
  type SettingsLayer,
  brokerSetting,
} from '@fairlead/metadata'
import { type ConfigValue, parseValue } from '@fairlead/service'
import { BROKER_CONFIG, type BrokerConfig } from './config.ts'
import { configProblems } from './config-rules.ts'

/**
 * The configuration as it is now: what was changed while the broker runs goes before what it was started
 * with.
 */
export function effectiveConfig(config: BrokerConfig, settings: BrokerSettings): BrokerConfig {
  const dynamic = settings.filter(({ source }) => source !== 'STATIC_BROKER_CONFIG')
  const changed: Record<string, ConfigValue> = {}
  for (const [name, spec] of Object.entries(BROKER_CONFIG)) {
    if (BROKER_KEYS.get(name)?.update === 'read-only') continue
    const text = brokerSetting(dynamic, name)
    const parsed = text === undefined ? undefined : parseValue(spec, text)
    // Topic keys take more than the broker's own words, and are read elsewhere.
    if (parsed?.ok === true) changed[name] = parsed.value
  }
  return { ...config, ...changed }
}

/** Which rule over several keys the configuration would break with `changed` as one of its layers. */
export function problemTogether(
  config: BrokerConfig,
  settings: BrokerSettings,
  changed: SettingsLayer,
): string | undefined {
  const before = effectiveConfig(config, settings)
  const after = effectiveConfig(
    config,
    settings.map((layer) => (layer.source === changed.source ? changed : layer)),
  )
  const [problem] = configProblems(after)
  return problem ?? threadsProblem(before['log.cleaner.threads'], after['log.cleaner.threads'])
}

/** Kafka's rule (`LogCleaner.validateReconfiguration`). */
function threadsProblem(before: number, after: number): string | undefined {
  if (after < before / 2) {
    return `Log cleaner threads cannot be reduced to less than half the current value ${before}`
  }
  if (after > before * 2) {
    return `Log cleaner threads cannot be increased to more than double the current value ${before}`
  }
  return undefined
}
