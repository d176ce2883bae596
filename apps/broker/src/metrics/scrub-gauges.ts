import type { Metrics } from '@fairlead/service'
import type { PartitionTable } from '../partitions/partition-table.ts'
import type { LogScrubber, ScrubState } from '../scrub/log-scrubber.ts'

const MS_PER_SECOND = 1000

/** What re-reading old records found. Kafka has no counterpart. */
export function registerScrubGauges(
  metrics: Metrics,
  sources: { readonly scrubber: Pick<LogScrubber, 'state'>; readonly partitions: PartitionTable },
): void {
  const { scrubber, partitions } = sources
  const gauges: readonly (readonly [
    name: string,
    help: string,
    read: (state: ScrubState) => number,
  ])[] = [
    ['fairlead_scrub_read_bytes', 'Read again since the start.', ({ readBytes }) => readBytes],
    [
      'fairlead_scrub_damaged_ranges',
      'Ranges found damaged since the start.',
      ({ damagedRangeCount }) => damagedRangeCount,
    ],
    [
      'fairlead_scrub_completed_timestamp_seconds',
      'When every record had last been read again; 0 before the first time.',
      ({ completedMs = 0 }) => completedMs / MS_PER_SECOND,
    ],
  ]
  for (const [name, help, read] of gauges) {
    metrics.gauge({
      name,
      help,
      collect() {
        this.set(read(scrubber.state))
      },
    })
  }
  metrics.gauge({
    name: 'fairlead_log_quarantined_offsets',
    help: 'Offsets that are not served because the disk damaged them; only partitions with some.',
    labelNames: ['topic', 'partition'],
    collect() {
      this.reset()
      for (const { topic, partition, log } of partitions.all()) {
        const offsets = log.quarantined.reduce(
          (sum, { fromOffset, endOffset }) => sum + endOffset - fromOffset,
          0,
        )
        if (offsets > 0) this.set({ topic, partition }, offsets)
      }
    },
  })
}
