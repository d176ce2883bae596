import { invariant } from '@fairlead/base'
import { partitionOfKey } from '@fairlead/base'
import { BatchSender, type Send } from './batch-sender.ts'
import type {
  IdempotentProducer,
  ProducerOptions,
  TransactionalProducerOptions,
} from './clients.ts'
import { Cluster } from './cluster.ts'
import { Delivery } from './delivery.ts'
import { closedError, expectNoError, revokedError, toKafkaError } from './error-codes.ts'
import { KafkaError } from './kafka-error.ts'
import { PRECEDING_RECORD_REJECTED } from './partition-queue.ts'
import {
  BATCH_HEADER_BYTES,
  type Compression,
  type StampedRecord,
  recordSizeBytesMax,
} from './record-batch-encoder.ts'
import type { OutgoingRecord, RecordLocation, TopicPartition } from './records.ts'
import { RejectedKeys } from './rejected-keys.ts'
import { initProducerIdExchange } from './requests/transactions.ts'
import { delay, retrying } from './retrying.ts'
import { type ProducerIdentity, TransactionRequests } from './transaction-requests.ts'

/** Kafka's `delivery.timeout.ms` and `max.request.size`. */
const DELIVERY_TIMEOUT_DEFAULT_MS = 120_000
const REQUEST_SIZE_DEFAULT_BYTES = 1_048_576
/** Kafka's `buffer.memory`; a `send` beyond it waits its turn. One larger `send` passes alone. */
const BUFFER_BYTES_MAX = 33_554_432
/** How long `close` waits for unanswered sends: well within the deadline of a service's stop. */
const CLOSE_TIMEOUT_MS = 10_000
/** Kafka's `transaction.timeout.ms`; without a meaning outside of transactions. */
const TRANSACTION_TIMEOUT_DEFAULT_MS = 60_000
const INVALID_TOPIC = 'INVALID_TOPIC_EXCEPTION'

export function createProducer(options: ProducerOptions): IdempotentProducer {
  const producer = new Producer(options)
  return {
    send: (records, rejectedKeys) => producer.send(records, rejectedKeys),
    close: () => producer.close(),
  }
}

/**
 * Order per partition rests on three rules: sends are admitted one after the other, even while one
 * waits for room or metadata; a partition has one batch in flight (see PartitionQueue); and the
 * first failure that leaves a record's fate unknown is the last thing that happens (see BatchSender).
 *
 * With a transactional id its caller begins once, and then has one transaction after the other: its
 * partitions are told, its records sent and settled, and it is ended.
 */
export class Producer {
  readonly #cluster: Cluster
  readonly #deliveryTimeoutMs: number
  readonly #requestSizeBytesMax: number
  readonly #compression: Compression
  readonly #isPermitted: () => boolean
  readonly #transactions: Transactions | undefined
  readonly #deliveries = new Set<Delivery>()
  readonly #roundRobin = new Map<string, number>()
  #sender: BatchSender | undefined
  #identity: ProducerIdentity | undefined
  #admission: Promise<unknown> = Promise.resolve()
  #roomMade: () => void = () => undefined
  #failure: KafkaError | undefined
  #isClosing = false

