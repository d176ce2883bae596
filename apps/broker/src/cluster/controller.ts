import type { Clock, Random } from '@fairlead/base'
import { type PartitionLog, StorageError } from '@fairlead/log'
import {
  type BrokerSettings,
  type CreateTopicsRequest,
  type CreateTopicsResponse,
  type Decision,
  type DeleteTopicsRequest,
  type DeleteTopicsResponse,
  type MetadataImage,
  type MetadataRecord,
  type ProducerIdBlock,
  type Topic,
  type TopicContext,
  allocateProducerIds,
  createTopic,
  createTopics,
  decodeMetadataRecord,
  deleteTopics,
  encodeMetadataRecord,
} from '@fairlead/metadata'
import { type Crc32c, encodeBatch } from '@fairlead/protocol'
import type { BrokerConfig } from '../config.ts'
import { append } from '../partitions/log-calls.ts'
import { logConfig } from '../partitions/log-config.ts'
import type { PartitionTable } from '../partitions/partition-table.ts'
import { replayLog } from '../partitions/replay-log.ts'
import { forEachConcurrently } from './for-each-concurrently.ts'
import { CONSUMER_OFFSETS_CONFIGS, CONSUMER_OFFSETS_TOPIC } from './internal-topics.ts'

/** Logs that are opened at the same time: disks like some depth, recovery needs memory for each. */
const OPEN_CONCURRENCY = 8

/** One controller, one term: there is nobody to take over. */
const CONTROLLER_EPOCH = 0

export type ControllerOptions = {
  readonly config: BrokerConfig
  readonly settings: BrokerSettings
  readonly image: MetadataImage
  readonly log: PartitionLog
  readonly partitions: PartitionTable
  readonly crc32c: Crc32c
  readonly clock: Clock
  readonly random: Random
  /** Runs after topics were deleted, before the request is answered. */
  readonly onTopicsDeleted: (topics: readonly string[]) => Promise<void>
}

/**
 * Changes the metadata: takes one decision at a time, makes its records durable in
 * `__cluster_metadata`, opens the logs that they call for, then replays them into the image.
 *
 * Invariants: the image never shows what a crash could undo, nor a partition without a log; a
 * decision sees everything that the one before it changed.
 */
export class Controller {
  readonly #options: ControllerOptions
  #queue: Promise<unknown> = Promise.resolve()

  constructor(options: ControllerOptions) {
    this.#options = options
  }

  /** Replays the metadata log. Call it once, first. */
  async loadMetadata(): Promise<void> {
    const { image, log } = this.#options
    await replayLog(log, ({ value }) => {
      if (value !== null) image.replay(decodeMetadataRecord(value))
    })
  }

