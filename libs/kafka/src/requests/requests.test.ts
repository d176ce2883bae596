import {
  type Writer,
  addPartitionsToTxnV3,
  apiVersionsV3,
  createTopicsV7,
  deleteGroupsV2,
  deleteTopicsV6,
  describeConfigsV4,
  describeGroupsV5,
  endTxnV3,
  fetchV12,
  fetchV13,
  findCoordinatorV4,
  heartbeatV4,
  initProducerIdV4,
  joinGroupV9,
  leaveGroupV4,
  listOffsetsV7,
  metadataV11,
  offsetCommitV8,
  offsetFetchV8,
  syncGroupV5,
} from '@platformatic/kafka'
import { expect, test } from 'vitest'
import { ByteWriter } from '../byte-writer.ts'
import { apiVersionsExchange } from './api-versions.ts'
import { deleteGroupExchange } from './delete-groups.ts'
import { describeConfigsExchange } from './describe-configs.ts'
import { describeGroupExchange } from './describe-group.ts'
import type { Exchange } from './exchange.ts'
import { fetchExchange } from './fetch.ts'
import { findCoordinatorExchange } from './find-coordinator.ts'
import {
  heartbeatExchange,
  joinGroupExchange,
  leaveGroupExchange,
  syncGroupExchange,
} from './group-membership.ts'
import { metadataExchange } from './metadata.ts'
import { listOffsetsExchange, offsetCommitExchange, offsetFetchExchange } from './offsets.ts'
import { createTopicsExchange, deleteTopicsExchange } from './topics.ts'
import {
  addPartitionsToTxnExchange,
  endTxnExchange,
  initProducerIdExchange,
} from './transactions.ts'

const MEMBER = { groupId: 'group', generationId: 7, memberId: 'me', instanceId: 'instance' }
const PARTITIONS = [
  { topic: 'a', partition: 0 },
  { topic: 'a', partition: 300 },
  { topic: 'ü'.repeat(90), partition: 1 },
]
const BY_TOPIC = [
  { name: 'a', partitions: [0, 300] },
  { name: 'ü'.repeat(90), partitions: [1] },
]
const OFFSETS = PARTITIONS.map((each, index) => ({ ...each, offset: 2 ** 40 + index }))
const TRANSACTION = { transactionalId: 'transaction', producerId: 2 ** 41, producerEpoch: 3 }
const BYTES = Buffer.from('what members tell each other')

const FETCH = {
  topic: 'a',
  partition: 3,
  fetchOffset: 2 ** 40,
  maxWaitMs: 500,
  maxBytes: 1_000_000,
  lastFetchedEpoch: 7,
}
const FETCHED = {
  partition: 3,
  currentLeaderEpoch: -1,
  fetchOffset: 2n ** 40n,
  lastFetchedEpoch: 7,
  partitionMaxBytes: 1_000_000,
}
const TOPIC_ID = '00112233-4455-6677-8899-aabbccddeeff'

const committed = (partitionIndex: number, committedOffset: number) => ({
  partitionIndex,
  committedOffset: BigInt(committedOffset),
  committedLeaderEpoch: -1,
  committedMetadata: '',
})

type Row = { readonly name: string; readonly ours: Exchange<unknown>; readonly theirs: Writer }

