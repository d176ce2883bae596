import type { RequestOf, ResponseBody } from '@fairlead/protocol'
import type { HandlerContext } from './handler.ts'

type PartitionAnswer = ResponseBody<'DescribeProducers'>['topics'][number]['partitions'][number]

/** There are no transactions: no coordinator ever wrote to a partition. */
const NO_COORDINATOR_EPOCH = -1

/**
 * DescribeProducers (key 61), version 0 (KIP-664).
 *
 * The idempotent producers that a partition remembers: their epoch, last sequence and the time of
 * their last batch.
 */
export function handleDescribeProducers(
  { topics }: RequestOf<'DescribeProducers'>,
  context: HandlerContext,
): ResponseBody<'DescribeProducers'> {
  return {
    topics: topics.map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map((partition) => describe(name, partition, context)),
    })),
  }
}

function describe(
  topic: string,
  partitionIndex: number,
  { partitions }: HandlerContext,
): PartitionAnswer {
  const found = partitions.get(topic, partitionIndex)
  if (found === undefined) {
    const errorCode = partitions.errorOfMissing(topic, partitionIndex)
    return { partitionIndex, errorCode, activeProducers: [] }
  }
  return {
    partitionIndex,
    errorCode: 'NONE',
    activeProducers: Array.from(
      found.log.producers(),
      ({ producerId, producerEpoch, lastSequence, lastSeenMs }) => ({
        producerId,
        producerEpoch,
        lastSequence,
        lastTimestamp: lastSeenMs,
        coordinatorEpoch: NO_COORDINATOR_EPOCH,
      }),
    ),
  }
}