  /** Opens, and after a crash recovers, the log of every partition. Call it once, second. */
  async openPartitions(): Promise<void> {
    for (const topic of this.#options.image.topics()) await this.#openPartitions(topic)
  }

  createTopics(request: CreateTopicsRequest): Promise<CreateTopicsResponse> {
    const { image } = this.#options
    return this.#change(() => createTopics(image, request, this.#topicContext()))
  }

  /** Creates the topics that a client asked about and that can exist; others are left alone. */
  async autoCreate(names: readonly string[]): Promise<void> {
    for (const name of new Set(names)) {
      if (name === CONSUMER_OFFSETS_TOPIC) await this.createConsumerOffsets()
      else await this.#createOne({ name, numPartitions: -1, configs: [] })
    }
  }

  /** Creates `__consumer_offsets`, unless it exists. */
  createConsumerOffsets(): Promise<void> {
    const numPartitions = this.#options.config['offsets.topic.num.partitions']
    const name = CONSUMER_OFFSETS_TOPIC
    return this.#createOne({ name, numPartitions, configs: CONSUMER_OFFSETS_CONFIGS })
  }

  deleteTopics(request: DeleteTopicsRequest, apiVersion: number): Promise<DeleteTopicsResponse> {
    const { image, config } = this.#options
    const isDeletionEnabled = config['delete.topic.enable']
    return this.#change(() => deleteTopics(image, request, { apiVersion, isDeletionEnabled }))
  }

  allocateProducerIds(): Promise<ProducerIdBlock> {
    const { image, config } = this.#options
    return this.#change(() => allocateProducerIds(image, { brokerId: config['node.id'] }))
  }

  /** Resolves when no change is under way any more. */
  async close(): Promise<void> {
    await this.#queue
  }

  #createOne(topic: {
    readonly name: string
    readonly numPartitions: number
    readonly configs: readonly { readonly name: string; readonly value: string }[]
  }): Promise<void> {
    return this.#change(() => {
      const { image } = this.#options
      const created = createTopic(image, { ...topic, replicationFactor: -1 }, this.#topicContext())
      return { records: created.ok ? created.records : [], response: undefined }
    })
  }

  /** One change after the other, in the order of the calls. */
  #change<Response>(decide: () => Decision<Response>): Promise<Response> {
    const change = this.#queue.then(async () => {
      const { records, response } = decide()
      if (records.length > 0) await this.#commit(records)
      return response
    })
    this.#queue = change.catch(() => {})
    return change
  }

  async #commit(records: readonly MetadataRecord[]): Promise<void> {
    const { image, partitions, onTopicsDeleted } = this.#options
    await this.#append(records)
    const removed = records.flatMap((record) =>
      record.kind === 'RemoveTopicRecord' ? [image.topicName(record.topicId) ?? ''] : [],
    )
    await this.#openNewPartitions(records)
    for (const record of records) image.replay(record)
    for (const topic of removed) await partitions.remove(topic)
    if (removed.length > 0) await onTopicsDeleted(removed)
  }

  async #append(records: readonly MetadataRecord[]): Promise<void> {
    const { log, clock, crc32c } = this.#options
    const timestampMs = clock.wallNowMs()
    const batch = encodeBatch(
      {
        records: records.map((record) => ({
          key: null,
          value: encodeMetadataRecord(record),
          headers: [],
          timestampMs,
        })),
      },
      crc32c,
    )
    const result = await append(log, batch, {
      leaderEpoch: CONTROLLER_EPOCH,
      nowMs: timestampMs,
      origin: 'coordinator',
    })
    if (!result.ok) throw new StorageError(result.message, { code: result.errorCode })
  }

  async #openNewPartitions(records: readonly MetadataRecord[]): Promise<void> {
    const topics = new Map<string, { name: string; configs: Map<string, string> }>()
    const byName = new Map<string, Map<string, string>>()
    for (const record of records) {
      if (record.kind === 'TopicRecord') {
        const configs = new Map<string, string>()
        topics.set(record.topicId, { name: record.name, configs })
        byName.set(record.name, configs)
      } else if (record.kind === 'ConfigRecord' && record.value !== null) {
        byName.get(record.resourceName)?.set(record.name, record.value)
      }
    }
    const opened = records.filter((record) => record.kind === 'PartitionRecord')
    await forEachConcurrently(opened, OPEN_CONCURRENCY, async (record) => {
      const topic = topics.get(record.topicId)
      if (topic === undefined) return
      const { partitionId: partition, leaderEpoch } = record
      await this.#open({ topic: topic.name, partition, leaderEpoch, configs: topic.configs })
    })
  }

  async #openPartitions({ name: topic, configs, partitions }: Topic): Promise<void> {
    await forEachConcurrently(partitions, OPEN_CONCURRENCY, ({ partition, leaderEpoch }) =>
      this.#open({ topic, partition, leaderEpoch, configs }),
    )
  }

  async #open(request: {
    readonly topic: string
    readonly partition: number
    readonly leaderEpoch: number
    readonly configs: ReadonlyMap<string, string>
  }): Promise<void> {
    const { config, settings, partitions } = this.#options
    const { configs, ...which } = request
    await partitions.open({ ...which, config: logConfig(configs, settings, config) })
  }

  #topicContext(): TopicContext {
    const { config, random, settings } = this.#options
    return { brokerId: config['node.id'], random, broker: settings }
  }
}
