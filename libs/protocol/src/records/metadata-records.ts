import { DecodeError } from '@fairlead/base'
import type { Decoded, Encodable, Fields } from '../schema/field.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import { type VersionedSchema, joined, refuseUnknownVersion, structCodec } from './versioned.ts'

/** The frame of a record in Kafka's metadata log: frame version, record type, record version. */
const FRAME_VERSION = 1

const TOPIC = {
  name: { type: 'string' },
  topicId: { type: 'uuid' },
} as const

const PARTITION = {
  partitionId: { type: 'int32', default: -1 },
  topicId: { type: 'uuid' },
  replicas: { array: 'int32' },
  isr: { array: 'int32' },
  removingReplicas: { array: 'int32' },
  addingReplicas: { array: 'int32' },
  leader: { type: 'int32', default: -1 },
  leaderRecoveryState: { type: 'int8', versions: '0+', tag: 0, default: 0 },
  leaderEpoch: { type: 'int32', default: -1 },
  partitionEpoch: { type: 'int32', default: -1 },
  directories: { array: 'uuid', versions: '1+' },
  eligibleLeaderReplicas: {
    array: 'int32',
    versions: '2+',
    nullable: '2+',
    tag: 1,
    default: null,
  },
  lastKnownElr: { array: 'int32', versions: '2+', nullable: '2+', tag: 2, default: null },
} as const

const PARTITION_CHANGE = {
  partitionId: { type: 'int32', default: -1 },
  topicId: { type: 'uuid' },
  isr: { array: 'int32', versions: '0+', nullable: '0+', tag: 0, default: null },
  leader: { type: 'int32', versions: '0+', tag: 1, default: -2 },
  replicas: { array: 'int32', versions: '0+', nullable: '0+', tag: 2, default: null },
  removingReplicas: { array: 'int32', versions: '0+', nullable: '0+', tag: 3, default: null },
  addingReplicas: { array: 'int32', versions: '0+', nullable: '0+', tag: 4, default: null },
  leaderRecoveryState: { type: 'int8', versions: '0+', tag: 5, default: -1 },
  directories: { array: 'uuid', versions: '1+', nullable: '1+', tag: 8, default: null },
  eligibleLeaderReplicas: {
    array: 'int32',
    versions: '2+',
    nullable: '2+',
    tag: 6,
    default: null,
  },
  lastKnownElr: { array: 'int32', versions: '2+', nullable: '2+', tag: 7, default: null },
} as const

const CONFIG = {
  resourceType: { type: 'int8' },
  resourceName: { type: 'string' },
  name: { type: 'string' },
  value: { type: 'string', nullable: '0+' },
} as const

const REMOVE_TOPIC = { topicId: { type: 'uuid' } } as const

const PRODUCER_IDS = {
  brokerId: { type: 'int32' },
  brokerEpoch: { type: 'int64', default: -1 },
  nextProducerId: { type: 'int64' },
} as const

const CLIENT_QUOTA = {
  entity: {
    array: {
      entityType: { type: 'string' },
      entityName: { type: 'string', nullable: '0+' },
    },
  },
  key: { type: 'string' },
  value: { type: 'float64' },
  remove: { type: 'bool' },
} as const

type Definitions = {
  readonly TopicRecord: typeof TOPIC
  readonly PartitionRecord: typeof PARTITION
  readonly ConfigRecord: typeof CONFIG
  readonly PartitionChangeRecord: typeof PARTITION_CHANGE
  readonly RemoveTopicRecord: typeof REMOVE_TOPIC
  readonly ClientQuotaRecord: typeof CLIENT_QUOTA
  readonly ProducerIdsRecord: typeof PRODUCER_IDS
}

/** Names of the metadata records, as in Kafka. */
export type MetadataRecordType = keyof Definitions

/** A metadata record as it is read, tagged with its type. */
export type MetadataRecordOf<Type extends MetadataRecordType = MetadataRecordType> = {
  [T in Type]: { readonly type: T; readonly value: Decoded<Definitions[T]> }
}[Type]

type RecordSchema<S extends Fields> = VersionedSchema<S> & {
  /** Kafka's number of the record type. */
  readonly id: number
  /** The version in which it is written. */
  readonly writtenVersion: number
}

const SCHEMAS: { readonly [T in MetadataRecordType]: RecordSchema<Definitions[T]> } = {
  TopicRecord: { id: 2, versions: [0, 0], flexible: 0, writtenVersion: 0, fields: TOPIC },
  PartitionRecord: { id: 3, versions: [0, 2], flexible: 0, writtenVersion: 1, fields: PARTITION },
  ConfigRecord: { id: 4, versions: [0, 0], flexible: 0, writtenVersion: 0, fields: CONFIG },
  PartitionChangeRecord: {
    id: 5,
    versions: [0, 2],
    flexible: 0,
    writtenVersion: 0,
    fields: PARTITION_CHANGE,
  },
  RemoveTopicRecord: {
    id: 9,
    versions: [0, 0],
    flexible: 0,
    writtenVersion: 0,
    fields: REMOVE_TOPIC,
  },
  ClientQuotaRecord: {
    id: 14,
    versions: [0, 0],
    flexible: 0,
    writtenVersion: 0,
    fields: CLIENT_QUOTA,
  },
  ProducerIdsRecord: {
    id: 15,
    versions: [0, 0],
    flexible: 0,
    writtenVersion: 0,
    fields: PRODUCER_IDS,
  },
}

/** Writes a record of the metadata log in Kafka's frame. */
export function encodeMetadataRecord<Type extends MetadataRecordType>(
  type: Type,
  value: Encodable<Definitions[Type]>,
): Uint8Array {
  const schema: RecordSchema<Fields> = SCHEMAS[type]
  const writer = new ByteWriter()
  writer.uvarint(FRAME_VERSION)
  writer.uvarint(schema.id)
  writer.uvarint(schema.writtenVersion)
  structCodec(schema, schema.writtenVersion).encode(writer, value)
  return joined(writer)
}

/**
 * Reads a record of the metadata log; undefined for one of a type that is not described here.
 *
 * @throws {DecodeError} for another frame, an unknown version, or malformed bytes.
 */
export function decodeMetadataRecord(bytes: Uint8Array): MetadataRecordOf | undefined {
  const reader = new ByteReader(bytes)
  const frameVersion = reader.uvarint()
  if (frameVersion !== FRAME_VERSION) throw new DecodeError(`frame version ${frameVersion}`, 0)
  const id = reader.uvarint()
  const version = reader.uvarint()
  const found = Object.entries(SCHEMAS).find(([, schema]) => schema.id === id)
  if (found === undefined) return undefined
  const [type, schema] = found as [MetadataRecordType, RecordSchema<Fields>]
  refuseUnknownVersion(schema, version)
  return { type, value: structCodec(schema, version).decode(reader) } as MetadataRecordOf
}
