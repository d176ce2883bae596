import type { Admin, ClientOptions, TopicSpec } from './clients.ts'
import { toCoordinator } from './cluster-admin/attempts.ts'
import { Cluster } from './cluster.ts'
import { fetchCommittedOffsets } from './committed-offsets.ts'
import {
  COORDINATOR_NOT_AVAILABLE,
  errorName,
  expectNoError,
  responseError,
} from './error-codes.ts'
import { ISOLATIONS } from './requests/fetch.ts'
import { KafkaError } from './kafka-error.ts'
import type { TopicPartition } from './records.ts'
import { deleteGroupExchange } from './requests/delete-groups.ts'
import { describeConfigsExchange } from './requests/describe-configs.ts'
import { listOffsetsExchange } from './requests/offsets.ts'
import { createTopicsExchange, deleteTopicsExchange } from './requests/topics.ts'
import { type Remaining, retrying } from './retrying.ts'

const TIMESTAMPS = { earliest: -2, latest: -1, logEnd: -1 } as const
const CONSUMER_REPLICA_ID = -1
/** Kafka's `DEBUGGING_REPLICA_ID`: sees the log as a replica does, beyond the high watermark. */
const DEBUGGING_REPLICA_ID = -2
const RESOURCE_TYPE_TOPIC = 2

export function createAdmin(options: ClientOptions): Admin {
  const cluster = new Cluster(options)
  return {
    createTopics: (topics) => createTopics(cluster, topics),
    ensureTopic: (topic) => ensureTopic(cluster, topic),
    partitionCount: (topic) => partitionCount(cluster, topic),
    topicId: async (topic) =>
      (await partitionCount(cluster, topic)) === undefined ? undefined : cluster.topicId(topic),
    listTopics: () =>
      attempts(cluster, 'listing topics', (remaining) =>
        cluster.listTopics(null, { timeoutMs: remaining(), signal: cluster.closing }),
      ),
    deleteTopics: (topics) => deleteTopics(cluster, topics),
    listOffsets: (target) => listOffsets(cluster, target),
    describeTopicConfigs: (topic) => describeTopicConfigs(cluster, topic),
    committedOffsets: (groupId, partitions) => committedOffsets(cluster, groupId, partitions),
    deleteGroup: (groupId) => deleteGroup(cluster, groupId),
    ping: (timeoutMs) => cluster.refresh([], callOf(cluster, timeoutMs)),
    close: () => Promise.resolve(cluster.close()),
  }
}

async function createTopics(cluster: Cluster, topics: readonly TopicSpec[]): Promise<void> {
  const requests = topics.map(({ topic, partitions, replicationFactor, configs }) => ({
    name: topic,
    numPartitions: partitions,
    replicationFactor: replicationFactor ?? -1,
    configs: configs ?? {},
  }))
  await attempts(cluster, 'CreateTopics', async (remaining) => {
    const response = await cluster.withAnyBroker(
      (connection, timeoutMs) =>
        connection.exchange(
          createTopicsExchange({ topics: requests, timeoutMs, validateOnly: false }),
          callOf(cluster, timeoutMs),
        ),
      callOf(cluster, remaining()),
    )
    for (const { name, errorCode, errorMessage } of response) {
      expectNoError(errorCode, `creation of topic ${name}`, errorMessage)
    }
  })
}

async function ensureTopic(cluster: Cluster, topic: TopicSpec) {
  let created = false
  const existing = await partitionCount(cluster, topic.topic)
  if (existing === undefined) {
    try {
      await createTopics(cluster, [topic])
      created = true
    } catch (error) {
      // Another process, or an attempt of ours whose response was lost, was first.
      if (!(error instanceof KafkaError && error.code === 'TOPIC_ALREADY_EXISTS')) throw error
    }
  }
  const partitions = await attempts(cluster, `leaders of ${topic.topic}`, async (remaining) => {
    await cluster.refresh([topic.topic], callOf(cluster, remaining()))
    const count = cluster.partitionCount(topic.topic) ?? 0
    for (let partition = 0; partition < Math.max(1, count); partition += 1) {
      await cluster.findLeader(topic.topic, partition, callOf(cluster, remaining()))
    }
    return count
  })
  return { created, partitions }
}

