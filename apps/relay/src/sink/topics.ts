import { EVENT_HEADERS } from '@fairlead/base'
import { SOURCE_HEADER, parsePosition } from '@fairlead/cdc'
import type { Admin, IncomingRecord, Reader } from '@fairlead/kafka'
import { SessionFailure } from '../session-failure.ts'
import { PartitionTail } from './partition-tail.ts'

/** A topic as one session knows it. */
export type Topic = {
  /** By partition. */
  readonly tails: readonly PartitionTail[]
  /** `max.message.bytes`: the largest batch that the broker takes. */
  readonly messageBytesMax: number
}

export type TopicsOptions = {
  readonly admin: Admin
  readonly reader: Reader
  /** Only records of this source are compared, see {@link SOURCE_HEADER}. */
  readonly source: string
  readonly partitions: number
  readonly replicationFactor: number
  /** How many of the last records of a partition are read: at least what is sent at a time. */
  readonly tailRecordCount: number
}

/** More topics than a sensible outbox has. Beyond, they are forgotten and read again. */
const TOPICS_MAX = 10_000
const FETCH_MAX_BYTES = 1_048_576
const FETCH_WAIT_MS = 5_000
/** Kafka's default of `max.message.bytes`. */
const MESSAGE_BYTES_DEFAULT = 1_048_588

/**
 * The target topics of a session: created when absent, and their tails read once, before the first
 * event goes there. A new session starts anew, since what the former one wrote is in the tails.
 */
export class Topics {
  readonly #options: TopicsOptions
  readonly #topics = new Map<string, Topic>()

  constructor(options: TopicsOptions) {
    this.#options = options
  }

  /** What is known without asking the brokers. */
  known(name: string): Topic | undefined {
    return this.#topics.get(name)
  }

  /** @throws {KafkaError} */
  async open(name: string): Promise<Topic> {
    const { admin, partitions, replicationFactor } = this.#options
    const ensured = await admin.ensureTopic({ topic: name, partitions, replicationFactor })
    const configs = await admin.describeTopicConfigs(name)
    const tails = await Promise.all(
      Array.from({ length: ensured.partitions }, (_, partition) =>
        ensured.created ? Promise.resolve(new PartitionTail()) : this.#readTail(name, partition),
      ),
    )
    const messageBytesMax = Number(configs.get('max.message.bytes') ?? MESSAGE_BYTES_DEFAULT)
    const topic = { tails, messageBytesMax }
    if (this.#topics.size >= TOPICS_MAX) this.#topics.clear()
    this.#topics.set(name, topic)
    return topic
  }

  async #readTail(topic: string, partition: number): Promise<PartitionTail> {
    const { admin, reader, tailRecordCount } = this.#options
    const tail = new PartitionTail()
    const end = await admin.listOffsets({ topic, partition, timestamp: 'latest' })
    const start = await admin.listOffsets({ topic, partition, timestamp: 'earliest' })
    let fromOffset = Math.max(start, end - tailRecordCount)
    while (fromOffset < end) {
      const fetched = await reader.fetch({
        topic,
        partition,
        fromOffset,
        maxWaitMs: FETCH_WAIT_MS,
        maxBytes: FETCH_MAX_BYTES,
      })
      for (const record of fetched.records) {
        const position = this.#positionOf(record)
        if (position !== undefined) tail.add(position)
      }
      // An incomplete tail would let what lies behind it be published twice.
      if (fetched.nextOffset <= fromOffset) throw unreadableTail(topic, partition, fromOffset)
      fromOffset = fetched.nextOffset
    }
    return tail
  }

  #positionOf(record: IncomingRecord) {
    if (headerText(record, SOURCE_HEADER) !== this.#options.source) return undefined
    return parsePosition(
      headerText(record, EVENT_HEADERS.commitLsn),
      headerText(record, EVENT_HEADERS.commitIndex),
    )
  }
}

const TEXT = new TextDecoder()

function headerText(record: IncomingRecord, name: string): string | undefined {
  const value = record.headers.find(([key]) => key === name)?.[1]
  return value === undefined || value === null ? undefined : TEXT.decode(value)
}

function unreadableTail(topic: string, partition: number, offset: number): SessionFailure {
  const reason = `${topic}-${partition} gives nothing at offset ${offset}, before its end`
  return new SessionFailure({ kind: 'sink-failed', code: 'TAIL_UNREADABLE', reason })
}
