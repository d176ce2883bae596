import { invariant } from '@fairlead/base'
import { BROKER_KEYS } from './broker-key.ts'
import type { BrokerSettings, SettingSource } from './broker-settings.ts'
import { configProblem, listItems } from './definition.ts'
import { type BrokerSynonym, TOPIC_CONFIGS, type TopicConfigDefinition } from './topic-configs.ts'

/** Where a value comes from (DescribeConfigs, KIP-226). */
export type ConfigSource = 'DYNAMIC_TOPIC_CONFIG' | SettingSource | 'DEFAULT_CONFIG'

export type ConfigOrigin = {
  /** The key that holds the value: the topic's own name, or the broker's synonym. */
  readonly name: string
  readonly value: string
  readonly source: ConfigSource
}

export type EffectiveConfig = {
  readonly name: string
  readonly value: string
  readonly source: ConfigSource
  /** Every place that has a value, the one in effect first. */
  readonly origins: readonly ConfigOrigin[]
}

/** The value in effect of one topic configuration: the topic's, else the broker's, else the default. */
export function effectiveTopicConfig(
  name: string,
  topicConfigs: ReadonlyMap<string, string>,
  broker: BrokerSettings,
): EffectiveConfig {
  const definition = TOPIC_CONFIGS[name]
  invariant(definition !== undefined, () => `${name} is a topic configuration`)

  const dynamic = topicConfigs.get(name)
  const inherited = inheritedValue(definition, broker)
  const origins = originsOf(name, definition, dynamic, broker)
  return {
    name,
    value: dynamic ?? inherited ?? definition.default,
    source: origins[0]?.source ?? 'DEFAULT_CONFIG',
    origins,
  }
}

/** From the strongest layer that has one of the synonyms, and there from the strongest synonym. */
function inheritedValue(
  { synonyms }: TopicConfigDefinition,
  broker: BrokerSettings,
): string | undefined {
  for (const { values } of broker) {
    for (const synonym of synonyms) {
      const value = values.get(synonym.name)
      if (value !== undefined) return scaled(value, synonym)
    }
  }
  return undefined
}

/** Every topic configuration with its value in effect, by name. */
export function effectiveTopicConfigs(
  topicConfigs: ReadonlyMap<string, string>,
  broker: BrokerSettings,
): readonly EffectiveConfig[] {
  return Object.keys(TOPIC_CONFIGS).map((name) => effectiveTopicConfig(name, topicConfigs, broker))
}

/**
 * Why these configurations cannot be set on a topic, or undefined when they can. The first problem
 * is enough: Kafka reports one.
 */
export function topicConfigsProblem(
  configs: ReadonlyMap<string, string>,
  broker: BrokerSettings,
): string | undefined {
  for (const [name, value] of configs) {
    // Names come from clients: `constructor` is a property of every object.
    const definition = Object.hasOwn(TOPIC_CONFIGS, name) ? TOPIC_CONFIGS[name] : undefined
    if (definition === undefined) return `Unknown topic config name: ${name}`
    const problem = configProblem(name, value, definition)
    if (problem !== undefined) return problem
  }
  if (configs.get('remote.storage.enable')?.trim().toLowerCase() === 'true') {
    return 'Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.'
  }
  return compactionLagProblem(configs, broker)
}

function compactionLagProblem(
  configs: ReadonlyMap<string, string>,
  broker: BrokerSettings,
): string | undefined {
  const min = effectiveTopicConfig('min.compaction.lag.ms', configs, broker).value
  const max = effectiveTopicConfig('max.compaction.lag.ms', configs, broker).value
  if (BigInt(min) <= BigInt(max)) return undefined
  return `conflict topic config setting min.compaction.lag.ms (${min}) > max.compaction.lag.ms (${max})`
}

/** As in Kafka: layer by layer, then the defaults of the broker's keys; values as they were set. */
function originsOf(
  name: string,
  { synonyms }: TopicConfigDefinition,
  dynamic: string | undefined,
  broker: BrokerSettings,
): readonly ConfigOrigin[] {
  const origins: ConfigOrigin[] = []
  if (dynamic !== undefined) origins.push({ name, value: dynamic, source: 'DYNAMIC_TOPIC_CONFIG' })
  for (const { source, values } of broker) {
    for (const synonym of synonyms) {
      const value = values.get(synonym.name)
      if (value !== undefined) origins.push({ name: synonym.name, value, source })
    }
  }
  // Kafka shows the default of the first synonym alone, if it has one.
  const [first] = synonyms
  const fallback = first && BROKER_KEYS.get(first.name)?.default
  if (first !== undefined && typeof fallback === 'string') {
    origins.push({ name: first.name, value: fallback, source: 'DEFAULT_CONFIG' })
  }
  return origins
}

function scaled(value: string, { factor }: BrokerSynonym): string {
  if (factor === undefined) return listItems(value).join(',')
  // -1 is Kafka's "no limit" in every unit.
  return Number(value) < 0 ? '-1' : String(BigInt(value.trim()) * BigInt(factor))
}
