import { truncated } from '@fairlead/base'
import type { ErrorCode } from '@fairlead/protocol'
import {
  type DescribeConfigsRequest,
  type DescribeConfigsResponse,
  ERROR_MESSAGE_LENGTH_MAX,
} from '../messages.ts'
import type { MetadataImage } from '../metadata-image.ts'
import { topicNameProblem } from '../topics/topic-name.ts'
import { BROKER_KEYS } from './broker-key.ts'
import type { BrokerSettings } from './broker-settings.ts'
import { type ConfigType, shownValue } from './definition.ts'
import { type ConfigSource, effectiveTopicConfigs } from './effective-topic-config.ts'
import { TOPIC_CONFIGS } from './topic-configs.ts'
import {
  CONFIG_SOURCE_IDS,
  CONFIG_TYPE_IDS,
  RESOURCE_TYPE_BROKER,
  RESOURCE_TYPE_BROKER_LOGGER,
  RESOURCE_TYPE_CLIENT_METRICS,
  RESOURCE_TYPE_GROUP,
  RESOURCE_TYPE_TOPIC,
} from './wire-ids.ts'

type Resource = DescribeConfigsRequest['resources'][number]
type ResourceResult = DescribeConfigsResponse['results'][number]
type ConfigEntry = ResourceResult['configs'][number]

export type DescribeConfigsContext = {
  readonly brokerId: number
  readonly broker: BrokerSettings
}

/**
 * DescribeConfigs (key 32).
 *
 * v1  source of each value, and its synonyms (KIP-226)
 * v3  type and documentation (KIP-569)
 * v4  flexible
 *
 * A resource is described once: a small request must not get an answer of gigabytes.
 *
 * Each entry tells where its value comes from: a client such as Kafka Connect refuses a topic whose
 * cleanup.policy is not what it needs, and must tell a default from a choice.
 */
export function describeConfigs(
  image: MetadataImage,
  request: DescribeConfigsRequest,
  context: DescribeConfigsContext,
): DescribeConfigsResponse {
  const seen = new Set<string>()
  return {
    results: request.resources.map((resource): ResourceResult => {
      const { resourceType, resourceName } = resource
      const key = `${resourceType} ${resourceName}`
      const outcome = seen.has(key)
        ? refused('INVALID_REQUEST', 'Each resource must appear at most once.')
        : entriesOf(image, resource, request, context)
      seen.add(key)
      return 'configs' in outcome
        ? { errorCode: 'NONE', errorMessage: '', resourceType, resourceName, ...outcome }
        : { resourceType, resourceName, configs: [], ...outcome }
    }),
  }
}

type Refusal = { readonly errorCode: ErrorCode; readonly errorMessage: string }
type Wanted = { readonly includeSynonyms: boolean; readonly includeDocumentation: boolean }

function entriesOf(
  image: MetadataImage,
  resource: Resource,
  wanted: Wanted,
  context: DescribeConfigsContext,
): { readonly configs: readonly ConfigEntry[] } | Refusal {
  const { resourceType, resourceName, configurationKeys } = resource
  const isWanted = ({ name }: { readonly name: string }): boolean =>
    configurationKeys === null || configurationKeys.length === 0 || configurationKeys.includes(name)

  switch (resourceType) {
    case RESOURCE_TYPE_TOPIC: {
      const problem = topicNameProblem(resourceName)
      if (problem !== undefined) return refused('INVALID_TOPIC_EXCEPTION', problem)
      const topic = image.topic(resourceName)
      if (topic === undefined) {
        const message = 'This server does not host this topic-partition.'
        return refused('UNKNOWN_TOPIC_OR_PARTITION', message)
      }
      return { configs: topicEntries(topic.configs, wanted, context.broker).filter(isWanted) }
    }
    case RESOURCE_TYPE_BROKER:
      if (resourceName !== '' && resourceName !== String(context.brokerId)) {
        const message = `Unexpected broker id, expected ${context.brokerId} or empty string, but received ${resourceName}`
        return refused('INVALID_REQUEST', message)
      }
      return {
        configs: brokerEntries(wanted, context.broker, { isForAll: resourceName === '' }).filter(
          isWanted,
        ),
      }
    case RESOURCE_TYPE_BROKER_LOGGER:
    case RESOURCE_TYPE_CLIENT_METRICS:
    case RESOURCE_TYPE_GROUP:
      if (resourceType === RESOURCE_TYPE_GROUP && resourceName === '') {
        return refused('INVALID_REQUEST', 'Group name must not be empty')
      }
      // There is nothing to configure: see `findResource`.
      return { configs: [] }
    default:
      return refused('INVALID_REQUEST', `Unsupported resource type: ${resourceType}`)
  }
}

