import {
  type IncrementalAlterConfigsRequestConfig,
  incrementalAlterConfigsV1,
  packageExchange,
} from './platformatic-apis.ts'
import type { Cluster } from '../cluster.ts'
import { expectNoError, responseError } from '../error-codes.ts'
import { describeConfigsExchange } from '../requests/describe-configs.ts'
import { attempts, toAnyBroker } from './attempts.ts'
import type { ConfigChange, ConfigEntry, ConfigResource } from './types.ts'
import { compareText } from './compare-text.ts'

/** Kafka's `ConfigResource.Type`. */
const RESOURCE_TYPES = { topic: 2, broker: 4 } as const
/** Kafka's `AlterConfigOp.OpType`. */
const SET = 0
const DELETE = 1
const INVALID_REQUEST = 42

/** Kafka's `ConfigEntry.ConfigSource`, by its number in DescribeConfigs. */
const SOURCE_NAMES: readonly string[] = [
  'UNKNOWN',
  'DYNAMIC_TOPIC_CONFIG',
  'DYNAMIC_BROKER_CONFIG',
  'DYNAMIC_DEFAULT_BROKER_CONFIG',
  'STATIC_BROKER_CONFIG',
  'DEFAULT_CONFIG',
  'DYNAMIC_BROKER_LOGGER_CONFIG',
  'CLIENT_METRICS_CONFIG',
  'GROUP_CONFIG',
]

export async function describeConfigs(
  cluster: Cluster,
  resource: ConfigResource,
): Promise<readonly ConfigEntry[]> {
  const what = `configuration of ${resource.type} ${resource.name}`
  const exchange = describeConfigsExchange({
    resourceType: RESOURCE_TYPES[resource.type],
    resourceName: resource.name,
    withDocumentation: true,
  })
  const result = await toBrokerOf(cluster, resource, what, (connection, call) =>
    connection.exchange(exchange, call),
  )
  if (result === undefined) throw responseError(INVALID_REQUEST, what)
  expectNoError(result.errorCode, what, result.errorMessage)
  return result.configs
    .map(({ source, ...config }) => ({
      ...config,
      source: SOURCE_NAMES[source] ?? `SOURCE_${source}`,
    }))
    .toSorted((a, b) => compareText(a.name, b.name))
}

export async function alterConfigs(
  cluster: Cluster,
  resource: ConfigResource,
  changes: readonly ConfigChange[],
  options: { readonly validateOnly: boolean },
): Promise<void> {
  const what = `configuration of ${resource.type} ${resource.name}`
  const request = {
    resourceType: RESOURCE_TYPES[resource.type],
    resourceName: resource.name,
    configs: changes.map(
      ({ name, value }): IncrementalAlterConfigsRequestConfig =>
        value === null ? { name, configOperation: DELETE } : { name, configOperation: SET, value },
    ),
  }
  const response = await toBrokerOf(cluster, resource, what, (connection, call) =>
    connection.exchange(
      packageExchange(incrementalAlterConfigsV1.api, [[request], options.validateOnly]),
      call,
    ),
  )
  const [result] = response.responses
  if (result === undefined) throw responseError(INVALID_REQUEST, what)
  expectNoError(result.errorCode, what, result.errorMessage)
}

/** A broker answers for its own configuration alone; for topics, and all brokers at once, any does. */
function toBrokerOf<Response>(
  cluster: Cluster,
  resource: ConfigResource,
  what: string,
  call: Parameters<typeof toAnyBroker<Response>>[2],
): Promise<Response> {
  if (resource.type === 'topic' || resource.name === '') return toAnyBroker(cluster, what, call)
  return attempts(cluster, what, async (options) => {
    await cluster.refresh([], options)
    return cluster.withBroker(
      Number(resource.name),
      (connection) => call(connection, options),
      options,
    )
  })
}
