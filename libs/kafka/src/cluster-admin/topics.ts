import type { Cluster } from '../cluster.ts'
import { expectNoError, responseError, toKafkaError } from '../error-codes.ts'
import { metadataExchange } from '../requests/metadata.ts'
import { createTopicsExchange, deleteTopicsExchange } from '../requests/topics.ts'
import { retrying } from '../retrying.ts'
import { outcome, toAnyBroker, toLeader } from './attempts.ts'
import { compareText } from './compare-text.ts'
import { createPartitionsV3, deleteRecordsV2, packageExchange } from './platformatic-apis.ts'
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
    clusterId,
    controllerId,
    brokers: brokers
      .map(({ nodeId, host, port, rack }) => ({ brokerId: nodeId, host, port, rack }))
      .toSorted((a, b) => a.brokerId - b.brokerId),
  }
}

export async function describeTopics(
  cluster: Cluster,
  topics?: readonly string[],
): Promise<readonly Outcome<TopicDescription>[]> {
  const response = await metadata(cluster, topics ?? null)
  return response.topics
    .map((topic) => {
      const partitions = topic.partitions
        .map((partition) => ({
          partition: partition.partitionIndex,
          leader: partition.leaderId,
          leaderEpoch: partition.leaderEpoch,
          replicas: partition.replicaNodes,
          isr: partition.isrNodes,
        }))
        .toSorted((a, b) => a.partition - b.partition)
      const { name, topicId, isInternal, errorCode } = topic
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
    configs,
  }))
  const response = await toAnyBroker(cluster, 'CreateTopics', (connection, call) =>
    connection.exchange(
      createTopicsExchange({ topics: requests, timeoutMs: call.timeoutMs, ...options }),
      call,
    ),
  )
  return response.map((item) => outcome(item, `creation of topic ${item.name}`, undefined))
}

export async function deleteTopics(
  cluster: Cluster,
  topics: readonly string[],
): Promise<readonly Outcome<void>[]> {
  const response = await toAnyBroker(cluster, 'DeleteTopics', (connection, call) =>
    connection.exchange(deleteTopicsExchange({ topics, timeoutMs: call.timeoutMs }), call),
  )
  return response.map((item) => outcome(item, `deletion of topic ${item.name}`, undefined))
}

export async function createPartitions(
  cluster: Cluster,
  topic: { readonly name: string; readonly count: number },
  options: { readonly validateOnly: boolean },
): Promise<void> {
  const what = `partitions of topic ${topic.name}`
  const response = await toAnyBroker(cluster, what, (connection, call) =>
    connection.exchange(
      packageExchange(createPartitionsV3.api, [
        [{ ...topic, assignments: null }],
        call.timeoutMs,
        options.validateOnly,
      ]),
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
      connection.exchange(packageExchange(deleteRecordsV2.api, [topics, call.timeoutMs]), call),
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

function metadata(cluster: Cluster, topics: readonly string[] | null, mayCreate = false) {
  return toAnyBroker(cluster, 'Metadata', (connection, call) =>
    connection.exchange(metadataExchange({ topics, mayCreate }), call),
  )
}