async function partitionCount(cluster: Cluster, topic: string): Promise<number | undefined> {
  return attempts(cluster, `metadata of ${topic}`, async (remaining) => {
    await cluster.refresh([topic], callOf(cluster, remaining()))
    const error = cluster.topicError(topic)
    if (error === 'UNKNOWN_TOPIC_OR_PARTITION') return undefined
    const count = cluster.partitionCount(topic)
    if (count !== undefined) return count
    throw new KafkaError(`topic ${topic} is not usable: ${error}`, {
      code: error === 'NONE' ? 'LEADER_NOT_AVAILABLE' : error,
      retryable: error === 'NONE' || error === 'LEADER_NOT_AVAILABLE',
    })
  })
}

async function deleteTopics(cluster: Cluster, topics: readonly string[]): Promise<void> {
  await attempts(cluster, 'DeleteTopics', async (remaining) => {
    const response = await cluster.withAnyBroker(
      (connection, timeoutMs) =>
        connection.exchange(
          deleteTopicsExchange({ topics, timeoutMs }),
          callOf(cluster, timeoutMs),
        ),
      callOf(cluster, remaining()),
    )
    for (const { name, errorCode, errorMessage } of response) {
      if (errorName(errorCode) === 'UNKNOWN_TOPIC_OR_PARTITION') continue
      expectNoError(errorCode, `deletion of topic ${name}`, errorMessage)
    }
  })
  for (const topic of topics) cluster.forgetLeaders(topic)
}

async function listOffsets(
  cluster: Cluster,
  target: Parameters<Admin['listOffsets']>[0],
): Promise<number> {
  const { topic, partition, isolation = 'read_uncommitted' } = target
  const timestamp =
    typeof target.timestamp === 'number' ? target.timestamp : TIMESTAMPS[target.timestamp]
  const what = `ListOffsets of ${topic}-${partition}`
  const replicaId = target.timestamp === 'logEnd' ? DEBUGGING_REPLICA_ID : CONSUMER_REPLICA_ID
  const isolationLevel = ISOLATIONS[isolation]
  const exchange = listOffsetsExchange({ replicaId, isolationLevel, topic, partition, timestamp })
  return attempts(cluster, what, async (remaining) => {
    const leader = await cluster.findLeader(topic, partition, callOf(cluster, remaining()))
    const options = callOf(cluster, remaining())
    try {
      const answer = await cluster.withBroker(
        leader,
        (connection) => connection.exchange(exchange, options),
        options,
      )
      if (answer === undefined) throw responseError(3, what)
      expectNoError(answer.errorCode, what)
      return answer.offset
    } catch (error) {
      cluster.forgetLeaders(topic)
      throw error
    }
  })
}

async function describeTopicConfigs(cluster: Cluster, topic: string) {
  const what = `DescribeConfigs of ${topic}`
  const resource = { resourceType: RESOURCE_TYPE_TOPIC, resourceName: topic }
  const exchange = describeConfigsExchange({ ...resource, withDocumentation: false })
  return attempts(cluster, what, async (remaining) => {
    const result = await cluster.withAnyBroker(
      (connection, timeoutMs) => connection.exchange(exchange, callOf(cluster, timeoutMs)),
      callOf(cluster, remaining()),
    )
    if (result === undefined) throw responseError(3, what)
    expectNoError(result.errorCode, what, result.errorMessage)
    return new Map(result.configs.map(({ name, value }) => [name, value]))
  })
}

async function committedOffsets(
  cluster: Cluster,
  groupId: string,
  partitions: readonly TopicPartition[],
) {
  return attempts(cluster, `OffsetFetch of ${groupId}`, (remaining) =>
    fetchCommittedOffsets(cluster, groupId, { partitions, timeoutMs: remaining() }),
  )
}

async function deleteGroup(cluster: Cluster, groupId: string): Promise<void> {
  const what = `deletion of group ${groupId}`
  await toCoordinator(cluster, groupId, what, async (connection, options) => {
    const errorCode = await connection.exchange(deleteGroupExchange(groupId), options)
    expectNoError(errorCode ?? COORDINATOR_NOT_AVAILABLE, what)
  })
}

function callOf(cluster: Cluster, timeoutMs: number) {
  return { timeoutMs, signal: cluster.closing }
}

/** Every admin call is idempotent or says so itself (TOPIC_ALREADY_EXISTS), so all are retried. */
function attempts<Result>(
  cluster: Cluster,
  what: string,
  attempt: (remaining: Remaining) => Promise<Result>,
): Promise<Result> {
  return retrying({ what, timeoutMs: cluster.requestTimeoutMs, signal: cluster.closing }, attempt)
}
