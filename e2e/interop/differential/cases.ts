import type { ApiName } from '@fairlead/protocol'
import { batchOf, corrupted } from './batches.ts'

/**
 * One request that both brokers get, in every version that both have. `group` is its own, `topic` that
 * of all cases of the API, or of its version where they change it: both brokers get the same requests in
 * the same order. It has three partitions and, at first, the records of `SEED_VALUES` in partition 0;
 * `topicId` is the id that the broker at hand gave it.
 */
export type Case = {
  readonly what: string
  readonly body: (given: CaseGiven) => Readonly<Record<string, unknown>>
  /** Versions in which the request can be said at all; all of them unless given. */
  readonly versions?: { readonly from?: number; readonly to?: number }
}

type CaseGiven = {
  readonly topic: string
  readonly topicId: string
  readonly group: string
  /** The name of a topic that is not there. */
  readonly newTopic: string
}

export const SEED_VALUES: readonly string[] = ['one', 'two', 'three', 'four']
/** Of the seed records, a second apart. */
export const SEED_TIMESTAMP_MS = 1_700_000_000_000

const UNKNOWN_ID = 'EREREREREREREREREREREQ'
const TOPIC_RESOURCE = 2
const BROKER_RESOURCE = 4

const produce =
  (partition: (given: CaseGiven) => object, more: object = {}): Case['body'] =>
  (given) => ({
    transactionalId: null,
    acks: -1,
    timeoutMs: 10_000,
    topicData: [{ name: given.topic, topicId: given.topicId, partitionData: [partition(given)] }],
    ...more,
  })

const fetch =
  (partition: object, more: object = {}): Case['body'] =>
  ({ topic, topicId }) => ({
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: 1_000_000,
    topics: [
      {
        topic,
        topicId,
        partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000, ...partition }],
      },
    ],
    forgottenTopicsData: [],
    ...more,
  })

const listOffsets =
  (partition: object): Case['body'] =>
  ({ topic }) => ({
    replicaId: -1,
    isolationLevel: 0,
    timeoutMs: 10_000,
    topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp: -1, ...partition }] }],
  })

const createTopic =
  (spec: object, more: object = {}): Case['body'] =>
  ({ newTopic }) => ({
    topics: [
      {
        name: newTopic,
        numPartitions: 2,
        replicationFactor: 1,
        assignments: [],
        configs: [],
        ...spec,
      },
    ],
    timeoutMs: 10_000,
    ...more,
  })

const commit =
  (given: object, partition: object = {}): Case['body'] =>
  ({ group, topic, topicId }) => ({
    groupId: group,
    generationIdOrMemberEpoch: -1,
    memberId: '',
    retentionTimeMs: -1,
    topics: [
      {
        name: topic,
        topicId,
        partitions: [
          {
            partitionIndex: 0,
            committedOffset: 3,
            committedLeaderEpoch: 0,
            committedMetadata: 'noted',
            ...partition,
          },
        ],
      },
    ],
    ...given,
  })

const offsetFetch =
  (of: (given: CaseGiven) => { groupId: string; topics: unknown }): Case['body'] =>
  (given) => {
    const { groupId, topics } = of(given)
    return { groupId, topics, groups: [{ groupId, topics }] }
  }

const join =
  (more: object): Case['body'] =>
  ({ group }) => ({
    groupId: group,
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 10_000,
    memberId: '',
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: new Uint8Array() }],
    ...more,
  })

const configure =
  (config: object, resource: object = {}, more: object = {}): Case['body'] =>
  ({ topic }) => ({
    resources: [
      {
        resourceType: TOPIC_RESOURCE,
        resourceName: topic,
        configs: [{ name: 'retention.ms', value: '12345', configOperation: 0, ...config }],
        ...resource,
      },
    ],
    validateOnly: false,
    ...more,
  })

type QuotaOf = readonly (readonly [entityType: string, entityName: string | null])[]

