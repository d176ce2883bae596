import type { Clock, Random } from '@fairlead/base'
import { type LogConfig, type PartitionLog, StorageError } from '@fairlead/log'
import {
  type AlterClientQuotasRequest,
  type AlterClientQuotasResponse,
  type AlterConfigsContext,
  type AlterConfigsRequest,
  type AlterConfigsResponse,
  type BrokerSettings,
  type CreatePartitionsRequest,
  type CreatePartitionsResponse,
  type CreateTopicsRequest,
  type CreateTopicsResponse,
  type Decision,
  type DeleteTopicsRequest,
  type DeleteTopicsResponse,
  type IncrementalAlterConfigsRequest,
  type IncrementalAlterConfigsResponse,
  type MetadataImage,
  type MetadataRecord,
  type MutationQuota,
  type ProducerIdBlock,
  type TopicContext,
  PARTITIONS_MAX,
  allocateProducerIds,
  alterClientQuotas,
  alterConfigs,
  createPartitions,
  createTopic,
  createTopics,
  decodeMetadataRecord,
  deleteTopics,
  encodeMetadataRecord,
  incrementalAlterConfigs,
  leadAgain,
} from '@fairlead/metadata'
import { type Crc32c, encodeBatch } from '@fairlead/protocol'
import type { BrokerConfig } from '../config.ts'
import { problemTogether } from '../effective-config.ts'
import { append } from '../partitions/log-calls.ts'
import { logConfig } from '../partitions/log-config.ts'
import type { PartitionTable } from '../partitions/partition-table.ts'
import { replayLog } from '../partitions/replay-log.ts'
import { ChangeQueue } from './change-queue.ts'
import { forEachConcurrently } from './for-each-concurrently.ts'
import { CONSUMER_OFFSETS_CONFIGS, CONSUMER_OFFSETS_TOPIC } from './internal-topics.ts'
import { type NewPartition, newPartitions } from './new-partitions.ts'
import {
  type Say,
  type StorageFailures,
  type StorageOutcome,
  sayNotAdded,
  sayNotAltered,
  sayNotDeleted,
  sayNotLimited,
  sayNotOpened,
} from './storage-failures.ts'

/** Logs that are opened at the same time: disks like some depth, recovery needs memory for each. */
const OPEN_CONCURRENCY = 8

const STORAGE_ERROR = 'KAFKA_STORAGE_ERROR'

/** One controller, one term: there is nobody to take over. */
const CONTROLLER_EPOCH = 0

export type ControllerOptions = {
  readonly config: BrokerConfig
  readonly settings: BrokerSettings
  readonly image: MetadataImage
  readonly log: PartitionLog
  readonly partitions: PartitionTable
  /** As many as there are open files for. */
  readonly partitionsMax: number
  readonly crc32c: Crc32c
  readonly clock: Clock
  readonly random: Random
  /** Runs after the configuration of the broker changed. */
  readonly onBrokerConfigs: () => void
  /** Whether groups may still have offsets that they committed in a deleted topic of this name. */
  readonly mayHaveOffsetsOf: (topic: string) => Promise<boolean>
  /** Runs after topics were deleted, before the request is answered. */
  readonly onTopicsDeleted: (topics: readonly string[]) => Promise<void>
}

/**
 * Changes the metadata: takes one decision at a time, makes its records durable in
 * `__cluster_metadata`, opens the logs that they call for, then replays them into the image.
 *
 * Invariants: the image never shows what a crash could undo, nor a partition whose log is neither
 * open nor offline; a decision sees everything that is durable.
 */
export class Controller {
  readonly #options: ControllerOptions
  readonly #changes = new ChangeQueue()

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

  /**
   * Opens, and after a crash recovers, the log of every partition. Call it once, second. After a crash
   * each has a new leader epoch first.
   */
  async openPartitions(options: { readonly wasClean: boolean }): Promise<void> {
    if (!options.wasClean) await this.#leadAgain()
    const replicas = [...this.#options.image.topics()].flatMap((topic) =>
      topic.partitions.map((replica) => ({ topic, ...replica })),
    )
    await forEachConcurrently(replicas, OPEN_CONCURRENCY, async (replica) => {
      const { topic, partition, leaderEpoch } = replica
      const { name, topicId, configs } = topic
      await this.#open({ topic: name, topicId, partition, leaderEpoch, configs, isNew: false })
    })
  }

  /** Tries partitions again that had no room, or no file, when they were opened. */
  async openAwaited(): Promise<void> {
    const { partitions } = this.#options
    if (partitions.awaitedCount > 0) await this.#changes.run(() => partitions.openAwaited())
  }

