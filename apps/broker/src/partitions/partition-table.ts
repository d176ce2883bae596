import { join } from 'node:path'
import { type BufferPool, type Clock, invariant } from '@fairlead/base'
import {
  type Disk,
  type FileBudget,
  type FindRecord,
  type IndexCache,
  type LogConfig,
  type PartitionLog,
  type PartitionLogOptions,
  StorageError,
  type TailCache,
  deleteLog,
  isProcessShort,
  isShortage,
  openPartitionLog,
} from '@fairlead/log'
import type { Crc32c } from '@fairlead/protocol'
import {
  type DataDirectories,
  MetadataLostError,
  NoDirectoryError,
} from '../storage/data-directories.ts'
import type { DataDirectory } from '../storage/data-directory.ts'
import { CLUSTER_METADATA_TOPIC } from '../cluster/internal-topics.ts'
import { settled } from './log-calls.ts'
import { withSegmentJitter } from './segment-jitter.ts'

/** A partition whose log is open in this process, which therefore leads it. */
export type LocalPartition = PartitionName & {
  readonly leaderEpoch: number
  /** In effect, which may change. */
  readonly config: LogConfig
  readonly directory: DataDirectory
  readonly log: PartitionLog
}

/** What came of opening a partition; 'short' says that it may be opened later, and is in no table yet. */
type Opening =
  | { readonly kind: 'open'; readonly error: undefined }
  | { readonly kind: 'short' | 'lost'; readonly error: StorageError }

type MutablePartition = { -readonly [Key in keyof LocalPartition]: LocalPartition[Key] }

/**
 * A partition that is not served, wholly or in part, and why: its disk failed, its log is corrupt, or
 * it has no room yet.
 */
export type OfflinePartition = PartitionName & {
  readonly error: StorageError
}

export type PartitionTableOptions = {
  readonly disk: Disk
  readonly directories: DataDirectories
  readonly crc32c: Crc32c
  readonly tailCache: TailCache
  readonly indexCache: IndexCache
  readonly fileBudget: FileBudget
  readonly buffers: BufferPool
  readonly findRecord: FindRecord
  readonly clock: Clock
  /** Called for each partition that is not served any more; again when one that was awaited is lost. */
  readonly onOffline: (partition: OfflinePartition) => void
  /** Called at the first read that found a batch other than it was written. */
  readonly onCorruptRead: (partition: OfflinePartition) => void
  /** Called once for a directory that failed. */
  readonly onDirectoryOffline: (directory: DataDirectory, error: StorageError) => void
  /** The directory of the metadata failed, which the last one that is left is, too. */
  readonly onFailure: (error: Error) => void
}

export type PartitionName = { readonly topic: string; readonly partition: number }

export type OpenRequest = PartitionName & {
  readonly topicId: string
  readonly leaderEpoch: number
  readonly config: LogConfig
  /** Whether nothing can be there yet. */
  readonly isNew: boolean
}

/** Whose log speaks, and whether the partition of that name is still that one. */
type LogSource = PartitionName & {
  readonly isCurrent: () => boolean
  readonly directory: DataDirectory
}

const METADATA = `${CLUSTER_METADATA_TOPIC}-0`
/** What a log says of its files when they contradict each other; the disk itself is well. */
const CORRUPT = 'LOG_CORRUPT'

/**
 * The partitions of this broker, by topic and index: those that are open, and those that are offline.
 *
 * Invariants: a directory `<topic>-<partition>` is open at most once; a topic's name is used again
 * only after `remove` has resolved for all its partitions (the controller takes one change at a
 * time); a partition that is offline stays so until the process ends, and its files as they are, but
 * for one that was refused room: that is awaited, and opened once there is some.
 */
export class PartitionTable {
  readonly #options: PartitionTableOptions
  readonly #byTopic = new Map<string, Map<number, MutablePartition>>()
  readonly #removalListeners: ((partition: LocalPartition) => Promise<void>)[] = []
  readonly #configListeners: ((partition: LocalPartition) => void)[] = []
  readonly #settlementListeners: ((which: PartitionName) => void)[] = []
  readonly #offline = new Map<string, Map<number, OfflinePartition>>()
  /** Offline until there is room, by directory; those that were refused longest ago first. */
  readonly #awaited = new Map<string, OpenRequest>()
  /** Logs of which a batch that is read has rotted: said once for each. */
  readonly #rotten = new Set<string>()
  readonly #withFailedLogs = new Set<DataDirectory>()
  #count = 0
  #offlineCount = 0
  #corruptReadCount = 0

