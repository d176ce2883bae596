import type { FileBudget } from '@fairlead/log'
import type { Metrics } from '@fairlead/service'
import type { Listener } from '../network/listener.ts'
import type { DelayedFetches } from '../fetching/delayed-fetches.ts'
import type { FetchMemory } from '../fetching/fetch-memory.ts'
import type { FetchSessions } from '../fetching/fetch-sessions.ts'
import type { Load } from '../network/load.ts'
import type { MemoryGuard } from '../network/memory-guard.ts'
import type { RequestMemory } from '../network/request-memory.ts'
import type { PartitionTable } from '../partitions/partition-table.ts'
import type { DataDirectories } from '../storage/data-directories.ts'

const BROKER_STATE_RUNNING = 3

/** Dashboards and alerts ask for them; an absent series would look like a broker that is down. */
const ALWAYS_ZERO = [
  'kafka_server_replicamanager_underminisrpartitioncount',
  'kafka_server_replicamanager_atminisrpartitioncount',
  'kafka_server_replicamanager_offlinereplicacount',
  'kafka_server_replicamanager_reassigningpartitions',
  'kafka_server_replicamanager_isrshrinks_total',
  'kafka_server_replicamanager_isrexpands_total',
  'kafka_server_replicamanager_failedisrupdates_total',
  'kafka_server_brokertopicmetrics_replicationbytesin_total',
  'kafka_server_brokertopicmetrics_replicationbytesout_total',
  'kafka_server_brokertopicmetrics_producemessageconversions_total',
  'kafka_server_brokertopicmetrics_fetchmessageconversions_total',
  'kafka_controller_kafkacontroller_preferredreplicaimbalancecount',
  'kafka_controller_kafkacontroller_fencedbrokercount',
  'kafka_controller_kafkacontroller_metadataerrorcount',
  'kafka_controller_controllerstats_uncleanleaderelections_total',
] as const

export type GaugeSources = {
  readonly listeners: readonly Listener[]
  readonly memory: RequestMemory
  readonly load: Load
  readonly memoryGuard: MemoryGuard
  readonly memoryLimitBytes: number
  readonly fetchMemory: FetchMemory
  readonly fileBudget: FileBudget
  readonly fetchSessions: FetchSessions
  readonly directories: DataDirectories
  readonly partitions: PartitionTable
  readonly delayedFetches: DelayedFetches
  readonly image: { readonly topicCount: number; readonly partitionCount: number }
  readonly groups: { readonly parkedCount: number }
  readonly node: { readonly nodeId: number; readonly address: string }
}

/**
 * What is the case, read when Prometheus scrapes. Names are those of Kafka's JMX exporter; the
 * `fairlead_` ones have no counterpart there.
 */
