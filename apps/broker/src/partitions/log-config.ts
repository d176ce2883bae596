import { DEFAULT_LOG_CONFIG, type LogConfig } from '@fairlead/log'
import {
  type BrokerSettings,
  type TopicSettings,
  brokerSetting,
  topicSettings,
} from '@fairlead/metadata'
import type { BrokerConfig } from '../config.ts'

/** What a topic's configuration means to the logs of its partitions. */
export function logConfig(
  topicConfigs: ReadonlyMap<string, string>,
  settings: BrokerSettings,
  config: BrokerConfig,
): LogConfig {
  const topic = topicSettings(topicConfigs, settings)
  const isCompacted = topic.cleanupPolicy.includes('compact')
  return {
    segmentBytes: topic.segmentBytes,
    // Records wait in the active segment no longer than they may wait to be compacted.
    segmentMs: isCompacted ? Math.min(topic.segmentMs, topic.maxCompactionLagMs) : topic.segmentMs,
    segmentJitterMs: topic.segmentJitterMs,
    fileDeleteDelayMs: topic.fileDeleteDelayMs,
    retentionMs: topic.retentionMs,
    retentionBytes: topic.retentionBytes,
    cleanupPolicy: topic.cleanupPolicy,
    minCleanableDirtyRatio: topic.minCleanableDirtyRatio,
    minCompactionLagMs: topic.minCompactionLagMs,
    maxCompactionLagMs: topic.maxCompactionLagMs,
    deleteRetentionMs: topic.deleteRetentionMs,
    segmentIndexBytes: topic.segmentIndexBytes,
    maxMessageBytes: topic.maxMessageBytes,
    messageTimestampType: topic.messageTimestampType,
    messageTimestampBeforeMaxMs: topic.messageTimestampBeforeMaxMs,
    messageTimestampAfterMaxMs: topic.messageTimestampAfterMaxMs,
    ...compressionOf(topic),
    maxDecompressedBytes: topic.maxDecompressedMessageBytes,
    indexIntervalBytes: topic.indexIntervalBytes,
    producerIdExpirationMs: Number(
      brokerSetting(settings, 'producer.id.expiration.ms') ?? config['producer.id.expiration.ms'],
    ),
    durability: topic.flushMode,
    flushMs: topic.flushMs,
    flushMessages: topic.flushMessages,
  }
}

function compressionOf(
  topic: TopicSettings,
): Pick<LogConfig, 'compressionType' | 'compressionLevel'> {
  switch (topic.compressionType) {
    case 'uncompressed':
      return { compressionType: 'none', compressionLevel: undefined }
    case 'gzip':
      return { compressionType: 'gzip', compressionLevel: topic.compressionGzipLevel }
    case 'zstd':
      return { compressionType: 'zstd', compressionLevel: topic.compressionZstdLevel }
    // Our lz4 has one level, and snappy never had more.
    case 'lz4':
    case 'snappy':
    case 'producer':
      return { compressionType: topic.compressionType, compressionLevel: undefined }
  }
}

/** The metadata log is never cut: it is replayed from its start. */
export const METADATA_LOG_CONFIG: LogConfig = {
  ...DEFAULT_LOG_CONFIG,
  retentionMs: -1,
  retentionBytes: -1,
  cleanupPolicy: [],
  durability: 'group',
}
