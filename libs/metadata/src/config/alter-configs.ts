import type { Decision } from '../decision.ts'
import type {
  AlterConfigsRequest,
  AlterConfigsResponse,
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../messages.ts'
import type { MetadataImage } from '../metadata-image.ts'
import type { ConfigRecord } from '../metadata-record.ts'
import {
  type AlterConfigsContext,
  type ConfigRefusal,
  type ConfigResource,
  configRefused,
  findResource,
} from './config-resource.ts'
import { listItems } from './definition.ts'

type Resource = { readonly resourceType: number; readonly resourceName: string }
type Configs = ReadonlyMap<string, string>

/** IncrementalAlterConfigs: `AlterConfigOp.OpType`. */
const SET = 0
const DELETE = 1
const APPEND = 2
const SUBTRACT = 3

/**
 * IncrementalAlterConfigs (key 44, KIP-339): changes single keys.
 *
 * Resources fail one by one, each with all of its changes or none; the request as a whole never does.
 */
export function incrementalAlterConfigs(
  image: MetadataImage,
  request: IncrementalAlterConfigsRequest,
  context: AlterConfigsContext,
): Decision<IncrementalAlterConfigsResponse> {
  return alterResources(image, request, context, (found, { configs: operations }) => {
    const refusal = operationsProblem(operations)
    if (refusal !== undefined) return refusal
    const configs = new Map(found.configs)
    for (const operation of operations) {
      const problem = applyOperation(configs, operation, found)
      if (problem !== undefined) return problem
    }
    return configs
  })
}

/**
 * AlterConfigs (key 33): what the request names is the whole configuration; every other key loses its
 * value.
 */
export function alterConfigs(
  image: MetadataImage,
  request: AlterConfigsRequest,
  context: AlterConfigsContext,
): Decision<AlterConfigsResponse> {
  return alterResources(image, request, context, (_found, { configs: entries }) => {
    const configs = new Map<string, string>()
    for (const { name, value } of entries) {
      if (value === null) return nullRefused(name)
      if (configs.has(name)) return duplicateKeys()
      configs.set(name, value)
    }
    return configs
  })
}

function alterResources<Wanted extends Resource>(
  image: MetadataImage,
  request: { readonly resources: readonly Wanted[]; readonly validateOnly: boolean },
  context: AlterConfigsContext,
  change: (found: ConfigResource, wanted: Wanted) => Configs | ConfigRefusal,
): Decision<AlterConfigsResponse> {
  const timesNamed = new Map<string, number>()
  for (const resource of request.resources) {
    timesNamed.set(keyOf(resource), (timesNamed.get(keyOf(resource)) ?? 0) + 1)
  }
  const records: ConfigRecord[] = []
  const responses = request.resources.map((wanted) => {
    const { resourceType, resourceName } = wanted
    const outcome =
      timesNamed.get(keyOf(wanted)) === 1
        ? alterResource(image, wanted, context, change)
        : configRefused('INVALID_REQUEST', 'Each resource must appear at most once.')
    if ('errorCode' in outcome) return { ...outcome, resourceType, resourceName }
    records.push(...outcome)
    return { errorCode: 'NONE' as const, errorMessage: null, resourceType, resourceName }
  })
  return { records: request.validateOnly ? [] : records, response: { responses } }
}

function alterResource<Wanted extends Resource>(
  image: MetadataImage,
  wanted: Wanted,
  context: AlterConfigsContext,
  change: (found: ConfigResource, wanted: Wanted) => Configs | ConfigRefusal,
): readonly ConfigRecord[] | ConfigRefusal {
  const found = findResource(image, wanted, context)
  if ('errorCode' in found) return found
  const configs = change(found, wanted)
  if ('errorCode' in configs) return configs
  return found.problem(configs) ?? recordsOf(found, configs)
}

/** One record for each key that has another value now, or none. */
function recordsOf(
  { resourceType, resourceName, configs: before }: ConfigResource,
  after: Configs,
): readonly ConfigRecord[] {
  const record = (name: string, value: string | null): ConfigRecord => ({
    kind: 'ConfigRecord',
    resourceType,
    resourceName,
    name,
    value,
  })
  return [
    ...[...before.keys()].filter((name) => !after.has(name)).map((name) => record(name, null)),
    ...[...after]
      .filter(([name, value]) => before.get(name) !== value)
      .map(([name, value]) => record(name, value)),
  ]
}

type Operation = IncrementalAlterConfigsRequest['resources'][number]['configs'][number]

function operationsProblem(operations: readonly Operation[]): ConfigRefusal | undefined {
  const names = new Set(operations.map(({ name }) => name))
  if (names.size < operations.length) return duplicateKeys()
  const missing = operations.find(
    ({ configOperation, value }) => value === null && configOperation !== DELETE,
  )
  return missing === undefined ? undefined : nullRefused(missing.name)
}

function applyOperation(
  configs: Map<string, string>,
  { name, configOperation, value }: Operation,
  resource: ConfigResource,
): ConfigRefusal | undefined {
  switch (configOperation) {
    case SET:
      configs.set(name, value ?? '')
      return undefined
    case DELETE:
      configs.delete(name)
      return undefined
    case APPEND:
    case SUBTRACT: {
      const definition = resource.definition(name)
      if (definition?.type !== 'LIST') {
        const verb = configOperation === APPEND ? "Can't APPEND to key" : "Can't SUBTRACT to key"
        return configRefused('INVALID_CONFIG', `${verb} ${name} because its type is not LIST.`)
      }
      const items = listItems(configs.get(name) ?? definition.default ?? '')
      const given = listItems(value ?? '')
      const changed =
        configOperation === APPEND
          ? new Set([...items, ...given])
          : items.filter((item) => !given.includes(item))
      configs.set(name, [...changed].join(','))
      return undefined
    }
    default:
      return configRefused('INVALID_REQUEST', `Unknown config operation ${configOperation}.`)
  }
}

function nullRefused(name: string): ConfigRefusal {
  return configRefused('INVALID_REQUEST', `Null value not supported for : ${name}`)
}

function duplicateKeys(): ConfigRefusal {
  return configRefused('INVALID_REQUEST', 'Error due to duplicate config keys')
}

function keyOf({ resourceType, resourceName }: Resource): string {
  return `${resourceType} ${resourceName}`
}
