import type { Clock, Timers } from '@fairlead/base'
import type { BrokerConfig } from '../config.ts'
import { CHECKPOINT_INTERVAL_MS, FLUSH_CHECK_INTERVAL_MS } from '../limits.ts'
import { settled } from './log-calls.ts'
import type { LocalPartition, PartitionTable } from './partition-table.ts'

export type HousekeepingOptions = {
  readonly config: BrokerConfig
  readonly partitions: PartitionTable
  readonly clock: Clock
  readonly timers: Timers
  readonly onFailure: (error: unknown) => void
}

/**
 * What logs need from time to time: old segments deleted, durable states written so that a crash
 * costs little, syncs where a topic bounds what is not on the disk yet. One partition after the other, so that clients hardly notice. Returns the function
 * that ends it.
 */
export function startHousekeeping(options: HousekeepingOptions): () => void {
  const { config, clock } = options
  const stops = [
    repeat(options, config['log.retention.check.interval.ms'], ({ log }) =>
      settled<void>((done) => log.enforceRetention(clock.wallNowMs(), done)),
    ),
    repeat(options, CHECKPOINT_INTERVAL_MS, ({ log }) =>
      settled<void>((done) => log.checkpoint(done)),
    ),
    flushOverdue(options),
  ]
  return () => {
    for (const stop of stops) stop()
  }
}

function flushOverdue({ partitions, clock, timers }: HousekeepingOptions): () => void {
  let cancel: () => void
  const schedule = (): void => {
    cancel = timers.after(FLUSH_CHECK_INTERVAL_MS, () => {
      for (const { log } of partitions.all()) log.flushOverdue(clock.wallNowMs())
      schedule()
    })
  }
  schedule()
  return () => cancel()
}

/** Visits every partition, rests for the interval, and starts again. */
function repeat(
  { partitions, timers, onFailure }: HousekeepingOptions,
  intervalMs: number,
  visit: (partition: LocalPartition) => Promise<void>,
): () => void {
  let isStopped = false
  let cancel: () => void
  const round = async (): Promise<void> => {
    for (const partition of partitions.snapshot()) {
      const isOpen = partitions.get(partition.topic, partition.partition) === partition
      if (isStopped) return
      if (isOpen) await visit(partition)
    }
  }
  const schedule = (): void => {
    cancel = timers.after(intervalMs, () => {
      round().then(
        () => {
          if (!isStopped) schedule()
        },
        (error: unknown) => {
          if (!isStopped) onFailure(error)
        },
      )
    })
  }
  schedule()
  return () => {
    isStopped = true
    cancel()
  }
}
