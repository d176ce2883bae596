import { StorageError } from '@fairlead/log'
import type { ErrorCode, RequestOf, ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'

const NONE = -1

/**
 * InitProducerId (key 22).
 *
 * v2  flexible
 * v3  the producer may name the id and epoch it had (KIP-360)
 * v4  PRODUCER_FENCED
 * v5  TRANSACTION_ABORTABLE (KIP-890)
 *
 * An idempotent producer gets a new id each time, whatever it had, as in Kafka. Transactional ids
 * are not supported: UNSUPPORTED_VERSION is an error that clients do not retry.
 */
export async function handleInitProducerId(
  request: RequestOf<'InitProducerId'>,
  { producerIds }: HandlerContext,
): Promise<ResponseBody<'InitProducerId'>> {
  const { transactionalId, producerId, producerEpoch } = request
  if (transactionalId === '') return refused('INVALID_REQUEST')
  if ((producerId === NONE) !== (producerEpoch === NONE)) return refused('INVALID_REQUEST')
  if (transactionalId !== null) return refused('UNSUPPORTED_VERSION')
  try {
    return { errorCode: 'NONE', producerId: await producerIds.next(), producerEpoch: 0 }
  } catch (error) {
    if (!(error instanceof StorageError)) throw error
    // What Kafka answers while it has no id at hand: clients ask again.
    return refused('COORDINATOR_LOAD_IN_PROGRESS')
  }
}

function refused(errorCode: ErrorCode): ResponseBody<'InitProducerId'> {
  return { errorCode, producerId: NONE, producerEpoch: NONE }
}
