import { backoffDelayMs, invariant } from '@fairlead/base'
import { initProducerIdV4 } from '@platformatic/kafka'
import type { IdempotentProducer, ProducerOptions } from './clients.ts'
import { Cluster } from './cluster.ts'
import { Delivery } from './delivery.ts'
import {
  closedError,
  errorName,
  exhaustedError,
  expectNoError,
  timeoutError,
  toKafkaError,
} from './error-codes.ts'
import { KafkaError } from './kafka-error.ts'
import { partitionOfKey } from './murmur2.ts'
import { PartitionQueue, type QueuedBatch, type Rejected } from './partition-queue.ts'
import { type ProduceAnswer, produceExchange } from './produce-exchange.ts'
import { BATCH_HEADER_BYTES, recordSizeBytesMax } from './record-batch-encoder.ts'
import type { OutgoingRecord, RecordLocation } from './records.ts'
import { RETRY_BACKOFF, delay, jitter, retrying } from './retrying.ts'

/** Kafka's `delivery.timeout.ms` and `max.request.size`. */
const DELIVERY_TIMEOUT_DEFAULT_MS = 120_000
const REQUEST_SIZE_DEFAULT_BYTES = 1_048_576
/** Kafka's `buffer.memory`; a `send` beyond it waits its turn. One larger `send` passes alone. */
const BUFFER_BYTES_MAX = 33_554_432
/** How long `close` waits for unanswered sends: well within the deadline of a service's stop. */
const CLOSE_TIMEOUT_MS = 10_000
const TRANSACTION_TIMEOUT_MS = 60_000

type Owner = { readonly delivery: Delivery; readonly recordIndex: number }
type Queue = PartitionQueue<Owner>
type Flight = { readonly queue: Queue; readonly batch: QueuedBatch<Owner> }
type ProducerIdentity = { readonly producerId: number; readonly producerEpoch: number }

export function createProducer(options: ProducerOptions): IdempotentProducer {
  const producer = new Producer(options)
  return { send: (records) => producer.send(records), close: () => producer.close() }
}

/**
 * Order per partition rests on three rules: sends are admitted one after the other; a partition has
 * one batch in flight (see PartitionQueue); and after a failure that leaves a record's fate unknown
 * nothing more is sent, because what follows would overtake it.
 *
 * There is one request in flight per broker, with one batch of each of its partitions that has
 * records, so throughput comes from batches that fill while a request is on its way.
 */
class Producer {
  readonly #cluster: Cluster
  readonly #deliveryTimeoutMs: number
  readonly #requestSizeBytesMax: number
  readonly #queues = new Map<string, Queue>()
  readonly #deliveries = new Set<Delivery>()
  readonly #busyBrokers = new Set<number>()
  readonly #failureCounts = new Map<number, number>()
  readonly #roundRobin = new Map<string, number>()
  #identity: ProducerIdentity | undefined
  #admission: Promise<unknown> = Promise.resolve()
  #bufferedBytes = 0
  #roomMade: () => void = () => undefined
  #isRefreshing = false
  #refreshFailureCount = 0
  #lastError: KafkaError | undefined
  #failure: KafkaError | undefined
  #expiry: NodeJS.Timeout | undefined
  #isClosing = false

  constructor(options: ProducerOptions) {
    this.#cluster = new Cluster(options)
    this.#deliveryTimeoutMs = options.deliveryTimeoutMs ?? DELIVERY_TIMEOUT_DEFAULT_MS
    this.#requestSizeBytesMax = options.maxRequestSizeBytes ?? REQUEST_SIZE_DEFAULT_BYTES
  }

