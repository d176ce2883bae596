import type { ConfigRule } from './definition.ts'

export type BrokerSynonym = {
  readonly name: string
  /** What to multiply the broker's value by to get the topic's (`log.retention.hours`). */
  readonly factor?: number
}

export type TopicConfigDefinition = ConfigRule & {
  readonly default: string
  /** Broker keys that set the default, the strongest first. */
  readonly synonyms: readonly BrokerSynonym[]
  readonly doc: string
}

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const LONG_MAX = '9223372036854775807'

/** Kafka 4 demands a MiB; 14 bytes, as in Kafka 3, lets small installations roll their segments. */
const SEGMENT_BYTES_MIN = 14

/**
 * Every topic-level configuration of Kafka 4, and `flush.mode`, which is ours. Names, types,
 * defaults and rules are Kafka's: users set them, and tools compare them.
 */
export const TOPIC_CONFIGS: Readonly<Record<string, TopicConfigDefinition>> = {
  'cleanup.policy': {
    type: 'LIST',
    default: 'delete',
    oneOf: ['compact', 'delete'],
    synonyms: [{ name: 'log.cleanup.policy' }],
    doc: 'What happens to old records: delete whole segments by age or size, compact to the latest record of each key, or both.',
  },
  'compression.gzip.level': {
    type: 'INT',
    default: '-1',
    min: 1,
    max: 9,
    or: -1,
    synonyms: [{ name: 'compression.gzip.level' }],
    doc: 'Level when compression.type is gzip.',
  },
  'compression.lz4.level': {
    type: 'INT',
    default: '9',
    min: 1,
    max: 17,
    synonyms: [{ name: 'compression.lz4.level' }],
    doc: 'Level when compression.type is lz4.',
  },
  'compression.type': {
    type: 'STRING',
    default: 'producer',
    oneOf: ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'],
    synonyms: [{ name: 'compression.type' }],
    doc: 'Compression of stored batches; producer keeps what the producer chose.',
  },
  'compression.zstd.level': {
    type: 'INT',
    default: '3',
    min: -131_072,
    max: 22,
    synonyms: [{ name: 'compression.zstd.level' }],
    doc: 'Level when compression.type is zstd.',
  },
  'delete.retention.ms': {
    type: 'LONG',
    default: '86400000',
    min: 0,
    synonyms: [{ name: 'log.cleaner.delete.retention.ms' }],
    doc: 'How long a tombstone of a compacted topic is kept, so that a reader from the start sees it.',
  },
  'errors.deadletterqueue.group.enable': {
    type: 'BOOLEAN',
    default: 'false',
    synonyms: [],
    doc: 'Whether share groups may use the topic as a dead letter queue. There are no share groups.',
  },
  'file.delete.delay.ms': {
    type: 'LONG',
    default: '60000',
    min: 0,
    synonyms: [{ name: 'log.segment.delete.delay.ms' }],
    doc: 'How long the files of a deleted segment stay, with the suffix .deleted; not on a full disk.',
  },
  'flush.messages': {
    type: 'LONG',
    default: LONG_MAX,
    min: 1,
    synonyms: [{ name: 'log.flush.interval.messages' }],
    doc: 'In the modes os and interval: so many records that may not be on the disk yet; 1 is mode group.',
  },
  'flush.mode': {
    type: 'STRING',
    default: 'group',
    oneOf: ['group', 'os', 'interval'],
    synonyms: [{ name: 'log.flush.mode' }],
    doc: 'When an acknowledged record is durable: group (on the disk before the answer; appends share one sync), os (when the operating system writes it, as Kafka does, unless flush.ms or flush.messages say more) or interval (after flush.ms at the latest, 100 ms when that is not set).',
  },
  'flush.ms': {
    type: 'LONG',
    default: LONG_MAX,
    min: 0,
    synonyms: [{ name: 'log.flush.interval.ms' }, { name: 'log.flush.scheduler.interval.ms' }],
    doc: 'In the modes os and interval: how long a record may not be on the disk yet.',
  },
  'follower.replication.throttled.replicas': {
    type: 'LIST',
    default: '',
    isReplicaList: true,
    synonyms: [],
    doc: 'Replicas whose replication is throttled on the follower: partition:broker pairs, or *.',
  },
  'index.interval.bytes': {
    type: 'INT',
    default: '4096',
    min: 0,
    synonyms: [{ name: 'log.index.interval.bytes' }],
    doc: 'Bytes of log between two entries of the offset index.',
  },
  'leader.replication.throttled.replicas': {
    type: 'LIST',
    default: '',
    isReplicaList: true,
    synonyms: [],
    doc: 'Replicas whose replication is throttled on the leader: partition:broker pairs, or *.',
  },
  'local.retention.bytes': {
    type: 'LONG',
    default: '-2',
    min: -2,
    synonyms: [{ name: 'log.local.retention.bytes' }],
    doc: 'Size of the local part of a tiered log; -2 follows retention.bytes.',
  },
  'local.retention.ms': {
    type: 'LONG',
    default: '-2',
    min: -2,
    synonyms: [{ name: 'log.local.retention.ms' }],
    doc: 'Age of the local part of a tiered log; -2 follows retention.ms.',
  },
  'max.compaction.lag.ms': {
    type: 'LONG',
    default: LONG_MAX,
    min: 1,
    synonyms: [{ name: 'log.cleaner.max.compaction.lag.ms' }],
    doc: 'A record of a compacted topic is compacted at the latest after this time.',
  },
  'max.decompressed.message.bytes': {
    type: 'INT',
    default: '2147483639',
    min: 1,
    max: 2_147_483_639,
    synonyms: [{ name: 'max.decompressed.message.bytes' }],
    doc: 'Largest record batch after decompression, where the broker has to open it; 16 MiB at most.',
  },
  'max.message.bytes': {
    type: 'INT',
    default: '1048588',
    min: 0,
    synonyms: [{ name: 'message.max.bytes' }],
    doc: 'Largest record batch that a producer may send, in bytes after compression.',
  },
  'message.timestamp.after.max.ms': {
    type: 'LONG',
    default: '3600000',
    min: 0,
    synonyms: [{ name: 'log.message.timestamp.after.max.ms' }],
    doc: 'How far in the future the timestamp of a record may lie; for CreateTime.',
  },
  'message.timestamp.before.max.ms': {
    type: 'LONG',
    default: LONG_MAX,
    min: 0,
    synonyms: [{ name: 'log.message.timestamp.before.max.ms' }],
    doc: 'How far in the past the timestamp of a record may lie; for CreateTime.',
  },
  'message.timestamp.type': {
    type: 'STRING',
    default: 'CreateTime',
    oneOf: ['CreateTime', 'LogAppendTime'],
    synonyms: [{ name: 'log.message.timestamp.type' }],
    doc: 'Whose clock stamps a record: the producer (CreateTime) or the broker (LogAppendTime).',
  },
  'min.cleanable.dirty.ratio': {
    type: 'DOUBLE',
    default: '0.5',
    min: 0,
    max: 1,
    synonyms: [{ name: 'log.cleaner.min.cleanable.ratio' }],
    doc: 'Share of the log that must be new before it is compacted again.',
  },
  'min.compaction.lag.ms': {
    type: 'LONG',
    default: '0',
    min: 0,
    synonyms: [{ name: 'log.cleaner.min.compaction.lag.ms' }],
    doc: 'A record of a compacted topic is not compacted before this time.',
  },
  'min.insync.replicas': {
    type: 'INT',
    default: '1',
    min: 1,
    synonyms: [{ name: 'min.insync.replicas' }],
    doc: 'Replicas that must have a record before acks=all is answered; never more than there are.',
  },
  preallocate: {
    type: 'BOOLEAN',
    default: 'false',
    synonyms: [{ name: 'log.preallocate' }],
    doc: 'Accepted for compatibility: files grow as they are written.',
  },
  'remote.copy.lag.bytes': {
    type: 'LONG',
    default: '-1',
    min: -1,
    synonyms: [{ name: 'log.remote.copy.lag.bytes' }],
    doc: 'Size of a closed segment above which it is copied to the remote tier, which does not exist.',
  },
  'remote.copy.lag.ms': {
    type: 'LONG',
    default: '0',
    min: -1,
    synonyms: [{ name: 'log.remote.copy.lag.ms' }],
    doc: 'Age of a closed segment above which it is copied to the remote tier, which does not exist.',
  },
  'remote.log.copy.disable': {
    type: 'BOOLEAN',
    default: 'false',
    synonyms: [],
    doc: 'Whether a tiered topic stops copying segments to the remote tier.',
  },
  'remote.log.delete.on.disable': {
    type: 'BOOLEAN',
    default: 'false',
    synonyms: [],
    doc: 'Whether the remote tier is deleted when tiering is turned off.',
  },
  'remote.storage.enable': {
    type: 'BOOLEAN',
    default: 'false',
    synonyms: [],
    doc: 'Whether the topic is tiered. This broker has no remote tier.',
  },
  'retention.bytes': {
    type: 'LONG',
    default: '-1',
    synonyms: [{ name: 'log.retention.bytes' }],
    doc: 'Size of a partition above which old segments are deleted; -1 is no limit.',
  },
  'retention.ms': {
    type: 'LONG',
    default: '604800000',
    min: -1,
    synonyms: [
      { name: 'log.retention.ms' },
      { name: 'log.retention.minutes', factor: MINUTE_MS },
      { name: 'log.retention.hours', factor: HOUR_MS },
    ],
    doc: 'Age above which segments are deleted; -1 is no limit.',
  },
  'segment.bytes': {
    type: 'INT',
    default: '1073741824',
    min: SEGMENT_BYTES_MIN,
    synonyms: [{ name: 'log.segment.bytes' }],
    doc: 'Size at which a new segment is begun.',
  },
  'segment.index.bytes': {
    type: 'INT',
    default: '10485760',
    min: 4,
    synonyms: [{ name: 'log.index.size.max.bytes' }],
    doc: 'Size of the offset index at which a new segment is begun.',
  },
  'segment.jitter.ms': {
    type: 'LONG',
    default: '0',
    min: 0,
    synonyms: [{ name: 'log.roll.jitter.ms' }, { name: 'log.roll.jitter.hours', factor: HOUR_MS }],
    doc: 'Most time taken off segment.ms, another for each partition, so that they do not roll together.',
  },
  'segment.ms': {
    type: 'LONG',
    default: '604800000',
    min: 1,
    synonyms: [{ name: 'log.roll.ms' }, { name: 'log.roll.hours', factor: HOUR_MS }],
    doc: 'Age at which a new segment is begun even if it is not full.',
  },
  'unclean.leader.election.enable': {
    type: 'BOOLEAN',
    default: 'false',
    synonyms: [{ name: 'unclean.leader.election.enable' }],
    doc: 'Whether a replica outside of the in-sync set may become leader as the last resort.',
  },
}
