import { backoffDelayMs, invariant } from '@fairlead/base'
import type { Cluster } from './cluster.ts'
import type { Delivery } from './delivery.ts'
import {
  errorName,
  exhaustedError,
  revokedError,
  timeoutError,
  toKafkaError,
} from './error-codes.ts'
import { KafkaError } from './kafka-error.ts'
import {
  PartitionQueue,
  type QueuedBatch,
  type QueuedRecord,
  type QueuedSend,
  type Rejected,
} from './partition-queue.ts'
import { type ProduceAnswer, produceExchange } from './requests/produce.ts'
import type { Compression } from './record-batch-encoder.ts'
import type { ProducerIdentity } from './transaction-requests.ts'
import { RETRY_BACKOFF, delay, jitter } from './retrying.ts'

export type Send = QueuedSend & { readonly delivery: Delivery }
type Queue = PartitionQueue<Send>

/** Failures of a request that no other attempt would cure. */
const FINAL_CODES: ReadonlySet<string> = new Set(['UNSUPPORTED_VERSION', 'REVOKED'])

type Flight = { readonly queue: Queue; readonly batch: QueuedBatch<Send> }

export type BatchSenderOptions = {
  readonly cluster: Cluster
  readonly identity: ProducerIdentity
  readonly transactionalId: string | null
  readonly deliveryTimeoutMs: number
  readonly requestSizeBytesMax: number
  readonly compression: Compression
  /** See `ProducerOptions`. */
  readonly isPermitted: () => boolean
  /** Some records have left the buffer. */
  readonly onProgress: () => void
  readonly onFailure: (error: KafkaError) => void
}

/**
 * Carries queued records to the leaders of their partitions, for one producer id.
 *
 * There is one request in flight per broker, with one batch of each of its partitions that has
 * records, so throughput comes from batches that fill while a request is on its way. After a failure
 * that leaves a record's fate unknown nothing more is sent: what follows would overtake it.
 */
export class BatchSender {
  readonly #options: BatchSenderOptions
  readonly #cluster: Cluster
  /** In the order in which they have their turn. */
  readonly #queues = new Set<Queue>()
  /** By topic and partition: a record is placed without a name to be put together for it. */
  readonly #places = new Map<string, Map<number, Queue>>()
  readonly #busyBrokers = new Set<number>()
  readonly #failureCounts = new Map<number, number>()
  #bufferedBytes = 0
  #isRefreshing = false
  #refreshFailureCount = 0
  #lastError: KafkaError | undefined
  #isFailed = false
  #expiry: NodeJS.Timeout | undefined

