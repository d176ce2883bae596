import { invariant } from '@fairlead/base'
import { listItems } from './definition.ts'
import type { BrokerSettings } from './broker-settings.ts'
import { effectiveTopicConfigs } from './effective-topic-config.ts'

/** The configuration in effect of one topic, typed: what its partition logs run with. */
export type TopicSettings = {
  /** -1 is no limit. */
  readonly retentionMs: number
  /** Per partition; -1 is no limit. */
  readonly retentionBytes: number
  readonly segmentBytes: number
  readonly segmentMs: number
  readonly segmentJitterMs: number
  readonly segmentIndexBytes: number
  readonly indexIntervalBytes: number
  readonly fileDeleteDelayMs: number
  readonly maxMessageBytes: number
  readonly messageTimestampType: 'CreateTime' | 'LogAppendTime'
  readonly messageTimestampBeforeMaxMs: number
  readonly messageTimestampAfterMaxMs: number
  /** In effect: `flush.messages=1` makes `os` and `interval` the same as `group`. */
  readonly flushMode: 'group' | 'os' | 'interval'
  readonly flushMs: number
  readonly flushMessages: number
  /** Without duplicates; may be empty, which keeps everything. */
  readonly cleanupPolicy: readonly ('delete' | 'compact')[]
  readonly deleteRetentionMs: number
  readonly minCompactionLagMs: number
  readonly maxCompactionLagMs: number
  readonly minCleanableDirtyRatio: number
  readonly minInsyncReplicas: number
  readonly compressionType: 'producer' | 'uncompressed' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
  readonly compressionGzipLevel: number
  readonly compressionZstdLevel: number
  /** Of one batch, where the broker opens it. */
  readonly maxDecompressedMessageBytes: number
  readonly preallocate: boolean
}

/**
 * Resolves a topic's own configuration over the broker's and the defaults. Longs beyond 2^53 - 1
 * (Kafka writes "never" as 2^63 - 1) become 2^53 - 1, which no log ever reaches.
 */
export function topicSettings(
  topicConfigs: ReadonlyMap<string, string>,
  broker: BrokerSettings,
): TopicSettings {
  const values = new Map(
    effectiveTopicConfigs(topicConfigs, broker).map(({ name, value }) => [name, value.trim()]),
  )
  const text = (name: string): string => {
    const value = values.get(name)
    invariant(value !== undefined, () => `${name} has a value`)
    return value
  }
  const number = (name: string): number => Math.min(Number(text(name)), Number.MAX_SAFE_INTEGER)
  const policies = listItems(text('cleanup.policy'))

  return {
    retentionMs: number('retention.ms'),
    retentionBytes: number('retention.bytes'),
    segmentBytes: number('segment.bytes'),
    segmentMs: number('segment.ms'),
    segmentJitterMs: number('segment.jitter.ms'),
    segmentIndexBytes: number('segment.index.bytes'),
    indexIntervalBytes: number('index.interval.bytes'),
    fileDeleteDelayMs: number('file.delete.delay.ms'),
    maxMessageBytes: number('max.message.bytes'),
    messageTimestampType: text('message.timestamp.type') as TopicSettings['messageTimestampType'],
    messageTimestampBeforeMaxMs: number('message.timestamp.before.max.ms'),
    messageTimestampAfterMaxMs: number('message.timestamp.after.max.ms'),
    ...flushSettings(text('flush.mode'), number('flush.ms'), number('flush.messages')),
    cleanupPolicy: (['delete', 'compact'] as const).filter((policy) => policies.includes(policy)),
    deleteRetentionMs: number('delete.retention.ms'),
    minCompactionLagMs: number('min.compaction.lag.ms'),
    maxCompactionLagMs: number('max.compaction.lag.ms'),
    minCleanableDirtyRatio: number('min.cleanable.dirty.ratio'),
    minInsyncReplicas: number('min.insync.replicas'),
    compressionType: text('compression.type') as TopicSettings['compressionType'],
    compressionGzipLevel: number('compression.gzip.level'),
    compressionZstdLevel: number('compression.zstd.level'),
    maxDecompressedMessageBytes: number('max.decompressed.message.bytes'),
    preallocate: text('preallocate').toLowerCase() === 'true',
  }
}

/** What mode `interval` leaves unsynced when `flush.ms` is not set. */
const INTERVAL_MS = 100

function flushSettings(
  mode: string,
  flushMs: number,
  flushMessages: number,
): Pick<TopicSettings, 'flushMode' | 'flushMs' | 'flushMessages'> {
  const flushMode = flushMessages === 1 ? 'group' : (mode as TopicSettings['flushMode'])
  const isUnset = flushMs === Number.MAX_SAFE_INTEGER
  const isBounded = flushMode === 'interval' && isUnset
  return { flushMode, flushMs: isBounded ? INTERVAL_MS : flushMs, flushMessages }
}
