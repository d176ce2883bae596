/** What a topic's configuration means to its logs; names and defaults are Kafka's. */
export type LogConfig = {
  /** `segment.bytes` */
  readonly segmentBytes: number
  /** `segment.ms`: a segment is also closed when it is this old, counted from its first append. */
  readonly segmentMs: number
  /** `retention.ms`: -1 keeps segments whatever their age. */
  readonly retentionMs: number
  /** `retention.bytes`: -1 keeps segments whatever the size of the log. */
  readonly retentionBytes: number
  /** `cleanup.policy`: retention by age and size applies only with `delete`. */
  readonly cleanupPolicy: readonly ('delete' | 'compact')[]
  /** `max.message.bytes`: of one batch, with its header. */
  readonly maxMessageBytes: number
  /** `message.timestamp.type` */
  readonly messageTimestampType: 'CreateTime' | 'LogAppendTime'
  /** `index.interval.bytes` */
  readonly indexIntervalBytes: number
  /** `producer.id.expiration.ms` */
  readonly producerIdExpirationMs: number
  /**
   * When an append counts: `group` after the datasync that covers it, `os` after the write, which
   * survives the end of the process but not that of the machine (Kafka's behaviour).
   */
  readonly durability: 'group' | 'os'
}

export const DEFAULT_LOG_CONFIG: LogConfig = {
  segmentBytes: 1_073_741_824,
  segmentMs: 604_800_000,
  retentionMs: 604_800_000,
  retentionBytes: -1,
  cleanupPolicy: ['delete'],
  maxMessageBytes: 1_048_588,
  messageTimestampType: 'CreateTime',
  indexIntervalBytes: 4096,
  producerIdExpirationMs: 86_400_000,
  durability: 'group',
}
