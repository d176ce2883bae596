import { DecodeError } from '@fairlead/base'
import {
  ZERO_UUID,
  decodeMetadataRecord as decodeKafkaRecord,
  encodeMetadataRecord as encodeKafkaRecord,
} from '@fairlead/protocol'
import { RESOURCE_TYPE_BROKER, RESOURCE_TYPE_TOPIC } from './config/wire-ids.ts'
import type { ClientQuotaRecord, ConfigRecord, MetadataRecord } from './metadata-record.ts'
import { type QuotaEntity, entityParts, isQuotaEntityType } from './quotas/quota-entity.ts'

const RESOURCE_TYPE_IDS = { topic: RESOURCE_TYPE_TOPIC, broker: RESOURCE_TYPE_BROKER } as const
const RESOURCE_TYPES: ReadonlyMap<number, ConfigRecord['resourceType']> = new Map([
  [RESOURCE_TYPE_TOPIC, 'topic'],
  [RESOURCE_TYPE_BROKER, 'broker'],
])

/** The value of a record of `__cluster_metadata`, in the format of KRaft. */
export function encodeMetadataRecord(record: MetadataRecord): Uint8Array {
  switch (record.kind) {
    case 'TopicRecord':
      return encodeKafkaRecord('TopicRecord', { name: record.name, topicId: record.topicId })
    case 'PartitionRecord': {
      const { kind: _, ...partition } = record
      return encodeKafkaRecord('PartitionRecord', {
        ...partition,
        removingReplicas: [],
        addingReplicas: [],
        // One log directory: there is nothing to tell apart.
        directories: record.replicas.map(() => ZERO_UUID),
      })
    }
    case 'PartitionChangeRecord': {
      const { topicId, partitionId, leader } = record
      return encodeKafkaRecord('PartitionChangeRecord', { topicId, partitionId, leader })
    }
    case 'RemoveTopicRecord':
      return encodeKafkaRecord('RemoveTopicRecord', { topicId: record.topicId })
    case 'ConfigRecord': {
      const { resourceName, name, value } = record
      const resourceType = RESOURCE_TYPE_IDS[record.resourceType]
      return encodeKafkaRecord('ConfigRecord', { resourceType, resourceName, name, value })
    }
    case 'ProducerIdsRecord': {
      const { brokerId, brokerEpoch, nextProducerId } = record
      return encodeKafkaRecord('ProducerIdsRecord', { brokerId, brokerEpoch, nextProducerId })
    }
    case 'ClientQuotaRecord': {
      const { key, value } = record
      const change = { key, value: value ?? 0, remove: value === null }
      return encodeKafkaRecord('ClientQuotaRecord', {
        entity: entityParts(record.entity),
        ...change,
      })
    }
  }
}

/**
 * Reads the value of a record of `__cluster_metadata`.
 *
 * @throws {DecodeError} for malformed bytes, and for a record that this version does not know: to
 *   pass over it would mean to serve metadata that is not the cluster's.
 */
export function decodeMetadataRecord(bytes: Uint8Array): MetadataRecord {
  const record = decodeKafkaRecord(bytes)
  if (record === undefined) throw new DecodeError('a metadata record of an unknown type', 0)
  switch (record.type) {
    case 'TopicRecord':
      return { kind: 'TopicRecord', name: record.value.name, topicId: record.value.topicId }
    case 'PartitionRecord': {
      const { topicId, partitionId, replicas, isr, leader, leaderEpoch, partitionEpoch } =
        record.value
      const ids = { topicId, partitionId, leader, leaderEpoch, partitionEpoch }
      return { kind: 'PartitionRecord', ...ids, replicas, isr }
    }
    case 'PartitionChangeRecord': {
      const { topicId, partitionId, leader, isr, replicas } = record.value
      if (leader < 0 || isr !== null || replicas !== null) {
        throw new DecodeError('a partition changes in a way that one broker does not know', 0)
      }
      return { kind: 'PartitionChangeRecord', topicId, partitionId, leader }
    }
    case 'RemoveTopicRecord':
      return { kind: 'RemoveTopicRecord', topicId: record.value.topicId }
    case 'ConfigRecord': {
      const { resourceType, resourceName, name, value } = record.value
      const type = RESOURCE_TYPES.get(resourceType)
      if (type === undefined) {
        throw new DecodeError(`configuration of a resource of type ${resourceType}`, 0)
      }
      return { kind: 'ConfigRecord', resourceType: type, resourceName, name, value }
    }
    case 'ProducerIdsRecord': {
      const { brokerId, brokerEpoch, nextProducerId } = record.value
      return { kind: 'ProducerIdsRecord', brokerId, brokerEpoch, nextProducerId }
    }
    case 'ClientQuotaRecord': {
      const { entity: parts, key, value, remove } = record.value
      return {
        kind: 'ClientQuotaRecord',
        entity: quotaEntity(parts),
        key,
        value: remove ? null : value,
      }
    }
  }
}

type Parts = readonly { readonly entityType: string; readonly entityName: string | null }[]

function quotaEntity(parts: Parts): ClientQuotaRecord['entity'] {
  const unknown = parts.find(({ entityType }) => !isQuotaEntityType(entityType))
  if (unknown !== undefined) {
    throw new DecodeError(`a quota of an entity of type ${unknown.entityType}`, 0)
  }
  const entries = parts.map(({ entityType, entityName }) => [entityType, entityName] as const)
  return Object.fromEntries(entries) as QuotaEntity
}
