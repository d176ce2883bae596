import type { TopicPartition } from '../records.ts'
import { type PartitionError, readPartitionErrors, writePartitions } from './by-topic.ts'
import { type Exchange, exchangeOf } from './exchange.ts'

const NO_PRODUCER_ID = -1
const NO_PRODUCER_EPOCH = -1

export const ADD_PARTITIONS_TO_TXN = { key: 24, version: 3 } as const
export const END_TXN = { key: 26, version: 3 } as const

/** InitProducerId (key 22), version 4: a new producer id, or a new epoch of the transactional id. */
export function initProducerIdExchange(request: {
  /** Null for an idempotent producer without transactions. */
  readonly transactionalId: string | null
  readonly transactionTimeoutMs: number
}): Exchange<{
  readonly errorCode: number
  readonly producerId: number
  readonly producerEpoch: number
}> {
  return exchangeOf(
    { key: 22, version: 4 },
    {
      encode: (writer) => {
        writer.nullableString(request.transactionalId).int32(request.transactionTimeoutMs)
        writer.int64(NO_PRODUCER_ID).int16(NO_PRODUCER_EPOCH).tags()
      },
      decode: (reader) => {
        reader.int32()
        return {
          errorCode: reader.int16(),
          producerId: reader.int64(),
          producerEpoch: reader.int16(),
        }
      },
    },
  )
}

/** Whose transaction. */
export type TransactionOf = {
  readonly transactionalId: string
  readonly producerId: number
  readonly producerEpoch: number
}

/** AddPartitionsToTxn (key 24), version 3. */
export function addPartitionsToTxnExchange(
  transaction: TransactionOf,
  partitions: readonly TopicPartition[],
): Exchange<readonly PartitionError[]> {
  return exchangeOf(ADD_PARTITIONS_TO_TXN, {
    encode: (writer) => {
      writer.string(transaction.transactionalId)
      writer.int64(transaction.producerId).int16(transaction.producerEpoch)
      writePartitions(writer, partitions)
      writer.tags()
    },
    decode: (reader) => {
      reader.int32()
      return readPartitionErrors(reader)
    },
  })
}

/** EndTxn (key 26), version 3. Answers the error code. */
export function endTxnExchange(
  transaction: TransactionOf & { readonly isCommitted: boolean },
): Exchange<number> {
  return exchangeOf(END_TXN, {
    encode: (writer) => {
      writer.string(transaction.transactionalId)
      writer.int64(transaction.producerId).int16(transaction.producerEpoch)
      writer.boolean(transaction.isCommitted).tags()
    },
    decode: (reader) => {
      reader.int32()
      return reader.int16()
    },
  })
}
