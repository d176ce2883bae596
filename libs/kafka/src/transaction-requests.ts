import type { BackoffPolicy } from '@fairlead/base'
import type { BrokerConnection, CallOptions } from './broker-connection.ts'
import type { Cluster } from './cluster.ts'
import { COORDINATOR_LOST, errorName, expectNoError } from './error-codes.ts'
import { KafkaError } from './kafka-error.ts'
import type { TopicPartition } from './records.ts'
import type { PartitionError } from './requests/by-topic.ts'
import {
  ADD_PARTITIONS_TO_TXN,
  END_TXN,
  addPartitionsToTxnExchange,
  endTxnExchange,
  initProducerIdExchange,
} from './requests/transactions.ts'
import { type Remaining, retrying } from './retrying.ts'

export type ProducerIdentity = {
  readonly producerId: number
  readonly producerEpoch: number
  readonly isTransactional: boolean
}

/** The markers of the transaction before are on their way: a matter of milliseconds, as a rule. */
const CONCURRENT = 'CONCURRENT_TRANSACTIONS'
/** Said of partitions that nothing is wrong with, beside one that is refused: that one tells what to do. */
const NOT_ATTEMPTED = 'OPERATION_NOT_ATTEMPTED'
const BACKOFF: BackoffPolicy = { baseMs: 20, maxMs: 1_000 }

/**
 * The requests of one transactional id to its coordinator, each tried again for `timeoutMs`.
 *
 * InitProducerId v4, AddPartitionsToTxn v3 and EndTxn v3: the versions before KIP-890, part two, which
 * every broker from Kafka 2.7 on has.
 */
export class TransactionRequests {
  readonly #cluster: Cluster
  readonly #transactionalId: string
  readonly #timeoutMs: number
  #coordinator: number | undefined

  constructor(
    cluster: Cluster,
    options: { readonly transactionalId: string; readonly timeoutMs: number },
  ) {
    this.#cluster = cluster
    this.#transactionalId = options.transactionalId
    this.#timeoutMs = options.timeoutMs
  }

  /**
   * A new epoch of the transactional id: fences whoever had the one before, and aborts its transaction.
   *
   * @throws {KafkaError} UNSUPPORTED_VERSION when the brokers have no transactions.
   */
  async initProducerId(transactionTimeoutMs: number): Promise<ProducerIdentity> {
    await this.#cluster.withAnyBroker(
      (connection) => Promise.resolve(expectTransactions(connection)),
      { timeoutMs: this.#timeoutMs, signal: this.#cluster.closing },
    )
    return this.#retrying('InitProducerId', async (connection, options) => {
      const transactionalId = this.#transactionalId
      const response = await connection.exchange(
        initProducerIdExchange({ transactionalId, transactionTimeoutMs }),
        options,
      )
      expectNoError(response.errorCode, 'InitProducerId')
      const { producerId, producerEpoch } = response
      return { producerId, producerEpoch, isTransactional: true }
    })
  }

  /** Before the first record of a transaction goes to a partition. */
  async addPartitions(
    { producerId, producerEpoch }: ProducerIdentity,
    partitions: readonly TopicPartition[],
  ): Promise<void> {
    const transaction = { transactionalId: this.#transactionalId, producerId, producerEpoch }
    const exchange = addPartitionsToTxnExchange(transaction, partitions)
    await this.#retrying('AddPartitionsToTxn', async (connection, options) => {
      const answers = await connection.exchange(exchange, options)
      const isLeftOut = ({ errorCode }: PartitionError) =>
        Number(errorName(errorCode) === NOT_ATTEMPTED)
      const attemptedFirst = answers.toSorted((a, b) => isLeftOut(a) - isLeftOut(b))
      for (const { topic, partition, errorCode } of attemptedFirst) {
        expectNoError(errorCode, `AddPartitionsToTxn of ${topic}-${partition}`)
      }
    })
  }

  async end(
    { producerId, producerEpoch }: ProducerIdentity,
    outcome: 'commit' | 'abort',
  ): Promise<void> {
    const transaction = { transactionalId: this.#transactionalId, producerId, producerEpoch }
    const exchange = endTxnExchange({ ...transaction, isCommitted: outcome === 'commit' })
    await this.#retrying('EndTxn', async (connection, options) => {
      expectNoError(await connection.exchange(exchange, options), `EndTxn (${outcome})`)
    })
  }

  #retrying<Result>(
    what: string,
    attempt: (connection: BrokerConnection, options: CallOptions) => Promise<Result>,
  ): Promise<Result> {
    const { closing } = this.#cluster
    return retrying(
      {
        what,
        timeoutMs: this.#timeoutMs,
        signal: closing,
        backoff: BACKOFF,
        isRetryable: ({ code, retryable }) => retryable || code === CONCURRENT,
        onRetry: ({ code }) => {
          if (COORDINATOR_LOST.has(code)) this.#coordinator = undefined
        },
      },
      async (remaining) => {
        const coordinator = await this.#findCoordinator(remaining)
        const options = {
          timeoutMs: Math.min(remaining(), this.#cluster.requestTimeoutMs),
          signal: closing,
        }
        return this.#cluster.withBroker(
          coordinator,
          (connection) => attempt(connection, options),
          options,
        )
      },
    )
  }

  async #findCoordinator(remaining: Remaining): Promise<number> {
    this.#coordinator ??= await this.#cluster.findCoordinator(
      { type: 'transaction', key: this.#transactionalId },
      { timeoutMs: remaining(), signal: this.#cluster.closing },
    )
    return this.#coordinator
  }
}

function expectTransactions(connection: BrokerConnection): void {
  if (connection.has(ADD_PARTITIONS_TO_TXN) && connection.has(END_TXN)) return
  throw new KafkaError(
    'the brokers have no transactions: AddPartitionsToTxn and EndTxn are missing',
    {
      code: 'UNSUPPORTED_VERSION',
      retryable: false,
    },
  )
}
