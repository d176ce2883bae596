import type { GroupConfig } from '@fairlead/coordinator'
import type { BrokerConfig } from '../config.ts'
import { COMMITTED_PARTITIONS_MAX, GROUPS_MAX, MEMBER_METADATA_BYTES_MAX } from '../limits.ts'

const MINUTE_MS = 60_000

/** The configuration of the group coordinator, under its own names. */
export function groupConfig(config: BrokerConfig, offsetsPartitionCount: number): GroupConfig {
  return {
    offsetsPartitionCount,
    sessionTimeoutMinMs: config['group.min.session.timeout.ms'],
    sessionTimeoutMaxMs: config['group.max.session.timeout.ms'],
    initialRebalanceDelayMs: config['group.initial.rebalance.delay.ms'],
    membersMax: config['group.max.size'],
    offsetMetadataMaxBytes: config['offset.metadata.max.bytes'],
    offsetsRetentionMs: config['offsets.retention.minutes'] * MINUTE_MS,
    offsetsRetentionCheckIntervalMs: config['offsets.retention.check.interval.ms'],
    groupsMax: GROUPS_MAX,
    memberMetadataMaxBytes: MEMBER_METADATA_BYTES_MAX,
    committedPartitionsMax: COMMITTED_PARTITIONS_MAX,
  }
}
