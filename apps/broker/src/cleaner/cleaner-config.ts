import type { BrokerConfig } from '../config.ts'

/** What the `log.cleaner.*` keys mean to one thread. */
export type CleanerConfig = {
  readonly threadCount: number
  readonly mapBytes: number
  readonly mapLoadFactor: number
  readonly bufferBytes: number
  readonly bytesPerSecond: number
  readonly backoffMs: number
}

/** A typed array has no more bytes than this. */
const MAP_BYTES_MAX = 2_147_483_640

/** Limits are for all threads together, as in Kafka; half of the buffer reads, half of it writes. */
export function cleanerConfig(config: BrokerConfig): CleanerConfig {
  const threadCount = config['log.cleaner.threads']
  const share = (total: number): number => Math.floor(total / threadCount)
  return {
    threadCount,
    mapBytes: Math.min(share(config['log.cleaner.dedupe.buffer.size']), MAP_BYTES_MAX),
    mapLoadFactor: config['log.cleaner.io.buffer.load.factor'],
    bufferBytes: Math.max(share(config['log.cleaner.io.buffer.size'] / 2), 1),
    bytesPerSecond: config['log.cleaner.io.max.bytes.per.second'] / threadCount,
    backoffMs: config['log.cleaner.backoff.ms'],
  }
}