  send(records: readonly OutgoingRecord[]): Promise<readonly RecordLocation[]> {
    if (this.#isClosing) return Promise.reject(closedError())
    const delivery = new Delivery(records.length)
    this.#deliveries.add(delivery)
    const done = () => this.#deliveries.delete(delivery)
    delivery.settled.then(done, done)
    const deadlineMs = performance.now() + this.#deliveryTimeoutMs
    this.#admission = this.#admission
      .then(() => this.#admit(records, delivery, deadlineMs))
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

  async #admit(
    records: readonly OutgoingRecord[],
    delivery: Delivery,
    deadlineMs: number,
  ): Promise<void> {
    this.#identity ??= await this.#initProducerId()
    const keyless = new Map<string, number>()
    for (const topic of new Set(records.map(({ topic }) => topic))) {
      const needsCount = records.some((r) => r.topic === topic && r.partition === undefined)
      if (needsCount) await this.#loadPartitionCount(topic)
      keyless.set(topic, this.#nextRoundRobin(topic))
    }
    await this.#waitForRoom(records)
    if (this.#failure !== undefined) throw this.#failure
    const nowMs = Date.now()
    for (const [recordIndex, record] of records.entries()) {
      this.#enqueue({ ...record, timestampMs: record.timestampMs ?? nowMs }, keyless, {
        deadlineMs,
        owner: { delivery, recordIndex },
      })
    }
    this.#dispatch()
  }

  #enqueue(
    record: OutgoingRecord & { readonly timestampMs: number },
    keyless: ReadonlyMap<string, number>,
    { deadlineMs, owner }: { readonly deadlineMs: number; readonly owner: Owner },
  ): void {
    const { topic, key } = record
    const sizeBytesMax = recordSizeBytesMax(record)
    const { recordIndex, delivery } = owner
    const count = this.#cluster.partitionCount(topic)
    if (record.partition === undefined && count === undefined) {
      const code = 'INVALID_TOPIC_EXCEPTION'
      delivery.rejected({ recordIndex, code, message: `topic ${topic} cannot exist` })
      return
    }
    if (sizeBytesMax + BATCH_HEADER_BYTES > this.#requestSizeBytesMax) {
      const message = `up to ${sizeBytesMax} bytes, max.request.size is ${this.#requestSizeBytesMax}`
      delivery.rejected({ recordIndex, code: 'MESSAGE_TOO_LARGE', message })
      return
    }
    const partition =
      record.partition ??
      (key === null ? (keyless.get(topic) ?? 0) : partitionOfKey(key, count ?? 1))
    this.#bufferedBytes += sizeBytesMax
    this.#queueOf(topic, partition).enqueue({ record, sizeBytesMax, deadlineMs, owner })
  }

  #queueOf(topic: string, partition: number): Queue {
    const name = `${topic}-${partition}`
    const existing = this.#queues.get(name)
    if (existing !== undefined) return existing
    const queue = new PartitionQueue<Owner>(topic, partition)
    this.#queues.set(name, queue)
    return queue
  }

