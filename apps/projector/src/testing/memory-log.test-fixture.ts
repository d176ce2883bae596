import { OperationalError } from '@fairlead/base'
import type { LogRecord } from '@fairlead/projection'
import type {
  EventLog,
  Fetched,
  GroupDeletion,
  JoinOptions,
  Membership,
  TopicPartition,
} from '../log/event-log.ts'

type Appended = Omit<LogRecord, 'topic' | 'partition' | 'offset' | 'timestampMs'> & {
  readonly timestampMs?: number
}

export const TOPIC_ID = '00000000-0000-4000-8000-00000000000a'

/**
 * A topic in memory behind the port of the log. Every member gets the partitions it asks for, even
 * when another has them too: as when the group went on without a member that is still alive.
 */
export class MemoryLog {
  readonly topic: string
  readonly #topics: ReadonlyMap<string, LogRecord[][]>
  readonly #waiting = new Set<() => void>()
  readonly #members = new Set<JoinOptions>()
  /** That somebody has joined. */
  readonly groups = new Set<string>()
  /** Next offsets as committed to the group, by partition. */
  readonly committed = new Map<number, number>()
  logStartOffset = 0

  /** `others` are topics beside it, of as many partitions. */
  constructor(topic: string, partitionCount: number, others: readonly string[] = []) {
    this.topic = topic
    const partitions = () => Array.from({ length: partitionCount }, (): LogRecord[] => [])
    this.#topics = new Map([topic, ...others].map((name) => [name, partitions()]))
  }

  append(partition: number, ...records: readonly Appended[]): void {
    this.appendTo(this.topic, partition, ...records)
  }

  appendTo(topic: string, partition: number, ...records: readonly Appended[]): void {
    const log = this.#partition({ topic, partition })
    for (const record of records) {
      const offset = this.logStartOffset + log.length
      log.push({ timestampMs: Date.now(), ...record, topic, partition, offset })
    }
    for (const wake of this.#waiting) wake()
  }

  /** As retention does it, in every partition; `logStartOffset` is no more than any end. */
  removeBefore(offset: number): void {
    const count = offset - this.logStartOffset
    for (const partitions of this.#topics.values()) {
      for (const records of partitions) records.splice(0, count)
    }
    this.logStartOffset = offset
  }

  /** More partitions for every topic; members keep to those that they have. */
  grow(partitionCount: number): void {
    for (const partitions of this.#topics.values()) {
      while (partitions.length < partitionCount) partitions.push([])
    }
  }

  recordsOf(partition: number): readonly LogRecord[] {
    return this.#partition({ topic: this.topic, partition })
  }

  /** Revokes everything from every member, and assigns it again. */
  async rebalance(): Promise<void> {
    for (const member of this.#members) {
      const partitions = this.#partitionsOf(member.topics)
      await member.onRevoked(partitions, { lost: false })
      member.onAssigned(partitions)
    }
  }

  open(): EventLog {
    return {
      join: (options) => Promise.resolve(this.#join(options)),
      earliestOffset: () => Promise.resolve(this.logStartOffset),
      topicId: () => Promise.resolve(TOPIC_ID),
      endOffset: async (topic, partition) => this.#endOf({ topic, partition }),
      highWatermark: async (topic, partition) => this.#endOf({ topic, partition }),
      partitionCount: async (topic) => this.#topics.get(topic)?.length ?? 0,
      read: (request) => this.#fetch(request),
      deleteGroup: async (groupId) => this.#deleteGroup(groupId),
      close: () => Promise.resolve(),
    }
  }

  #deleteGroup(groupId: string): GroupDeletion {
    if ([...this.#members].some((member) => member.groupId === groupId)) return 'hasMembers'
    return this.groups.delete(groupId) ? 'deleted' : 'absent'
  }

  #join(options: JoinOptions): Membership {
    this.#members.add(options)
    this.groups.add(options.groupId)
    const partitions = this.#partitionsOf(options.topics)
    queueMicrotask(() => options.onAssigned(partitions))
    return {
      fetch: (request) => this.#fetch(request),
      commit: async (positions) => {
        for (const { partition, offset } of positions) this.committed.set(partition, offset)
      },
      close: async () => {
        this.#members.delete(options)
        await options.onRevoked(partitions, { lost: false })
      },
    }
  }

  async #fetch(request: Parameters<EventLog['read']>[0]): Promise<Fetched> {
    const { fromOffset, maxWaitMs, signal } = request
    if (fromOffset < this.logStartOffset) {
      throw new OperationalError(`offset ${fromOffset} is not in the log`, {
        code: 'OFFSET_OUT_OF_RANGE',
        retryable: false,
      })
    }
    const log = this.#partition(request)
    const index = (): number => fromOffset - this.logStartOffset
    if (log.length <= index()) await this.#appended(maxWaitMs, signal)
    const records = log.slice(index())
    return {
      records,
      nextOffset: fromOffset + records.length,
      leaderEpoch: 0,
      highWatermark: this.#endOf(request),
    }
  }

  async #appended(maxWaitMs: number, signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(done)
        resolve()
      }
      const timer = setTimeout(done, maxWaitMs)
      this.#waiting.add(done)
      signal.addEventListener('abort', done, { once: true })
    })
    signal.throwIfAborted()
  }

  #endOf(partition: TopicPartition): number {
    return this.logStartOffset + this.#partition(partition).length
  }

  #partitionsOf(topics: readonly string[]): readonly TopicPartition[] {
    return topics.flatMap((topic) =>
      (this.#topics.get(topic) ?? []).map((_records, partition) => ({ topic, partition })),
    )
  }

  #partition({ topic, partition }: TopicPartition): LogRecord[] {
    const log = this.#topics.get(topic)?.[partition]
    if (log === undefined) throw new RangeError(`there is no partition ${partition} of ${topic}`)
    return log
  }
}
