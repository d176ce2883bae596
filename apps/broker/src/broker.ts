import { BufferPool, type Clock, type Random, type Timers } from '@fairlead/base'
import { GroupCoordinator } from '@fairlead/coordinator'
import {
  type Disk,
  FileBudget,
  IndexCache,
  type StorageError,
  TailCache,
  purgeDeletedLogs,
} from '@fairlead/log'
import {
  type BrokerSettings,
  MetadataImage,
  effectiveTopicConfig,
  staticSettings,
} from '@fairlead/metadata'
import {
  Permits,
  collectGarbage,
  nativeCrc32c,
  nodeDisk,
  systemClock,
  systemRandom,
  systemTimers,
} from '@fairlead/runtime'
import type { Metrics } from '@fairlead/service'
import { BackgroundThread } from './background/background-thread.ts'
import { BatchThread } from './background/batch-thread.ts'
import { cleanerConfig } from './cleaner/cleaner-config.ts'
import { LogCleaner } from './cleaner/log-cleaner.ts'
import { Controller } from './cluster/controller.ts'
import { CLUSTER_METADATA_TOPIC, CONSUMER_OFFSETS_TOPIC } from './cluster/internal-topics.ts'
import { type RestartSafety, restartSafety } from './cluster/safe-to-restart.ts'
import { ProducerIds } from './cluster/producer-ids.ts'
import type { BrokerConfig } from './config.ts'
import { ConfigurationError, configProblems } from './config-rules.ts'
import { effectiveConfig } from './effective-config.ts'
import { groupConfig } from './groups/group-config.ts'
import { groupEventListener } from './groups/group-events.ts'
import { GroupShell } from './groups/group-shell.ts'
import { OffsetsLog } from './groups/offsets-log.ts'
import type { BrokerParts } from './handlers/handler.ts'
import {
  BUFFER_POOL,
  DELETIONS_MAX,
  DRAIN_DEADLINE_MS,
  FETCH_MEMORY_BYTES,
  FETCH_SESSION_PARTITIONS_MAX,
  INDEX_CACHE_BYTES,
  LOOKUPS_MAX,
  RESERVED_REQUEST_BYTES,
  SLOW_READER_MS,
  UNSENT_BYTES_MAX,
} from './limits.ts'
import { readListeners } from './listeners.ts'
import { closeExcess } from './network/close-excess.ts'
import type { Listener } from './network/listener.ts'
import { BrokerMetrics } from './metrics/broker-metrics.ts'
import { registerCleanerGauges } from './metrics/cleaner-gauges.ts'
import { registerGauges } from './metrics/gauges.ts'
import { GroupMetrics } from './metrics/group-metrics.ts'
import { registerProcessGauges } from './metrics/process-gauges.ts'
import { QuantileSummary } from './metrics/quantile-summary.ts'
import { registerQuorumGauges } from './metrics/quorum-gauges.ts'
import { registerSeries } from './metrics/register-series.ts'
import { REQUEST_QUANTILES, RequestMetrics } from './metrics/request-metrics.ts'
import { registerScrubGauges } from './metrics/scrub-gauges.ts'
import { registerSocketGauges } from './metrics/socket-gauges.ts'
import { ConnectionSlots } from './network/connection-slots.ts'
import { connectionLimits } from './network/connection-limits.ts'
import { Load } from './network/load.ts'
import { MemoryGuard } from './network/memory-guard.ts'
import { openListeners } from './network/open-listeners.ts'
import { DelayedFetches } from './fetching/delayed-fetches.ts'
import { FetchMemory } from './fetching/fetch-memory.ts'
import { FetchSessions } from './fetching/fetch-sessions.ts'
import { RequestMemory } from './network/request-memory.ts'
import { residentBytesOf } from './network/resident-bytes.ts'
import { startHousekeeping } from './partitions/housekeeping.ts'
import { settled } from './partitions/log-calls.ts'
import { METADATA_LOG_CONFIG } from './partitions/log-config.ts'
import { PartitionTable } from './partitions/partition-table.ts'
import { RecordFinder } from './partitions/record-finder.ts'
import { BatchOpener } from './produce/batch-opener.ts'
import { PartitionOrder } from './produce/partition-order.ts'
import { brokerQuotas } from './quotas/broker-quotas.ts'
import { createRouter } from './router.ts'
import { LogScrubber } from './scrub/log-scrubber.ts'
import { markCleanShutdown, takeCleanShutdown } from './storage/clean-shutdown.ts'
import { DataDirectories, NoDirectoryError } from './storage/data-directories.ts'
import type { DataDirectory } from './storage/data-directory.ts'
import { type MeasureVolume, measureVolume } from './storage/directory-space.ts'
import { openFileBudget, openFileProblem } from './storage/open-file-budget.ts'
import { timedDisk } from './storage/timed-disk.ts'

