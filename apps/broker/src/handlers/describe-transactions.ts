import type { RequestOf, ResponseBody } from '@fairlead/protocol'

/**
 * DescribeTransactions (key 65), version 0 (KIP-664).
 *
 * No transaction can begin here, so that no transactional id is known.
 */
export function handleDescribeTransactions({
  transactionalIds,
}: RequestOf<'DescribeTransactions'>): ResponseBody<'DescribeTransactions'> {
  return {
    transactionStates: transactionalIds.map((transactionalId) => ({
      errorCode: transactionalId === '' ? 'INVALID_REQUEST' : 'TRANSACTIONAL_ID_NOT_FOUND',
      transactionalId,
      transactionState: '',
      transactionTimeoutMs: 0,
      transactionStartTimeMs: 0,
      producerId: 0,
      producerEpoch: 0,
      topics: [],
    })),
  }
}