  constructor(options: PartitionTableOptions) {
    this.#options = options
  }

  /** Of open partitions. */
  get count(): number {
    return this.#count
  }

  get offlineCount(): number {
    return this.#offlineCount
  }

  /** Reads that failed because a batch is not what was written, since the start. */
  get corruptReadCount(): number {
    return this.#corruptReadCount
  }

  /** Whether a log of the directory failed while it was open: what it served may not be found again. */
  hasFailedLog(directory: DataDirectory): boolean {
    return this.#withFailedLogs.has(directory)
  }

  get(topic: string, partition: number): LocalPartition | undefined {
    return this.#byTopic.get(topic)?.get(partition)
  }

  /** Why a partition is not served, or undefined when it is, or does not exist. */
  offline(topic: string, partition: number): OfflinePartition | undefined {
    return this.#offline.get(topic)?.get(partition)
  }

  /** Of partitions that are offline, those that will be tried again. */
  get awaitedCount(): number {
    return this.#awaited.size
  }

  /** Whether a partition that is offline will be tried again, since nothing is wrong with its disk. */
  isAwaited(topic: string, partition: number): boolean {
    return this.#awaited.has(directoryName(topic, partition))
  }

  /** What to answer for a partition that `get` does not find. */
  errorOfMissing(
    topic: string,
    partition: number,
  ): 'KAFKA_STORAGE_ERROR' | 'UNKNOWN_TOPIC_OR_PARTITION' {
    const isOffline = this.offline(topic, partition) !== undefined
    return isOffline ? 'KAFKA_STORAGE_ERROR' : 'UNKNOWN_TOPIC_OR_PARTITION'
  }