const entityOf = (parts: QuotaOf) =>
  parts.map(([entityType, entityName]) => ({ entityType, entityName }))

const setQuota =
  (parts: QuotaOf, ops: Readonly<Record<string, number | null>>, more: object = {}): Case['body'] =>
  () => ({
    entries: [
      {
        entity: entityOf(parts),
        ops: Object.entries(ops).map(([key, value]) => ({
          key,
          value: value ?? 0,
          remove: value === null,
        })),
      },
    ],
    validateOnly: false,
    ...more,
  })

const quotasOf =
  (
    components: readonly (readonly [entityType: string, matchType: number, match: string | null])[],
    strict = false,
  ): Case['body'] =>
  () => ({
    components: components.map(([entityType, matchType, match]) => ({
      entityType,
      matchType,
      match,
    })),
    strict,
  })

const member =
  (more: object): Case['body'] =>
  ({ group }) => ({
    groupId: group,
    memberId: 'nobody',
    generationId: 1,
    ...more,
  })

const partitionOf =
  (partition: object, name?: string): Case['body'] =>
  ({ topic }) => ({
    topics: [{ name: name ?? topic, partitions: [partition] }],
    timeoutMs: 10_000,
  })

const createPartitions =
  (more: object): Case['body'] =>
  ({ topic }) => ({
    topics: [{ name: topic, count: 5, assignments: null, ...more }],
    timeoutMs: 10_000,
    validateOnly: false,
  })