function topicEntries(
  topicConfigs: ReadonlyMap<string, string>,
  wanted: Wanted,
  broker: BrokerSettings,
): readonly ConfigEntry[] {
  return effectiveTopicConfigs(topicConfigs, broker).map((config) => {
    const type = TOPIC_CONFIGS[config.name]?.type ?? 'STRING'
    return {
      name: config.name,
      value: shownValue(config.value, type),
      readOnly: false,
      configSource: CONFIG_SOURCE_IDS[config.source],
      isSensitive: false,
      // As in Kafka, a synonym shows what the broker's key was set to, letter by letter.
      synonyms: wanted.includeSynonyms
        ? config.origins.map((origin) =>
            synonymOf(
              origin.source === 'DYNAMIC_TOPIC_CONFIG'
                ? { ...origin, value: shownValue(origin.value, type) }
                : origin,
            ),
          )
        : [],
      configType: CONFIG_TYPE_IDS[type],
      documentation: wanted.includeDocumentation ? (TOPIC_CONFIGS[config.name]?.doc ?? null) : null,
    }
  })
}

/** What is set for one broker, or, with `isForAll`, only what is set for all of them. */
function brokerEntries(
  wanted: Wanted,
  broker: BrokerSettings,
  { isForAll }: { readonly isForAll: boolean },
): readonly ConfigEntry[] {
  const layers = isForAll
    ? broker.filter(({ source }) => source === 'DYNAMIC_DEFAULT_BROKER_CONFIG')
    : broker
  return [...BROKER_KEYS].flatMap(([name, key]): ConfigEntry[] => {
    const origins: { name: string; value: string; source: ConfigSource }[] = layers.flatMap(
      ({ source, values }) => {
        const value = values.get(name)
        return value === undefined ? [] : [{ name, value, source }]
      },
    )
    if (isForAll && origins.length === 0) return []
    if (!isForAll && key.default !== null) {
      origins.push({ name, value: key.default, source: 'DEFAULT_CONFIG' })
    }
    const isSensitive = key.type === 'PASSWORD'
    const entry: ConfigEntry = {
      name,
      value: isSensitive ? null : shownOrNull(origins[0]?.value, key.type),
      readOnly: key.update === 'read-only',
      configSource: CONFIG_SOURCE_IDS[origins[0]?.source ?? 'DEFAULT_CONFIG'],
      isSensitive,
      synonyms: wanted.includeSynonyms
        ? origins.map((origin) => synonymOf(isSensitive ? { ...origin, value: null } : origin))
        : [],
      configType: CONFIG_TYPE_IDS[key.type],
      documentation: wanted.includeDocumentation ? key.doc : null,
    }
    return [entry]
  })
}

function shownOrNull(value: string | undefined, type: ConfigType): string | null {
  return value === undefined ? null : shownValue(value, type)
}

function synonymOf({
  name,
  value,
  source,
}: {
  readonly name: string
  readonly value: string | null
  readonly source: ConfigSource
}): ConfigEntry['synonyms'][number] {
  return { name, value, source: CONFIG_SOURCE_IDS[source] }
}

function refused(errorCode: ErrorCode, errorMessage: string): Refusal {
  return { errorCode, errorMessage: truncated(errorMessage, ERROR_MESSAGE_LENGTH_MAX) }
}
