import { DecodeError } from '@fairlead/base'
import type { MetadataRecord } from '@fairlead/metadata'
import { decodeMetadataRecord, encodeMetadataRecord } from '@fairlead/protocol'

/** Kafka's number of topics among the resource types of ConfigRecord. */
const RESOURCE_TYPE_TOPIC = 2

/** A metadata record as the bytes of a record value of `__cluster_metadata`. */
export function encodeRecordValue(record: MetadataRecord): Uint8Array {
  switch (record.kind) {
    case 'PartitionRecord': {
      const empty = { removingReplicas: [], addingReplicas: [], directories: [] }
      return encodeMetadataRecord(record.kind, { ...record, ...empty })
    }
    case 'ConfigRecord':
      return encodeMetadataRecord(record.kind, { ...record, resourceType: RESOURCE_TYPE_TOPIC })
    case 'TopicRecord':
      return encodeMetadataRecord(record.kind, record)
    case 'RemoveTopicRecord':
      return encodeMetadataRecord(record.kind, record)
    case 'ProducerIdsRecord':
      return encodeMetadataRecord(record.kind, record)
  }
}

/** @throws {DecodeError} when the bytes are no metadata record that this broker writes. */
export function decodeRecordValue(bytes: Uint8Array): MetadataRecord {
  const record = decodeMetadataRecord(bytes)
  if (record === undefined) throw new DecodeError('a metadata record of an unknown type', 0)
  const { type: kind, value } = record
  if (kind !== 'ConfigRecord') return { kind, ...value }
  if (value.resourceType !== RESOURCE_TYPE_TOPIC) {
    throw new DecodeError(`configuration of resource type ${value.resourceType}`, 0)
  }
  return { kind, ...value, resourceType: 'topic' }
}
