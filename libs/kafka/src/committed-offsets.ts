import type { CallOptions } from './broker-connection.ts'
import type { Cluster } from './cluster.ts'
import { expectNoError, responseError } from './error-codes.ts'
import type { TopicPartition } from './records.ts'
import { offsetFetchExchange } from './requests/offsets.ts'

/** Committed next offsets of a group; a partition without one is absent. One attempt. */
export async function fetchCommittedOffsets(
  cluster: Cluster,
  groupId: string,
  options: CallOptions & { readonly partitions: readonly TopicPartition[] },
): Promise<(TopicPartition & { readonly offset: number })[]> {
  const what = `OffsetFetch of ${groupId}`
  const call = { timeoutMs: options.timeoutMs, signal: options.signal }
  const coordinator = await cluster.findCoordinator({ type: 'group', key: groupId }, call)
  const exchange = offsetFetchExchange({ groupId, partitions: options.partitions })
  const group = await cluster.withBroker(
    coordinator,
    (connection) => connection.exchange(exchange, call),
    call,
  )
  if (group === undefined) throw responseError(15, what)
  expectNoError(group.errorCode, what)
  return group.offsets.flatMap(({ topic, partition, offset, errorCode }) => {
    expectNoError(errorCode, `${what}: ${topic}-${partition}`)
    return offset < 0 ? [] : [{ topic, partition, offset }]
  })
}
