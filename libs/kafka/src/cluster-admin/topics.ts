import {
  createPartitionsV3,
  createTopicsV7,
  deleteRecordsV2,
  deleteTopicsV6,
  metadataV11,
} from '../platformatic.ts'
import type { Cluster } from '../cluster.ts'
import { expectNoError, responseError, toKafkaError } from '../error-codes.ts'
import { retrying } from '../retrying.ts'
import { outcome, toAnyBroker, toLeader } from './attempts.ts'
import type {
  ClusterDescription,
  NewTopic,
  Outcome,
  PartitionOffset,
  TopicDescription,
} from './types.ts'

const UNKNOWN_TOPIC_OR_PARTITION = 3

export async function describeCluster(cluster: Cluster): Promise<ClusterDescription> {
  const { clusterId, controllerId, brokers } = await metadata(cluster, [])
  return {
    clusterId: clusterId ?? null,
    controllerId,
    brokers: brokers
      .map(({ nodeId, host, port, rack }) => ({ brokerId: nodeId, host, port, rack: rack ?? null }))
      .toSorted((a, b) => a.brokerId - b.brokerId),
  }
}

export async function describeTopics(
  cluster: Cluster,
  topics?: readonly string[],
): Promise<readonly Outcome<TopicDescription>[]> {
  const response = await metadata(cluster, topics === undefined ? null : [...topics])
  return response.topics
    .map((topic) => {
      const name = topic.name ?? ''
      const partitions = topic.partitions
        .map((partition) => ({
          partition: partition.partitionIndex,
          leader: partition.leaderId,
          leaderEpoch: partition.leaderEpoch,
          replicas: partition.replicaNodes,
          isr: partition.isrNodes,
        }))
        .toSorted((a, b) => a.partition - b.partition)
      const { topicId, isInternal, errorCode } = topic
      const value = { topic: name, topicId, isInternal, partitions }
      return outcome({ name, errorCode }, `topic ${name}`, value)
    })
    .toSorted((a, b) => compareText(a.name, b.name))
}

export async function createTopics(
  cluster: Cluster,
  topics: readonly NewTopic[],
  options: { readonly validateOnly: boolean },
): Promise<readonly Outcome<void>[]> {
  const requests = topics.map(({ topic, partitions, replicationFactor, configs }) => ({
    name: topic,
    numPartitions: partitions,
    replicationFactor,
    assignments: [],
    configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
  }))
  const response = await toAnyBroker(cluster, 'CreateTopics', (connection, call) =>
    connection.call(createTopicsV7.api, [requests, call.timeoutMs, options.validateOnly], call),
  )
  return response.topics.map((item) => outcome(item, `creation of topic ${item.name}`, undefined))
}

export async function deleteTopics(
  cluster: Cluster,
  topics: readonly string[],
): Promise<readonly Outcome<void>[]> {
  const requests = topics.map((name) => ({ name, topicId: null }))
  const response = await toAnyBroker(cluster, 'DeleteTopics', (connection, call) =>
    connection.call(deleteTopicsV6.api, [requests, call.timeoutMs], call),
  )
  return response.responses.map((item) => {
    const name = item.name ?? ''
    return outcome({ ...item, name }, `deletion of topic ${name}`, undefined)
  })
}

export async function createPartitions(
  cluster: Cluster,
  topic: { readonly name: string; readonly count: number },
  options: { readonly validateOnly: boolean },
): Promise<void> {
  const what = `partitions of topic ${topic.name}`
  const response = await toAnyBroker(cluster, what, (connection, call) =>
    connection.call(
      createPartitionsV3.api,
      [[{ ...topic, assignments: null }], call.timeoutMs, options.validateOnly],
      call,
    ),
  )
  const [result] = response.results
  if (result === undefined) throw responseError(UNKNOWN_TOPIC_OR_PARTITION, what)
  expectNoError(result.errorCode, what, result.errorMessage)
}

export function deleteRecords(
  cluster: Cluster,
  offsets: readonly PartitionOffset[],
): Promise<readonly Outcome<number>[]> {
  return Promise.all(offsets.map((target) => deleteRecordsOf(cluster, target)))
}

async function deleteRecordsOf(
  cluster: Cluster,
  { topic, partition, offset }: PartitionOffset,
): Promise<Outcome<number>> {
  const name = `${topic}-${partition}`
  const what = `deletion of records of ${name}`
  const topics = [
    { name: topic, partitions: [{ partitionIndex: partition, offset: BigInt(offset) }] },
  ]
  try {
    const response = await toLeader(cluster, { topic, partition, what }, (connection, call) =>
      connection.call(deleteRecordsV2.api, [topics, call.timeoutMs], call),
    )
    const answer = response.topics[0]?.partitions[0]
    if (answer === undefined) throw responseError(UNKNOWN_TOPIC_OR_PARTITION, what)
    const { errorCode } = answer
    return outcome({ name, errorCode }, what, Number(answer.lowWatermark))
  } catch (error) {
    return { ok: false, name, error: toKafkaError(error, what) }
  }
}

/** A broker answers a topic as unknown while it is creating it. */
const AUTO_CREATION_TIMEOUT_MS = 5_000

export async function useTopic(cluster: Cluster, topic: string): Promise<void> {
  const what = `topic ${topic}`
  const timeoutMs = Math.min(AUTO_CREATION_TIMEOUT_MS, cluster.requestTimeoutMs)
  await retrying({ what, timeoutMs, signal: cluster.closing }, async () => {
    const response = await metadata(cluster, [topic], true)
    const errorCode = response.topics[0]?.errorCode ?? UNKNOWN_TOPIC_OR_PARTITION
    expectNoError(errorCode, what)
  })
}

function metadata(cluster: Cluster, topics: string[] | null, mayCreate = false) {
  return toAnyBroker(cluster, 'Metadata', (connection, call) =>
    connection.call(metadataV11.api, [topics, mayCreate, false], call),
  )
}

/** By code units, so that the order is the same everywhere. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
