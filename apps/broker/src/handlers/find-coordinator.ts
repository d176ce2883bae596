import { StorageError } from '@fairlead/log'
import type { ErrorCode, RequestOf, ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'

const KEY_TYPE_GROUP = 0
const KEY_TYPES_WITHOUT_COORDINATOR: readonly number[] = [1, 2]
const NO_FAILURE = { errorCode: 'NONE', errorMessage: null } as const
const NO_NODE = { nodeId: -1, host: '', port: -1 } as const

/**
 * FindCoordinator (key 10).
 *
 * v1   key type; error message
 * v3   flexible
 * v4   several keys at once, an error for each (KIP-699)
 * v5   TRANSACTION_ABORTABLE (KIP-890)
 * v6   share groups (KIP-932)
 *
 * One broker coordinates every group. Transactional ids and share groups have no coordinator here:
 * UNSUPPORTED_VERSION is not retried by clients, unlike COORDINATOR_NOT_AVAILABLE. A type that Kafka does
 * not have either is INVALID_REQUEST.
 */
export async function handleFindCoordinator(
  request: RequestOf<'FindCoordinator'>,
  { apiVersion, groups, node }: HandlerContext,
): Promise<ResponseBody<'FindCoordinator'>> {
  const keys = apiVersion >= 4 ? request.coordinatorKeys : [request.key]
  const failure =
    request.keyType === KEY_TYPE_GROUP ? await notStarted(groups) : unsupported(request.keyType)

  const coordinator =
    failure === undefined
      ? { nodeId: node.nodeId, host: node.host, port: node.port, ...NO_FAILURE }
      : { ...NO_NODE, ...failure }
  if (apiVersion < 4) return { ...coordinator, coordinators: [] }
  return {
    ...NO_FAILURE,
    ...NO_NODE,
    coordinators: keys.map((key) => ({ key, ...coordinator })),
  }
}

type Failure = { readonly errorCode: ErrorCode; readonly errorMessage: string }

/** Without room for `__consumer_offsets` there are no groups yet: the client asks again. */
async function notStarted(groups: HandlerContext['groups']): Promise<Failure | undefined> {
  try {
    await groups.start()
    return undefined
  } catch (error) {
    if (!(error instanceof StorageError)) throw error
    return { errorCode: 'COORDINATOR_NOT_AVAILABLE', errorMessage: error.message }
  }
}

function unsupported(keyType: number): Failure {
  if (!KEY_TYPES_WITHOUT_COORDINATOR.includes(keyType)) {
    return { errorCode: 'INVALID_REQUEST', errorMessage: `there is no key type ${keyType}` }
  }
  return {
    errorCode: 'UNSUPPORTED_VERSION',
    errorMessage: `coordinators of key type ${keyType} are not supported`,
  }
}
