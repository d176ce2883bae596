import { describe, expect, test } from 'vitest'
import { sharedBroker } from '../testing/shared-broker.ts'
import { crc32c, encodeBatch } from '@fairlead/protocol'

const TOPIC = 'measured'
const GROUP = 'watched'

const shared = sharedBroker()

async function series(prefix: string): Promise<readonly string[]> {
  const text = await shared.broker.metrics.registry.metrics()
  return text.split('\n').filter((line) => line.startsWith(prefix))
}

async function produce(index: number, count: number): Promise<void> {
  const record = { key: null, value: new Uint8Array(1), headers: [], timestampMs: 1_000 }
  const records = encodeBatch({ records: Array.from({ length: count }, () => record) }, crc32c)
  const topicData = [{ name: TOPIC, partitionData: [{ index, records }] }]
  await shared.client.call(
    'Produce',
    { transactionalId: null, acks: -1, timeoutMs: 10_000, topicData },
    11,
  )
}

async function commit(offsets: readonly number[]): Promise<void> {
  const partitions = offsets.map((committedOffset, partitionIndex) => ({
    partitionIndex,
    committedOffset,
    committedMetadata: null,
  }))
  const request = { groupId: GROUP, memberId: '', topics: [{ name: TOPIC, partitions }] }
  await expect
    .poll(async () => {
      const { topics } = await shared.client.call('OffsetCommit', request, 9)
      return topics[0]?.partitions[0]?.errorCode
    })
    .toBe('NONE')
}

describe('metrics of a group', () => {
  test('show offsets and lag by partition and by topic, and count commits', async () => {
    await shared.createTopic(TOPIC, { partitions: 3 })
    await shared.client.call('FindCoordinator', { keyType: 0, coordinatorKeys: [GROUP] })
    await produce(0, 10)
    await produce(1, 5)
    await commit([4, 7])

    const labels = (partition: number) =>
      `{consumergroup="${GROUP}",topic="${TOPIC}",partition="${partition}"}`
    expect(await series('kafka_consumergroup_')).toEqual([
      `kafka_consumergroup_members{consumergroup="${GROUP}"} 0`,
      `kafka_consumergroup_current_offset${labels(0)} 4`,
      `kafka_consumergroup_current_offset${labels(1)} 7`,
      `kafka_consumergroup_current_offset_sum{consumergroup="${GROUP}",topic="${TOPIC}"} 11`,
      `kafka_consumergroup_lag${labels(0)} 6`,
      // Committed behind the end (the topic was made anew): no lag, not a negative one.
      `kafka_consumergroup_lag${labels(1)} 0`,
      `kafka_consumergroup_lag_sum{consumergroup="${GROUP}",topic="${TOPIC}"} 6`,
    ])
    expect(await series('kafka_coordinator_group_groupmetadatamanager_num')).toEqual(
      expect.arrayContaining([
        'kafka_coordinator_group_groupmetadatamanager_numgroups 1',
        'kafka_coordinator_group_groupmetadatamanager_numgroupsempty 1',
        'kafka_coordinator_group_groupmetadatamanager_numoffsets 2',
      ]),
    )
    expect(await series('kafka_server_group_coordinator_metrics_offset_commit_count')).toEqual([
      'kafka_server_group_coordinator_metrics_offset_commit_count 2',
    ])
  })
})
