import type { Topic } from '@fairlead/metadata'

export type RestartSafety = {
  /** Stopping this broker takes no partition below `min.insync.replicas` that could be above it. */
  readonly isSafe: boolean
  readonly reasons: readonly string[]
  /**
   * Partitions that cannot be served while any of their brokers is down, as they have no more
   * replicas than `min.insync.replicas`. Waiting does not help them: they do not count against it.
   */
  readonly unavailableMeanwhile: number
}

/** Reasons that are named; there may be thousands. */
const REASONS_MAX = 20

/** Whether a broker may be stopped now: what a rolling restart waits for, broker by broker. */
export function restartSafety(
  brokerId: number,
  topics: Iterable<Topic>,
  minInSyncReplicas: (topic: string) => number,
): RestartSafety {
  const reasons: string[] = []
  let unsafeCount = 0
  let unavailableMeanwhile = 0
  for (const { name, partitions } of topics) {
    const min = minInSyncReplicas(name)
    for (const { partition, replicas, isr } of partitions) {
      if (!replicas.includes(brokerId)) continue
      const others = isr.filter((replica) => replica !== brokerId).length
      if (others >= min) continue
      if (replicas.length <= min) {
        unavailableMeanwhile += 1
        continue
      }
      unsafeCount += 1
      if (reasons.length < REASONS_MAX) {
        reasons.push(`${name}-${partition} would have ${others} in-sync replicas, and needs ${min}`)
      }
    }
  }
  return { isSafe: unsafeCount === 0, reasons, unavailableMeanwhile }
}
