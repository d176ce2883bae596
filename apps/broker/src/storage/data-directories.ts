import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { OperationalError, type Random, errorMessage } from '@fairlead/base'
import { StorageError } from '@fairlead/log'
import { CLUSTER_METADATA_TOPIC } from '../cluster/internal-topics.ts'
import { type DataDirectory, openDataDirectory } from './data-directory.ts'
import type { MeasureVolume } from './directory-space.ts'
import { setAside, topicIdIn } from './stray-partitions.ts'

export type DataDirectoriesOptions = {
  /** `log.dirs`: at least one, none twice. */
  readonly paths: readonly string[]
  readonly clusterId: string | undefined
  readonly nodeId: number
  readonly random: Random
  /** `log.dirs.reserve.bytes` */
  readonly reserveBytes: number
  readonly measureVolume: MeasureVolume
}

/** The topic of a partition by its name: its id, while there is such a partition. */
export type KnownPartitions = {
  topicId(topic: string): string | undefined
  hasPartition(topic: string, partition: number): boolean
}

type Found = {
  readonly name: string
  readonly topic: string
  readonly partition: number
  readonly directory: DataDirectory
}

const PARTITION_DIRECTORY: RegExp = /^(?<topic>[a-zA-Z0-9._-]+)-(?<partition>\d+)$/
/** What says that the disk is broken, not that the configuration or this process is. */
const DISK_ERRORS: readonly string[] = ['EIO', 'EROFS', 'ENXIO', 'ENODEV', 'ESTALE', 'EUCLEAN']

/**
 * The directories of `log.dirs`, at best each on a disk of its own. One that fails is not touched any
 * more, and the others go on. A partition lives in one of them; a new one goes where the fewest are.
 *
 * Lifecycle: until `settle` only the home of the metadata is known.
 *
 * Invariants: a directory that was taken offline stays so; no partition is in two directories.
 */
export class DataDirectories {
  readonly all: readonly DataDirectory[]
  /** By path: those that failed at the start, or later. */
  readonly failures: Map<string, StorageError> = new Map()
  readonly #homes = new Map<string, DataDirectory>()

