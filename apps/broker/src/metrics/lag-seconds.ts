import type { Clock } from '@fairlead/base'
import type { GroupSummary } from '@fairlead/coordinator'
import type { PartitionLog } from '@fairlead/log'
import { readBatchHeader } from '@fairlead/protocol'
import type { Metrics } from '@fairlead/service'
import type { PartitionTable } from '../partitions/partition-table.ts'
import { lagOf } from './group-gauges.ts'
import type { Series } from './series.ts'

export type LagSecondsSources = {
  readonly groups: { summaries(): Iterable<GroupSummary> }
  readonly partitions: Pick<PartitionTable, 'get'>
  readonly series: Series
  readonly clusterId: string
  readonly clock: Clock
}

type Age = {
  readonly group: string
  readonly topic: string
  readonly partition: number
  readonly seconds: number
}

/**
 * Lag in seconds, under the names of kafka-lag-exporter: the age of the first record that the group
 * has not read. It is looked up in the log, so that nothing is interpolated; a scrape reads one batch
 * for each partition that lags.
 */
export function registerLagSeconds(metrics: Metrics, sources: LagSecondsSources): void {
  const { clusterId } = sources
  const ages = sharedWhilePending(() => readAges(sources))
  metrics.gauge({
    name: 'kafka_consumergroup_group_lag_seconds',
    help: 'Age of the first record that the group has not read.',
    labelNames: ['cluster_name', 'group', 'topic', 'partition'],
    async collect() {
      this.reset()
      for (const { seconds, ...labels } of await ages()) {
        this.set({ cluster_name: clusterId, ...labels }, seconds)
      }
    },
  })
  metrics.gauge({
    name: 'kafka_consumergroup_group_max_lag_seconds',
    help: 'The largest of a group.',
    labelNames: ['cluster_name', 'group'],
    async collect() {
      this.reset()
      for (const [group, ofGroup] of Map.groupBy(await ages(), (age) => age.group)) {
        const largest = ofGroup.reduce((max, { seconds }) => Math.max(max, seconds), 0)
        this.set({ cluster_name: clusterId, group }, largest)
      }
    },
  })
}

async function readAges(sources: LagSecondsSources): Promise<readonly Age[]> {
  const { groups, partitions, series, clock } = sources
  const mayAdd = series.limit()
  const positions = [...groups.summaries()].flatMap(({ groupId, offsets }) =>
    Array.from(offsets, (at) => ({ ...at, group: groupId })),
  )
  const ages: Age[] = []
  for (const { group, topic, partition, committedOffset } of positions) {
    const log = partitions.get(topic, partition)?.log
    if (log === undefined || !series.hasTopic(topic) || !mayAdd()) continue
    const isBehind = lagOf(committedOffset, log) > 0
    const seconds = isBehind ? await ageSeconds(log, committedOffset, clock.wallNowMs()) : 0
    ages.push({ group, topic, partition, seconds })
  }
  return ages
}

/** Of the batch that holds the record: batches are short compared with a lag that matters. */
async function ageSeconds(
  log: PartitionLog,
  committedOffset: number,
  wallNowMs: number,
): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<Uint8Array | undefined>()
  const fetchOffset = Math.max(committedOffset, log.logStartOffset)
  log.read({ fetchOffset, maxBytes: 1 }, (result) => {
    resolve(result.ok ? result.chunks[0] : undefined)
  })
  const batch = await promise
  if (batch === undefined) return 0
  return Math.max(0, (wallNowMs - readBatchHeader(batch, 0).baseTimestampMs) / 1_000)
}

/** All metrics of one scrape are collected at once: they share one reading. */
function sharedWhilePending<Value>(read: () => Promise<Value>): () => Promise<Value> {
  let pending: Promise<Value> | undefined
  return () => {
    pending ??= read().finally(() => {
      pending = undefined
    })
    return pending
  }
}
