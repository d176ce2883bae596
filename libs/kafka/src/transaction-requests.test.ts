import { expect, test } from 'vitest'
import type { BrokerConnection } from './broker-connection.ts'
import type { Cluster } from './cluster.ts'
import type { PartitionError } from './requests/by-topic.ts'
import { TransactionRequests } from './transaction-requests.ts'

const NONE = 0
const UNKNOWN_TOPIC_OR_PARTITION = 3
const TOPIC_AUTHORIZATION_FAILED = 29
const OPERATION_NOT_ATTEMPTED = 55
const IDENTITY = { producerId: 1, producerEpoch: 0, isTransactional: true }
const PARTITIONS = ['a', 'b'].map((topic) => ({ topic, partition: 0 }))

/** The coordinator answers for both partitions, one answer after the other. */
function answeredWith(...errorCodes: readonly (readonly number[])[]): {
  readonly requests: TransactionRequests
  readonly left: PartitionError[][]
} {
  const left = errorCodes.map((codes) =>
    PARTITIONS.map((place, index) => ({ ...place, errorCode: codes[index] ?? NONE })),
  )
  const connection = { exchange: () => Promise.resolve(left.shift()) }
  const cluster: Partial<Cluster> = {
    closing: new AbortController().signal,
    requestTimeoutMs: 1_000,
    findCoordinator: () => Promise.resolve(1),
    withBroker: (_id, use) => use(connection as unknown as BrokerConnection),
  }
  const options = { transactionalId: 'transaction', timeoutMs: 5_000 }
  return { requests: new TransactionRequests(cluster as Cluster, options), left }
}

test('partitions wait for one of them that its broker does not know yet', async () => {
  const { requests, left } = answeredWith(
    [OPERATION_NOT_ATTEMPTED, UNKNOWN_TOPIC_OR_PARTITION],
    [NONE, NONE],
  )
  await requests.addPartitions(IDENTITY, PARTITIONS)
  expect(left).toEqual([])
})

test('the partition that keeps the others out is the one that is named', async () => {
  const { requests } = answeredWith([OPERATION_NOT_ATTEMPTED, TOPIC_AUTHORIZATION_FAILED])
  await expect(requests.addPartitions(IDENTITY, PARTITIONS)).rejects.toMatchObject({
    code: 'TOPIC_AUTHORIZATION_FAILED',
    message: 'AddPartitionsToTxn of b-0 was answered with TOPIC_AUTHORIZATION_FAILED',
  })
})