  constructor(options: BatchSenderOptions) {
    this.#options = options
    this.#cluster = options.cluster
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  enqueue(partition: number, item: QueuedRecord<Send>): void {
    this.#bufferedBytes += item.sizeBytesMax
    this.#queueOf(item.record.topic, partition).enqueue(item)
  }

  /** Sends what can be sent now; called again by every answer and deadline. */
  dispatch(): void {
    if (this.#isFailed) return
    if (!this.#options.isPermitted()) {
      this.fail(revokedError())
      return
    }
    const byLeader = new Map<number, Queue[]>()
    const leaderless = new Set<string>()
    let nextDeadlineMs = Number.POSITIVE_INFINITY
    for (const queue of this.#queues) {
      const { deadlineMs } = queue
      if (deadlineMs === undefined) continue
      nextDeadlineMs = Math.min(nextDeadlineMs, deadlineMs)
      const leader = this.#cluster.leaderOf(queue.topic, queue.partition)
      if (leader === undefined) leaderless.add(queue.topic)
      else if (!this.#busyBrokers.has(leader)) {
        const ofLeader = byLeader.get(leader)
        if (ofLeader === undefined) byLeader.set(leader, [queue])
        else ofLeader.push(queue)
      }
    }
    if (nextDeadlineMs <= performance.now()) {
      const error = this.#lastError ?? timeoutError('delivery', this.#options.deliveryTimeoutMs)
      this.fail(exhaustedError('delivery', this.#options.deliveryTimeoutMs, error))
      return
    }
    this.#armExpiry(nextDeadlineMs)
    for (const [leader, queues] of byLeader) this.#run(this.#produce(leader, queues))
    if (leaderless.size > 0 && !this.#isRefreshing) this.#run(this.#refresh([...leaderless]))
  }

  /** A bug in a background task ends the producer, and with it every waiting send. */
  #run(task: Promise<void>): void {
    task.catch((error: unknown) => this.fail(toKafkaError(error, 'the producer')))
  }

  #armExpiry(deadlineMs: number): void {
    clearTimeout(this.#expiry)
    if (deadlineMs === Number.POSITIVE_INFINITY) return
    const delayMs = Math.max(1, Math.ceil(deadlineMs - performance.now()))
    this.#expiry = setTimeout(() => this.dispatch(), delayMs)
  }

  async #produce(leader: number, queues: readonly Queue[]): Promise<void> {
    this.#busyBrokers.add(leader)
    const flights = this.#takeBatches(queues)
    const result = await this.#request(leader, flights)
    if (this.#isFailed) return
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
    this.#options.onProgress()
    this.dispatch()
  }

  #takeBatches(queues: readonly Queue[]): readonly Flight[] {
    const flights: Flight[] = []
    const { identity, compression, requestSizeBytesMax } = this.#options
    let roomBytes = requestSizeBytesMax
    for (const queue of queues) {
      const batch = queue.take({ ...identity, compression, sizeBytesMax: roomBytes })
      if (batch === undefined) continue
      roomBytes -= batch.bytes.length
      flights.push({ queue, batch })
      // Last in line next time, so that no partition starves behind full ones.
      this.#queues.delete(queue)
      this.#queues.add(queue)
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
    const { transactionalId } = this.#options
    let wasSent = false
    try {
      const answers = await this.#cluster.withBroker(
        leader,
        (connection) => {
          if (!this.#options.isPermitted()) throw revokedError()
          wasSent = true
          return connection.exchange(
            produceExchange(partitions, { timeoutMs, transactionalId }),
            options,
          )
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
      if (FINAL_CODES.has(result.error.code)) this.fail(result.error)
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
        let offset = answer.baseOffset
        for (const { send, recordIndex, sizeBytesMax } of verdict.items) {
          this.#bufferedBytes -= sizeBytesMax
          send.delivery.stored(recordIndex, { topic, partition, offset })
          if (offset >= 0) offset += 1
        }
        return true
      case 'rejected':
        this.#rejectRecords(verdict.rejected)
        return true
      case 'retry':
        this.#note(new KafkaError(`${topic}-${partition}: ${message}`, { code, retryable: true }))
        return false
      case 'fatal':
        this.fail(new KafkaError(`${topic}-${partition}: ${message}`, { code, retryable: false }))
        return true
    }
  }

  #rejectRecords(rejected: readonly Rejected<Send>[]): void {
    for (const { item, code, message } of rejected) {
      this.#bufferedBytes -= item.sizeBytesMax
      item.send.delivery.rejected({ recordIndex: item.recordIndex, code, message })
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
    const isResolved = [...this.#queues].every(
      ({ topic, partition, isEmpty }) =>
        isEmpty || this.#cluster.leaderOf(topic, partition) !== undefined,
    )
    this.#refreshFailureCount = isResolved ? 0 : this.#refreshFailureCount + 1
    if (!isResolved) {
      await delay(backoffDelayMs(this.#refreshFailureCount, RETRY_BACKOFF, jitter), closing)
    }
    this.#isRefreshing = false
    this.dispatch()
  }

  #rejectInvalidTopic(topic: string): void {
    const code = this.#cluster.topicError(topic)
    if (code !== 'INVALID_TOPIC_EXCEPTION') return
    for (const queue of this.#queues) {
      if (queue.topic !== topic || !queue.isReady || queue.hasAmbiguousBatch) continue
      this.#rejectRecords(queue.rejectAll(code, `topic ${topic} cannot exist`))
    }
    this.#options.onProgress()
  }

  #note(error: KafkaError): void {
    this.#lastError = error
    this.#cluster.logger?.debug(
      { code: error.code, reason: error.message },
      'produce is tried again',
    )
  }

  /** Nothing is sent any more. Only the first failure is told. */
  fail(error: KafkaError): void {
    if (this.#isFailed) return
    this.#isFailed = true
    clearTimeout(this.#expiry)
    this.#queues.clear()
    this.#places.clear()
    this.#bufferedBytes = 0
    this.#options.onFailure(error)
  }

  #queueOf(topic: string, partition: number): Queue {
    const existing = this.#places.get(topic)?.get(partition)
    if (existing !== undefined) return existing
    const queue = new PartitionQueue<Send>(topic, partition)
    this.#queues.add(queue)
    const ofTopic = this.#places.get(topic) ?? new Map<number, Queue>()
    this.#places.set(topic, ofTopic.set(partition, queue))
    return queue
  }
}

type ProduceResult =
  | { readonly kind: 'answered'; readonly answers: readonly ProduceAnswer[] }
  | { readonly kind: 'unanswered'; readonly wasSent: boolean; readonly error: KafkaError }