  async #initProducerId(): Promise<ProducerIdentity> {
    const what = 'InitProducerId'
    const { closing } = this.#cluster
    return retrying(
      { what, timeoutMs: this.#deliveryTimeoutMs, signal: closing },
      async (remaining) => {
        const options = { timeoutMs: remaining(), signal: closing }
        const response = await this.#cluster.withAnyBroker(
          (connection, timeoutMs) =>
            connection.call(initProducerIdV4.api, [null, TRANSACTION_TIMEOUT_MS, -1n, -1], {
              ...options,
              timeoutMs,
            }),
          options,
        )
        expectNoError(response.errorCode, what)
        return {
          producerId: Number(response.producerId),
          producerEpoch: response.producerEpoch,
        }
      },
    )
  }

  /** Leaves the count unknown only for a topic whose name is invalid. */
  async #loadPartitionCount(topic: string): Promise<void> {
    if (this.#cluster.partitionCount(topic) !== undefined) return
    const { closing } = this.#cluster
    await retrying(
      { what: `metadata of ${topic}`, timeoutMs: this.#deliveryTimeoutMs, signal: closing },
      async (remaining) => {
        await this.#cluster.refresh([topic], { timeoutMs: remaining(), signal: closing })
        if (this.#cluster.partitionCount(topic) !== undefined) return
        const code = this.#cluster.topicError(topic)
        if (code === 'INVALID_TOPIC_EXCEPTION') return
        throw new KafkaError(`topic ${topic} has no partitions: ${code}`, { code, retryable: true })
      },
    )
  }

  #nextRoundRobin(topic: string): number {
    const next = this.#roundRobin.get(topic) ?? 0
    this.#roundRobin.set(topic, next + 1)
    return next % (this.#cluster.partitionCount(topic) ?? 1)
  }

  async #waitForRoom(records: readonly OutgoingRecord[]): Promise<void> {
    const sizeBytes = records.reduce((sum, record) => sum + recordSizeBytesMax(record), 0)
    while (
      this.#failure === undefined &&
      this.#bufferedBytes > 0 &&
      this.#bufferedBytes + sizeBytes > BUFFER_BYTES_MAX
    ) {
      await new Promise<void>((resolve) => {
        this.#roomMade = resolve
      })
    }
  }

  #dispatch(): void {
    if (this.#failure !== undefined) return
    const byLeader = new Map<number, Queue[]>()
    const leaderless = new Set<string>()
    let nextDeadlineMs = Number.POSITIVE_INFINITY
    for (const queue of this.#queues.values()) {
      const { deadlineMs } = queue
      if (deadlineMs === undefined) continue
      nextDeadlineMs = Math.min(nextDeadlineMs, deadlineMs)
      const leader = this.#cluster.leaderOf(queue.topic, queue.partition)
      if (leader === undefined) leaderless.add(queue.topic)
      else if (!this.#busyBrokers.has(leader)) {
        byLeader.set(leader, [...(byLeader.get(leader) ?? []), queue])
      }
    }
    if (nextDeadlineMs <= performance.now()) {
      const error = this.#lastError ?? timeoutError('delivery', this.#deliveryTimeoutMs)
      this.#fail(exhaustedError('delivery', this.#deliveryTimeoutMs, error))
      return
    }
    this.#armExpiry(nextDeadlineMs)
    for (const [leader, queues] of byLeader) this.#run(this.#produce(leader, queues))
    if (leaderless.size > 0 && !this.#isRefreshing) this.#run(this.#refresh([...leaderless]))
  }

  /** A bug in a background task ends the producer, and with it every waiting send. */
  #run(task: Promise<void>): void {
    task.catch((error: unknown) => this.#fail(toKafkaError(error, 'the producer')))
  }

  #armExpiry(deadlineMs: number): void {
    clearTimeout(this.#expiry)
    if (deadlineMs === Number.POSITIVE_INFINITY) return
    const delayMs = Math.max(1, Math.ceil(deadlineMs - performance.now()))
    this.#expiry = setTimeout(() => this.#dispatch(), delayMs)
  }

  async #produce(leader: number, queues: readonly Queue[]): Promise<void> {
    this.#busyBrokers.add(leader)
    const flights = this.#takeBatches(queues)
    const result = await this.#request(leader, flights)
    if (this.#failure !== undefined) return
    const isSettled = flights.map((flight) => this.#settle(flight, result))
    if (isSettled.every(Boolean)) {
      this.#failureCounts.delete(leader)
    } else {
      const failureCount = (this.#failureCounts.get(leader) ?? 0) + 1
      this.#failureCounts.set(leader, failureCount)
      for (const { queue } of flights) this.#cluster.forgetLeaders(queue.topic)
      await delay(backoffDelayMs(failureCount, RETRY_BACKOFF, jitter), this.#cluster.closing)
    }
    this.#busyBrokers.delete(leader)
    this.#roomMade()
    this.#dispatch()
  }

  #takeBatches(queues: readonly Queue[]): readonly Flight[] {
    const identity = this.#identity
    invariant(identity !== undefined, 'records are queued after the producer has its id')
    const flights: Flight[] = []
    let roomBytes = this.#requestSizeBytesMax
    for (const queue of queues) {
      const batch = queue.take({ ...identity, sizeBytesMax: roomBytes })
      if (batch === undefined) continue
      roomBytes -= batch.bytes.length
      flights.push({ queue, batch })
      // Last in line next time, so that no partition starves behind full ones.
      const name = `${queue.topic}-${queue.partition}`
      this.#queues.delete(name)
      this.#queues.set(name, queue)
    }
    invariant(flights.length > 0, 'an empty request has room for every batch')
    return flights
  }

  async #request(leader: number, flights: readonly Flight[]): Promise<ProduceResult> {
    const deadlineMs = Math.min(...flights.map(({ batch }) => batch.deadlineMs))
    const remainingMs = Math.max(1, Math.ceil(deadlineMs - performance.now()))
    const timeoutMs = Math.min(this.#cluster.requestTimeoutMs, remainingMs)
    const options = { timeoutMs, signal: this.#cluster.closing }
    const partitions = flights.map(({ queue, batch }) => ({
      topic: queue.topic,
      partition: queue.partition,
      batch: batch.bytes,
    }))
    let wasSent = false
    try {
      const answers = await this.#cluster.withBroker(
        leader,
        (connection) => {
          wasSent = true
          return connection.exchange(produceExchange(partitions, timeoutMs), options)
        },
        options,
      )
      return { kind: 'answered', answers }
    } catch (thrown) {
      const error = toKafkaError(thrown, 'Produce')
      this.#note(error)
      return { kind: 'unanswered', wasSent, error }
    }
  }

  /** False when the batch has to be sent again. */
  #settle({ queue }: Flight, result: ProduceResult): boolean {
    if (result.kind === 'unanswered') {
      queue.unanswered(result.wasSent)
      if (result.error.code === 'UNSUPPORTED_VERSION') this.#fail(result.error)
      return false
    }
    const { topic, partition } = queue
    const answer = result.answers.find((a) => a.topic === topic && a.partition === partition)
    if (answer === undefined) {
      queue.unanswered(true)
      return false
    }
    const code = errorName(answer.errorCode)
    const message = answer.errorMessage ?? code
    const verdict = queue.answered({ ...answer, code, message })
    switch (verdict.kind) {
      case 'stored':
        for (const [index, { owner, sizeBytesMax }] of verdict.items.entries()) {
          const offset = answer.baseOffset < 0 ? -1 : answer.baseOffset + index
          this.#bufferedBytes -= sizeBytesMax
          owner.delivery.stored(owner.recordIndex, { topic, partition, offset })
        }
        return true
      case 'rejected':
        this.#rejectRecords(verdict.rejected)
        return true
      case 'retry':
        this.#note(new KafkaError(`${topic}-${partition}: ${message}`, { code, retryable: true }))
        return false
      case 'fatal':
        this.#fail(new KafkaError(`${topic}-${partition}: ${message}`, { code, retryable: false }))
        return true
    }
  }

  #rejectRecords(rejected: readonly Rejected<Owner>[]): void {
    for (const { item, code, message } of rejected) {
      this.#bufferedBytes -= item.sizeBytesMax
      item.owner.delivery.rejected({ recordIndex: item.owner.recordIndex, code, message })
    }
  }

  async #refresh(topics: readonly string[]): Promise<void> {
    this.#isRefreshing = true
    const { closing } = this.#cluster
    try {
      await this.#cluster.refresh(topics, {
        timeoutMs: this.#cluster.requestTimeoutMs,
        signal: closing,
      })
      for (const topic of topics) this.#rejectInvalidTopic(topic)
    } catch (error) {
      this.#note(toKafkaError(error, 'Metadata'))
    }
    const isResolved = [...this.#queues.values()].every(
      ({ topic, partition, isEmpty }) =>
        isEmpty || this.#cluster.leaderOf(topic, partition) !== undefined,
    )
    this.#refreshFailureCount = isResolved ? 0 : this.#refreshFailureCount + 1
    if (!isResolved) {
      await delay(backoffDelayMs(this.#refreshFailureCount, RETRY_BACKOFF, jitter), closing)
    }
    this.#isRefreshing = false
    this.#dispatch()
  }

  #rejectInvalidTopic(topic: string): void {
    const code = this.#cluster.topicError(topic)
    if (code !== 'INVALID_TOPIC_EXCEPTION') return
    for (const queue of this.#queues.values()) {
      if (queue.topic !== topic || !queue.isReady || queue.hasAmbiguousBatch) continue
      this.#rejectRecords(queue.rejectAll(code, `topic ${topic} cannot exist`))
    }
    this.#roomMade()
  }

  #note(error: KafkaError): void {
    this.#lastError = error
    this.#cluster.logger?.debug(
      { code: error.code, reason: error.message },
      'produce is tried again',
    )
  }

  /** The first failure is the one that every send learns. */
  #fail(error: KafkaError): void {
    this.#failure ??= error
    clearTimeout(this.#expiry)
    this.#queues.clear()
    for (const delivery of this.#deliveries) delivery.fail(this.#failure)
    this.#roomMade()
  }
}

type ProduceResult =
  | { readonly kind: 'answered'; readonly answers: readonly ProduceAnswer[] }
  | { readonly kind: 'unanswered'; readonly wasSent: boolean; readonly error: KafkaError }
