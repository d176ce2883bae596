import { assertNever, invariant } from '@fairlead/base'
import { QuotasImage } from './quotas/quotas-image.ts'
import { metricName } from './topics/topic-name.ts'
import type {
  ConfigRecord,
  MetadataRecord,
  PartitionChangeRecord,
  PartitionRecord,
} from './metadata-record.ts'

export type Partition = {
  /** Index in the topic, from 0 without gaps. */
  readonly partition: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  /** Broker id. */
  readonly leader: number
  readonly leaderEpoch: number
}

export type Topic = {
  readonly name: string
  readonly topicId: string
  readonly partitions: readonly Partition[]
  /** What was set for this topic (DYNAMIC_TOPIC_CONFIG); everything else is a default. */
  readonly configs: ReadonlyMap<string, string>
}

type MutableTopic = {
  readonly name: string
  readonly topicId: string
  readonly partitions: Partition[]
  readonly configs: Map<string, string>
}

/**
 * The cluster's metadata at one position of `__cluster_metadata`: topics, their configuration, that
 * of the brokers as far as it was changed, quotas of clients, and which producer ids are given out.
 *
 * Only `replay` changes it, so that a running broker and a restarted one cannot disagree.
 *
 * Invariants:
 * - a topic has exactly one id, and an id exactly one topic;
 * - the partitions of a topic are numbered from 0 without gaps;
 * - the leader epoch of a partition never goes back;
 * - no two topics differ only in `.` against `_` (their metrics would collide);
 * - `nextProducerId` never goes back: no producer id is given out twice.
 */
export class MetadataImage {
  readonly clusterId: string
  readonly quotas: QuotasImage = new QuotasImage()
  readonly #byName = new Map<string, MutableTopic>()
  readonly #byId = new Map<string, MutableTopic>()
  /** Name with `.` replaced by `_` to name. */
  readonly #byMetricName = new Map<string, string>()
  /** By broker id; the empty name is for all brokers. */
  readonly #brokerConfigs = new Map<string, Map<string, string>>()
  #partitionCount = 0
  #nextProducerId = 0

  constructor(options: { readonly clusterId: string }) {
    this.clusterId = options.clusterId
  }

  topic(name: string): Topic | undefined {
    return this.#byName.get(name)
  }

  topicById(topicId: string): Topic | undefined {
    return this.#byId.get(topicId)
  }

  /** Every topic, in the order of creation. */
  topics(): Iterable<Topic> {
    return this.#byName.values()
  }

  topicName(topicId: string): string | undefined {
    return this.#byId.get(topicId)?.name
  }

  topicId(name: string): string | undefined {
    return this.#byName.get(name)?.topicId
  }

  hasPartition(topic: string, partition: number): boolean {
    return this.#byName.get(topic)?.partitions[partition] !== undefined
  }

  /** The existing topic whose metrics would have the names of those of `name`, if any. */
  topicWithMetricName(name: string): string | undefined {
    return this.#byMetricName.get(metricName(name))
  }

  /**
   * What is set for one broker by its id, or for all by the empty name. The map lives on: a change
   * shows in it.
   */
  brokerConfigs(resourceName: string): ReadonlyMap<string, string> {
    return this.#liveBrokerConfigs(resourceName)
  }

  get topicCount(): number {
    return this.#byName.size
  }

  /** Partitions of all topics. */
  get partitionCount(): number {
    return this.#partitionCount
  }

  /** First producer id that no block holds yet. */
  get nextProducerId(): number {
    return this.#nextProducerId
  }

  /** Applies one record. Call it in log order, for each record once. */
  replay(record: MetadataRecord): void {
    switch (record.kind) {
      case 'TopicRecord':
        return this.#addTopic(record.name, record.topicId)
      case 'PartitionRecord':
        return this.#setPartition(record)
      case 'PartitionChangeRecord':
        return this.#changeLeader(record)
      case 'RemoveTopicRecord':
        return this.#removeTopic(record.topicId)
      case 'ConfigRecord':
        return this.#setConfig(record)
      case 'ProducerIdsRecord':
        invariant(record.nextProducerId > this.#nextProducerId, 'producer ids move forward')
        this.#nextProducerId = record.nextProducerId
        return
      case 'ClientQuotaRecord':
        return this.quotas.replay(record)
      default:
        assertNever(record)
    }
  }

  #addTopic(name: string, topicId: string): void {
    invariant(!this.#byName.has(name), () => `topic ${name} exists once`)
    invariant(!this.#byId.has(topicId), () => `topic id ${topicId} is given once`)
    invariant(!this.#byMetricName.has(metricName(name)), () => `${name} collides with no topic`)
    const topic = { name, topicId, partitions: [], configs: new Map<string, string>() }
    this.#byName.set(name, topic)
    this.#byId.set(topicId, topic)
    this.#byMetricName.set(metricName(name), name)
  }

  #setPartition(record: PartitionRecord): void {
    const partitions = this.#existing(record.topicId).partitions
    const { partitionId: partition, replicas, isr, leader, leaderEpoch } = record
    invariant(partition <= partitions.length, 'partitions are numbered without gaps')
    if (partition === partitions.length) this.#partitionCount += 1
    partitions[partition] = { partition, replicas, isr, leader, leaderEpoch }
  }

  #changeLeader({ topicId, partitionId, leader }: PartitionChangeRecord): void {
    const { partitions } = this.#existing(topicId)
    const partition = partitions[partitionId]
    invariant(partition !== undefined, 'a partition exists before it changes')
    partitions[partitionId] = { ...partition, leader, leaderEpoch: partition.leaderEpoch + 1 }
  }

  #removeTopic(topicId: string): void {
    const topic = this.#existing(topicId)
    this.#byName.delete(topic.name)
    this.#byId.delete(topicId)
    this.#byMetricName.delete(metricName(topic.name))
    this.#partitionCount -= topic.partitions.length
  }

  #setConfig(record: ConfigRecord): void {
    const { resourceType, resourceName, name, value } = record
    const configs =
      resourceType === 'broker'
        ? this.#liveBrokerConfigs(resourceName)
        : this.#byName.get(resourceName)?.configs
    invariant(configs !== undefined, () => `topic ${resourceName} exists before its config`)
    if (value === null) configs.delete(name)
    else configs.set(name, value)
  }

  #liveBrokerConfigs(resourceName: string): Map<string, string> {
    const configs = this.#brokerConfigs.get(resourceName) ?? new Map<string, string>()
    this.#brokerConfigs.set(resourceName, configs)
    return configs
  }

  #existing(topicId: string): MutableTopic {
    const topic = this.#byId.get(topicId)
    invariant(topic !== undefined, () => `topic id ${topicId} exists`)
    return topic
  }
}
