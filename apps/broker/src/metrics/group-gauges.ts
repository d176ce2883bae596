import type { Clock } from '@fairlead/base'
import type { GroupState, GroupSummary } from '@fairlead/coordinator'
import type { PartitionLog } from '@fairlead/log'
import type { Metrics } from '@fairlead/service'
import type { PartitionTable } from '../partitions/partition-table.ts'
import type { Series } from './series.ts'

export type GroupGaugeSources = {
  readonly groups: { summaries(): Iterable<GroupSummary> }
  readonly partitions: Pick<PartitionTable, 'get'>
  readonly series: Series
  readonly clock: Clock
}

/** One look serves all gauges of a scrape. */
const CENSUS_AGE_MAX_MS = 1_000

const KAFKA_PREFIX = 'kafka_coordinator_group_groupmetadatamanager'

type PartitionLabels = {
  readonly consumergroup: string
  readonly topic: string
  readonly partition: number
}

type PartitionRow = {
  readonly labels: PartitionLabels
  readonly offset: number
  readonly lag: number
}

/** What the groups were at one moment. */
type Census = {
  readonly takenMs: number
  readonly groupsByState: ReadonlyMap<GroupState, number>
  readonly groupCount: number
  readonly offsetCount: number
  readonly membersByGroup: readonly (readonly [groupId: string, count: number])[]
  readonly partitions: readonly PartitionRow[]
}

/**
 * Groups by state under the names of Kafka's JMX exporter, and offsets and lag under those of
 * kafka_exporter, without another process.
 *
 * Lag is `max(0, high watermark - max(committed, log start))`: what was deleted unread is no lag, and
 * a partition without a commit has no series.
 */
export function registerGroupGauges(metrics: Metrics, sources: GroupGaugeSources): void {
  let newest: Census | undefined
  const census = (): Census => {
    const nowMs = sources.clock.nowMs()
    if (newest === undefined || nowMs - newest.takenMs > CENSUS_AGE_MAX_MS) {
      newest = takeCensus(sources, nowMs)
    }
    return newest
  }
  registerTotals(metrics, census)
  registerMembers(metrics, census)
  registerOffsets(metrics, census)
}

function registerTotals(metrics: Metrics, census: () => Census): void {
  const inState = (state: GroupState) => () => census().groupsByState.get(state) ?? 0
  const totals: readonly (readonly [name: string, help: string, read: () => number])[] = [
    ['numgroups', 'Groups.', () => census().groupCount],
    ['numgroupsstable', 'Groups in Stable.', inState('Stable')],
    ['numgroupspreparingrebalance', 'In PreparingRebalance.', inState('PreparingRebalance')],
    ['numgroupscompletingrebalance', 'In CompletingRebalance.', inState('CompletingRebalance')],
    ['numgroupsempty', 'Groups in Empty.', inState('Empty')],
    ['numgroupsdead', 'Groups in Dead: they are forgotten at once.', inState('Dead')],
    [
      'numoffsets',
      'Partitions with a committed offset, over all groups.',
      () => census().offsetCount,
    ],
  ]
  for (const [name, help, read] of totals) {
    metrics.gauge({
      name: `${KAFKA_PREFIX}_${name}`,
      help,
      collect() {
        this.set(read())
      },
    })
  }
}

function registerMembers(metrics: Metrics, census: () => Census): void {
  metrics.gauge({
    name: 'kafka_consumergroup_members',
    help: 'Members of the group.',
    labelNames: ['consumergroup'],
    collect() {
      this.reset()
      for (const [consumergroup, count] of census().membersByGroup) {
        this.set({ consumergroup }, count)
      }
    },
  })
}

function registerOffsets(metrics: Metrics, census: () => Census): void {
  const gauges: readonly (readonly [string, string, (row: PartitionRow) => number])[] = [
    ['current_offset', 'Committed offset.', ({ offset }) => offset],
    ['lag', 'Records that the group has not read.', ({ lag }) => lag],
  ]
  for (const [name, help, read] of gauges) {
    metrics.gauge({
      name: `kafka_consumergroup_${name}`,
      help,
      labelNames: ['consumergroup', 'topic', 'partition'],
      collect() {
        this.reset()
        for (const row of census().partitions) this.set(row.labels, read(row))
      },
    })
    metrics.gauge({
      name: `kafka_consumergroup_${name}_sum`,
      help: `${help} Over the partitions of a topic.`,
      labelNames: ['consumergroup', 'topic'],
      collect() {
        this.reset()
        for (const row of census().partitions) {
          const { consumergroup, topic } = row.labels
          this.inc({ consumergroup, topic }, read(row))
        }
      },
    })
  }
}

/**
 * Records that a group has yet to read, and can: what was deleted unread does not count, and a commit
 * beyond the end is no negative lag.
 */
export function lagOf(
  committedOffset: number,
  log: Pick<PartitionLog, 'highWatermark' | 'logStartOffset'>,
): number {
  return Math.max(0, log.highWatermark - Math.max(committedOffset, log.logStartOffset))
}

function takeCensus({ groups, partitions, series }: GroupGaugeSources, takenMs: number): Census {
  const groupsByState = new Map<GroupState, number>()
  const membersByGroup: (readonly [string, number])[] = []
  const rows: PartitionRow[] = []
  const mayAddGroup = series.limit()
  const mayAddPartition = series.limit()
  let [groupCount, offsetCount] = [0, 0]
  for (const { groupId, state, memberCount, ...group } of groups.summaries()) {
    groupCount += 1
    offsetCount += group.offsetCount
    groupsByState.set(state, (groupsByState.get(state) ?? 0) + 1)
    if (mayAddGroup()) membersByGroup.push([groupId, memberCount])
    for (const { topic, partition, committedOffset } of group.offsets) {
      const log = partitions.get(topic, partition)?.log
      if (log === undefined || !series.hasTopic(topic) || !mayAddPartition()) continue
      rows.push({
        labels: { consumergroup: groupId, topic, partition },
        offset: committedOffset,
        lag: lagOf(committedOffset, log),
      })
    }
  }
  const totals = { takenMs, groupsByState, groupCount, offsetCount }
  return { ...totals, membersByGroup, partitions: rows }
}
