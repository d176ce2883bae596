import { expect, test } from 'vitest'
import { alterPartitionReassignments, electLeaders } from '../index.ts'
import { BROKER_ID, Cluster } from '../testing/fixtures.ts'

const CLUSTER = new Cluster()
CLUSTER.create([{ name: 'orders', numPartitions: 1 }])

function elect(
  electionType: number,
  topicPartitions: Parameters<typeof electLeaders>[1]['topicPartitions'],
) {
  return electLeaders(CLUSTER.image, { electionType, topicPartitions, timeoutMs: 1_000 })
}

test('no election is needed where the only replica leads', () => {
  const { errorCode, replicaElectionResults } = elect(0, [{ topic: 'orders', partitions: [0, 1] }])
  expect(errorCode).toBe('NONE')
  expect(
    replicaElectionResults.flatMap(({ partitionResult }) =>
      partitionResult.map(({ partitionId, errorCode: code }) => [partitionId, code]),
    ),
  ).toEqual([
    [0, 'ELECTION_NOT_NEEDED'],
    [1, 'UNKNOWN_TOPIC_OR_PARTITION'],
  ])
})

test('an election of all partitions names those where something happened: none', () => {
  expect(elect(1, null)).toEqual({
    errorCode: 'NONE',
    replicaElectionResults: [{ topic: 'orders', partitionResult: [] }],
  })
})

test('there are two types of elections', () => {
  expect(elect(2, null).errorCode).toBe('INVALID_REQUEST')
})

test.for([
  [0, [1], 'NONE'],
  [0, null, 'NO_REASSIGNMENT_IN_PROGRESS'],
  [0, [2], 'INVALID_REPLICA_ASSIGNMENT'],
  [0, [], 'INVALID_REPLICA_ASSIGNMENT'],
  [0, [1, 1], 'INVALID_REPLICA_ASSIGNMENT'],
  [1, [1], 'UNKNOWN_TOPIC_OR_PARTITION'],
] as const)('partition %i to %j is %s', ([partitionIndex, replicas, errorCode]) => {
  const { responses } = alterPartitionReassignments(
    CLUSTER.image,
    {
      timeoutMs: 1_000,
      allowReplicationFactorChange: true,
      topics: [{ name: 'orders', partitions: [{ partitionIndex, replicas }] }],
    },
    { brokerId: BROKER_ID },
  )
  expect(responses[0]?.partitions).toMatchObject([{ partitionIndex, errorCode }])
})
