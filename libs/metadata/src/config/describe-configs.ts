import { truncated } from '@fairlead/base'
import type { ErrorCode } from '@fairlead/protocol'
import type { DescribeConfigsRequest, DescribeConfigsResponse } from '../messages.ts'
import type { MetadataImage } from '../metadata-image.ts'
import { topicNameProblem } from '../topics/topic-name.ts'
import { BROKER_CONFIGS } from './broker-configs.ts'
import type { ConfigType } from './definition.ts'
import { type BrokerSettings, effectiveTopicConfigs } from './effective-topic-config.ts'
import { TOPIC_CONFIGS } from './topic-configs.ts'
import {
  CONFIG_SOURCE_IDS,
  CONFIG_TYPE_IDS,
  RESOURCE_TYPE_BROKER,
  RESOURCE_TYPE_TOPIC,
} from './wire-ids.ts'

/** Messages quote names of the client, which may be as long as the wire allows. */
const ERROR_MESSAGE_LENGTH_MAX = 1000

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
 * Each entry tells where its value comes from: a client such as Kafka Connect refuses a topic whose
 * cleanup.policy is not what it needs, and must tell a default from a choice.
 */
export function describeConfigs(
  image: MetadataImage,
  request: DescribeConfigsRequest,
  context: DescribeConfigsContext,
): DescribeConfigsResponse {
  return {
    results: request.resources.map((resource): ResourceResult => {
      const { resourceType, resourceName } = resource
      const outcome = entriesOf(image, resource, request, context)
      return 'configs' in outcome
        ? { errorCode: 'NONE', errorMessage: null, resourceType, resourceName, ...outcome }
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
      // The empty name asks for the dynamic defaults of all brokers, and there are none.
      if (resourceName === '') return { configs: [] }
      if (resourceName !== String(context.brokerId)) {
        const message = `Unexpected broker id, expected ${context.brokerId} or empty string, but received ${resourceName}`
        return refused('INVALID_REQUEST', message)
      }
      return { configs: brokerEntries(wanted, context.broker).filter(isWanted) }
    default:
      return refused('INVALID_REQUEST', `Unsupported resource type: ${resourceType}`)
  }
}

function topicEntries(
  topicConfigs: ReadonlyMap<string, string>,
  wanted: Wanted,
  broker: BrokerSettings,
): readonly ConfigEntry[] {
  return effectiveTopicConfigs(topicConfigs, broker).map((config) => ({
    name: config.name,
    value: config.value,
    readOnly: false,
    configSource: CONFIG_SOURCE_IDS[config.source],
    isSensitive: false,
    synonyms: wanted.includeSynonyms
      ? config.origins.map(({ name, value, source }) => ({
          name,
          value,
          source: CONFIG_SOURCE_IDS[source],
        }))
      : [],
    configType: CONFIG_TYPE_IDS[TOPIC_CONFIGS[config.name]?.type ?? 'STRING'],
    documentation: wanted.includeDocumentation ? (TOPIC_CONFIGS[config.name]?.doc ?? null) : null,
  }))
}

type BrokerKey = {
  readonly type: string
  readonly kafkaType?: ConfigType
  readonly default?: string | number | boolean | readonly string[]
  readonly doc: string
}

/** Broker keys are read at the start only, so all of them are read-only. */
function brokerEntries(wanted: Wanted, broker: BrokerSettings): readonly ConfigEntry[] {
  const keys: Readonly<Record<string, BrokerKey>> = BROKER_CONFIGS
  return Object.entries(keys).map(([name, key]) => {
    const set = broker.get(name)
    const fallback = key.default === undefined ? null : String(key.default)
    const synonyms = [
      ...(set === undefined ? [] : [{ name, value: set, source: 'STATIC_BROKER_CONFIG' as const }]),
      ...(fallback === null ? [] : [{ name, value: fallback, source: 'DEFAULT_CONFIG' as const }]),
    ]
    return {
      name,
      value: set ?? fallback,
      readOnly: true,
      configSource:
        CONFIG_SOURCE_IDS[set === undefined ? 'DEFAULT_CONFIG' : 'STATIC_BROKER_CONFIG'],
      isSensitive: false,
      synonyms: wanted.includeSynonyms
        ? synonyms.map((synonym) => ({ ...synonym, source: CONFIG_SOURCE_IDS[synonym.source] }))
        : [],
      configType: CONFIG_TYPE_IDS[key.kafkaType ?? CONFIG_TYPES[key.type] ?? 'STRING'],
      documentation: wanted.includeDocumentation ? key.doc : null,
    }
  })
}

const CONFIG_TYPES: Readonly<Record<string, ConfigType>> = {
  int: 'INT',
  boolean: 'BOOLEAN',
  list: 'LIST',
}

function refused(errorCode: ErrorCode, errorMessage: string): Refusal {
  return { errorCode, errorMessage: truncated(errorMessage, ERROR_MESSAGE_LENGTH_MAX) }
}