  *all(): Iterable<LocalPartition> {
    for (const partitions of this.#byTopic.values()) yield* partitions.values()
  }

  /** The partitions at this moment, for work that takes long. */
  snapshot(): readonly LocalPartition[] {
    return [...this.all()]
  }

  /**
   * Opens, and if needed recovers or creates, the log of a partition. One that is corrupt, or in a
   * directory that failed, is offline from then on. One that has no room is offline until `openAwaited`
   * finds some; so is a new one for which this process has no files or memory left. Resolves with the
   * reason.
   *
   * @throws {StorageError} when the process lacks what an old partition needs.
   */
  async open(request: OpenRequest): Promise<StorageError | undefined> {
    const { topic, partition, isNew } = request
    invariant(this.get(topic, partition) === undefined, 'a partition is opened once')
    const { kind, error } = await this.#open(request)
    if (kind !== 'short') return error
    if (isProcessShort(error) && !isNew) throw error
    this.#awaited.set(directoryName(topic, partition), request)
    this.#setOffline({ topic, partition, error })
    return error
  }

  /**
   * Opens those that had no room when they were opened, up to the first that has none now either; the
   * next call begins with another. No partition may be opened or removed meanwhile.
   */
  async openAwaited(): Promise<void> {
    for (const [name, request] of this.#awaited) {
      const { kind } = await this.#open(request)
      this.#awaited.delete(name)
      if (kind === 'short') {
        this.#awaited.set(name, request)
        return
      }
      for (const settle of this.#settlementListeners) settle(request)
    }
  }

  /** Gives the logs of a topic another configuration, from the next append on. */
  configure(topic: string, config: LogConfig): void {
    for (const partition of this.#byTopic.get(topic)?.values() ?? []) {
      partition.config = config
      partition.log.updateConfig(withSegmentJitter(config, `${topic}-${partition.partition}`))
      for (const adapt of this.#configListeners) adapt(partition)
    }
    for (const [name, request] of this.#awaited) {
      if (request.topic === topic) this.#awaited.set(name, { ...request, config })
    }
  }

  /** A log that is not in the table, without which there is no broker: that of the metadata. */
  openLog(topic: string, partition: number, config: LogConfig): Promise<PartitionLog> {
    const { directories, onFailure } = this.#options
    const name = directoryName(topic, partition)
    const directory = this.#homeOf(name, false)
    if (directory instanceof StorageError) throw new NoDirectoryError(directories.failures)
    return this.#openLog(directory, name, config, { onFailure })
  }

  /** `release` is waited for before the log of a partition is deleted: it gives up its files. */
  beforeRemoval(release: (partition: LocalPartition) => Promise<void>): void {
    this.#removalListeners.push(release)
  }

  /** `adapt` is told of each open partition that was given another configuration. */
  afterConfiguration(adapt: (partition: LocalPartition) => void): void {
    this.#configListeners.push(adapt)
  }

  /** `settle` is told of each partition that was awaited, once it is open, or offline for good. */
  afterWait(settle: (which: PartitionName) => void): void {
    this.#settlementListeners.push(settle)
  }

  /** Ends the partitions of a topic and deletes their files, where their disk lets us. */
  async remove(topic: string): Promise<void> {
    const partitions = [...(this.#byTopic.get(topic)?.values() ?? [])]
    const offline = [...(this.#offline.get(topic)?.values() ?? [])]
    this.#byTopic.delete(topic)
    this.#offline.delete(topic)
    this.#count -= partitions.length
    this.#offlineCount -= offline.length
    for (const { partition } of offline) this.#awaited.delete(directoryName(topic, partition))
    for (const open of partitions) {
      const { partition, directory, log } = open
      for (const release of this.#removalListeners) await release(open)
      const deleted = settled<void>((done) => log.delete(done))
      await this.#deleted(directory, directoryName(topic, partition), deleted)
      this.#rotten.delete(directoryName(topic, partition))
    }
    for (const { partition } of offline) await this.clear(topic, partition)
  }

  /**
   * Deletes what is on a disk of a partition that is not in the table, such as one whose deletion
   * failed: a new one of this name must not find its records. Resolves with why it is still there.
   */
  async clear(topic: string, partition: number): Promise<StorageError | undefined> {
    const { directories, disk } = this.#options
    const name = directoryName(topic, partition)
    const directory = directories.homeOf(name)
    if (directory === undefined) return undefined
    const failure = directories.failures.get(directory.path)
    if (failure !== undefined) return failure
    const deleted = settled<void>((done) => deleteLog(disk, join(directory.path, name), done))
    return this.#deleted(directory, name, deleted)
  }

  /** Flushes every log and writes its durable state. */
  async close(): Promise<void> {
    const partitions = this.snapshot()
    this.#byTopic.clear()
    this.#count = 0
    await Promise.all(partitions.map(({ log }) => settled<void>((done) => log.close(done))))
  }

  async #open(request: OpenRequest): Promise<Opening> {
    const { topic, topicId, partition, leaderEpoch, config, isNew } = request
    const name = directoryName(topic, partition)
    const directory = this.#homeOf(name, isNew)
    if (directory instanceof StorageError) {
      this.#setOffline({ topic, partition, error: directory })
      return { kind: 'lost', error: directory }
    }
    let opened: MutablePartition | undefined
    // A log that fails while its topic is being deleted speaks of its disk, not of what has its name.
    const isCurrent = (): boolean => opened === undefined || this.get(topic, partition) === opened
    const which = { topic, partition, isCurrent, directory }
    try {
      const log = await this.#openLog(directory, name, withSegmentJitter(config, name), {
        topicId,
        onReadFailure: (error) => this.#onReadFailure(which, error),
        onFailure: (error) => this.#onLogFailure(which, error),
      })
      opened = { topic, partition, leaderEpoch, config, directory, log }
      this.#setOpen(opened)
      return { kind: 'open', error: undefined }
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      if (isShortage(error)) return { kind: 'short', error }
      this.#onLogFailure(which, error)
      return { kind: 'lost', error }
    }
  }

  /** Where the log is or belongs, or why it cannot be opened. */
  #homeOf(name: string, isNew: boolean): DataDirectory | StorageError {
    const { directories } = this.#options
    const home = directories.homeOf(name)
    if (home !== undefined) return directories.failures.get(home.path) ?? home
    // What is not found may be where nobody can look: a log that begins anew would hide it.
    const [failure] = directories.failures.values()
    return isNew || failure === undefined ? directories.place(name) : failure
  }

  #openLog(
    { path, space }: DataDirectory,
    name: string,
    config: LogConfig,
    own: Pick<PartitionLogOptions, 'topicId' | 'onFailure' | 'onReadFailure'>,
  ): Promise<PartitionLog> {
    const { disk, crc32c, tailCache, indexCache, fileBudget, buffers, findRecord, clock } =
      this.#options
    return settled((done) =>
      openPartitionLog(
        {
          disk,
          directory: join(path, name),
          config,
          crc32c,
          findRecord,
          tailCache,
          indexCache,
          fileBudget,
          buffers,
          space,
          nowMs: clock.wallNowMs(),
          ...own,
        },
        done,
      ),
    )
  }

  /**
   * A log that is corrupt, or was in the middle of something when no file or memory was left, is
   * offline alone; anything else says that the whole directory cannot be trusted.
   */
  #onLogFailure({ topic, partition, isCurrent, directory }: LogSource, error: StorageError): void {
    if (isCurrent()) this.#setOffline({ topic, partition, error })
    if (error.code !== CORRUPT && !isProcessShort(error)) this.#directoryFailed(directory, error)
  }

  /** One batch that rotted does not keep the others from being served. */
  #onReadFailure(source: LogSource, error: StorageError): void {
    if (isProcessShort(error)) return
    if (error.code !== CORRUPT) {
      this.#onLogFailure(source, error)
      return
    }
    this.#corruptReadCount += 1
    const { topic, partition } = source
    const name = directoryName(topic, partition)
    if (this.#rotten.has(name) || !source.isCurrent()) return
    this.#rotten.add(name)
    this.#options.onCorruptRead({ topic, partition, error })
  }

  #directoryFailed(directory: DataDirectory, error: StorageError): void {
    const { directories, onDirectoryOffline, onFailure } = this.#options
    if (!directories.takeOffline(directory, error)) return
    onDirectoryOffline(directory, error)
    for (const { topic, partition, directory: home } of this.snapshot()) {
      if (home === directory) this.#setOffline({ topic, partition, error })
    }
    if (directory === directories.homeOf(METADATA))
      onFailure(new MetadataLostError(directory, error))
  }

  #setOpen(opened: MutablePartition): void {
    const { topic, partition } = opened
    const partitions = this.#byTopic.get(topic) ?? new Map<number, MutablePartition>()
    partitions.set(partition, opened)
    this.#byTopic.set(topic, partitions)
    this.#count += 1
    if (this.#offline.get(topic)?.delete(partition) === true) this.#offlineCount -= 1
  }

  #setOffline(offline: OfflinePartition): void {
    const { topic, partition, error } = offline
    const open = this.#byTopic.get(topic)?.get(partition)
    if (open !== undefined) {
      this.#withFailedLogs.add(open.directory)
      this.#byTopic.get(topic)?.delete(partition)
      this.#count -= 1
      open.log.fail(error)
      // Nothing more is written; what closing its files says is of no use to anybody.
      open.log.close(() => {})
    }
    const isKnown = this.offline(topic, partition) !== undefined
    if (isKnown && !this.isAwaited(topic, partition)) return
    const partitions = this.#offline.get(topic) ?? new Map<number, OfflinePartition>()
    partitions.set(partition, offline)
    this.#offline.set(topic, partitions)
    if (!isKnown) this.#offlineCount += 1
    this.#options.onOffline(offline)
  }

  /** Where the files are is forgotten only once they are gone. */
  async #deleted(
    directory: DataDirectory,
    name: string,
    deletion: Promise<void>,
  ): Promise<StorageError | undefined> {
    try {
      await deletion.catch(unlessMissing)
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      if (error.code !== CORRUPT && !isShortage(error)) this.#directoryFailed(directory, error)
      return error
    }
    this.#options.directories.forget(name)
    return undefined
  }
}

/** A log that could not be created need not have a directory. */
function unlessMissing(error: unknown): void {
  if (!(error instanceof StorageError && error.code === 'ENOENT')) throw error
}

function directoryName(topic: string, partition: number): string {
  return `${topic}-${partition}`
}
