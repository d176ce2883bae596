import type { ListConfigResourcesRequest, ListConfigResourcesResponse } from '../messages.ts'
import type { MetadataImage } from '../metadata-image.ts'
import {
  RESOURCE_TYPE_BROKER,
  RESOURCE_TYPE_BROKER_LOGGER,
  RESOURCE_TYPE_CLIENT_METRICS,
  RESOURCE_TYPE_GROUP,
  RESOURCE_TYPE_TOPIC,
} from './wire-ids.ts'

const ALL_TYPES: readonly number[] = [
  RESOURCE_TYPE_TOPIC,
  RESOURCE_TYPE_BROKER,
  RESOURCE_TYPE_BROKER_LOGGER,
  RESOURCE_TYPE_CLIENT_METRICS,
  RESOURCE_TYPE_GROUP,
]
/** The first version that asks for types of resources; before it there were only client metrics. */
const TYPES_SINCE_VERSION = 1

/**
 * ListConfigResources (key 74).
 *
 * v1  every type of resource (KIP-1142)
 *
 * Groups and client metrics have no configuration here, so that there are none.
 */
export function listConfigResources(
  image: MetadataImage,
  { resourceTypes }: ListConfigResourcesRequest,
  { apiVersion, brokerId }: { readonly apiVersion: number; readonly brokerId: number },
): ListConfigResourcesResponse {
  const asked = resourceTypes.length === 0 ? ALL_TYPES : [...new Set(resourceTypes)]
  const types = apiVersion < TYPES_SINCE_VERSION ? [RESOURCE_TYPE_CLIENT_METRICS] : asked
  if (types.some((type) => !ALL_TYPES.includes(type))) {
    return { errorCode: 'UNSUPPORTED_VERSION', configResources: [] }
  }
  const configResources = types.flatMap((resourceType) =>
    namesOf(image, resourceType, brokerId).map((resourceName) => ({ resourceName, resourceType })),
  )
  return { errorCode: 'NONE', configResources }
}

function namesOf(image: MetadataImage, resourceType: number, brokerId: number): readonly string[] {
  switch (resourceType) {
    case RESOURCE_TYPE_TOPIC:
      return Array.from(image.topics(), ({ name }) => name)
    case RESOURCE_TYPE_BROKER:
    case RESOURCE_TYPE_BROKER_LOGGER:
      return [String(brokerId)]
    default:
      return []
  }
}
