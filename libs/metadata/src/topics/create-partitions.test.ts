import { expect, test } from 'vitest'
import { type MutationQuota, UNLIMITED_MUTATIONS, createPartitions } from '../index.ts'
import { BROKER_ID, Cluster } from '../testing/fixtures.ts'

type Wanted = {
  readonly name?: string
  readonly count: number
  readonly assignments?: readonly (readonly number[])[]
}

function grow(
  wanted: readonly Wanted[],
  options: { readonly validateOnly?: boolean; readonly quota?: MutationQuota } = {},
) {
  const cluster = new Cluster()
  cluster.create([{ name: 'orders', numPartitions: 2 }])
  cluster.createInternal('__consumer_offsets')
  const { records, response } = createPartitions(
    cluster.image,
    {
      topics: wanted.map(({ name = 'orders', count, assignments }) => ({
        name,
        count,
        assignments: assignments?.map((brokerIds) => ({ brokerIds })) ?? null,
      })),
      timeoutMs: 1_000,
      validateOnly: options.validateOnly ?? false,
    },
    { brokerId: BROKER_ID, quota: options.quota ?? UNLIMITED_MUTATIONS },
  )
  cluster.commit(records)
  return { results: response.results, partitions: cluster.image.topic('orders')?.partitions }
}

test('new partitions follow the old ones, each led by the one broker', () => {
  const { results, partitions } = grow([{ count: 4, assignments: [[1], [1]] }])
  expect(results).toEqual([{ name: 'orders', errorCode: 'NONE', errorMessage: null }])
  expect(partitions?.map(({ partition }) => partition)).toEqual([0, 1, 2, 3])
  expect(partitions?.[3]).toMatchObject({ replicas: [1], isr: [1], leader: 1, leaderEpoch: 0 })
})

test('a request that only validates changes nothing', () => {
  const { results, partitions } = grow([{ count: 3 }], { validateOnly: true })
  expect(results[0]?.errorCode).toBe('NONE')
  expect(partitions).toHaveLength(2)
})

test.for([
  [{ count: 2 }, 'INVALID_PARTITIONS', 'Topic already has 2 partition(s).'],
  [
    { count: 1 },
    'INVALID_PARTITIONS',
    'The topic orders currently has 2 partition(s); 1 would not be an increase.',
  ],
  [{ count: -1 }, 'INVALID_PARTITIONS', 'would not be an increase'],
  [{ name: 'nothing', count: 3 }, 'UNKNOWN_TOPIC_OR_PARTITION', 'does not host'],
  [{ name: '__consumer_offsets', count: 3 }, 'INVALID_REQUEST', 'internal topic'],
  [{ count: 10_003 }, 'POLICY_VIOLATION', 'Excessively large number of partitions'],
  [
    { count: 4, assignments: [[1]] },
    'INVALID_REPLICA_ASSIGNMENT',
    'Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.',
  ],
  [{ count: 3, assignments: [[7]] }, 'INVALID_REPLICA_ASSIGNMENT', 'includes broker 7'],
  [{ count: 3, assignments: [[1, 1]] }, 'INVALID_REPLICA_ASSIGNMENT', 'broker 1 more than once'],
  [{ count: 3, assignments: [[]] }, 'INVALID_REPLICA_ASSIGNMENT', 'empty replica list'],
] as const)('%o is refused with %s', ([wanted, errorCode, message]) => {
  const { results, partitions } = grow([wanted])
  expect(results[0]).toMatchObject({ errorCode, errorMessage: expect.stringContaining(message) })
  expect(partitions).toHaveLength(2)
})

test('a topic that is named twice is refused each time, and the others are not', () => {
  const { results } = grow([{ count: 3 }, { count: 4 }, { name: 'nothing', count: 1 }])
  expect(results.map(({ errorCode }) => errorCode)).toEqual([
    'INVALID_REQUEST',
    'INVALID_REQUEST',
    'UNKNOWN_TOPIC_OR_PARTITION',
  ])
})

test('partitions above the quota of the client are not created', () => {
  const asked: number[] = []
  const quota: MutationQuota = {
    take(count) {
      asked.push(count)
      return false
    },
  }
  const { results, partitions } = grow([{ count: 5 }], { quota })
  expect(results).toEqual([
    {
      name: 'orders',
      errorCode: 'THROTTLING_QUOTA_EXCEEDED',
      errorMessage: 'The throttling quota has been exceeded.',
    },
  ])
  expect(partitions).toHaveLength(2)
  expect(asked).toEqual([3])
})