/** Good and bad requests by API; an API that is not here fails the test that demands one. */
export const CASES: Readonly<Partial<Record<ApiName, readonly Case[]>>> = {
  Produce: [
    {
      what: 'one record',
      body: produce(() => ({ index: 0, records: batchOf(['new']) })),
      versions: { from: 3 },
    },
    {
      what: 'acks of 1',
      body: produce(() => ({ index: 0, records: batchOf(['new']) }), { acks: 1 }),
      versions: { from: 3 },
    },
    {
      what: 'acks of 2',
      body: produce(() => ({ index: 0, records: batchOf(['new']) }), { acks: 2 }),
      versions: { from: 3 },
    },
    {
      what: 'a partition that is not there',
      body: produce(() => ({ index: 9, records: batchOf(['new']) })),
      versions: { from: 3 },
    },
    {
      what: 'a wrong checksum',
      body: produce(() => ({ index: 0, records: corrupted(batchOf(['new'])) })),
      versions: { from: 3 },
    },
    {
      what: 'no records',
      body: produce(() => ({ index: 0, records: null })),
      versions: { from: 3 },
    },
    {
      what: 'a batch of 2 MB',
      body: produce(() => ({ index: 0, records: batchOf(['x'.repeat(2_000_000)]) })),
      versions: { from: 3 },
    },
    {
      what: 'an unknown topic',
      body: (given) =>
        produce(() => ({ index: 0, records: batchOf(['new']) }))({
          ...given,
          topic: 'not-there',
          topicId: UNKNOWN_ID,
        }),
      versions: { from: 3 },
    },
  ],
  Fetch: [
    { what: 'from the start', body: fetch({}) },
    { what: 'from the middle of a batch', body: fetch({ fetchOffset: 2 }) },
    { what: 'at the end', body: fetch({ fetchOffset: 4 }) },
    { what: 'behind the end', body: fetch({ fetchOffset: 5 }) },
    { what: 'a negative offset', body: fetch({ fetchOffset: -7 }) },
    { what: 'less bytes than a batch', body: fetch({ partitionMaxBytes: 1 }, { maxBytes: 1 }) },
    { what: 'a partition that is not there', body: fetch({ partition: 9 }) },
    {
      what: 'a leader epoch of the future',
      body: fetch({ currentLeaderEpoch: 99 }),
      versions: { from: 9 },
    },
    { what: 'read committed', body: fetch({}, { isolationLevel: 1 }) },
    {
      what: 'an unknown session',
      body: fetch({}, { sessionId: 12_345, sessionEpoch: 7 }),
      versions: { from: 7 },
    },
    {
      what: 'an unknown topic',
      body: (given) => fetch({})({ ...given, topic: 'not-there', topicId: UNKNOWN_ID }),
    },
  ],
  ListOffsets: [
    { what: 'the end', body: listOffsets({}) },
    { what: 'the start', body: listOffsets({ timestamp: -2 }) },
    { what: 'the newest timestamp', body: listOffsets({ timestamp: -3 }), versions: { from: 7 } },
    {
      what: 'a time between two records',
      body: listOffsets({ timestamp: SEED_TIMESTAMP_MS + 1_500 }),
    },
    { what: 'a time behind all', body: listOffsets({ timestamp: SEED_TIMESTAMP_MS + 60_000 }) },
    { what: 'a partition that is not there', body: listOffsets({ partitionIndex: 9 }) },
    {
      what: 'a leader epoch of the future',
      body: listOffsets({ currentLeaderEpoch: 99 }),
      versions: { from: 4 },
    },
    {
      what: 'an unknown topic',
      body: (given) => listOffsets({})({ ...given, topic: 'not-there' }),
    },
  ],
  Metadata: [
    {
      what: 'one topic',
      body: ({ topic }) => ({ topics: [{ name: topic }], allowAutoTopicCreation: false }),
    },
    {
      what: 'an unknown topic',
      body: () => ({ topics: [{ name: 'not-there' }], allowAutoTopicCreation: false }),
      versions: { from: 4 },
    },
    {
      what: 'an invalid name',
      body: () => ({ topics: [{ name: 'no/slash' }], allowAutoTopicCreation: false }),
      versions: { from: 4 },
    },
    {
      what: 'an unknown id',
      body: () => ({
        topics: [{ topicId: UNKNOWN_ID, name: null }],
        allowAutoTopicCreation: false,
      }),
      versions: { from: 12 },
    },
    {
      what: 'by id',
      body: ({ topicId }) => ({ topics: [{ topicId, name: null }], allowAutoTopicCreation: false }),
      versions: { from: 12 },
    },
    {
      what: 'no topic',
      body: () => ({ topics: [], allowAutoTopicCreation: false }),
      versions: { from: 1 },
    },
  ],
  OffsetCommit: [
    { what: 'of a group without members', body: commit({}) },
    {
      what: 'of a member that is not there',
      body: commit({ memberId: 'nobody', generationIdOrMemberEpoch: 3 }),
    },
    { what: 'without a group', body: commit({ groupId: '' }) },
    { what: 'of a partition that is not there', body: commit({}, { partitionIndex: 9 }) },
    {
      what: 'with metadata of 5,000 bytes',
      body: commit({}, { committedMetadata: 'x'.repeat(5_000) }),
    },
    {
      what: 'of an unknown topic',
      body: (given) => commit({})({ ...given, topic: 'not-there', topicId: UNKNOWN_ID }),
    },
  ],
  OffsetFetch: [
    {
      what: 'of an unknown group',
      body: offsetFetch(({ topic, topicId }) => ({
        groupId: 'not-there',
        topics: [{ name: topic, topicId, partitionIndexes: [0] }],
      })),
    },
    {
      what: 'everything of an unknown group',
      body: offsetFetch(() => ({ groupId: 'not-there', topics: null })),
      versions: { from: 2 },
    },
    {
      what: 'of an unknown topic',
      body: offsetFetch(({ group }) => ({
        groupId: group,
        topics: [{ name: 'not-there', topicId: UNKNOWN_ID, partitionIndexes: [0] }],
      })),
    },
  ],
  FindCoordinator: [
    {
      what: 'of a group',
      body: ({ group }) => ({ key: group, keyType: 0, coordinatorKeys: [group] }),
    },
    { what: 'of no group', body: () => ({ key: '', keyType: 0, coordinatorKeys: [] }) },
    {
      what: 'of an unknown type',
      body: ({ group }) => ({ key: group, keyType: 9, coordinatorKeys: [group] }),
      versions: { from: 1 },
    },
  ],
  JoinGroup: [
    { what: 'without a group', body: join({ groupId: '' }) },
    { what: 'a session timeout of 1 ms', body: join({ sessionTimeoutMs: 1 }) },
    { what: 'a member that is not there', body: join({ memberId: 'nobody' }) },
    { what: 'no protocol', body: join({ protocols: [] }) },
    { what: 'no protocol type', body: join({ protocolType: '' }) },
    { what: 'without an id, where one is demanded', body: join({}), versions: { from: 4 } },
    { what: 'alone', body: join({}), versions: { to: 3 } },
  ],
  Heartbeat: [
    { what: 'of a member that is not there', body: member({}) },
    { what: 'without a group', body: member({ groupId: '' }) },
  ],
  LeaveGroup: [
    {
      what: 'of a member that is not there',
      body: member({ members: [{ memberId: 'nobody', groupInstanceId: null }] }),
    },
    {
      what: 'without a group',
      body: member({ groupId: '', members: [{ memberId: 'nobody', groupInstanceId: null }] }),
    },
    {
      what: 'of an instance that is not there',
      body: member({ members: [{ memberId: '', groupInstanceId: 'not-there' }] }),
      versions: { from: 3 },
    },
  ],
  SyncGroup: [
    {
      what: 'of a member that is not there',
      body: member({ assignments: [], protocolType: 'consumer', protocolName: 'range' }),
    },
    {
      what: 'without a group',
      body: member({
        groupId: '',
        assignments: [],
        protocolType: 'consumer',
        protocolName: 'range',
      }),
    },
  ],
  DescribeGroups: [
    { what: 'an unknown group', body: () => ({ groups: ['not-there'] }) },
    { what: 'no group', body: () => ({ groups: [] }) },
    { what: 'a group without a name', body: () => ({ groups: [''] }) },
  ],
  ListGroups: [
    {
      what: 'in a state that none is in',
      body: () => ({ statesFilter: ['PreparingRebalance'], typesFilter: [] }),
      versions: { from: 4 },
    },
    {
      what: 'in an unknown state',
      body: () => ({ statesFilter: ['Nonsense'], typesFilter: [] }),
      versions: { from: 4 },
    },
    {
      what: 'of an unknown type',
      body: () => ({ statesFilter: [], typesFilter: ['nonsense'] }),
      versions: { from: 5 },
    },
  ],
  DeleteGroups: [
    { what: 'an unknown group', body: () => ({ groupsNames: ['not-there'] }) },
    { what: 'a group without a name', body: () => ({ groupsNames: [''] }) },
  ],
  OffsetDelete: [
    {
      what: 'of an unknown group',
      body: ({ topic }) => ({
        groupId: 'not-there',
        topics: [{ name: topic, partitions: [{ partitionIndex: 0 }] }],
      }),
    },
  ],
  ApiVersions: [
    {
      what: 'a name of the client that is not allowed',
      body: () => ({ clientSoftwareName: '-no-', clientSoftwareVersion: '1' }),
      versions: { from: 3 },
    },
  ],
  CreateTopics: [
    { what: 'a topic', body: createTopic({}) },
    {
      what: 'with configuration',
      body: createTopic({ configs: [{ name: 'retention.ms', value: '12345' }] }),
    },
    { what: 'an existing name', body: (given) => createTopic({ name: given.topic })(given) },
    { what: 'an invalid name', body: createTopic({ name: 'no/slash' }) },
    { what: 'an empty name', body: createTopic({ name: '' }) },
    { what: 'the name ..', body: createTopic({ name: '..' }) },
    { what: 'a name of 250 letters', body: createTopic({ name: 'x'.repeat(250) }) },
    { what: 'no partitions', body: createTopic({ numPartitions: 0 }) },
    { what: 'three replicas', body: createTopic({ replicationFactor: 3 }) },
    { what: 'no replica', body: createTopic({ replicationFactor: 0 }) },
    {
      what: 'an unknown key',
      body: createTopic({ configs: [{ name: 'no.such.key', value: '1' }] }),
    },
    {
      what: 'a value that is no number',
      body: createTopic({ configs: [{ name: 'retention.ms', value: 'x' }] }),
    },
    {
      what: 'a value out of range',
      body: createTopic({ configs: [{ name: 'segment.bytes', value: '1' }] }),
    },
    { what: 'no value', body: createTopic({ configs: [{ name: 'retention.ms', value: null }] }) },
    { what: 'validation alone', body: createTopic({}, { validateOnly: true }) },
    {
      what: 'assignments',
      body: createTopic({
        numPartitions: -1,
        replicationFactor: -1,
        assignments: [{ partitionIndex: 0, brokerIds: [1] }],
      }),
    },
    {
      what: 'assignments and a count',
      body: createTopic({ assignments: [{ partitionIndex: 0, brokerIds: [1] }] }),
    },
    {
      what: 'assignments to a broker that is not there',
      body: createTopic({
        numPartitions: -1,
        replicationFactor: -1,
        assignments: [{ partitionIndex: 0, brokerIds: [7] }],
      }),
    },
    {
      what: 'defaults',
      body: createTopic({ numPartitions: -1, replicationFactor: -1 }),
      versions: { from: 4 },
    },
    {
      what: 'the same name twice',
      body: ({ newTopic }) => ({
        topics: [0, 1].map(() => ({
          name: newTopic,
          numPartitions: 1,
          replicationFactor: 1,
          assignments: [],
          configs: [],
        })),
        timeoutMs: 10_000,
      }),
    },
  ],
  DeleteTopics: [
    {
      what: 'an unknown topic',
      body: () => ({
        topicNames: ['not-there'],
        topics: [{ name: 'not-there' }],
        timeoutMs: 10_000,
      }),
    },
    {
      what: 'an unknown id',
      body: () => ({ topics: [{ name: null, topicId: UNKNOWN_ID }], timeoutMs: 10_000 }),
      versions: { from: 6 },
    },
    { what: 'nothing', body: () => ({ topicNames: [], topics: [], timeoutMs: 10_000 }) },
    {
      what: 'a topic',
      body: ({ topic }) => ({ topicNames: [topic], topics: [{ name: topic }], timeoutMs: 10_000 }),
    },
  ],
  DeleteRecords: [
    { what: 'before an offset', body: partitionOf({ partitionIndex: 0, offset: 2 }) },
    { what: 'all', body: partitionOf({ partitionIndex: 0, offset: -1 }) },
    { what: 'behind the end', body: partitionOf({ partitionIndex: 0, offset: 99 }) },
    { what: 'a negative offset', body: partitionOf({ partitionIndex: 0, offset: -5 }) },
    { what: 'a partition that is not there', body: partitionOf({ partitionIndex: 9, offset: 0 }) },
    { what: 'an unknown topic', body: partitionOf({ partitionIndex: 0, offset: 0 }, 'not-there') },
  ],
  InitProducerId: [
    {
      what: 'without transactions',
      body: () => ({ transactionalId: null, transactionTimeoutMs: 10_000 }),
    },
    {
      what: 'an empty transactional id',
      body: () => ({ transactionalId: '', transactionTimeoutMs: 10_000 }),
    },
    {
      what: 'an id without an epoch',
      body: () => ({
        transactionalId: null,
        transactionTimeoutMs: 10_000,
        producerId: 5,
        producerEpoch: -1,
      }),
      versions: { from: 3 },
    },
  ],
  OffsetForLeaderEpoch: [
    {
      what: 'of the current epoch',
      body: ({ topic }) => ({
        replicaId: -2,
        topics: [{ topic, partitions: [{ partition: 0, currentLeaderEpoch: -1, leaderEpoch: 0 }] }],
      }),
    },
    {
      what: 'of a future epoch',
      body: ({ topic }) => ({
        replicaId: -2,
        topics: [{ topic, partitions: [{ partition: 0, currentLeaderEpoch: 99, leaderEpoch: 0 }] }],
      }),
    },
    {
      what: 'of an epoch that was not',
      body: ({ topic }) => ({
        replicaId: -2,
        topics: [
          { topic, partitions: [{ partition: 0, currentLeaderEpoch: -1, leaderEpoch: 99 }] },
        ],
      }),
    },
    {
      what: 'of an unknown topic',
      body: () => ({
        replicaId: -2,
        topics: [
          {
            topic: 'not-there',
            partitions: [{ partition: 0, currentLeaderEpoch: -1, leaderEpoch: 0 }],
          },
        ],
      }),
    },
  ],
  DescribeConfigs: [
    {
      what: 'chosen keys of a topic',
      body: ({ topic }) => ({
        resources: [
          {
            resourceType: TOPIC_RESOURCE,
            resourceName: topic,
            configurationKeys: ['retention.ms', 'cleanup.policy', 'segment.bytes'],
          },
        ],
        includeSynonyms: true,
      }),
    },
    {
      what: 'every key of a topic',
      body: ({ topic }) => ({
        resources: [{ resourceType: TOPIC_RESOURCE, resourceName: topic, configurationKeys: null }],
      }),
    },
    {
      what: 'an unknown topic',
      body: () => ({
        resources: [
          { resourceType: TOPIC_RESOURCE, resourceName: 'not-there', configurationKeys: null },
        ],
      }),
    },
    {
      what: 'an unknown broker',
      body: () => ({
        resources: [{ resourceType: BROKER_RESOURCE, resourceName: '77', configurationKeys: null }],
      }),
    },
    {
      what: 'a broker that is no number',
      body: () => ({
        resources: [{ resourceType: BROKER_RESOURCE, resourceName: 'x', configurationKeys: null }],
      }),
    },
    {
      what: 'an unknown type',
      body: () => ({
        resources: [{ resourceType: 99, resourceName: 'x', configurationKeys: null }],
      }),
    },
  ],
  AlterConfigs: [
    { what: 'of a topic', body: configure({}) },
    { what: 'an unknown key', body: configure({ name: 'no.such.key' }) },
    { what: 'a value that is no number', body: configure({ value: 'x' }) },
    { what: 'an unknown topic', body: configure({}, { resourceName: 'not-there' }) },
    { what: 'validation alone', body: configure({}, {}, { validateOnly: true }) },
  ],
  IncrementalAlterConfigs: [
    { what: 'set', body: configure({}) },
    { what: 'delete', body: configure({ configOperation: 1, value: null }) },
    {
      what: 'append to a list',
      body: configure({ configOperation: 2, name: 'cleanup.policy', value: 'compact' }),
    },
    {
      what: 'subtract from a list',
      body: configure({ configOperation: 3, name: 'cleanup.policy', value: 'delete' }),
    },
    { what: 'append to what is no list', body: configure({ configOperation: 2 }) },
    { what: 'an unknown operation', body: configure({ configOperation: 9 }) },
    { what: 'an unknown key', body: configure({ name: 'no.such.key' }) },
    { what: 'a value that is no number', body: configure({ value: 'x' }) },
    { what: 'no value', body: configure({ value: null }) },
    { what: 'an unknown topic', body: configure({}, { resourceName: 'not-there' }) },
    { what: 'a topic without a name', body: configure({}, { resourceName: '' }) },
    {
      what: 'a key of the broker that cannot change',
      body: configure(
        { name: 'log.dirs', value: '/x' },
        { resourceType: BROKER_RESOURCE, resourceName: '1' },
      ),
    },
    { what: 'an unknown type', body: configure({}, { resourceType: 99 }) },
  ],
  CreatePartitions: [
    { what: 'as many', body: createPartitions({ count: 3 }) },
    { what: 'fewer', body: createPartitions({ count: 1 }) },
    {
      what: 'with assignments',
      body: createPartitions({ assignments: [{ brokerIds: [1] }, { brokerIds: [1] }] }),
    },
    {
      what: 'with too few assignments',
      body: createPartitions({ assignments: [{ brokerIds: [1] }] }),
    },
    { what: 'of an unknown topic', body: createPartitions({ name: 'not-there' }) },
    { what: 'more', body: createPartitions({}) },
  ],
  DescribeLogDirs: [
    {
      what: 'of an unknown topic',
      body: () => ({ topics: [{ topic: 'not-there', partitions: [0] }] }),
    },
  ],
  DescribeCluster: [
    {
      what: 'brokers',
      body: () => ({ includeClusterAuthorizedOperations: false, endpointType: 1 }),
    },
  ],
  DescribeTopicPartitions: [
    { what: 'a topic', body: ({ topic }) => ({ topics: [{ name: topic }] }) },
    {
      what: 'page by page',
      body: ({ topic }) => ({ topics: [{ name: topic }], responsePartitionLimit: 2 }),
    },
    { what: 'an unknown topic', body: () => ({ topics: [{ name: 'not-there' }] }) },
  ],
  DescribeAcls: [
    {
      what: 'without an authorizer',
      body: () => ({
        resourceTypeFilter: 1,
        patternTypeFilter: 1,
        operation: 1,
        permissionType: 1,
        resourceNameFilter: null,
        principalFilter: null,
        hostFilter: null,
      }),
    },
  ],
  CreateAcls: [
    {
      what: 'without an authorizer',
      body: () => ({
        creations: [
          {
            resourceType: 2,
            resourceName: 't',
            resourcePatternType: 3,
            principal: 'User:a',
            host: '*',
            operation: 3,
            permissionType: 3,
          },
        ],
      }),
    },
  ],
  DeleteAcls: [
    {
      what: 'without an authorizer',
      body: () => ({
        filters: [
          {
            resourceTypeFilter: 1,
            resourceNameFilter: null,
            patternTypeFilter: 1,
            principalFilter: null,
            hostFilter: null,
            operation: 1,
            permissionType: 1,
          },
        ],
      }),
    },
  ],
  ElectLeaders: [
    {
      what: 'that are in place',
      body: ({ topic }) => ({
        electionType: 0,
        topicPartitions: [{ topic, partitions: [0] }],
        timeoutMs: 10_000,
      }),
    },
    {
      what: 'of an unknown topic',
      body: () => ({
        electionType: 0,
        topicPartitions: [{ topic: 'not-there', partitions: [0] }],
        timeoutMs: 10_000,
      }),
    },
  ],
  ListPartitionReassignments: [{ what: 'none', body: () => ({ timeoutMs: 10_000, topics: null }) }],
  ListTransactions: [
    { what: 'none', body: () => ({ stateFilters: [], producerIdFilters: [] }) },
    {
      what: 'in an unknown state',
      body: () => ({ stateFilters: ['Nonsense'], producerIdFilters: [] }),
    },
  ],
  DescribeTransactions: [
    { what: 'an unknown one', body: () => ({ transactionalIds: ['not-there'] }) },
  ],
  AlterClientQuotas: [
    { what: 'of a user', body: setQuota([['user', 'u']], { producer_byte_rate: 1e9 }) },
    { what: 'the same again', body: setQuota([['user', 'u']], { producer_byte_rate: 1e9 }) },
    {
      what: 'of a default client of a user',
      body: setQuota(
        [
          ['user', 'u'],
          ['client-id', null],
        ],
        {
          consumer_byte_rate: 1e9,
          request_percentage: 99.5,
          controller_mutation_rate: 1_000.5,
        },
      ),
    },
    {
      what: 'of an address',
      body: setQuota([['ip', '10.1.2.3']], { connection_creation_rate: 1_000 }),
    },
    { what: 'removed', body: setQuota([['user', 'u']], { producer_byte_rate: null }) },
    { what: 'removed where there is none', body: setQuota([['user', 'none']], { nonsense: null }) },
    {
      what: 'validation alone',
      body: setQuota([['user', 'v']], { producer_byte_rate: 1e9 }, { validateOnly: true }),
    },
    { what: 'without an entity', body: setQuota([], { producer_byte_rate: 1 }) },
    { what: 'of an unknown type', body: setQuota([['role', 'x']], { producer_byte_rate: 1 }) },
    { what: 'of an empty name', body: setQuota([['user', '']], { producer_byte_rate: 1 }) },
    {
      what: 'of an address and a user',
      body: setQuota(
        [
          ['ip', '10.1.2.3'],
          ['user', 'u'],
        ],
        { connection_creation_rate: 1 },
      ),
    },
    { what: 'of an unknown key', body: setQuota([['user', 'u']], { nonsense: 1 }) },
    { what: 'of a key of users', body: setQuota([['ip', null]], { producer_byte_rate: 1 }) },
    { what: 'of zero', body: setQuota([['user', 'u']], { producer_byte_rate: 0 }) },
    { what: 'of half a byte', body: setQuota([['user', 'u']], { producer_byte_rate: 0.5 }) },
    { what: 'of too many bytes', body: setQuota([['user', 'u']], { producer_byte_rate: 1e19 }) },
    {
      what: 'of too many connections',
      body: setQuota([['ip', null]], { connection_creation_rate: 2 ** 31 }),
    },
  ],
  DescribeClientQuotas: [
    {
      what: 'of a user and a client',
      body: quotasOf([
        ['user', 0, 'u'],
        ['client-id', 2, null],
      ]),
    },
    { what: 'of an address', body: quotasOf([['ip', 0, '10.1.2.3']]) },
    { what: 'of a client alone', body: quotasOf([['client-id', 1, null]], true) },
    { what: 'of nobody', body: quotasOf([['user', 0, 'not-there']]) },
    { what: 'of nothing but nothing', body: quotasOf([], true) },
    { what: 'of an empty type', body: quotasOf([['', 0, 'x']]) },
    { what: 'of an unknown type', body: quotasOf([['role', 0, 'x']]) },
    {
      what: 'of a type twice',
      body: quotasOf([
        ['user', 0, 'u'],
        ['user', 0, 'v'],
      ]),
    },
    {
      what: 'of an address and a user',
      body: quotasOf([
        ['ip', 2, null],
        ['user', 2, null],
      ]),
    },
    { what: 'without a name', body: quotasOf([['user', 0, null]]) },
    { what: 'of a default with a name', body: quotasOf([['user', 1, 'u']]) },
    { what: 'of any with a name', body: quotasOf([['user', 2, 'u']]) },
    { what: 'of an unknown match', body: quotasOf([['user', 9, null]]) },
  ],
  DescribeUserScramCredentials: [
    { what: 'of everybody', body: () => ({ users: null }) },
    { what: 'of nobody', body: () => ({ users: [] }) },
    { what: 'of a user without any', body: () => ({ users: [{ name: 'u' }] }) },
    { what: 'of a user twice', body: () => ({ users: [{ name: 'u' }, { name: 'u' }] }) },
    { what: 'of no name', body: () => ({ users: [{ name: '' }] }) },
  ],
  DescribeProducers: [
    {
      what: 'of a partition',
      body: ({ topic }) => ({ topics: [{ name: topic, partitionIndexes: [0, 9] }] }),
    },
    {
      what: 'of an unknown topic',
      body: () => ({ topics: [{ name: 'not-there', partitionIndexes: [0] }] }),
    },
  ],
}
