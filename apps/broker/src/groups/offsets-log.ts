import type { Clock } from '@fairlead/base'
import type { CoordinatorRecord } from '@fairlead/coordinator'
import { StorageError } from '@fairlead/log'
import { type Crc32c, encodeBatch } from '@fairlead/protocol'
import type { Controller } from '../cluster/controller.ts'
import { CONSUMER_OFFSETS_TOPIC } from '../cluster/internal-topics.ts'
import { append } from '../partitions/log-calls.ts'
import type { LocalPartition, PartitionTable } from '../partitions/partition-table.ts'
import { replayLog } from '../partitions/replay-log.ts'

export type OffsetsLogOptions = {
  readonly partitions: PartitionTable
  readonly controller: Pick<Controller, 'createConsumerOffsets'>
  readonly partitionCount: number
  readonly crc32c: Crc32c
  readonly clock: Clock
}

/** The partitions of `__consumer_offsets`, as the group coordinator writes and loads them. */
export class OffsetsLog {
  readonly #options: OffsetsLogOptions
  /** The newest append of each partition: later ones are durable after earlier ones. */
  readonly #newestAppend = new Map<number, Promise<void>>()
  readonly #underWay = new Map<number, number>()
  readonly #drainWaiters = new Map<number, readonly (() => void)[]>()

  constructor(options: OffsetsLogOptions) {
    this.#options = options
  }

  get exists(): boolean {
    const isOpen = this.#options.partitions.get(CONSUMER_OFFSETS_TOPIC, 0) !== undefined
    return isOpen || this.isOffline(0)
  }

  async create(): Promise<void> {
    if (!this.exists) await this.#options.controller.createConsumerOffsets()
  }

  partitions(): readonly number[] {
    return Array.from({ length: this.#options.partitionCount }, (_, partition) => partition)
  }

  /** Resolves once the records are durable. Rejects when they are not, and never will be. */
  async append(partition: number, records: readonly CoordinatorRecord[]): Promise<void> {
    const appended = this.#append(partition, records)
    this.#newestAppend.set(partition, appended)
    this.#underWay.set(partition, this.#underWayCount(partition) + 1)
    try {
      await appended
    } finally {
      this.#underWay.set(partition, this.#underWayCount(partition) - 1)
      if (this.#newestAppend.get(partition) === appended) this.#newestAppend.delete(partition)
      if (this.#underWayCount(partition) === 0) this.#answerDrained(partition)
    }
  }

  /** Resolves once everything that was appended so far is durable. */
  settled(partition: number): Promise<void> {
    return this.#newestAppend.get(partition) ?? Promise.resolve()
  }

  /** Resolves once no append is under way: what is in the log then is all that ever will be. */
  drained(partition: number): Promise<void> {
    if (this.#underWayCount(partition) === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const waiting = this.#drainWaiters.get(partition) ?? []
      this.#drainWaiters.set(partition, [...waiting, resolve])
    })
  }

  /** Whether the partition is not served any more, and the broker goes on without it. */
  isOffline(partition: number): boolean {
    return this.#options.partitions.offline(CONSUMER_OFFSETS_TOPIC, partition) !== undefined
  }

  /** Whether it is offline only until there is room for it. */
  isAwaited(partition: number): boolean {
    return this.#options.partitions.isAwaited(CONSUMER_OFFSETS_TOPIC, partition)
  }

  /** Whether the log of the partition is beyond repair, so that no later append can succeed. */
  hasFailed(partition: number): boolean {
    const { log } = this.#local(partition)
    return log.failure !== undefined
  }

  /** Every record of the partition, in order. */
  async replay(partition: number, replay: (record: CoordinatorRecord) => void): Promise<void> {
    await replayLog(this.#local(partition).log, ({ key, value }) => {
      if (key !== null) replay({ key, value })
    })
  }

  async #append(partition: number, records: readonly CoordinatorRecord[]): Promise<void> {
    const { clock, crc32c } = this.#options
    const { log, leaderEpoch } = this.#local(partition)
    const nowMs = clock.wallNowMs()
    const batch = encodeBatch(
      {
        records: records.map(({ key, value }) => ({ key, value, headers: [], timestampMs: nowMs })),
      },
      crc32c,
    )
    const result = await append(log, batch, { leaderEpoch, nowMs, origin: 'coordinator' })
    if (!result.ok) throw new StorageError(result.message, { code: result.errorCode })
  }

  #underWayCount(partition: number): number {
    return this.#underWay.get(partition) ?? 0
  }

  #answerDrained(partition: number): void {
    const waiting = this.#drainWaiters.get(partition) ?? []
    this.#drainWaiters.delete(partition)
    for (const resolve of waiting) resolve()
  }

  #local(partition: number): LocalPartition {
    const local = this.#options.partitions.get(CONSUMER_OFFSETS_TOPIC, partition)
    if (local !== undefined) return local
    throw new StorageError(`${CONSUMER_OFFSETS_TOPIC}-${partition} is not open`, {
      code: 'PARTITION_NOT_OPEN',
    })
  }
}