export type BrokerOptions = {
  readonly config: BrokerConfig
  /** The text of each key that somebody set: DescribeConfigs, and defaults of topics. */
  readonly configTexts: ReadonlyMap<string, string>
  readonly logger: {
    info(fields: object, message: string): void
    warn(fields: object, message: string): void
    error(fields: object, message: string): void
  }
  readonly metrics: Metrics
  /** What stands in for the disk and its file systems in tests that break them. */
  readonly disk?: Disk
  readonly measureVolume?: MeasureVolume
  /** What the broker cannot go on after: a failed disk, state that cannot be written. */
  readonly onFailure: (error: unknown) => void
}

export type RunningBroker = {
  /** The port that is bound, of the first listener. */
  readonly port: number
  readonly listeners: readonly { readonly name: string; readonly port: number }[]
  readonly clusterId: string
  /** Whether it may be stopped now. */
  restartSafety(): RestartSafety
  /** Answers what is under way, flushes every log, and gives the directory back. */
  stop(): Promise<void>
}

/**
 * One node: broker and controller in one process, on one event loop.
 *
 *     socket → Connection → FrameAssembler → router → handlers/<api> → PartitionLog → disk
 *                                                       ├→ Controller (decide) → __cluster_metadata → MetadataImage (replay)
 *                                                       └→ GroupShell → GroupCoordinator → __consumer_offsets
 */
export async function startBroker(options: BrokerOptions): Promise<RunningBroker> {
  const problems = configProblems(options.config)
  if (problems.length > 0) throw new ConfigurationError(problems.join('\n'))
  const { config } = options
  const directories = new DataDirectories({
    paths: config['log.dirs'] ?? config['log.dir'],
    clusterId: config['cluster.id'],
    nodeId: config['node.id'],
    random: systemRandom,
    reserveBytes: config['log.dirs.reserve.bytes'],
    measureVolume: options.measureVolume ?? measureVolume,
  })
  try {
    return await startOn(directories, options)
  } catch (error) {
    directories.release()
    throw error
  }
}

