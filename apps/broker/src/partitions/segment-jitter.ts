import type { LogConfig } from '@fairlead/log'

/**
 * The configuration of one partition: a part of `segment.jitter.ms` is taken off `segment.ms`, so that
 * partitions that were made together do not close their segments together. It follows from the name,
 * and is therefore the same after a restart.
 */
export function withSegmentJitter(config: LogConfig, partitionName: string): LogConfig {
  const { segmentMs, segmentJitterMs } = config
  const jitterMs = Math.min(segmentJitterMs, segmentMs - 1)
  if (jitterMs <= 0) return config
  return { ...config, segmentMs: segmentMs - Math.floor(shareOf(partitionName) * (jitterMs + 1)) }
}

/** From 0 to just below 1: FNV-1a of the name, as a share of its range. */
function shareOf(name: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < name.length; index += 1) {
    hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193)
  }
  return (hash >>> 0) / 2 ** 32
}
