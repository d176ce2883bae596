import { APIS, type RequestOf, type ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'

const NO_NODE = -1

/** KIP-511: what a client may call itself. */
const SOFTWARE_NAME_MAX_LENGTH = 255
const SOFTWARE_NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?$/

/**
 * ApiVersions (key 18).
 *
 * v1   throttle time
 * v3   flexible; the client names its software (KIP-511)
 * v4   features with minimum version 0 may be listed
 * v5   cluster id and node id that the client expects, both or none (KIP-1242)
 *
 * A version above those known is answered by the router: in version 0, with the keys and error
 * UNSUPPORTED_VERSION, so that the client can ask again.
 */
export function handleApiVersions(
  request: RequestOf<'ApiVersions'>,
  { apiVersion, node, peer }: HandlerContext,
): ResponseBody<'ApiVersions'> {
  const { clientSoftwareName, clientSoftwareVersion } = request
  if (apiVersion >= 3) {
    if (!isSoftwareName(clientSoftwareName) || !isSoftwareName(clientSoftwareVersion)) {
      return { errorCode: 'INVALID_REQUEST', apiKeys: [] }
    }
    peer.clientSoftware = `${clientSoftwareName}/${clientSoftwareVersion}`
  }
  if ((request.clusterId === null) !== (request.nodeId === NO_NODE)) {
    return { errorCode: 'INVALID_REQUEST', apiKeys: [] }
  }
  if (isForAnotherNode(request, node)) return { errorCode: 'REBOOTSTRAP_REQUIRED', apiKeys: [] }
  return { errorCode: 'NONE', apiKeys: advertisedApis() }
}

/** The answer to a version that this broker does not know; to be sent in version 0. */
export function unsupportedApiVersions(): ResponseBody<'ApiVersions'> {
  return { errorCode: 'UNSUPPORTED_VERSION', apiKeys: advertisedApis() }
}

function advertisedApis(): ResponseBody<'ApiVersions'>['apiKeys'] {
  return Object.values(APIS)
    .map(({ key, minVersion, maxVersion }) => ({ apiKey: key, minVersion, maxVersion }))
    .sort((left, right) => left.apiKey - right.apiKey)
}

function isSoftwareName(text: string): boolean {
  return text.length <= SOFTWARE_NAME_MAX_LENGTH && SOFTWARE_NAME.test(text)
}

/** A client that knows us by an address that another cluster had must look its brokers up again. */
function isForAnotherNode(
  { clusterId, nodeId }: RequestOf<'ApiVersions'>,
  node: HandlerContext['node'],
): boolean {
  return (
    (clusterId !== null && clusterId !== node.clusterId) ||
    (nodeId !== NO_NODE && nodeId !== node.nodeId)
  )
}
