import type { Random } from '@fairlead/base'
import type { ErrorCode } from '@fairlead/protocol'
import { type BrokerSettings, brokerSetting } from '../config/broker-settings.ts'
import { topicConfigsProblem } from '../config/effective-topic-config.ts'
import type { MetadataImage } from '../metadata-image.ts'
import type { MetadataRecord } from '../metadata-record.ts'
import { randomUuid } from '../random-uuid.ts'
import { newPartition } from './new-partition.ts'
import { replicasProblem } from './replicas.ts'
import { metricName, topicNameProblem } from './topic-name.ts'

/** Its log is no topic, though it lies where topics lie. */
const CLUSTER_METADATA_TOPIC = '__cluster_metadata'

/** Kafka's limit per request (`MAX_PARTITIONS_PER_BATCH`). */
export const PARTITIONS_PER_REQUEST_MAX: number = 10_000

/** Of all topics. Each has a directory, open files and a tail in memory. */
export const PARTITIONS_MAX: number = 20_000

export type TopicContext = {
  /** The only broker: every replica is here. */
  readonly brokerId: number
  readonly random: Random
  readonly broker: BrokerSettings
  /** Of all topics; `PARTITIONS_MAX` when left out. */
  readonly partitionsMax?: number
}

export type NewTopic = {
  readonly name: string
  /** -1: `num.partitions`. */
  readonly numPartitions: number
  /** -1: `default.replication.factor`. */
  readonly replicationFactor: number
  /** Broker ids by partition; empty unless the client places the replicas itself. */
  readonly assignments?: readonly {
    readonly partitionIndex: number
    readonly brokerIds: readonly number[]
  }[]
  readonly configs?: readonly { readonly name: string; readonly value: string | null }[]
}

export type CreatedTopic = {
  readonly ok: true
  readonly topicId: string
  readonly partitionCount: number
  readonly configs: ReadonlyMap<string, string>
  readonly records: readonly MetadataRecord[]
}

export type TopicRefusal = {
  readonly ok: false
  readonly errorCode: ErrorCode
  readonly message: string
}

/**
 * Decides whether one topic can be created, and its records: the topic, its configuration, then its
 * partitions, in the order of Kafka's controller. Checks are in Kafka's order too, since a request
 * with two mistakes gets the first one's error.
 */
export function createTopic(
  image: MetadataImage,
  topic: NewTopic,
  context: TopicContext,
): CreatedTopic | TopicRefusal {
  const nameRefusal = checkName(image, topic.name)
  if (nameRefusal !== undefined) return nameRefusal
  const configs = new Map<string, string>()
  const configRefusal = collectConfigs(topic, context.broker, configs)
  if (configRefusal !== undefined) return configRefusal
  const partitionCount = decidePartitionCount(topic, context)
  if (typeof partitionCount !== 'number') return partitionCount
  const { partitionsMax = PARTITIONS_MAX } = context
  if (image.partitionCount + partitionCount > partitionsMax) {
    const message = `The broker holds at most ${partitionsMax} partitions${reasonOf(partitionsMax)}.`
    return refused('POLICY_VIOLATION', message)
  }

  const topicId = randomUuid(context.random)
  const records = recordsOf({ name: topic.name, topicId, partitionCount, configs }, context)
  return { ok: true, topicId, partitionCount, configs, records }
}

/** Why it is not more. */
function reasonOf(partitionsMax: number): string {
  return partitionsMax < PARTITIONS_MAX ? ', for which its limit of open files suffices' : ''
}

function checkName(image: MetadataImage, name: string): TopicRefusal | undefined {
  if (name === CLUSTER_METADATA_TOPIC) {
    return refused('INVALID_REQUEST', `Creation of internal topic ${name} is prohibited.`)
  }
  const problem = topicNameProblem(name)
  if (problem !== undefined) return refused('INVALID_TOPIC_EXCEPTION', problem)
  if (image.topic(name) !== undefined) {
    return refused('TOPIC_ALREADY_EXISTS', `Topic '${name}' already exists.`)
  }
  const other = image.topicWithMetricName(metricName(name))
  if (other === undefined) return undefined
  const message = `Topic '${name}' collides with existing topic: ${other}`
  return refused('INVALID_TOPIC_EXCEPTION', message)
}

