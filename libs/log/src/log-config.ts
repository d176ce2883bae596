import type { CompressionType } from '@fairlead/protocol'

/** What a topic's configuration means to its logs; names and defaults are Kafka's. */
export type LogConfig = {
  /** `segment.bytes` */
  readonly segmentBytes: number
  /** `segment.ms`: a segment is also closed when it is this old, counted from its first append. */
  readonly segmentMs: number
  /** `segment.jitter.ms`: most that is taken off `segmentMs`, another time for each partition. */
  readonly segmentJitterMs: number
  /** `file.delete.delay.ms`: the files of a deleted segment stay for so long. */
  readonly fileDeleteDelayMs: number
  /** `retention.ms`: -1 keeps segments whatever their age. */
  readonly retentionMs: number
  /** `retention.bytes`: -1 keeps segments whatever the size of the log. */
  readonly retentionBytes: number
  /** `cleanup.policy`: retention by age and size applies only with `delete`. */
  readonly cleanupPolicy: readonly ('delete' | 'compact')[]
  /** `min.cleanable.dirty.ratio`: share of the log that must be new before it is compacted again. */
  readonly minCleanableDirtyRatio: number
  /** `min.compaction.lag.ms`: records younger than this are not compacted. */
  readonly minCompactionLagMs: number
  /** `max.compaction.lag.ms`: records older than this are compacted whatever the ratio. */
  readonly maxCompactionLagMs: number
  /** `delete.retention.ms`: how long a tombstone stays once a compaction has seen it. */
  readonly deleteRetentionMs: number
  /** `segment.index.bytes`: most index bytes of a segment that compaction merges from several. */
  readonly segmentIndexBytes: number
  /** `max.message.bytes`: of one batch of a client, with its header. */
  readonly maxMessageBytes: number
  /** `message.timestamp.type` */
  readonly messageTimestampType: 'CreateTime' | 'LogAppendTime'
  /** `message.timestamp.before.max.ms`, for CreateTime */
  readonly messageTimestampBeforeMaxMs: number
  /** `message.timestamp.after.max.ms`, for CreateTime */
  readonly messageTimestampAfterMaxMs: number
  /** `compression.type`: how batches are stored, or `producer` for as they came. */
  readonly compressionType: 'producer' | CompressionType
  /** `compression.gzip.level` and the like; undefined where the type has no levels. */
  readonly compressionLevel: number | undefined
  /** `max.decompressed.message.bytes`: of one batch that has to be opened. */
  readonly maxDecompressedBytes: number
  /** `index.interval.bytes` */
  readonly indexIntervalBytes: number
  /** `producer.id.expiration.ms` */
  readonly producerIdExpirationMs: number
  /**
   * When an append counts: `group` after the datasync that covers it, `os` after the write, which
   * survives the end of the process but not that of the machine (Kafka's behaviour). `interval` is
   * `os` with a bound on what the end of the machine costs: `flushMs`.
   */
  readonly durability: 'group' | 'os' | 'interval'
  /** `flush.ms`: what is older is synced by `flushOverdue`, in modes os and interval. */
  readonly flushMs: number
  /** `flush.messages`: so many records that are not synced are, in modes os and interval. */
  readonly flushMessages: number
}

export const DEFAULT_LOG_CONFIG: LogConfig = {
  segmentBytes: 1_073_741_824,
  segmentMs: 604_800_000,
  segmentJitterMs: 0,
  fileDeleteDelayMs: 60_000,
  retentionMs: 604_800_000,
  retentionBytes: -1,
  cleanupPolicy: ['delete'],
  minCleanableDirtyRatio: 0.5,
  minCompactionLagMs: 0,
  maxCompactionLagMs: Number.MAX_SAFE_INTEGER,
  deleteRetentionMs: 86_400_000,
  segmentIndexBytes: 10_485_760,
  maxMessageBytes: 1_048_588,
  messageTimestampType: 'CreateTime',
  messageTimestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  messageTimestampAfterMaxMs: 3_600_000,
  compressionType: 'producer',
  compressionLevel: undefined,
  maxDecompressedBytes: 2_147_483_639,
  indexIntervalBytes: 4096,
  producerIdExpirationMs: 86_400_000,
  durability: 'group',
  flushMs: Number.MAX_SAFE_INTEGER,
  flushMessages: Number.MAX_SAFE_INTEGER,
}
