import { offsetFetchV8 } from './platformatic.ts'
import type { CallOptions } from './broker-connection.ts'
import type { Cluster } from './cluster.ts'
import { expectNoError, responseError } from './error-codes.ts'
import type { TopicPartition } from './records.ts'

/** Member epoch outside a group of the new protocol (KIP-848). */
const NO_MEMBER_EPOCH = -1

/** Committed next offsets of a group; a partition without one is absent. One attempt. */
export async function fetchCommittedOffsets(
  cluster: Cluster,
  groupId: string,
  options: CallOptions & { readonly partitions: readonly TopicPartition[] },
): Promise<(TopicPartition & { readonly offset: number })[]> {
  const what = `OffsetFetch of ${groupId}`
  const call = { timeoutMs: options.timeoutMs, signal: options.signal }
  const coordinator = await cluster.findCoordinator({ type: 'group', key: groupId }, call)
  const topics = [...Map.groupBy(options.partitions, ({ topic }) => topic)].map(
    ([name, ofTopic]) => ({ name, partitionIndexes: ofTopic.map(({ partition }) => partition) }),
  )
  const response = await cluster.withBroker(
    coordinator,
    (connection) =>
      connection.call(
        offsetFetchV8.api,
        [[{ groupId, memberId: null, memberEpoch: NO_MEMBER_EPOCH, topics }], false],
        call,
      ),
    call,
  )
  const group = response.groups[0]
  if (group === undefined) throw responseError(15, what)
  expectNoError(group.errorCode, what)
  return group.topics.flatMap(({ name, partitions }) =>
    partitions.flatMap(({ partitionIndex, committedOffset, errorCode }) => {
      expectNoError(errorCode, `${what}: ${name}-${partitionIndex}`)
      const offset = Number(committedOffset)
      return offset < 0 ? [] : [{ topic: name, partition: partitionIndex, offset }]
    }),
  )
}