  constructor(options: ProducerOptions | TransactionalProducerOptions) {
    this.#cluster = new Cluster(options)
    this.#deliveryTimeoutMs = options.deliveryTimeoutMs ?? DELIVERY_TIMEOUT_DEFAULT_MS
    this.#requestSizeBytesMax = options.maxRequestSizeBytes ?? REQUEST_SIZE_DEFAULT_BYTES
    this.#compression = options.compression ?? 'none'
    this.#isPermitted = options.isPermitted ?? (() => true)
    if (!('transactionalId' in options)) return
    const { transactionalId } = options
    this.#transactions = {
      transactionalId,
      timeoutMs: options.transactionTimeoutMs ?? TRANSACTION_TIMEOUT_DEFAULT_MS,
      requests: new TransactionRequests(this.#cluster, {
        transactionalId,
        timeoutMs: this.#deliveryTimeoutMs,
      }),
    }
  }

  /** Of a transactional producer, before everything else. */
  async begin(): Promise<void> {
    this.#sender ??= await this.#createSender()
  }

  async joinTransaction(partitions: readonly TopicPartition[]): Promise<void> {
    await this.#ofTransaction((requests, identity) => requests.addPartitions(identity, partitions))
  }

  async endTransaction(outcome: 'commit' | 'abort'): Promise<void> {
    await this.#ofTransaction((requests, identity) => requests.end(identity, outcome))
  }

  /** A failure leaves the fate of the transaction open: it is the last thing that happens. */
  async #ofTransaction(
    request: (requests: TransactionRequests, identity: ProducerIdentity) => Promise<void>,
  ): Promise<void> {
    invariant(
      this.#transactions !== undefined && this.#identity !== undefined,
      'a transactional producer begins before its first transaction',
    )
    if (this.#failure !== undefined) throw this.#failure
    if (!this.#isPermitted()) this.#fail(revokedError())
    else {
      await request(this.#transactions.requests, this.#identity).catch((error: unknown) =>
        this.#fail(toKafkaError(error, 'a transaction')),
      )
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  send(
    records: readonly OutgoingRecord[],
    rejectedKeys: RejectedKeys = new RejectedKeys(),
  ): Promise<readonly RecordLocation[]> {
    if (this.#isClosing) return Promise.reject(closedError())
    const delivery = new Delivery(records.length)
    this.#deliveries.add(delivery)
    const done = () => this.#deliveries.delete(delivery)
    delivery.settled.then(done, done)
    const deadlineMs = performance.now() + this.#deliveryTimeoutMs
    this.#admission = this.#admission
      .then(() => this.#admit(records, { delivery, deadlineMs, rejectedKeys }))
      .catch((error: unknown) => this.#fail(toKafkaError(error, 'send')))
    return delivery.settled
  }

  async close(): Promise<void> {
    this.#isClosing = true
    const timeout = new AbortController()
    const unanswered = Promise.allSettled([...this.#deliveries].map(({ settled }) => settled))
    await Promise.race([unanswered, delay(CLOSE_TIMEOUT_MS, timeout.signal)])
    timeout.abort()
    this.#fail(closedError())
    this.#cluster.close()
  }

  async #admit(records: readonly OutgoingRecord[], send: Send): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    this.#sender ??= await this.#createSender()
    // Noted here: a leader that moves while others are waited for makes the cluster forget its topic.
    const placements = new Map<string, Placement>()
    for (const topic of topicsToPlaceIn(records)) {
      const partitionCount = await this.#loadPartitionCount(topic)
      if (partitionCount === undefined) continue
      placements.set(topic, {
        partitionCount,
        keyless: this.#nextRoundRobin(topic, partitionCount),
      })
    }
    const sizesBytesMax = records.map(recordSizeBytesMax)
    await this.#waitForRoom(this.#sender, sizesBytesMax)
    if (this.#failure !== undefined) throw this.#failure
    let nextIndex = 0
    for (const record of records) {
      const recordIndex = nextIndex
      nextIndex += 1
      const partition = choosePartition(record, placements)
      const sizeBytesMax = sizesBytesMax[recordIndex] ?? 0
      const refusal = this.#refusalOf(record, partition, sizeBytesMax, send)
      if (refusal === undefined && partition !== undefined) {
        this.#sender.enqueue(partition, {
          record: stamped(record),
          sizeBytesMax,
          send,
          recordIndex,
        })
        continue
      }
      if (partition !== undefined) {
        send.rejectedKeys.add({ topic: record.topic, partition }, record.key)
      }
      send.delivery.rejected({ recordIndex, ...(refusal ?? invalidTopic(record.topic)) })
    }
    this.#sender.dispatch()
  }

  /** Why the record is not sent at all. */
  #refusalOf(
    record: OutgoingRecord,
    partition: number | undefined,
    sizeBytesMax: number,
    { rejectedKeys }: Send,
  ): Refusal | undefined {
    if (partition === undefined) return invalidTopic(record.topic)
    if (sizeBytesMax + BATCH_HEADER_BYTES > this.#requestSizeBytesMax) {
      const limit = `max.request.size is ${this.#requestSizeBytesMax}`
      return { code: 'MESSAGE_TOO_LARGE', message: `up to ${sizeBytesMax} bytes, ${limit}` }
    }
    if (rejectedKeys.isEmpty) return undefined
    if (rejectedKeys.has({ topic: record.topic, partition }, record.key)) {
      const message = 'an earlier record of this key was rejected'
      return { code: PRECEDING_RECORD_REJECTED, message }
    }
    return undefined
  }

  async #createSender(): Promise<BatchSender> {
    const transactions = this.#transactions
    const identity =
      transactions === undefined
        ? await this.#initProducerId()
        : await transactions.requests.initProducerId(transactions.timeoutMs)
    this.#identity = identity
    return new BatchSender({
      cluster: this.#cluster,
      identity,
      transactionalId: transactions?.transactionalId ?? null,
      deliveryTimeoutMs: this.#deliveryTimeoutMs,
      requestSizeBytesMax: this.#requestSizeBytesMax,
      compression: this.#compression,
      isPermitted: this.#isPermitted,
      onProgress: () => this.#roomMade(),
      onFailure: (error) => this.#fail(error),
    })
  }

  async #initProducerId(): Promise<ProducerIdentity> {
    const { closing } = this.#cluster
    const what = 'InitProducerId'
    return retrying(
      { what, timeoutMs: this.#deliveryTimeoutMs, signal: closing },
      async (remaining) => {
        const options = { timeoutMs: remaining(), signal: closing }
        const exchange = initProducerIdExchange({
          transactionalId: null,
          transactionTimeoutMs: TRANSACTION_TIMEOUT_DEFAULT_MS,
        })
        const response = await this.#cluster.withAnyBroker(
          (connection, timeoutMs) => connection.exchange(exchange, { ...options, timeoutMs }),
          options,
        )
        expectNoError(response.errorCode, what)
        const { producerId, producerEpoch } = response
        return { producerId, producerEpoch, isTransactional: false }
      },
    )
  }

  /** Undefined only for a topic whose name is invalid. */
  async #loadPartitionCount(topic: string): Promise<number | undefined> {
    const { closing } = this.#cluster
    const known = this.#cluster.partitionCount(topic)
    if (known !== undefined) return known
    return retrying(
      { what: `metadata of ${topic}`, timeoutMs: this.#deliveryTimeoutMs, signal: closing },
      async (remaining) => {
        await this.#cluster.refresh([topic], { timeoutMs: remaining(), signal: closing })
        const loaded = this.#cluster.partitionCount(topic)
        if (loaded !== undefined) return loaded
        const code = this.#cluster.topicError(topic)
        if (code === INVALID_TOPIC) return undefined
        throw new KafkaError(`topic ${topic} has no partitions: ${code}`, { code, retryable: true })
      },
    )
  }

  #nextRoundRobin(topic: string, partitionCount: number): number {
    const next = this.#roundRobin.get(topic) ?? 0
    this.#roundRobin.set(topic, next + 1)
    return next % partitionCount
  }

  async #waitForRoom(sender: BatchSender, sizesBytes: readonly number[]): Promise<void> {
    const sizeBytes = sizesBytes.reduce((sum, size) => sum + size, 0)
    while (
      this.#failure === undefined &&
      sender.bufferedBytes > 0 &&
      sender.bufferedBytes + sizeBytes > BUFFER_BYTES_MAX
    ) {
      await new Promise<void>((resolve) => {
        this.#roomMade = resolve
      })
    }
  }

  /** The first failure is the one that every send learns. */
  #fail(error: KafkaError): void {
    this.#failure ??= error
    this.#sender?.fail(this.#failure)
    for (const delivery of this.#deliveries) delivery.fail(this.#failure)
    this.#roomMade()
  }
}

type Transactions = {
  readonly transactionalId: string
  readonly timeoutMs: number
  readonly requests: TransactionRequests
}

/** Where the records of one `send` go in a topic. */
type Placement = {
  readonly partitionCount: number
  /** Of all that have no key. */
  readonly keyless: number
}

type Refusal = { readonly code: string; readonly message: string }

function invalidTopic(topic: string): Refusal {
  return { code: INVALID_TOPIC, message: `topic ${topic} cannot exist` }
}

/** The topics whose partitions must be known to place the records. */
function topicsToPlaceIn(records: readonly OutgoingRecord[]): ReadonlySet<string> {
  const topics = new Set<string>()
  for (const { topic, partition } of records) if (partition === undefined) topics.add(topic)
  return topics
}

/** Undefined when the topic has an invalid name: all others have a placement. */
function choosePartition(
  { topic, partition, key }: OutgoingRecord,
  placements: ReadonlyMap<string, Placement>,
): number | undefined {
  if (partition !== undefined) return partition
  const placement = placements.get(topic)
  if (placement === undefined) return undefined
  return key === null ? placement.keyless : partitionOfKey(key, placement.partitionCount)
}

function stamped(record: OutgoingRecord): StampedRecord {
  const { timestampMs } = record
  if (timestampMs !== undefined) return record as StampedRecord
  return { ...record, timestampMs: Date.now() }
}
