import type { Clock } from '@fairlead/base'
import type { Metrics } from '@fairlead/service'
import type { CleanerState, LogCleaner } from '../cleaner/log-cleaner.ts'
import type { DataDirectories } from '../storage/data-directories.ts'

const PERCENT = 100
const MS_PER_SECOND = 1000

/** The state of compaction under the names of Kafka's `LogCleaner` and `LogCleanerManager`. */
export function registerCleanerGauges(
  metrics: Metrics,
  sources: {
    readonly cleaner: Pick<LogCleaner, 'state'>
    readonly clock: Clock
    readonly directories: Pick<DataDirectories, 'all'>
  },
): void {
  const { cleaner, clock, directories } = sources
  const max = (of: (last: CleanerState['last'][number]) => number) => (state: CleanerState) =>
    state.last.reduce((most, last) => Math.max(most, of(last)), 0)
  const gauges: readonly (readonly [
    name: string,
    help: string,
    read: (state: CleanerState) => number,
  ])[] = [
    [
      'logcleaner_cleaner_recopy_percent',
      'Of the bytes that the last compactions read, how many were written again.',
      recopyPercent,
    ],
    [
      'logcleaner_max_buffer_utilization_percent',
      'How full the memory for keys was, at most, in the last compactions.',
      max(({ mapUtilization }) => Math.floor(mapUtilization * PERCENT)),
    ],
    [
      'logcleaner_max_clean_time_secs',
      'Longest of the last compactions.',
      max(({ durationMs }) => Math.floor(durationMs / MS_PER_SECOND)),
    ],
    [
      'logcleaner_max_compaction_delay_secs',
      'For how long a log should have been compacted by max.compaction.lag.ms.',
      ({ maxDelayMs }) => Math.floor(maxDelayMs / MS_PER_SECOND),
    ],
    [
      'logcleaner_deadthreadcount',
      'Compaction threads that died since the start.',
      ({ deadThreadCount }) => deadThreadCount,
    ],
    [
      'logcleanermanager_max_dirty_percent',
      'Share of new bytes in the dirtiest log.',
      ({ maxDirtyRatio }) => Math.floor(maxDirtyRatio * PERCENT),
    ],
    [
      'logcleanermanager_time_since_last_run_ms',
      'Since logs were last looked at for compaction.',
      ({ lastRunMs }) => clock.nowMs() - lastRunMs,
    ],
  ]
  for (const [name, help, read] of gauges) {
    metrics.gauge({
      name: `kafka_log_${name}`,
      help,
      collect() {
        this.set(read(cleaner.state))
      },
    })
  }
  metrics.gauge({
    name: 'kafka_log_logcleanermanager_uncleanable_partitions_count',
    help: 'Partitions whose compaction failed, and is not tried again before the next start.',
    labelNames: ['logDirectory'],
    collect() {
      for (const { path } of directories.all) {
        this.set({ logDirectory: path }, uncleanableIn(path, cleaner.state).length)
      }
    },
  })
  metrics.gauge({
    name: 'kafka_log_logcleanermanager_uncleanable_bytes',
    help: 'Bytes of those partitions.',
    labelNames: ['logDirectory'],
    collect() {
      for (const { path } of directories.all) {
        const logs = uncleanableIn(path, cleaner.state)
        const bytes = logs.reduce((sum, { log }) => sum + log.sizeBytes, 0)
        this.set({ logDirectory: path }, bytes)
      }
    },
  })
}

function uncleanableIn(path: string, { uncleanable }: CleanerState) {
  return [...uncleanable].filter(({ directory }) => directory.path === path)
}

function recopyPercent({ last }: CleanerState): number {
  const readBytes = last.reduce((sum, compaction) => sum + compaction.readBytes, 0)
  const writtenBytes = last.reduce((sum, compaction) => sum + compaction.writtenBytes, 0)
  return Math.floor((PERCENT * writtenBytes) / Math.max(readBytes, 1))
}
