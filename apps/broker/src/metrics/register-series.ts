import type { Clock } from '@fairlead/base'
import type { ClientQuotas, MetadataImage } from '@fairlead/metadata'
import type { Metrics } from '@fairlead/service'
import type { GroupShell } from '../groups/group-shell.ts'
import type { PartitionTable } from '../partitions/partition-table.ts'
import { registerGroupGauges } from './group-gauges.ts'
import { registerLagSeconds } from './lag-seconds.ts'
import { registerPartitionGauges } from './partition-gauges.ts'
import { registerQuotaGauges } from './quota-gauges.ts'
import { Series, type SeriesConfig } from './series.ts'

export type SeriesSources = {
  readonly config: SeriesConfig & { readonly 'metrics.lag.seconds': boolean }
  readonly image: MetadataImage
  readonly partitions: PartitionTable
  readonly quotas: ClientQuotas
  readonly groups: Pick<GroupShell, 'summaries'>
  readonly minInSyncReplicas: (topic: string) => number
  readonly clock: Clock
}

/** The metrics that have a series per topic, partition, group or client. */
export function registerSeries(metrics: Metrics, sources: SeriesSources): void {
  const { config, image } = sources
  const shared = { ...sources, series: new Series(metrics, config) }
  registerPartitionGauges(metrics, shared)
  registerGroupGauges(metrics, shared)
  registerQuotaGauges(metrics, shared)
  if (config['metrics.lag.seconds']) {
    registerLagSeconds(metrics, { ...shared, clusterId: image.clusterId })
  }
}