async function startOn(
  directories: DataDirectories,
  options: BrokerOptions,
): Promise<RunningBroker> {
  const { config, logger, metrics, onFailure } = options
  const clock: Clock = systemClock
  const timers: Timers = systemTimers
  const random: Random = systemRandom
  const flushTimeMs = new QuantileSummary({
    name: 'kafka_log_logflushstats_logflushrateandtimems',
    help: 'Flushes of files of the logs.',
    quantiles: REQUEST_QUANTILES,
    metrics,
  })
  const disk: Disk = timedDisk(options.disk ?? nodeDisk(), {
    clock,
    onFlush: (durationMs) => flushTimeMs.observe('', durationMs, clock.nowMs()),
  })
  const crc32c = nativeCrc32c

  for (const [path, error] of directories.failures) warnOfDirectory(logger, path, error)
  for (const { path } of directories.online) {
    await settled<void>((done) => purgeDeletedLogs(disk, path, done))
  }

  const configured = openFileBudget({ connectionsMax: config['max.connections'] })
  const fileBudget = new FileBudget({ filesMax: configured.segmentFilesMax })
  const buffers = new BufferPool(BUFFER_POOL)
  const tailCache = new TailCache({ budgetBytes: config['log.tail.cache.bytes'], buffers })
  // A thread of their own: whoever looks up much must not hold up producers.
  const lookupThread = new BatchThread()
  const partitions = new PartitionTable({
    disk,
    directories,
    crc32c,
    tailCache,
    indexCache: new IndexCache({ budgetBytes: INDEX_CACHE_BYTES }),
    fileBudget,
    buffers,
    findRecord: new RecordFinder({ thread: lookupThread }).find,
    clock,
    onOffline: ({ topic, partition, error }) =>
      logger.warn({ topic, partition, err: error }, OFFLINE_PARTITION),
    onCorruptRead: ({ topic, partition, error }) =>
      logger.warn({ topic, partition, err: error }, ROTTEN_PARTITION),
    onDirectoryOffline: ({ path }, error) => warnOfDirectory(logger, path, error),
    onFailure,
  })
  const { meta } = metadataDirectory(directories)
  const image = new MetadataImage({ clusterId: meta.clusterId })
  const settings: BrokerSettings = [
    {
      source: 'DYNAMIC_BROKER_CONFIG',
      values: image.brokerConfigs(String(config['node.id'])),
    },
    { source: 'DYNAMIC_DEFAULT_BROKER_CONFIG', values: image.brokerConfigs('') },
    staticSettings(options.configTexts),
  ]
  const metadataLog = await partitions.openLog(CLUSTER_METADATA_TOPIC, 0, METADATA_LOG_CONFIG)
  const brokerMetrics = new BrokerMetrics(metrics)
  const requestMetrics = new RequestMetrics({ metrics, clock })
  const controller = new Controller({
    config,
    settings,
    image,
    log: metadataLog,
    partitions,
    partitionsMax: configured.partitionsMax,
    crc32c,
    clock,
    random,
    onBrokerConfigs: () => applyConfigs(),
    mayHaveOffsetsOf: (topic) => groups.mayHaveOffsetsOf(topic),
    onTopicsDeleted: async (topics) => {
      brokerMetrics.topicsDeleted(topics)
      await groups.topicsDeleted(topics)
    },
  })
  await controller.loadMetadata()
  for (const stray of directories.settle(image)) {
    logger.warn({ directory: stray }, 'a partition that the metadata does not know was set aside')
  }
  const marks = directories.online.map(({ path }) => takeCleanShutdown(path))
  await controller.openPartitions({ wasClean: !marks.includes(false) })
  const current = effectiveConfig(config, settings)
  const files = openFileBudget({ connectionsMax: current['max.connections'] })
  fileBudget.resize(files.segmentFilesMax)
  const fileProblem = openFileProblem(files, {
    connectionsMax: current['max.connections'],
    partitionCount: image.partitionCount,
  })
  if (fileProblem !== undefined) logger.warn({}, fileProblem)

  const offsetsPartitionCount = offsetsPartitions(image, config)
  const groups = new GroupShell({
    coordinator: new GroupCoordinator({
      config: groupConfig(config, offsetsPartitionCount),
      random,
      topics: image,
    }),
    offsetsLog: new OffsetsLog({
      partitions,
      controller,
      partitionCount: offsetsPartitionCount,
      crc32c,
      clock,
    }),
    clock,
    timers,
    onEvent: groupEventListener({ metrics: new GroupMetrics(metrics), clock, logger }),
    onFailure,
  })
  groups.resume()
  partitions.afterWait(({ topic, partition }) => {
    const isOpen = partitions.get(topic, partition) !== undefined
    if (isOpen) logger.info({ topic, partition }, 'a partition that had no room is served now')
    if (topic === CONSUMER_OFFSETS_TOPIC) groups.partitionSettled(partition)
  })

  const memory = new RequestMemory({
    bulkBytes: config['queued.max.request.bytes'],
    reserveBytes: RESERVED_REQUEST_BYTES,
  })
  const load = new Load({
    queuedRequestsMax: config['queued.max.requests'],
    unsentBytesMax: UNSENT_BYTES_MAX,
  })
  const fetchMemory = new FetchMemory(FETCH_MEMORY_BYTES, timers)
  const fetchSessions = new FetchSessions({
    slotsMax: config['max.incremental.fetch.session.cache.slots'],
    partitionsMax: FETCH_SESSION_PARTITIONS_MAX,
    random,
  })
  const delayedFetches = new DelayedFetches(timers)
  const identity = {
    nodeId: config['node.id'],
    clusterId: meta.clusterId,
    directoryId: meta.directoryId,
    rack: config['broker.rack'] ?? null,
  }
  const quotas = brokerQuotas(image.quotas, config)
  const batchThread = new BatchThread()
  const batchOpener = new BatchOpener({ crc32c, thread: batchThread })
  const parts: Omit<BrokerParts, 'node'> = {
    config,
    settings,
    image,
    controller,
    producerIds: new ProducerIds(controller),
    quotas: quotas.clients,
    partitions,
    directories,
    batchOpener,
    lookups: new Permits(LOOKUPS_MAX),
    deletions: new Permits(DELETIONS_MAX),
    partitionOrder: new PartitionOrder(),
    delayedFetches,
    fetchMemory,
    fetchSessions,
    buffers,
    groups,
    metrics: brokerMetrics,
    requestMetrics,
    clock,
  }
  const slots = new ConnectionSlots(
    connectionLimits(current, files.connectionsMax),
    quotas.connections,
  )
  const cleaner = new LogCleaner({
    config: cleanerConfig(current),
    partitions,
    createThread: () => new BackgroundThread(),
    clock,
    timers,
    logger,
  })
  // The first of them has clients before the last one is open.
  let listeners: readonly Listener[] = []
  const applyConfigs = (): void => {
    const changed = effectiveConfig(config, settings)
    const { connectionsMax, segmentFilesMax } = openFileBudget({
      connectionsMax: changed['max.connections'],
    })
    slots.configure(connectionLimits(changed, connectionsMax))
    closeExcess(listeners, slots)
    fileBudget.resize(segmentFilesMax)
    cleaner.configure(cleanerConfig(changed))
  }
  listeners = await openListeners(
    readListeners(config).listeners,
    {
      slots,
      idleMsMax: config['connections.max.idle.ms'],
      slowReaderMs: SLOW_READER_MS,
      frameBytesMax: config['socket.request.max.bytes'],
      memory,
      buffers,
      load,
      clock,
      timers,
      logger,
      onSent: (api, times) => requestMetrics.sent(api, times),
    },
    (advertised) => createRouter({ ...parts, node: { ...identity, ...advertised } }),
  )
  if (config['log.cleaner.enable']) cleaner.start()
  registerCleanerGauges(metrics, { cleaner, clock, directories })
  const scrubber = new LogScrubber({
    intervalMs: config['log.scrub.interval.ms'],
    bytesPerSecond: config['log.scrub.io.max.bytes.per.second'],
    partitions,
    thread: new BackgroundThread(),
    clock,
    timers,
    random,
    logger,
  })
  if (config['log.scrub.enable']) scrubber.start()
  registerScrubGauges(metrics, { scrubber, partitions })
  const memoryGuard = new MemoryGuard({
    limitBytes: config['memory.limit.bytes'],
    residentBytes: residentBytesOf(() => process.memoryUsage.rss()),
    collectGarbage,
    memory,
    load,
    connections: () => listeners.flatMap((listener) => [...listener.connections]),
    clock,
    timers,
    logger,
  })
  memoryGuard.start()
  registerGauges(metrics, {
    listeners,
    memory,
    load,
    memoryGuard,
    memoryLimitBytes: config['memory.limit.bytes'],
    fetchMemory,
    fileBudget,
    fetchSessions,
    directories,
    partitions,
    delayedFetches,
    image,
    groups,
    node: { nodeId: identity.nodeId, address: advertisedAddress(config, listeners) },
  })
  registerSocketGauges(metrics, { listeners, clock })
  registerQuorumGauges(metrics, { nodeId: identity.nodeId, metadataLog })
  const minInSyncReplicas = (topic: string): number =>
    Number(
      effectiveTopicConfig(
        'min.insync.replicas',
        image.topic(topic)?.configs ?? new Map<string, string>(),
        settings,
      ).value,
    )
  registerSeries(metrics, {
    config,
    image,
    partitions,
    quotas: quotas.clients,
    groups,
    minInSyncReplicas,
    clock,
  })
  registerProcessGauges(metrics)
  const stopHousekeeping = startHousekeeping({
    config,
    directories,
    partitions,
    controller,
    clock,
    timers,
    logger,
    onFailure,
  })
  const bound = listeners.map(({ name, port }) => ({ name, port }))
  const port = bound[0]?.port ?? 0
  logger.info(
    {
      ...identity,
      listening: port,
      listeners: bound,
      topics: image.topicCount,
      logDirs: directories.online.map(({ path }) => path),
    },
    'broker is ready',
  )

  return {
    port,
    listeners: bound,
    clusterId: identity.clusterId,
    restartSafety: () => restartSafety(identity.nodeId, image.topics(), minInSyncReplicas),
    async stop() {
      memoryGuard.stop()
      stopHousekeeping()
      delayedFetches.stop()
      groups.stop()
      await Promise.all(listeners.map((listener) => listener.drain(DRAIN_DEADLINE_MS)))
      await Promise.all([batchThread.stop(), lookupThread.stop()])
      await Promise.all([cleaner.stop(), scrubber.stop()])
      await controller.close()
      const logs = [metadataLog, ...partitions.snapshot().map(({ log }) => log)]
      await partitions.close()
      await settled<void>((done) => metadataLog.close(done))
      const isIntact = logs.every((log) => log.failure === undefined && !log.hasUnsureTail)
      for (const online of isIntact ? directories.online : []) {
        if (!partitions.hasFailedLog(online)) markCleanShutdown(online.path)
      }
      directories.release()
    },
  }
}

