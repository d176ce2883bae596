import { type EventPosition, comparePositions } from '@fairlead/cdc'
import type { Admin, Reader } from '@fairlead/kafka'
import { type BatchBounds, inFlightMax } from './event-size.ts'
import { inParallel } from './in-parallel.ts'
import { PartitionTail } from './partition-tail.ts'
import { readTail } from './read-tail.ts'
import type { TopicCreation } from './topic-creation.ts'
import type { TailStore } from './tail-store.ts'

export type TopicsOptions = {
  readonly admin: Admin
  readonly reader: Reader
  /** Only records of this source are compared, see {@link SOURCE_HEADER}. */
  readonly source: string
  /** How those are made that are not there. */
  readonly creation: TopicCreation
  /** Of these one has a single partition when the relay makes it, so that it is in commit order. */
  readonly singlePartitionTopic: string | undefined
  /** Bounds of what is sent at a time: so much of a partition's end is read. */
  readonly batches: BatchBounds
  /** Values are encoded after the size of a batch is known: those in the topic do not tell it. */
  readonly isEncoded: boolean
  /** What former sessions of this process have read. */
  readonly tails: TailStore
}

/** More topics than a sensible outbox has. Beyond, they are forgotten and read again. */
const TOPICS_MAX = 10_000
/**
 * A relay that died may have left a request on its way to the broker, whose bytes the broker has not
 * read yet. They arrive before this time after the broker has answered us, since both go through one
 * event loop. A network or a broker that holds it back for longer makes its events appear twice:
 * docs/relay-faults.md says what to do where that matters.
 */
const SETTLE_MS = 250
/** Of one topic: partitions whose tails are read at a time. Each answer takes a megabyte and more. */
const PARTITIONS_AT_ONCE = 4
/** Kafka's default of `max.message.bytes`. */
const MESSAGE_BYTES_DEFAULT = 1_048_588

export function partitionFault(name: string, partition: number, topic: Topic): string {
  return `${name} has ${topic.partitionCount} partitions, and none is ${partition}`
}

/** A topic as one session knows it. Events are asked for in commit order. */
export class Topic {
  readonly partitionCount: number
  /** `max.message.bytes`: the largest batch that the broker takes, when it was last asked. */
  messageBytesMax: number
  /** By partition; empty as soon as nothing that comes can be in them. */
  #tails: readonly PartitionTail[]
  readonly #newest: EventPosition | undefined
  readonly #publishedUntil: EventPosition | undefined

  constructor(
    tails: readonly PartitionTail[],
    messageBytesMax: number,
    publishedUntil?: EventPosition,
  ) {
    this.#publishedUntil = publishedUntil
    this.partitionCount = tails.length
    this.messageBytesMax = messageBytesMax
    this.#tails = tails
    this.#newest = tails
      .flatMap(({ newest }) => (newest === undefined ? [] : [newest]))
      .sort(comparePositions)
      .at(-1)
  }

  /**
   * Whether the event was published before. All partitions are asked: with another count of them,
   * its key belonged to another one.
   */
  holds(position: EventPosition, partition: number): boolean {
    if (this.#publishedUntil !== undefined) {
      return comparePositions(position, this.#publishedUntil) <= 0
    }
    if (this.#newest === undefined || comparePositions(position, this.#newest) > 0) {
      this.#tails = []
      return false
    }
    return (
      this.#tails[partition]?.holds(position) === true ||
      this.#tails.some((tail) => tail.includes(position))
    )
  }
}

/**
 * The target topics of a session: created when absent, and their tails read once, before the first
 * event goes there. A new session starts anew, since what the former one wrote is in the tails.
 */
export class Topics {
  readonly #options: TopicsOptions
  readonly #topics = new Map<string, Topic>()
  readonly #opening = new Map<string, Promise<Topic>>()
  #settled: Promise<void> | undefined
  #publishedUntil: EventPosition | undefined

  constructor(options: TopicsOptions) {
    this.#options = options
  }

  /** Where a position says what is published, topics are not asked. Before the first of them is opened. */
  publishedUntil(position: EventPosition | undefined): void {
    this.#publishedUntil = position
  }

  /** What is known without asking the brokers. */
  known(name: string): Topic | undefined {
    return this.#topics.get(name)
  }

  /** @throws {KafkaError} */
  async open(name: string): Promise<Topic> {
    const opening = this.#opening.get(name) ?? this.#open(name)
    this.#opening.set(name, opening)
    try {
      return await opening
    } finally {
      this.#opening.delete(name)
    }
  }

  async #open(name: string): Promise<Topic> {
    const { admin, creation, singlePartitionTopic } = this.#options
    const settings = creation.settingsOf(name)
    const partitions = name === singlePartitionTopic ? 1 : settings.partitions
    const ensured = await admin.ensureTopic({ topic: name, ...settings, partitions })
    const messageBytesMax = await this.#messageBytesMax(name)
    const tails = await this.#tailsOf(name, ensured)
    const topic = new Topic(tails, messageBytesMax, this.#publishedUntil)
    if (this.#topics.size >= TOPICS_MAX) this.#topics.clear()
    this.#topics.set(name, topic)
    return topic
  }

  /** Asks the brokers again, since it may have been raised. @throws {KafkaError} */
  async refreshLimit(name: string): Promise<void> {
    const topic = this.#topics.get(name)
    if (topic !== undefined) topic.messageBytesMax = await this.#messageBytesMax(name)
  }

  async #messageBytesMax(name: string): Promise<number> {
    const configs = await this.#options.admin.describeTopicConfigs(name)
    return Number(configs.get('max.message.bytes') ?? MESSAGE_BYTES_DEFAULT)
  }

  async #tailsOf(
    name: string,
    topic: { readonly created: boolean; readonly partitions: number },
  ): Promise<readonly PartitionTail[]> {
    if (this.#publishedUntil === undefined) {
      this.#settled ??= new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
      await this.#settled
    }
    return inParallel(
      PARTITIONS_AT_ONCE,
      Array.from({ length: topic.partitions }).keys(),
      (partition) => this.#tailOf(name, partition, topic.created),
    )
  }

  async #tailOf(topic: string, partition: number, isNew: boolean): Promise<PartitionTail> {
    const { tails, source, batches, isEncoded } = this.#options
    if (isNew) tails.forget(source, topic, partition)
    if (isNew || this.#publishedUntil !== undefined) {
      return new PartitionTail([], { holdsEarlier: false })
    }
    const { records, bytes } = inFlightMax(batches)
    const request = {
      ...this.#options,
      topic,
      partition,
      tailRecordCount: records,
      ...(!isEncoded && { tailBytes: bytes, countedBytesMax: batches.batchBytesMax }),
    }
    return readTail(request, tails.of(source, topic, partition))
  }
}
