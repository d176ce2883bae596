import type { Cluster } from '../cluster.ts'
import { COORDINATOR_NOT_AVAILABLE, expectNoError, responseError } from '../error-codes.ts'
import type { TopicPartition } from '../records.ts'
import { offsetCommitExchange, offsetFetchExchange } from '../requests/offsets.ts'
import { decodeAssignment } from './assignment.ts'
import { attempts, toCoordinator } from './attempts.ts'
import { compareText } from './compare-text.ts'
import {
  describeGroupsV5,
  listGroupsV4,
  offsetDeleteV0,
  packageExchange,
} from './platformatic-apis.ts'
import { describeCluster } from './topics.ts'
import type { CommittedOffset, GroupDescription, GroupListing, PartitionOffset } from './types.ts'

/** Of a commit from outside the group: only allowed while it has no members. */
const NO_GENERATION = -1

export async function listGroups(cluster: Cluster): Promise<readonly GroupListing[]> {
  const { brokers } = await describeCluster(cluster)
  const lists = await Promise.all(brokers.map(({ brokerId }) => groupsOf(cluster, brokerId)))
  return lists.flat().toSorted((a, b) => compareText(a.groupId, b.groupId))
}

async function groupsOf(cluster: Cluster, brokerId: number): Promise<GroupListing[]> {
  const what = `ListGroups of broker ${brokerId}`
  const response = await attempts(cluster, what, async (options) => {
    await cluster.refresh([], options)
    return cluster.withBroker(
      brokerId,
      (connection) => connection.exchange(packageExchange(listGroupsV4.api, [[], []]), options),
      options,
    )
  })
  expectNoError(response.errorCode, what)
  return response.groups.map(({ groupId, protocolType, groupState }) => ({
    groupId,
    protocolType,
    state: groupState,
  }))
}

export async function describeGroup(cluster: Cluster, groupId: string): Promise<GroupDescription> {
  const what = `description of group ${groupId}`
  return toCoordinator(cluster, groupId, what, async (connection, options, brokerId) => {
    const exchange = packageExchange(describeGroupsV5.api, [[groupId], false])
    const response = await connection.exchange(exchange, options)
    const [group] = response.groups
    if (group === undefined) throw responseError(COORDINATOR_NOT_AVAILABLE, what)
    expectNoError(group.errorCode, what)
    return {
      groupId,
      protocolType: group.protocolType,
      state: group.groupState,
      coordinator: brokerId,
      assignor: group.protocolData,
      members: group.members
        .map((member) => ({
          memberId: member.memberId,
          groupInstanceId: member.groupInstanceId ?? null,
          clientId: member.clientId,
          clientHost: member.clientHost.replace(/^\//, ''),
          assignment: decodeAssignment(member.memberAssignment),
        }))
        .toSorted((a, b) => compareText(a.memberId, b.memberId)),
    }
  })
}

export async function committedOffsets(
  cluster: Cluster,
  groupId: string,
): Promise<readonly CommittedOffset[]> {
  const what = `offsets of group ${groupId}`
  const exchange = offsetFetchExchange({ groupId, partitions: null })
  return toCoordinator(cluster, groupId, what, async (connection, options) => {
    const group = await connection.exchange(exchange, options)
    if (group === undefined) throw responseError(COORDINATOR_NOT_AVAILABLE, what)
    expectNoError(group.errorCode, what)
    return group.offsets
      .map(({ topic, partition, offset, metadata, errorCode }) => {
        expectNoError(errorCode, `${what}: ${topic}-${partition}`)
        return { topic, partition, offset, metadata: metadata ?? '' }
      })
      .filter(({ offset }) => offset >= 0)
      .toSorted((a, b) => compareText(a.topic, b.topic) || a.partition - b.partition)
  })
}

export async function commitOffsets(
  cluster: Cluster,
  groupId: string,
  offsets: readonly PartitionOffset[],
): Promise<void> {
  const what = `commit for group ${groupId}`
  const nobody = { groupId, generationId: NO_GENERATION, memberId: '', instanceId: null }
  const exchange = offsetCommitExchange(nobody, offsets)
  await toCoordinator(cluster, groupId, what, async (connection, options) => {
    for (const { topic, partition, errorCode } of await connection.exchange(exchange, options)) {
      expectNoError(errorCode, `${what}: ${topic}-${partition}`)
    }
  })
}

export async function deleteOffsets(
  cluster: Cluster,
  groupId: string,
  partitions: readonly TopicPartition[],
): Promise<void> {
  const what = `deletion of offsets of group ${groupId}`
  const topics = [...Map.groupBy(partitions, ({ topic }) => topic)].map(([name, ofTopic]) => ({
    name,
    partitions: ofTopic.map(({ partition }) => ({ partitionIndex: partition })),
  }))
  await toCoordinator(cluster, groupId, what, async (connection, options) => {
    const exchange = packageExchange(offsetDeleteV0.api, [groupId, topics])
    const response = await connection.exchange(exchange, options)
    expectNoError(response.errorCode, what)
    for (const topic of response.topics) {
      for (const { partitionIndex, errorCode } of topic.partitions) {
        expectNoError(errorCode, `${what}: ${topic.name}-${partitionIndex}`)
      }
    }
  })
}
