import { DecodeError } from '@fairlead/base'
import {
  GROUP_METADATA_KEY,
  GROUP_METADATA_VALUE,
  OFFSET_COMMIT_KEY,
  OFFSET_COMMIT_VALUE,
  decodeVersioned,
  encodeVersioned,
} from '@fairlead/protocol'
import type { CommittedOffset, GroupRecord, StoredGroup } from './group-record.ts'
import type { CoordinatorRecord } from './types.ts'

/** Versions that Kafka writes too: its tools (the offsets formatter, MirrorMaker) read ours. */
const OFFSET_KEY_VERSION = 1
const GROUP_KEY_VERSION = 2
const OFFSET_VALUE_VERSION = 3
/** The only one with an expire timestamp, which only clients before OffsetCommit v5 ask for. */
const OFFSET_VALUE_VERSION_WITH_EXPIRY = 1
const GROUP_VALUE_VERSION = 3

/** A record of `__consumer_offsets` in the format of Kafka. */
export function encodeGroupRecord(record: GroupRecord): CoordinatorRecord {
  const { groupId: group } = record
  if (record.kind === 'groupMetadata') {
    return {
      key: encodeVersioned(GROUP_METADATA_KEY, GROUP_KEY_VERSION, { group }),
      value: record.value === null ? null : encodeGroup(record.value),
    }
  }
  const { topic, partition, value } = record
  return {
    key: encodeVersioned(OFFSET_COMMIT_KEY, OFFSET_KEY_VERSION, { group, topic, partition }),
    value: value === null ? null : encodeOffset(value),
  }
}

/**
 * Reads a record of `__consumer_offsets`; the version of its key says what it is. Undefined for the
 * records of the newer group protocols, which this coordinator does not write.
 *
 * @throws {DecodeError} for bytes of another form.
 */
export function decodeGroupRecord({ key, value }: CoordinatorRecord): GroupRecord | undefined {
  switch (keyVersion(key)) {
    case 0:
    case OFFSET_KEY_VERSION: {
      const { group: groupId, topic, partition } = decodeVersioned(OFFSET_COMMIT_KEY, key).value
      const decoded = value === null ? null : decodeOffset(value)
      return { kind: 'offsetCommit', groupId, topic, partition, value: decoded }
    }
    case GROUP_KEY_VERSION: {
      const { group: groupId } = decodeVersioned(GROUP_METADATA_KEY, key).value
      return { kind: 'groupMetadata', groupId, value: value === null ? null : decodeGroup(value) }
    }
    default:
      return undefined
  }
}

function keyVersion(key: Uint8Array): number {
  const [high, low] = key
  if (high === undefined || low === undefined) throw new DecodeError('a key without a version', 0)
  return (high << 8) | low
}

function encodeOffset(value: CommittedOffset): Uint8Array {
  const version =
    value.expireTimestampMs < 0 ? OFFSET_VALUE_VERSION : OFFSET_VALUE_VERSION_WITH_EXPIRY
  return encodeVersioned(OFFSET_COMMIT_VALUE, version, {
    offset: value.committedOffset,
    leaderEpoch: value.leaderEpoch,
    metadata: value.metadata,
    commitTimestamp: value.commitTimestampMs,
    expireTimestamp: value.expireTimestampMs,
  })
}

function decodeOffset(bytes: Uint8Array): CommittedOffset {
  const { value } = decodeVersioned(OFFSET_COMMIT_VALUE, bytes)
  return {
    committedOffset: value.offset,
    leaderEpoch: value.leaderEpoch,
    metadata: value.metadata,
    commitTimestampMs: value.commitTimestamp,
    expireTimestampMs: value.expireTimestamp,
  }
}

function encodeGroup(value: StoredGroup): Uint8Array {
  return encodeVersioned(GROUP_METADATA_VALUE, GROUP_VALUE_VERSION, {
    protocolType: value.protocolType,
    generation: value.generationId,
    protocol: value.protocolName,
    leader: value.leader,
    currentStateTimestamp: value.stateTimestampMs,
    members: value.members.map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      rebalanceTimeout: member.rebalanceTimeoutMs,
      sessionTimeout: member.sessionTimeoutMs,
      subscription: member.subscription,
      assignment: member.assignment,
    })),
  })
}

function decodeGroup(bytes: Uint8Array): StoredGroup {
  const { value } = decodeVersioned(GROUP_METADATA_VALUE, bytes)
  return {
    protocolType: value.protocolType,
    generationId: value.generation,
    protocolName: value.protocol,
    leader: value.leader,
    stateTimestampMs: value.currentStateTimestamp,
    members: value.members.map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      rebalanceTimeoutMs:
        member.rebalanceTimeout < 0 ? member.sessionTimeout : member.rebalanceTimeout,
      sessionTimeoutMs: member.sessionTimeout,
      // Copies: the value is a view into a read buffer that holds much more.
      subscription: member.subscription.slice(),
      assignment: member.assignment.slice(),
    })),
  }
}
