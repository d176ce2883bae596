import type { TopicPartition } from '../records.ts'
import {
  type PartitionError,
  readByTopic,
  readPartitionErrors,
  writeByTopic,
  writePartitions,
} from './by-topic.ts'
import { type Exchange, exchangeOf } from './exchange.ts'
import { NO_EPOCH } from './fetch.ts'
import type { MemberOf } from './group-membership.ts'

/** OffsetCommit (key 8), version 8. */
export function offsetCommitExchange(
  member: MemberOf,
  offsets: readonly (TopicPartition & { readonly offset: number })[],
): Exchange<readonly PartitionError[]> {
  return exchangeOf(
    { key: 8, version: 8 },
    {
      encode: (writer) => {
        writer.string(member.groupId).int32(member.generationId)
        writer.string(member.memberId).nullableString(member.instanceId)
        writeByTopic(writer, offsets, ({ partition, offset }) =>
          writer.int32(partition).int64(offset).int32(NO_EPOCH).nullableString('').tags(),
        )
        writer.tags()
      },
      decode: (reader) => {
        reader.int32()
        return readPartitionErrors(reader)
      },
    },
  )
}

export type OffsetFetchAnswer = {
  readonly errorCode: number
  readonly offsets: readonly (PartitionError & {
    /** -1 where there is none. */
    readonly offset: number
    readonly metadata: string | null
  })[]
}

/**
 * OffsetFetch (key 9), version 8, of one group; undefined where the broker does not answer for it. Null asks
 * for all partitions.
 */
export function offsetFetchExchange(request: {
  readonly groupId: string
  readonly partitions: readonly TopicPartition[] | null
}): Exchange<OffsetFetchAnswer | undefined> {
  const { groupId, partitions } = request
  return exchangeOf(
    { key: 9, version: 8 },
    {
      encode: (writer) => {
        writer.array([groupId], () => {
          writer.string(groupId)
          if (partitions === null) writer.nullArray()
          else writePartitions(writer, partitions)
          writer.tags()
        })
        writer.boolean(false).tags()
      },
      decode: (reader) => {
        reader.int32()
        const [answer] = reader.array(() =>
          reader.struct(() => {
            reader.string()
            const offsets = readByTopic(reader, (topic) => {
              const partition = reader.int32()
              const offset = reader.int64()
              reader.int32()
              const metadata = reader.nullableString()
              return { topic, partition, offset, metadata, errorCode: reader.int16() }
            })
            return { offsets, errorCode: reader.int16() }
          }),
        )
        return answer
      },
    },
  )
}

/** ListOffsets (key 2), version 7, of one partition; undefined where the broker does not answer for it. */
export function listOffsetsExchange(request: {
  readonly replicaId: number
  readonly isolationLevel: number
  readonly topic: string
  readonly partition: number
  /** In milliseconds, or one of Kafka's negative numbers. */
  readonly timestamp: number
}): Exchange<{ readonly errorCode: number; readonly offset: number } | undefined> {
  return exchangeOf(
    { key: 2, version: 7 },
    {
      encode: (writer) => {
        writer.int32(request.replicaId).int8(request.isolationLevel)
        writeByTopic(writer, [request], ({ partition, timestamp }) =>
          writer.int32(partition).int32(NO_EPOCH).int64(timestamp).tags(),
        )
        writer.tags()
      },
      decode: (reader) => {
        reader.int32()
        const [answer] = readByTopic(reader, () => {
          reader.int32()
          const errorCode = reader.int16()
          // A timestamp is whatever the producer said.
          reader.wideInt64()
          const offset = reader.int64()
          reader.int32()
          return { errorCode, offset }
        })
        return answer
      },
    },
  )
}