  createTopics(request: CreateTopicsRequest, quota: MutationQuota): Promise<CreateTopicsResponse> {
    const { image } = this.#options
    const context = { ...this.#topicContext(), quota }
    return this.#change(() => createTopics(image, request, context), sayNotOpened)
  }

  /**
   * Creates the topics that a client asked about and that can exist, in one change, however many; those
   * beyond what one request may create are left alone. Returns those that the disk refused, with the
   * reason.
   */
  autoCreate(names: readonly string[], quota: MutationQuota): Promise<StorageFailures> {
    const topics = Array.from(new Set(names), (name) => ({
      name,
      numPartitions: -1,
      replicationFactor: -1,
      assignments: [],
      configs: [],
    }))
    const request = { topics, validateOnly: false, timeoutMs: 0 }
    const context = { ...this.#topicContext(), quota }
    let created: readonly string[] = []
    return this.#change<StorageFailures>(
      () => {
        const { records } = createTopics(this.#options.image, request, context)
        created = records.flatMap((record) => (record.kind === 'TopicRecord' ? [record.name] : []))
        return { records, response: new Map() }
      },
      (_response, outcome) =>
        outcome.kind === 'unwritten'
          ? new Map(created.map((name) => [name, outcome.message]))
          : outcome.failures,
    )
  }

  /**
   * Creates `__consumer_offsets`, unless it exists: also beyond `partitionsMax`, since without it there
   * are no groups at all.
   *
   * @throws {StorageError} when it cannot be created, for lack of room, or of partitions.
   */
  async createConsumerOffsets(): Promise<void> {
    const failure = await this.#createConsumerOffsets()
    // A partition that is offline is dealt with later, and alone.
    const isThere = this.#options.image.topic(CONSUMER_OFFSETS_TOPIC) !== undefined
    if (failure !== undefined && !isThere) throw new StorageError(failure, { code: STORAGE_ERROR })
  }

  createPartitions(
    request: CreatePartitionsRequest,
    quota: MutationQuota,
  ): Promise<CreatePartitionsResponse> {
    const { image, config, partitionsMax } = this.#options
    const context = { brokerId: config['node.id'], quota, partitionsMax }
    return this.#change(() => createPartitions(image, request, context), sayNotAdded)
  }

  alterConfigs(request: AlterConfigsRequest): Promise<AlterConfigsResponse> {
    return this.#change(
      () => alterConfigs(this.#options.image, request, this.#configContext()),
      sayNotAltered,
    )
  }

  incrementalAlterConfigs(
    request: IncrementalAlterConfigsRequest,
  ): Promise<IncrementalAlterConfigsResponse> {
    return this.#change(
      () => incrementalAlterConfigs(this.#options.image, request, this.#configContext()),
      sayNotAltered,
    )
  }

  alterClientQuotas(request: AlterClientQuotasRequest): Promise<AlterClientQuotasResponse> {
    return this.#change(() => alterClientQuotas(this.#options.image.quotas, request), sayNotLimited)
  }

  /** The log that everything here is decided from. */
  get metadataLog(): Pick<PartitionLog, 'leaderEpoch' | 'highWatermark' | 'logEndOffset'> {
    return this.#options.log
  }

  deleteTopics(
    request: DeleteTopicsRequest,
    given: { readonly apiVersion: number; readonly quota: MutationQuota },
  ): Promise<DeleteTopicsResponse> {
    const { image, config } = this.#options
    const context = { ...given, isDeletionEnabled: config['delete.topic.enable'] }
    return this.#change(() => deleteTopics(image, request, context), sayNotDeleted)
  }

  /** @throws {StorageError} when the disk refused it: no id may be given out then. */
  allocateProducerIds(): Promise<ProducerIdBlock> {
    const { image, config } = this.#options
    return this.#change(
      () => allocateProducerIds(image, { brokerId: config['node.id'] }),
      (block, outcome) => {
        if (outcome.kind === 'done') return block
        throw new StorageError(outcome.message, { code: STORAGE_ERROR })
      },
    )
  }

  /** Resolves when no change is under way any more. */
  async close(): Promise<void> {
    await this.#changes.idle()
  }

  /** Returns why it is not there, or not served as a whole. */
  #createConsumerOffsets(): Promise<string | undefined> {
    const { image, config } = this.#options
    const topic = {
      name: CONSUMER_OFFSETS_TOPIC,
      numPartitions: config['offsets.topic.num.partitions'],
      replicationFactor: -1,
      configs: CONSUMER_OFFSETS_CONFIGS,
    }
    return this.#change<string | undefined>(
      () => {
        const context = { ...this.#topicContext(), partitionsMax: PARTITIONS_MAX }
        const created = createTopic(image, topic, context)
        if (!created.ok) return { records: [], response: created.message }
        return { records: created.records, response: undefined }
      },
      (_response, outcome) =>
        outcome.kind === 'unwritten' ? outcome.message : outcome.failures.get(topic.name),
    )
  }