/** What another client of Kafka writes for the same request. */
test.for<Row>([
  {
    name: 'ApiVersions',
    ours: apiVersionsExchange(),
    theirs: apiVersionsV3.createRequest('fairlead', '0.1.0'),
  },
  {
    name: 'Metadata of topics',
    ours: metadataExchange({ topics: ['a', 'b'], mayCreate: true }),
    theirs: metadataV11.createRequest(['a', 'b'], true, false),
  },
  {
    name: 'Metadata of all topics',
    ours: metadataExchange({ topics: null, mayCreate: false }),
    theirs: metadataV11.createRequest(null, false, false),
  },
  {
    name: 'Metadata of no topic',
    ours: metadataExchange({ topics: [], mayCreate: false }),
    theirs: metadataV11.createRequest([], false, false),
  },
  {
    name: 'FindCoordinator of a transaction',
    ours: findCoordinatorExchange({ type: 'transaction', key: 'k' }),
    theirs: findCoordinatorV4.createRequest(1, ['k']),
  },
  {
    name: 'JoinGroup',
    ours: joinGroupExchange({
      groupId: 'group',
      sessionTimeoutMs: 45_000,
      rebalanceTimeoutMs: 30_000,
      memberId: '',
      instanceId: null,
      protocols: [{ name: 'range', metadata: BYTES }],
    }),
    theirs: joinGroupV9.createRequest(
      'group',
      45_000,
      30_000,
      '',
      null,
      'consumer',
      [{ name: 'range', metadata: BYTES }],
      null,
    ),
  },
  {
    name: 'SyncGroup',
    ours: syncGroupExchange(MEMBER, {
      protocolName: 'range',
      assignments: [{ memberId: 'me', assignment: BYTES }],
    }),
    theirs: syncGroupV5.createRequest('group', 7, 'me', 'instance', 'consumer', 'range', [
      { memberId: 'me', assignment: BYTES },
    ]),
  },
  {
    name: 'Heartbeat',
    ours: heartbeatExchange(MEMBER),
    theirs: heartbeatV4.createRequest('group', 7, 'me', 'instance'),
  },
  {
    name: 'LeaveGroup',
    ours: leaveGroupExchange({ groupId: 'group', memberId: 'me' }),
    theirs: leaveGroupV4.createRequest('group', [{ memberId: 'me', groupInstanceId: null }]),
  },
  {
    name: 'DescribeGroups',
    ours: describeGroupExchange('group'),
    theirs: describeGroupsV5.createRequest(['group'], false),
  },
  {
    name: 'DeleteGroups',
    ours: deleteGroupExchange('group'),
    theirs: deleteGroupsV2.createRequest(['group']),
  },
  {
    name: 'OffsetCommit',
    ours: offsetCommitExchange(MEMBER, OFFSETS),
    theirs: offsetCommitV8.createRequest('group', 7, 'me', 'instance', [
      { name: 'a', partitions: [committed(0, 2 ** 40), committed(300, 2 ** 40 + 1)] },
      { name: 'ü'.repeat(90), partitions: [committed(1, 2 ** 40 + 2)] },
    ]),
  },
  {
    name: 'OffsetFetch of partitions',
    ours: offsetFetchExchange({ groupId: 'group', partitions: PARTITIONS }),
    theirs: offsetFetchV8.createRequest(
      [
        {
          groupId: 'group',
          memberId: null,
          memberEpoch: -1,
          topics: BY_TOPIC.map(({ name, partitions }) => ({ name, partitionIndexes: partitions })),
        },
      ],
      false,
    ),
  },
  {
    name: 'OffsetFetch of all partitions',
    ours: offsetFetchExchange({ groupId: 'group', partitions: null }),
    theirs: offsetFetchV8.createRequest(
      [{ groupId: 'group', memberId: null, memberEpoch: -1, topics: null }],
      false,
    ),
  },
  {
    name: 'Fetch by the name of a topic',
    ours: fetchExchange({ ...FETCH, topicId: undefined }),
    theirs: fetchV12.createRequest(
      500,
      1,
      1_000_000,
      0,
      0,
      -1,
      [{ topicId: 'a', partitions: [FETCHED] }],
      [],
      '',
    ),
  },
  {
    name: 'Fetch by the id of a topic',
    ours: fetchExchange({ ...FETCH, topicId: TOPIC_ID, isolation: 'read_committed' }),
    theirs: fetchV13.createRequest(
      500,
      1,
      1_000_000,
      1,
      0,
      -1,
      [{ topicId: TOPIC_ID, partitions: [FETCHED] }],
      [],
      '',
    ),
  },
  {
    name: 'ListOffsets',
    ours: listOffsetsExchange({
      replicaId: -1,
      isolationLevel: 1,
      topic: 'a',
      partition: 3,
      timestamp: -2,
    }),
    theirs: listOffsetsV7.createRequest(-1, 1, [
      { name: 'a', partitions: [{ partitionIndex: 3, currentLeaderEpoch: -1, timestamp: -2n }] },
    ]),
  },
  {
    name: 'InitProducerId without a transactional id',
    ours: initProducerIdExchange({ transactionalId: null, transactionTimeoutMs: 60_000 }),
    theirs: initProducerIdV4.createRequest(null, 60_000, -1n, -1),
  },
  {
    name: 'InitProducerId',
    ours: initProducerIdExchange({ transactionalId: 'x', transactionTimeoutMs: 60_000 }),
    theirs: initProducerIdV4.createRequest('x', 60_000, -1n, -1),
  },
  {
    name: 'AddPartitionsToTxn',
    ours: addPartitionsToTxnExchange(TRANSACTION, PARTITIONS),
    theirs: addPartitionsToTxnV3.createRequest([
      {
        transactionalId: 'transaction',
        producerId: 2n ** 41n,
        producerEpoch: 3,
        verifyOnly: false,
        topics: BY_TOPIC,
      },
    ]),
  },
  {
    name: 'EndTxn',
    ours: endTxnExchange({ ...TRANSACTION, isCommitted: true }),
    theirs: endTxnV3.createRequest('transaction', 2n ** 41n, 3, true),
  },
  {
    name: 'CreateTopics',
    ours: createTopicsExchange({
      topics: [
        { name: 'a', numPartitions: 3, replicationFactor: -1, configs: { 'retention.ms': '1' } },
      ],
      timeoutMs: 500,
      validateOnly: true,
    }),
    theirs: createTopicsV7.createRequest(
      [
        {
          name: 'a',
          numPartitions: 3,
          replicationFactor: -1,
          assignments: [],
          configs: [{ name: 'retention.ms', value: '1' }],
        },
      ],
      500,
      true,
    ),
  },
  {
    name: 'DeleteTopics',
    ours: deleteTopicsExchange({ topics: ['a', 'b'], timeoutMs: 500 }),
    theirs: deleteTopicsV6.createRequest(
      [
        { name: 'a', topicId: null },
        { name: 'b', topicId: null },
      ],
      500,
    ),
  },
  {
    name: 'DescribeConfigs',
    ours: describeConfigsExchange({ resourceType: 2, resourceName: 'a', withDocumentation: true }),
    theirs: describeConfigsV4.createRequest([{ resourceType: 2, resourceName: 'a' }], false, true),
  },
])('$name is written as @platformatic/kafka writes it', ({ ours, theirs }) => {
  const writer = new ByteWriter()
  ours.encode(writer)
  expect(writer.bytes.toString('hex')).toBe(theirs.buffer.toString('hex'))
})