function collectConfigs(
  topic: NewTopic,
  broker: BrokerSettings,
  into: Map<string, string>,
): TopicRefusal | undefined {
  const nulls: string[] = []
  for (const { name, value } of topic.configs ?? []) {
    if (value === null) nulls.push(name)
    else into.set(name, value)
  }
  if (nulls.length > 0) {
    const message = `Null value not supported for topic configs: ${nulls.join(',')}`
    return refused('INVALID_CONFIG', message)
  }
  const problem = topicConfigsProblem(into, broker)
  return problem === undefined ? undefined : refused('INVALID_CONFIG', problem)
}

function decidePartitionCount(topic: NewTopic, context: TopicContext): number | TopicRefusal {
  if ((topic.assignments?.length ?? 0) > 0) return checkAssignments(topic, context)
  const { numPartitions, replicationFactor } = topic
  if (replicationFactor < -1 || replicationFactor === 0) {
    return refused(
      'INVALID_REPLICATION_FACTOR',
      'Replication factor must be larger than 0, or -1 to use the default value.',
    )
  }
  if (numPartitions < -1 || numPartitions === 0) {
    return refused(
      'INVALID_PARTITIONS',
      'Number of partitions was set to an invalid non-positive value.',
    )
  }
  if (replicationFactor > 1) {
    return refused(
      'INVALID_REPLICATION_FACTOR',
      `Unable to replicate the partition ${replicationFactor} time(s): The target replication factor of ${replicationFactor} cannot be reached because only 1 broker(s) are registered.`,
    )
  }
  const count =
    numPartitions === -1
      ? Number(brokerSetting(context.broker, 'num.partitions') ?? 1)
      : numPartitions
  return count <= PARTITIONS_PER_REQUEST_MAX ? count : tooManyPartitions()
}

/** Only one assignment is possible: each partition from 0 on, on the one broker. */
function checkAssignments(topic: NewTopic, { brokerId }: TopicContext): number | TopicRefusal {
  if (topic.replicationFactor !== -1) {
    return refused(
      'INVALID_REQUEST',
      'A manual partition assignment was specified, but replication factor was not set to -1.',
    )
  }
  if (topic.numPartitions !== -1) {
    return refused(
      'INVALID_REQUEST',
      'A manual partition assignment was specified, but numPartitions was not set to -1.',
    )
  }
  const assignments = topic.assignments ?? []
  const seen = new Set<number>()
  for (const { partitionIndex, brokerIds } of assignments) {
    const problem = seen.has(partitionIndex)
      ? `Found multiple manual partition assignments for partition ${partitionIndex}`
      : replicasProblem(brokerIds, brokerId)
    if (problem !== undefined) return refused('INVALID_REPLICA_ASSIGNMENT', problem)
    seen.add(partitionIndex)
  }
  if (assignments.some((_, partition) => !seen.has(partition))) {
    return refused(
      'INVALID_REPLICA_ASSIGNMENT',
      'partitions should be a consecutive 0-based integer sequence',
    )
  }
  return seen.size <= PARTITIONS_PER_REQUEST_MAX ? seen.size : tooManyPartitions()
}

function recordsOf(
  topic: {
    readonly name: string
    readonly topicId: string
    readonly partitionCount: number
    readonly configs: ReadonlyMap<string, string>
  },
  { brokerId }: TopicContext,
): readonly MetadataRecord[] {
  const { name, topicId, partitionCount, configs } = topic
  return [
    { kind: 'TopicRecord', name, topicId },
    ...Array.from(
      configs,
      ([key, value]): MetadataRecord => ({
        kind: 'ConfigRecord',
        resourceType: 'topic',
        resourceName: name,
        name: key,
        value,
      }),
    ),
    ...Array.from(
      { length: partitionCount },
      (_, partitionId): MetadataRecord => newPartition({ topicId, partitionId, brokerId }),
    ),
  ]
}

function tooManyPartitions(): TopicRefusal {
  return refused('POLICY_VIOLATION', 'Excessively large number of partitions per request.')
}

function refused(errorCode: ErrorCode, message: string): TopicRefusal {
  return { ok: false, errorCode, message }
}