export function registerGauges(metrics: Metrics, sources: GaugeSources): void {
  const { listeners, memory, load, memoryGuard, fetchMemory, fetchSessions, fileBudget } = sources
  const { partitions, directories, delayedFetches, image, groups } = sources
  const sum = (read: (listener: Listener) => number): number =>
    listeners.reduce((total, listener) => total + read(listener), 0)
  const simple: readonly (readonly [name: string, help: string, read: () => number])[] = [
    ['kafka_server_kafkaserver_brokerstate', '3 is running.', () => BROKER_STATE_RUNNING],
    ['kafka_brokers', 'Brokers of the cluster.', () => 1],
    ['kafka_controller_kafkacontroller_activecontrollercount', 'Active here.', () => 1],
    ['kafka_controller_kafkacontroller_activebrokercount', 'Brokers that serve.', () => 1],
    ['kafka_controller_kafkacontroller_globaltopiccount', 'Topics.', () => image.topicCount],
    [
      'kafka_controller_kafkacontroller_globalpartitioncount',
      'Partitions.',
      () => image.partitionCount,
    ],
    [
      'kafka_controller_kafkacontroller_offlinepartitionscount',
      'Partitions without a leader.',
      () => partitions.offlineCount,
    ],
    ['kafka_server_replicamanager_leadercount', 'Partitions led here.', () => partitions.count],
    ['kafka_server_replicamanager_partitioncount', 'Replicas here.', () => partitions.count],
    [
      'kafka_server_replicamanager_underreplicatedpartitions',
      'Partitions that lack a replica.',
      () => 0,
    ],
    [
      'kafka_network_requestchannel_requestqueuesize',
      'Requests under way.',
      () => sum(({ inFlightCount }) => inFlightCount),
    ],
    [
      'kafka_network_requestchannel_responsequeuesize',
      'Responses behind those to earlier requests of their connection.',
      () => sum(({ queuedReplyCount }) => queuedReplyCount),
    ],
    [
      'fairlead_connections_accepted',
      'Connections since the start.',
      () => sum(({ acceptedTotal }) => acceptedTotal),
    ],
    [
      'fairlead_connections_throttled',
      'Connections that waited for max.connection.creation.rate, since the start.',
      () => sum(({ throttledTotal }) => throttledTotal),
    ],
    [
      'fairlead_connections_above_quota',
      'Connections that were closed for connection_creation_rate, since the start.',
      () => sum(({ aboveQuotaTotal }) => aboveQuotaTotal),
    ],
    [
      'fairlead_connections_muted',
      'Connections that are not read from, since their client is above a quota.',
      () => sum(({ mutedCount }) => mutedCount),
    ],
    [
      'fairlead_requests_queued',
      'Behind another one of their connection.',
      () => load.queuedRequests,
    ],
    ['fairlead_response_unsent_bytes', 'Not taken by the kernel.', () => load.unsentBytes],
    ['fairlead_memory_limit_bytes', 'memory.limit.bytes.', () => sources.memoryLimitBytes],
    [
      'fairlead_memory_short',
      '1 while requests are let in one at a time, since the limit is near.',
      () => Number(memoryGuard.isShort),
    ],
    [
      'fairlead_memory_shed_connections',
      'Connections that were closed since memory was short.',
      () => memoryGuard.shedTotal,
    ],
    ['fairlead_request_memory_used_bytes', 'Of large request bodies.', () => memory.usedBytes],
    ['fairlead_request_memory_capacity_bytes', 'Their limit.', () => memory.capacityBytes],
    [
      'fairlead_request_memory_waiting_connections',
      'Connections that wait for memory.',
      () => memory.waiterCount,
    ],
    [
      'fairlead_segment_files_open',
      'Open files of the segments of all logs, and of their indexes.',
      () => fileBudget.openCount,
    ],
    [
      'fairlead_segment_files_max',
      'Their limit: a log that would pass it begins no segment.',
      () => fileBudget.filesMax,
    ],
    [
      'fairlead_fetch_memory_used_bytes',
      'Of unsent fetches, and read ahead for the next.',
      () => fetchMemory.usedBytes,
    ],
    [
      'kafka_server_fetchsessioncache_numincrementalfetchsessions',
      'Fetch sessions.',
      () => fetchSessions.count,
    ],
    [
      'kafka_server_fetchsessioncache_numincrementalfetchpartitionscached',
      'Partitions of all fetch sessions.',
      () => fetchSessions.partitionCount,
    ],
    [
      'fairlead_log_corrupt_reads',
      'Reads since the start that found a batch other than it was written.',
      () => partitions.corruptReadCount,
    ],
    ['fairlead_group_requests_parked', 'Joins and syncs that wait.', () => groups.parkedCount],
  ]
  for (const name of ALWAYS_ZERO) {
    metrics.gauge({ name, help: 'Always 0: there is one replica, and one format, of all.' }).set(0)
  }
  for (const [name, help, read] of simple) {
    metrics.gauge({
      name,
      help,
      collect() {
        this.set(read())
      },
    })
  }
  metrics.gauge({
    name: 'fairlead_connections_closed_total',
    help: 'Connections that did not end in order, by reason.',
    labelNames: ['listener', 'reason'],
    collect() {
      for (const { name, closedTotals } of listeners) {
        for (const [reason, count] of closedTotals) this.set({ listener: name, reason }, count)
      }
    },
  })
  metrics.gauge({
    name: 'kafka_server_delayedoperationpurgatory_purgatorysize',
    help: 'Requests that wait for a condition.',
    labelNames: ['delayedOperation'],
    collect() {
      // With one replica no produce request waits for others.
      this.set({ delayedOperation: 'Produce' }, 0)
      this.set({ delayedOperation: 'Fetch' }, delayedFetches.count)
    },
  })
  metrics.counter({
    name: 'kafka_server_fetchsessioncache_incrementalfetchsessionevictions_total',
    help: 'Fetch sessions that gave way to others.',
    collect() {
      this.reset()
      this.inc(fetchSessions.evictedTotal)
    },
  })
  metrics
    .gauge({
      name: 'kafka_server_replicafetchermanager_maxlag',
      help: 'Always 0: nothing is fetched from other brokers.',
      labelNames: ['clientId'],
    })
    .set({ clientId: 'Replica' }, 0)
  metrics
    .gauge({
      name: 'kafka_broker_info',
      help: 'Always 1; the labels say which broker, and where clients find it.',
      labelNames: ['id', 'address'],
    })
    .set({ id: sources.node.nodeId, address: sources.node.address }, 1)
  registerDirectoryGauges(metrics, directories)
}

function registerDirectoryGauges(metrics: Metrics, directories: DataDirectories): void {
  const paths = (): readonly string[] => [
    ...directories.online.map(({ path }) => path),
    ...directories.failures.keys(),
  ]
  metrics.gauge({
    name: 'kafka_log_logmanager_offlinelogdirectorycount',
    help: 'Directories of log.dirs that failed.',
    collect() {
      this.set(directories.failures.size)
    },
  })
  metrics.gauge({
    name: 'kafka_log_logmanager_logdirectoryoffline',
    help: '1 for a directory that failed.',
    labelNames: ['logDirectory'],
    collect() {
      for (const logDirectory of paths()) {
        this.set({ logDirectory }, directories.failures.has(logDirectory) ? 1 : 0)
      }
    },
  })
  metrics.gauge({
    name: 'fairlead_log_directory_free_bytes',
    help: 'Free space of the disk, at the last look.',
    labelNames: ['logDirectory'],
    collect() {
      for (const { path, space } of directories.online) {
        this.set({ logDirectory: path }, space.freeBytes)
      }
    },
  })
  metrics.gauge({
    name: 'fairlead_log_directory_full',
    help: '1 while produce requests are refused because the disk is full.',
    labelNames: ['logDirectory'],
    collect() {
      for (const { path, space } of directories.online) {
        this.set({ logDirectory: path }, space.isFull ? 1 : 0)
      }
    },
  })
}
