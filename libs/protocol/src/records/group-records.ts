import type { Decoded } from '../schema/field.ts'
import type { VersionedSchema } from './versioned.ts'

/**
 * The records of `__consumer_offsets`, as Kafka's group coordinator writes them. The version of a key
 * names its kind: 0 and 1 are committed offsets, 2 is the metadata of a classic group.
 */

const OFFSET_COMMIT_KEY_FIELDS = {
  group: { type: 'string' },
  topic: { type: 'string' },
  partition: { type: 'int32' },
} as const

const OFFSET_COMMIT_VALUE_FIELDS = {
  offset: { type: 'int64' },
  leaderEpoch: { type: 'int32', versions: '3+', default: -1 },
  metadata: { type: 'string' },
  commitTimestamp: { type: 'int64' },
  expireTimestamp: { type: 'int64', versions: '1', default: -1 },
  topicId: { type: 'uuid', versions: '4+', tag: 0 },
} as const

const GROUP_METADATA_KEY_FIELDS = { group: { type: 'string' } } as const

const GROUP_METADATA_VALUE_FIELDS = {
  protocolType: { type: 'string' },
  generation: { type: 'int32' },
  protocol: { type: 'string', nullable: '0+' },
  leader: { type: 'string', nullable: '0+' },
  currentStateTimestamp: { type: 'int64', versions: '2+', default: -1 },
  members: {
    array: {
      memberId: { type: 'string' },
      groupInstanceId: { type: 'string', versions: '3+', nullable: '3+', default: null },
      clientId: { type: 'string' },
      clientHost: { type: 'string' },
      rebalanceTimeout: { type: 'int32', versions: '1+', default: -1 },
      sessionTimeout: { type: 'int32' },
      subscription: { type: 'bytes' },
      assignment: { type: 'bytes' },
    },
  },
} as const

export const OFFSET_COMMIT_KEY: VersionedSchema<typeof OFFSET_COMMIT_KEY_FIELDS> = {
  versions: [0, 1],
  fields: OFFSET_COMMIT_KEY_FIELDS,
}
export const OFFSET_COMMIT_VALUE: VersionedSchema<typeof OFFSET_COMMIT_VALUE_FIELDS> = {
  versions: [0, 4],
  flexible: 4,
  fields: OFFSET_COMMIT_VALUE_FIELDS,
}
export const GROUP_METADATA_KEY: VersionedSchema<typeof GROUP_METADATA_KEY_FIELDS> = {
  versions: [2, 2],
  fields: GROUP_METADATA_KEY_FIELDS,
}
export const GROUP_METADATA_VALUE: VersionedSchema<typeof GROUP_METADATA_VALUE_FIELDS> = {
  versions: [0, 4],
  flexible: 4,
  fields: GROUP_METADATA_VALUE_FIELDS,
}

export type OffsetCommitKey = Decoded<typeof OFFSET_COMMIT_KEY_FIELDS>
export type OffsetCommitValue = Decoded<typeof OFFSET_COMMIT_VALUE_FIELDS>
export type GroupMetadataKey = Decoded<typeof GROUP_METADATA_KEY_FIELDS>
export type GroupMetadataValue = Decoded<typeof GROUP_METADATA_VALUE_FIELDS>
