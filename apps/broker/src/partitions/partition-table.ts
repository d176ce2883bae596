import { join } from 'node:path'
import { type BufferPool, type Clock, invariant } from '@fairlead/base'
import {
  type Disk,
  type IndexCache,
  type LogConfig,
  type PartitionLog,
  type StorageError,
  type TailCache,
  openPartitionLog,
} from '@fairlead/log'
import type { Crc32c } from '@fairlead/protocol'
import { decompress } from './decompress.ts'
import { settled } from './log-calls.ts'
import { withSegmentJitter } from './segment-jitter.ts'

/** A partition whose log is open in this process, which therefore leads it. */
export type LocalPartition = {
  readonly topic: string
  readonly partition: number
  readonly leaderEpoch: number
  /** In effect now; it may change. */
  readonly config: LogConfig
  readonly log: PartitionLog
}

type MutablePartition = { -readonly [Key in keyof LocalPartition]: LocalPartition[Key] }

export type PartitionTableOptions = {
  readonly disk: Disk
  /** The directory of `log.dirs`. */
  readonly directory: string
  readonly crc32c: Crc32c
  readonly tailCache: TailCache
  readonly indexCache: IndexCache
  readonly buffers: BufferPool
  readonly clock: Clock
  /** A disk that failed is not used any more, and we have no other. */
  readonly onFailure: (error: StorageError) => void
}

export type OpenRequest = {
  readonly topic: string
  readonly partition: number
  readonly leaderEpoch: number
  readonly config: LogConfig
}

/**
 * The open partitions, by topic and index.
 *
 * Invariant: a directory `<topic>-<partition>` is open at most once; a topic's name is used again
 * only after `remove` has resolved for all its partitions (the controller takes one change at a
 * time).
 */
export class PartitionTable {
  readonly #options: PartitionTableOptions
  readonly #byTopic = new Map<string, Map<number, MutablePartition>>()
  readonly #removalListeners: ((partition: LocalPartition) => Promise<void>)[] = []
  #count = 0

  constructor(options: PartitionTableOptions) {
    this.#options = options
  }

  get count(): number {
    return this.#count
  }

  get(topic: string, partition: number): LocalPartition | undefined {
    return this.#byTopic.get(topic)?.get(partition)
  }

  *all(): Iterable<LocalPartition> {
    for (const partitions of this.#byTopic.values()) yield* partitions.values()
  }

  /** The partitions at this moment, for work that takes long. */
  snapshot(): readonly LocalPartition[] {
    return [...this.all()]
  }

  /** Opens, and if needed recovers or creates, the log of a partition. */
  async open({ topic, partition, leaderEpoch, config }: OpenRequest): Promise<LocalPartition> {
    invariant(this.get(topic, partition) === undefined, 'a partition is opened once')
    const name = `${topic}-${partition}`
    const log = await this.openLog(topic, partition, withSegmentJitter(config, name))
    const opened = { topic, partition, leaderEpoch, config, log }
    const partitions = this.#byTopic.get(topic) ?? new Map<number, MutablePartition>()
    partitions.set(partition, opened)
    this.#byTopic.set(topic, partitions)
    this.#count += 1
    return opened
  }

  /** Gives the logs of a topic another configuration, from the next append on. */
  configure(topic: string, config: LogConfig): void {
    for (const partition of this.#byTopic.get(topic)?.values() ?? []) {
      partition.config = config
      partition.log.updateConfig(withSegmentJitter(config, `${topic}-${partition.partition}`))
    }
  }

  /** A log that is not in the table: the one of the metadata. */
  openLog(topic: string, partition: number, config: LogConfig): Promise<PartitionLog> {
    const { disk, directory, crc32c, tailCache, indexCache, buffers, clock, onFailure } =
      this.#options
    return settled((done) =>
      openPartitionLog(
        {
          disk,
          directory: join(directory, `${topic}-${partition}`),
          config,
          crc32c,
          decompress,
          tailCache,
          indexCache,
          buffers,
          nowMs: clock.wallNowMs(),
          onFailure,
        },
        done,
      ),
    )
  }

  /** `release` is waited for before the log of a partition is deleted: it gives up its files. */
  beforeRemoval(release: (partition: LocalPartition) => Promise<void>): void {
    this.#removalListeners.push(release)
  }

  /** Ends the partitions of a topic and deletes their files. */
  async remove(topic: string): Promise<void> {
    const partitions = [...(this.#byTopic.get(topic)?.values() ?? [])]
    this.#byTopic.delete(topic)
    this.#count -= partitions.length
    for (const partition of partitions) {
      for (const release of this.#removalListeners) await release(partition)
      await settled<void>((done) => partition.log.delete(done))
    }
  }

  /** Flushes every log and writes its recovery point. */
  async close(): Promise<void> {
    const partitions = this.snapshot()
    this.#byTopic.clear()
    this.#count = 0
    await Promise.all(partitions.map(({ log }) => settled<void>((done) => log.close(done))))
  }
}
