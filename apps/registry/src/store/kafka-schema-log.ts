import { OperationalError } from '@fairlead/base'
import {
  type Admin,
  type ClientOptions,
  type IdempotentProducer,
  KafkaError,
  type Reader,
  createAdmin,
  createClusterAdmin,
  createProducer,
  createReader,
} from '@fairlead/kafka'
import { ERROR_CODES, type EncodedRecord } from '@fairlead/schemas'
import { type TopicIdentity, entryOf, headersOf } from './log-record.ts'
import type { LogPage, SchemaLog } from './schema-log.ts'
import { StoreError } from './store-error.ts'

const PARTITION = 0
const READ_WAIT_MS = 500
const READ_BYTES = 4 * 1024 * 1024
/** What brokers without ids of topics tell. */
const NO_TOPIC_ID = '00000000-0000-0000-0000-000000000000'

export type KafkaSchemaLogOptions = ClientOptions & {
  readonly topic: string
  /** Of the topic, when this registry creates it; -1 leaves it to the broker. */
  readonly replicationFactor: number
  /** How long the producer tries to store a record before the write fails. */
  readonly deliveryTimeoutMs: number
}

/** `_schemas` on Kafka: one partition, compacted, written with acks=all by an idempotent producer. */
export class KafkaSchemaLog implements SchemaLog {
  readonly #options: KafkaSchemaLogOptions
  readonly #admin: Admin
  readonly #reader: Reader
  /** Undefined before the first write, and after a failure, which ends a producer. */
  #producer: IdempotentProducer | undefined
  #identity: TopicIdentity | undefined

  constructor(options: KafkaSchemaLogOptions) {
    this.#options = options
    this.#admin = createAdmin(options)
    this.#reader = createReader(options)
  }

  async open(): Promise<void> {
    const { topic, replicationFactor } = this.#options
    const { partitions } = await this.#admin.ensureTopic({
      topic,
      partitions: 1,
      replicationFactor,
      configs: { 'cleanup.policy': 'compact' },
    })
    if (partitions !== 1) {
      throw new OperationalError(`topic ${topic} has ${partitions} partitions: it must have 1`, {
        code: 'INVALID_SCHEMAS_TOPIC',
        retryable: false,
      })
    }
  }

  async append(
    records: readonly EncodedRecord[],
    expectedOffset: number,
  ): Promise<readonly number[]> {
    const identity = await this.#ownIdentity()
    const producer = (this.#producer ??= createProducer(this.#options))
    try {
      const locations = await producer.send(
        records.map(({ key, value }, index) => ({
          topic: this.#options.topic,
          partition: PARTITION,
          key,
          value,
          headers: headersOf(expectedOffset + index, identity),
        })),
      )
      return locations.map(({ offset }) => offset)
    } catch (error) {
      this.#producer = undefined
      // What it still has under way is judged by its expected offsets, like everything else.
      void producer.close().catch(() => undefined)
      throw isTooLarge(error) ? tooLargeError(error) : error
    }
  }

  async read(fromOffset: number, signal: AbortSignal): Promise<LogPage> {
    const target = { topic: this.#options.topic, partition: PARTITION }
    try {
      const page = await this.#reader.fetch({
        ...target,
        fromOffset,
        maxWaitMs: READ_WAIT_MS,
        maxBytes: READ_BYTES,
        signal,
      })
      const identity = await this.#ownIdentity()
      const entries = page.records.map((record) => entryOf(record, identity))
      return { entries, nextOffset: page.nextOffset }
    } catch (error) {
      if (!(error instanceof KafkaError) || error.code !== 'OFFSET_OUT_OF_RANGE') throw error
      const earliest = await this.#admin.listOffsets({ ...target, timestamp: 'earliest' })
      if (earliest > fromOffset) return { entries: [], nextOffset: earliest }
      throw new OperationalError(
        `topic ${target.topic} ends before offset ${fromOffset}, which was read already: it was replaced`,
        { code: 'SCHEMAS_TOPIC_REPLACED', retryable: false, cause: error },
      )
    }
  }

  async endOffset(): Promise<number> {
    const { topic } = this.#options
    return this.#admin.listOffsets({ topic, partition: PARTITION, timestamp: 'latest' })
  }

  async clusterId(): Promise<string | null> {
    const admin = createClusterAdmin(this.#options)
    try {
      return (await admin.describeCluster()).clusterId
    } finally {
      await admin.close()
    }
  }

  /** Asked for once: a topic that is created anew ends before what was read of the old one. */
  async #ownIdentity(): Promise<TopicIdentity> {
    if (this.#identity !== undefined) return this.#identity
    const { topic } = this.#options
    const topicId = await this.#admin.topicId(topic)
    const identity = { topic, topicId: topicId === NO_TOPIC_ID ? undefined : topicId }
    if (topicId !== undefined) this.#identity = identity
    return identity
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#producer?.close(), this.#reader.close(), this.#admin.close()])
  }
}

/** The producer's own limit, or the topic's. */
const TOO_LARGE_CODES = ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']

function isTooLarge(error: unknown): boolean {
  if (!(error instanceof KafkaError)) return false
  return error.rejectedRecords.some(({ code }) => TOO_LARGE_CODES.includes(code))
}

function tooLargeError(cause: unknown): StoreError {
  const message = 'Register operation failed because schema is too large'
  return new StoreError(message, { errorCode: ERROR_CODES.SCHEMA_TOO_LARGE, cause })
}
