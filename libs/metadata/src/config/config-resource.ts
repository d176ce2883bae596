import { truncated } from '@fairlead/base'
import type { ErrorCode } from '@fairlead/protocol'
import { ERROR_MESSAGE_LENGTH_MAX } from '../messages.ts'
import type { MetadataImage } from '../metadata-image.ts'
import { isInternalTopic, topicNameProblem } from '../topics/topic-name.ts'
import { BROKER_KEYS } from './broker-key.ts'
import type { BrokerSettings, SettingsLayer } from './broker-settings.ts'
import { brokerConfigsProblem } from './broker-configs-problem.ts'
import { type ConfigRule, listItems } from './definition.ts'
import { topicConfigsProblem } from './effective-topic-config.ts'
import { TOPIC_CONFIGS } from './topic-configs.ts'
import {
  RESOURCE_TYPE_BROKER,
  RESOURCE_TYPE_BROKER_LOGGER,
  RESOURCE_TYPE_CLIENT_METRICS,
  RESOURCE_TYPE_GROUP,
  RESOURCE_TYPE_TOPIC,
} from './wire-ids.ts'

/** Something whose configuration can be changed while the broker runs. */
export type ConfigResource = {
  readonly resourceType: 'topic' | 'broker'
  /** Topic, broker id, or nothing for all brokers. */
  readonly resourceName: string
  readonly configs: ReadonlyMap<string, string>
  /** The rule and the default of a key; undefined for a name that is no key. */
  definition(name: string): (ConfigRule & { readonly default: string | null }) | undefined
  /** Why the resource cannot have this configuration, or undefined when it can. */
  problem(configs: ReadonlyMap<string, string>): ConfigRefusal | undefined
}

export type ConfigRefusal = { readonly errorCode: ErrorCode; readonly errorMessage: string }

export type AlterConfigsContext = {
  readonly brokerId: number
  readonly broker: BrokerSettings
  /** Which rule over several keys the broker would break with this layer of its settings. */
  readonly problemTogether: (changed: SettingsLayer) => string | undefined
}

/** The resource that a request names, or why its configuration cannot be changed. */
export function findResource(
  image: MetadataImage,
  wanted: { readonly resourceType: number; readonly resourceName: string },
  context: AlterConfigsContext,
): ConfigResource | ConfigRefusal {
  switch (wanted.resourceType) {
    case RESOURCE_TYPE_TOPIC:
      return findTopic(image, wanted.resourceName, context)
    case RESOURCE_TYPE_BROKER:
      return findBroker(image, wanted.resourceName, context)
    case RESOURCE_TYPE_BROKER_LOGGER:
      return configRefused(
        'INVALID_REQUEST',
        'This broker has one logger, whose level is log.level of its configuration.',
      )
    case RESOURCE_TYPE_CLIENT_METRICS:
      return configRefused('INVALID_REQUEST', 'This broker collects no metrics of clients.')
    case RESOURCE_TYPE_GROUP:
      return configRefused(
        'INVALID_REQUEST',
        'Groups of the classic protocol have no configuration.',
      )
    default:
      return configRefused('INVALID_REQUEST', `Unknown resource type ${wanted.resourceType}`)
  }
}

function findTopic(
  image: MetadataImage,
  resourceName: string,
  { broker }: AlterConfigsContext,
): ConfigResource | ConfigRefusal {
  if (resourceName === '') {
    return configRefused('INVALID_REQUEST', 'Default topic resources are not allowed.')
  }
  const nameProblem = topicNameProblem(resourceName)
  if (nameProblem !== undefined) return configRefused('INVALID_TOPIC_EXCEPTION', nameProblem)
  const topic = image.topic(resourceName)
  if (topic === undefined) {
    return configRefused(
      'UNKNOWN_TOPIC_OR_PARTITION',
      `The topic '${resourceName}' does not exist.`,
    )
  }
  return {
    resourceType: 'topic',
    resourceName,
    configs: topic.configs,
    definition: (name) => (Object.hasOwn(TOPIC_CONFIGS, name) ? TOPIC_CONFIGS[name] : undefined),
    problem(configs) {
      const problem = topicConfigsProblem(configs, broker) ?? lossProblem(resourceName, configs)
      return problem === undefined ? undefined : configRefused('INVALID_CONFIG', problem)
    },
  }
}

/** The state of coordinators is in their topics: retention by time would cut it off. */
function lossProblem(topic: string, configs: ReadonlyMap<string, string>): string | undefined {
  if (!isInternalTopic(topic)) return undefined
  const policies = listItems(configs.get('cleanup.policy') ?? '')
  if (policies.length === 1 && policies[0] === 'compact') return undefined
  return `cleanup.policy of the internal topic ${topic} must stay compact`
}

function findBroker(
  image: MetadataImage,
  resourceName: string,
  { brokerId, problemTogether }: AlterConfigsContext,
): ConfigResource | ConfigRefusal {
  if (resourceName !== '' && !/^\d{1,10}$/.test(resourceName)) {
    return configRefused(
      'INVALID_REQUEST',
      `Node id must be an integer, but it is: ${resourceName}`,
    )
  }
  if (resourceName !== '' && resourceName !== String(brokerId)) {
    return configRefused(
      'INVALID_REQUEST',
      `Unexpected broker id, expected ${brokerId}, but received ${resourceName}`,
    )
  }
  return {
    resourceType: 'broker',
    resourceName,
    configs: image.brokerConfigs(resourceName),
    definition: (name) => BROKER_KEYS.get(name),
    problem(configs) {
      const isForAll = resourceName === ''
      const source = isForAll ? 'DYNAMIC_DEFAULT_BROKER_CONFIG' : 'DYNAMIC_BROKER_CONFIG'
      const problem =
        brokerConfigsProblem(configs, { isForAll }) ?? problemTogether({ source, values: configs })
      return problem === undefined ? undefined : configRefused('INVALID_REQUEST', problem)
    },
  }
}

export function configRefused(errorCode: ErrorCode, message: string): ConfigRefusal {
  return { errorCode, errorMessage: truncated(message, ERROR_MESSAGE_LENGTH_MAX) }
}
