import { APIS, type ApiName, crc32c, encodeBatch, encodeRequest } from '@fairlead/protocol'
import type { seededRandom } from '../support/seeded-random.ts'

type SeededRandom = ReturnType<typeof seededRandom>

/** One request of each API in each version, as bytes. */
export function validFrames(topicId: string): Uint8Array[] {
  const group = { groupId: 'g', memberId: 'm', generationId: 1 }
  const topics = [{ name: 'attacked', topicId, partitions: [] }]
  const bodies: { readonly [Name in ApiName]: Readonly<Record<string, unknown>> } = {
    Produce: {
      transactionalId: null,
      acks: -1,
      timeoutMs: 1_000,
      topicData: [
        { name: 'attacked', topicId, partitionData: [{ index: 0, records: oneRecord() }] },
      ],
    },
    Fetch: {
      maxWaitMs: 10,
      minBytes: 1,
      topics: [
        {
          topic: 'attacked',
          topicId,
          partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000 }],
        },
      ],
      forgottenTopicsData: [],
    },
    ListOffsets: { replicaId: -1, isolationLevel: 0, topics },
    Metadata: { topics: [{ name: 'attacked' }] },
    OffsetCommit: { ...group, topics },
    OffsetFetch: { ...group, topics: [], groups: [{ groupId: 'g', topics: null }] },
    FindCoordinator: { key: 'g', keyType: 0, coordinatorKeys: ['g'] },
    JoinGroup: {
      ...group,
      sessionTimeoutMs: 10_000,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: oneRecord() }],
    },
    Heartbeat: group,
    LeaveGroup: { ...group, members: [{ memberId: 'm' }] },
    SyncGroup: { ...group, assignments: [{ memberId: 'm', assignment: oneRecord() }] },
    DescribeGroups: { groups: ['g'] },
    ListGroups: { statesFilter: ['Stable'], typesFilter: [] },
    ApiVersions: { clientSoftwareName: 'fuzz', clientSoftwareVersion: '1' },
    CreateTopics: {
      topics: [
        { name: 'created', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] },
      ],
      timeoutMs: 1_000,
    },
    DeleteTopics: { topics: [{ name: 'created' }], topicNames: ['created'], timeoutMs: 1_000 },
    InitProducerId: { transactionalId: null, transactionTimeoutMs: 1_000 },
    DescribeConfigs: { resources: [{ resourceType: 2, resourceName: 'attacked' }] },
    DescribeCluster: {},
    DeleteGroups: { groupsNames: ['attacked'] },
    OffsetDelete: {
      groupId: 'attacked',
      topics: [{ name: 'attacked', partitions: [{ partitionIndex: 0 }] }],
    },
    DescribeProducers: { topics: [{ name: 'attacked', partitionIndexes: [0] }] },
    DescribeTransactions: { transactionalIds: ['attacked'] },
    ListTransactions: { stateFilters: ['Ongoing'], producerIdFilters: [1] },
    ...adminBodies(topics),
  }
  return (Object.keys(bodies) as ApiName[]).flatMap((name) => {
    const { firstVersion, lastVersion } = APIS[name]
    const versions = Array.from(
      { length: lastVersion - firstVersion + 1 },
      (_, index) => firstVersion + index,
    )
    return versions.map((version) => {
      const body = bodies[name] as Parameters<typeof encodeRequest<ApiName>>[0]['body']
      return Buffer.concat(
        encodeRequest({ name, version, correlationId: 1, clientId: 'fuzz', body }),
      )
    })
  })
}

function adminBodies(topics: readonly { readonly name: string; readonly topicId: string }[]) {
  const resources = [{ resourceType: 2, resourceName: 'attacked', configs: [] }]
  return {
    DeleteRecords: { topics, timeoutMs: 1_000 },
    OffsetForLeaderEpoch: {
      topics: [{ topic: 'attacked', partitions: [{ partition: 0, leaderEpoch: 0 }] }],
    },
    DescribeAcls: { resourceTypeFilter: 1, operation: 1, permissionType: 1 },
    CreateAcls: { creations: [] },
    DeleteAcls: { filters: [] },
    AlterConfigs: { resources, validateOnly: true },
    AlterReplicaLogDirs: { dirs: [{ path: '/', topics }] },
    DescribeLogDirs: { topics: null },
    CreatePartitions: {
      topics: [{ name: 'attacked', count: 2, assignments: null }],
      timeoutMs: 1_000,
      validateOnly: true,
    },
    ElectLeaders: { topicPartitions: [{ topic: 'attacked', partitions: [0] }] },
    IncrementalAlterConfigs: { resources, validateOnly: true },
    AlterPartitionReassignments: { topics },
    ListPartitionReassignments: { topics: null },
    DescribeQuorum: {
      topics: [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }],
    },
    UpdateFeatures: { featureUpdates: [{ feature: 'metadata.version', maxVersionLevel: 1 }] },
    ListConfigResources: { resourceTypes: [] },
    DescribeTopicPartitions: { topics: [{ name: 'attacked' }] },
  }
}

/** Noise, noise behind a header, a cut request, or one with some bytes changed. */
export function malformedFrame(seeds: readonly Uint8Array[], { int }: SeededRandom): Uint8Array {
  const seed = Uint8Array.from(seeds[int(seeds.length)] ?? [])
  switch (int(6)) {
    case 0:
      return noise(4 + int(200), int)
    case 1:
      return noiseBehindHeader(12 + int(200), int)
    case 2:
      return framed(seed.subarray(0, 8 + int(Math.max(1, seed.length - 8))))
    case 3:
      return changed(seed, 1, int, () => int(256))
    case 4:
      return changed(seed, 1 + int(8), int, () => int(256))
    default:
      return changed(seed, 1 + int(8), int, () => (int(2) === 0 ? 0xff : 0x7f))
  }
}

function noise(length: number, int: (bound: number) => number): Uint8Array {
  return Uint8Array.from({ length }, () => int(256))
}

function noiseBehindHeader(length: number, int: (bound: number) => number): Uint8Array {
  const frame = framed(noise(length, int))
  const view = new DataView(frame.buffer)
  view.setInt16(4, int(64))
  view.setInt16(6, int(14))
  return frame
}

/** With a size that is true. */
function framed(frame: Uint8Array): Uint8Array {
  new DataView(frame.buffer).setInt32(0, Math.max(0, frame.length - 4))
  return frame
}

function changed(
  frame: Uint8Array,
  count: number,
  int: (bound: number) => number,
  value: () => number,
): Uint8Array {
  for (let change = 0; change < count; change += 1) {
    frame[4 + int(Math.max(1, frame.length - 4))] = value()
  }
  return frame
}

function oneRecord(): Uint8Array {
  const value = new TextEncoder().encode('value')
  return encodeBatch({ records: [{ key: value, value, headers: [], timestampMs: 1_000 }] }, crc32c)
}
