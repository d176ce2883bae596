import { DecodeError } from '@fairlead/base'
import type { ByteReader } from '../byte-reader.ts'
import { type Exchange, exchangeOf } from './exchange.ts'

/**
 * Metadata (key 3), version 11: topics by their names. Version 10 brought the ids of topics, 12 asks by
 * them.
 *
 * Null asks for all topics. Operations that are authorized are not asked for.
 */
export function metadataExchange(request: {
  readonly topics: readonly string[] | null
  readonly mayCreate: boolean
}): Exchange<MetadataAnswer> {
  return exchangeOf(
    { key: 3, version: 11 },
    {
      encode: (writer) => {
        const { topics, mayCreate } = request
        if (topics === null) writer.nullArray()
        else writer.array(topics, (topic) => writer.uuid(undefined).string(topic).tags())
        writer.boolean(mayCreate).boolean(false).tags()
      },
      decode: decodeMetadata,
    },
  )
}

/** Far more than a topic has: leaders are looked up, and asked for one by one, up to the last partition that a broker names. */
const PARTITIONS_MAX = 1_000_000

export type MetadataAnswer = {
  readonly brokers: readonly {
    readonly nodeId: number
    readonly host: string
    readonly port: number
    readonly rack: string | null
  }[]
  readonly clusterId: string | null
  readonly controllerId: number
  readonly topics: readonly TopicAnswer[]
}

type TopicAnswer = {
  readonly errorCode: number
  readonly name: string
  readonly topicId: string
  readonly isInternal: boolean
  readonly partitions: readonly {
    readonly partitionIndex: number
    readonly leaderId: number
    readonly leaderEpoch: number
    readonly replicaNodes: readonly number[]
    readonly isrNodes: readonly number[]
  }[]
}

function decodeMetadata(reader: ByteReader): MetadataAnswer {
  reader.int32()
  const brokers = reader.array(() =>
    reader.struct(() => ({
      nodeId: reader.int32(),
      host: reader.string(),
      port: reader.int32(),
      rack: reader.nullableString(),
    })),
  )
  const clusterId = reader.nullableString()
  const controllerId = reader.int32()
  const topics = reader.array(() => reader.struct(() => decodeTopic(reader)))
  return { brokers, clusterId, controllerId, topics }
}

function decodeTopic(reader: ByteReader): TopicAnswer {
  const topic = {
    errorCode: reader.int16(),
    name: reader.string(),
    topicId: reader.uuid(),
    isInternal: reader.boolean(),
    partitions: reader.array(() => reader.struct(() => decodePartition(reader))),
  }
  reader.int32()
  return topic
}

function decodePartition(reader: ByteReader): TopicAnswer['partitions'][number] {
  reader.int16()
  const brokerIds = () => reader.array(() => reader.int32())
  const partition = {
    partitionIndex: decodePartitionIndex(reader),
    leaderId: reader.int32(),
    leaderEpoch: reader.int32(),
    replicaNodes: brokerIds(),
    isrNodes: brokerIds(),
  }
  brokerIds()
  return partition
}

function decodePartitionIndex(reader: ByteReader): number {
  const index = reader.int32()
  if (index >= 0 && index < PARTITIONS_MAX) return index
  throw new DecodeError(`a topic has no partition ${index}`, reader.position)
}