const ROTTEN_PARTITION =
  'a batch is not what was written: its offsets answer KAFKA_STORAGE_ERROR, the others are served'
const OFFLINE_PARTITION = 'a partition is not served, and its files are left as they are'

function warnOfDirectory(
  logger: BrokerOptions['logger'],
  directory: string,
  error: StorageError,
): void {
  logger.warn({ directory, err: error }, 'a directory of log.dirs failed, and is not used any more')
}

/** Where clients of the first listener find the broker. */
function advertisedAddress(config: BrokerConfig, [first]: readonly Listener[]): string {
  const advertised = readListeners(config).listeners[0]?.advertised
  return `${advertised?.host ?? ''}:${advertised?.port || (first?.port ?? 0)}`
}

/** Where the metadata is; in the first directory when there is none yet. */
function metadataDirectory(directories: DataDirectories): DataDirectory {
  const name = `${CLUSTER_METADATA_TOPIC}-0`
  const home = directories.homeOf(name) ?? directories.place(name)
  if (!directories.isOnline(home)) throw new NoDirectoryError(directories.failures)
  return home
}

/** Groups are spread by the number that the topic was created with, whatever is configured now. */
function offsetsPartitions(image: MetadataImage, config: BrokerConfig): number {
  const existing = image.topic(CONSUMER_OFFSETS_TOPIC)?.partitions.length
  return existing ?? config['offsets.topic.num.partitions']
}
