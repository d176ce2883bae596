import type { MetadataImage, Partition } from '@fairlead/metadata'
import type { Metrics } from '@fairlead/service'
import type { LocalPartition, PartitionTable } from '../partitions/partition-table.ts'
import type { Series } from './series.ts'

type TopicImage = Pick<MetadataImage, 'topics' | 'topic'>

export type PartitionSources = {
  readonly partitions: PartitionTable
  readonly image: TopicImage
  readonly minInSyncReplicas: (topic: string) => number
  readonly series: Series
}

type Reading = (local: LocalPartition, partition: Partition) => number

/**
 * Series per topic and partition: those of Kafka's JMX exporter, and those of kafka_exporter, so that
 * neither has to run. Partitions are shown by their leader alone.
 */
export function registerPartitionGauges(metrics: Metrics, sources: PartitionSources): void {
  const { minInSyncReplicas } = sources
  const isBelowMin: Reading = (local, { isr }) =>
    Number(isr.length < minInSyncReplicas(local.topic))
  const isAtMin: Reading = (local, { isr }) => Number(isr.length === minInSyncReplicas(local.topic))
  const isUnderReplicated: Reading = (_, { isr, replicas }) => Number(isr.length < replicas.length)

  const gauges: readonly (readonly [name: string, help: string, read: Reading])[] = [
    ['kafka_log_log_size', 'Bytes on disk.', ({ log }) => log.sizeBytes],
    ['kafka_log_log_logstartoffset', 'First offset kept.', ({ log }) => log.logStartOffset],
    ['kafka_log_log_logendoffset', 'Offset of the next record.', ({ log }) => log.logEndOffset],
    ['kafka_log_log_numlogsegments', 'Segments.', ({ log }) => log.segmentCount],
    [
      'kafka_cluster_partition_laststableoffsetlag',
      'Records above the last stable offset.',
      ({ log }) => log.highWatermark - log.lastStableOffset,
    ],
    ['kafka_cluster_partition_replicascount', 'Replicas.', (_, { replicas }) => replicas.length],
    ['kafka_cluster_partition_insyncreplicascount', 'In sync.', (_, { isr }) => isr.length],
    ['kafka_cluster_partition_underreplicated', '1 when replicas lag.', isUnderReplicated],
    ['kafka_cluster_partition_underminisr', '1 below min.insync.replicas.', isBelowMin],
    ['kafka_cluster_partition_atminisr', '1 at min.insync.replicas.', isAtMin],
    [
      'kafka_topic_partition_current_offset',
      'Offset of the next record that can be read.',
      ({ log }) => log.highWatermark,
    ],
    ['kafka_topic_partition_oldest_offset', 'First offset kept.', ({ log }) => log.logStartOffset],
    ['kafka_topic_partition_leader', 'Broker id of the leader.', (_, { leader }) => leader],
    [
      'kafka_topic_partition_leader_is_preferred',
      '1 when the first replica leads.',
      (_, { leader, replicas }) => Number(leader === replicas[0]),
    ],
    ['kafka_topic_partition_replicas', 'Replicas.', (_, { replicas }) => replicas.length],
    ['kafka_topic_partition_in_sync_replica', 'In sync.', (_, { isr }) => isr.length],
    ['kafka_topic_partition_under_replicated_partition', '1 when replicas lag.', isUnderReplicated],
  ]
  for (const [name, help, read] of gauges) partitionGauge(metrics, sources, { name, help, read })
  registerTopicGauge(metrics, sources)
}

function partitionGauge(
  metrics: Metrics,
  { partitions, image, series }: PartitionSources,
  gauge: { readonly name: string; readonly help: string; readonly read: Reading },
): void {
  if (!series.hasPartitions) return
  metrics.gauge({
    name: gauge.name,
    help: gauge.help,
    labelNames: ['topic', 'partition'],
    collect() {
      this.reset()
      const mayAdd = series.limit()
      for (const local of partitions.all()) {
        const partition = image.topic(local.topic)?.partitions[local.partition]
        if (partition === undefined || !series.hasTopic(local.topic) || !mayAdd()) continue
        const labels = { topic: local.topic, partition: local.partition }
        this.set(labels, gauge.read(local, partition))
      }
    },
  })
}

function registerTopicGauge(metrics: Metrics, { image, series }: PartitionSources): void {
  metrics.gauge({
    name: 'kafka_topic_partitions',
    help: 'Partitions of a topic.',
    labelNames: ['topic'],
    collect() {
      this.reset()
      const mayAdd = series.limit()
      for (const { name, partitions } of image.topics()) {
        if (series.hasTopic(name) && mayAdd()) this.set({ topic: name }, partitions.length)
      }
    },
  })
}