  async #leadAgain(): Promise<void> {
    const { image, config } = this.#options
    const records = leadAgain(image, { brokerId: config['node.id'] })
    if (records.length === 0) return
    try {
      await this.#append(records)
    } catch (error) {
      // On a disk without a byte left the broker starts nevertheless: it is needed to make room.
      if (error instanceof StorageError && error.code === STORAGE_ERROR) return
      throw error
    }
    for (const record of records) image.replay(record)
  }

  /** One change after the other, in the order of the calls. */
  #change<Response>(decide: () => Decision<Response>, say: Say<Response>): Promise<Response> {
    return this.#changes.run(async () => {
      const { records, response } = decide()
      return records.length > 0 ? say(response, await this.#commit(records)) : response
    })
  }

  async #commit(records: readonly MetadataRecord[]): Promise<StorageOutcome> {
    const { image, partitions, onTopicsDeleted } = this.#options
    const added = newPartitions(records, image)
    const refused = await this.#clearPlaces(added)
    if (refused.size > 0) return { kind: 'done', failures: refused }
    try {
      await this.#append(records)
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      const message = `The change could not be written: ${error.message}`
      return { kind: 'unwritten', message }
    }
    const removed = records.flatMap((record) =>
      record.kind === 'RemoveTopicRecord' ? [image.topicName(record.topicId) ?? ''] : [],
    )
    const failures = await this.#openNew(added).finally(() => {
      // What is durable is so, whatever else failed: a decision without it would contradict it.
      for (const record of records) image.replay(record)
    })
    this.#applyConfigs(records)
    for (const topic of removed) await partitions.remove(topic)
    if (removed.length > 0) await onTopicsDeleted(removed)
    return { kind: 'done', failures }
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

  /** Nothing may be created, when old records, or offsets in them, would be found in it. */
  async #clearPlaces(added: readonly NewPartition[]): Promise<StorageFailures> {
    const refused = (what: string): StorageFailures => {
      const message = `Nothing was created: ${what}. Make room, or repair the disk and restart the broker.`
      return new Map(added.map(({ topic }) => [topic, message]))
    }
    const { image, mayHaveOffsetsOf, partitions } = this.#options
    for (const { topic, partition } of added) {
      const failure = await partitions.clear(topic, partition)
      if (failure !== undefined) {
        return refused(
          `the deleted ${topic}-${partition} is still on its disk (${failure.message})`,
        )
      }
    }
    for (const topic of new Set(added.map((each) => each.topic))) {
      if (image.topic(topic) !== undefined || topic === CONSUMER_OFFSETS_TOPIC) continue
      if (await mayHaveOffsetsOf(topic)) {
        return refused(`offsets that groups committed in the deleted ${topic} are not removed yet`)
      }
    }
    return new Map()
  }

  async #openNew(added: readonly NewPartition[]): Promise<StorageFailures> {
    const failures = new Map<string, string>()
    await forEachConcurrently(added, OPEN_CONCURRENCY, async (partition) => {
      const failure = await this.#open({ ...partition, isNew: true })
      if (failure === undefined) return
      const message = `Created, but partition ${partition.partition} is not served: ${failure.message}`
      failures.set(partition.topic, message)
    })
    return failures
  }

  /** What changed takes effect on the open logs: on one topic's, or, when it was a default, on all. */
  #applyConfigs(records: readonly MetadataRecord[]): void {
    const { image, partitions, onBrokerConfigs } = this.#options
    const changed = records.filter((record) => record.kind === 'ConfigRecord')
    const concernsAll = changed.some(({ resourceType }) => resourceType === 'broker')
    if (concernsAll) onBrokerConfigs()
    const names = new Set(changed.map(({ resourceName }) => resourceName))
    const topics = concernsAll
      ? image.topics()
      : Array.from(names, (name) => image.topic(name)).filter((topic) => topic !== undefined)
    for (const { name, configs } of topics) partitions.configure(name, this.#logConfig(configs))
  }

  async #open(request: {
    readonly topic: string
    readonly topicId: string
    readonly partition: number
    readonly leaderEpoch: number
    readonly configs: ReadonlyMap<string, string>
    readonly isNew: boolean
  }): Promise<StorageError | undefined> {
    const { configs, ...which } = request
    return this.#options.partitions.open({ ...which, config: this.#logConfig(configs) })
  }

  #logConfig(topicConfigs: ReadonlyMap<string, string>): LogConfig {
    const { config, settings } = this.#options
    return logConfig(topicConfigs, settings, config)
  }

  #configContext(): AlterConfigsContext {
    const { config, settings } = this.#options
    return {
      brokerId: config['node.id'],
      broker: settings,
      problemTogether: (changed) => problemTogether(config, settings, changed),
    }
  }

  #topicContext(): TopicContext {
    const { config, random, settings, partitionsMax } = this.#options
    return { brokerId: config['node.id'], random, broker: settings, partitionsMax }
  }
}