  /**
   * Makes, locks and identifies the directories.
   *
   * @throws {NoDirectoryError} when none of them works; `WrongDirectoryError` and the like when they are
   * not what they should be; `DuplicateLogError` when two of them hold the metadata.
   */
  constructor(options: DataDirectoriesOptions) {
    const opened: DataDirectory[] = []
    this.all = opened
    try {
      for (const path of options.paths) {
        const clusterId = opened[0]?.meta.clusterId ?? options.clusterId
        const directory = this.#open(path, { ...options, clusterId })
        if (directory === undefined) continue
        opened.push(directory)
      }
      if (opened.length === 0) throw new NoDirectoryError(this.failures)
      for (const each of this.#found()) if (isOfMetadata(each)) this.#settleIn(each)
    } catch (error) {
      this.release()
      throw error
    }
  }

  /**
   * Finds the homes of all partitions, once the metadata is known. What is of another topic than the
   * one that has its name now is set aside, and so is what does not say of which topic it is, where
   * another directory does. Returns the new names.
   *
   * @throws {DuplicateLogError} when two directories hold one partition all the same.
   */
  settle(known: KnownPartitions): readonly string[] {
    const strays: Found[] = []
    const certain = new Map<string, Found>()
    const silent: Found[] = []
    for (const each of this.#found().filter((found) => !isOfMetadata(found))) {
      const { name, topic, partition, directory } = each
      const isKnown = known.hasPartition(topic, partition)
      const topicId = isKnown ? topicIdIn(join(directory.path, name)) : undefined
      if (!isKnown || (topicId !== undefined && topicId !== known.topicId(topic))) strays.push(each)
      else if (topicId === undefined) silent.push(each)
      else {
        this.#settleIn(each)
        certain.set(name, each)
      }
    }
    for (const each of silent) {
      if (certain.has(each.name)) strays.push(each)
      else this.#settleIn(each)
    }
    return strays.map(({ name, directory }) => setAside(directory.path, name))
  }

  /** Those that are in use. */
  get online(): readonly DataDirectory[] {
    return this.all.filter((directory) => this.isOnline(directory))
  }

  isOnline({ path }: DataDirectory): boolean {
    return !this.failures.has(path)
  }

  /** Where the directory of a partition is, or was before its disk failed. */
  homeOf(name: string): DataDirectory | undefined {
    return this.#homes.get(name)
  }

  /** Chooses a home for a new partition: with the fewest of them; the first of several. */
  place(name: string): DataDirectory {
    const counts = new Map(this.online.map((directory) => [directory, 0]))
    for (const home of this.#homes.values()) {
      const count = counts.get(home)
      if (count !== undefined) counts.set(home, count + 1)
    }
    const [fewest] = [...counts].sort(([, count], [, other]) => count - other)
    if (fewest === undefined) throw new NoDirectoryError(this.failures)
    this.#homes.set(name, fewest[0])
    return fewest[0]
  }

  /** Its partition was deleted. */
  forget(name: string): void {
    this.#homes.delete(name)
  }

  /** False when it was offline already. */
  takeOffline(directory: DataDirectory, error: StorageError): boolean {
    if (!this.isOnline(directory)) return false
    this.failures.set(directory.path, error)
    return true
  }

  release(): void {
    for (const directory of this.all) directory.release()
  }

  #open(path: string, options: DataDirectoriesOptions): DataDirectory | undefined {
    try {
      return openDataDirectory(path, options)
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : ''
      if (!DISK_ERRORS.includes(code)) throw error
      this.failures.set(path, new StorageError(errorMessage(error), { code, cause: error }))
      return undefined
    }
  }

  #found(): readonly Found[] {
    return this.online.flatMap((directory) =>
      readdirSync(directory.path, { withFileTypes: true }).flatMap((entry) => {
        const { topic, partition } = PARTITION_DIRECTORY.exec(entry.name)?.groups ?? {}
        if (!entry.isDirectory() || topic === undefined) return []
        return [{ name: entry.name, topic, partition: Number(partition), directory }]
      }),
    )
  }

  #settleIn({ name, directory }: Found): void {
    const other = this.#homes.get(name)
    if (other !== undefined) throw new DuplicateLogError(name, [other, directory])
    this.#homes.set(name, directory)
  }
}

function isOfMetadata({ topic }: Found): boolean {
  return topic === CLUSTER_METADATA_TOPIC
}

/** Nothing of `log.dirs` can be used. */
export class NoDirectoryError extends OperationalError {
  override readonly name = 'NoDirectoryError'

  constructor(failures: ReadonlyMap<string, StorageError>) {
    const reasons = Array.from(failures, ([path, { message }]) => `${path} (${message})`)
    const options = { code: 'NO_LOG_DIRECTORY', retryable: false }
    super(`every directory of log.dirs failed: ${reasons.join(', ')}`, options)
  }
}

/** Without the metadata there is no broker, whatever the other directories hold. */
export class MetadataLostError extends OperationalError {
  override readonly name = 'MetadataLostError'

  constructor({ path }: DataDirectory, cause: StorageError) {
    const options = { code: 'NO_LOG_DIRECTORY', retryable: false, cause }
    super(`the directory of the metadata failed: ${path} (${cause.message})`, options)
  }
}

/** One partition in two directories: which of them is right, nobody can tell. */
class DuplicateLogError extends OperationalError {
  override readonly name = 'DuplicateLogError'

  constructor(name: string, directories: readonly DataDirectory[]) {
    const places = directories.map(({ path }) => path).join(' and in ')
    const options = { code: 'DUPLICATE_LOG', retryable: false }
    super(`${name} is in ${places}: move the one that is out of date away`, options)
  }
}
