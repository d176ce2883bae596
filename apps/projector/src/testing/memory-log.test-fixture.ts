import { OperationalError } from '@fairlead/base'
import type { LogRecord } from '@fairlead/projection'
import type { EventLog, Fetched, JoinOptions, Membership } from '../log/event-log.ts'

type Appended = Omit<LogRecord, 'topic' | 'partition' | 'offset' | 'timestampMs'>

/**
 * A topic in memory behind the port of the log. Every member gets the partitions it asks for, even
 * when another has them too: as when the group went on without a member that is still alive.
 */
export class MemoryLog {
  readonly topic: string
  readonly #partitions: LogRecord[][]
  readonly #waiting = new Set<() => void>()
  readonly #members = new Set<JoinOptions>()
  /** Next offsets as committed to the group, by partition. */
  readonly committed = new Map<number, number>()
  logStartOffset = 0

  constructor(topic: string, partitionCount: number) {
    this.topic = topic
    this.#partitions = Array.from({ length: partitionCount }, () => [])
  }

  append(partition: number, ...records: readonly Appended[]): void {
    const log = this.#partition(partition)
    for (const record of records) {
      const offset = this.logStartOffset + log.length
      log.push({ ...record, topic: this.topic, partition, offset, timestampMs: Date.now() })
    }
    for (const wake of this.#waiting) wake()
  }

  recordsOf(partition: number): readonly LogRecord[] {
    return this.#partition(partition)
  }

  /** Revokes everything from every member, and assigns it again. */
  async rebalance(): Promise<void> {
    for (const member of this.#members) {
      await member.onRevoked(this.#all, { lost: false })
      member.onAssigned(this.#all)
    }
  }

  open(): EventLog {
    return {
      join: (options) => Promise.resolve(this.#join(options)),
      earliestOffset: () => Promise.resolve(this.logStartOffset),
      close: () => Promise.resolve(),
    }
  }

  #join(options: JoinOptions): Membership {
    this.#members.add(options)
    queueMicrotask(() => options.onAssigned(this.#all))
    return {
      fetch: (request) => this.#fetch(request),
      commit: async (nextOffsets) => {
        for (const [partition, offset] of nextOffsets) this.committed.set(partition, offset)
      },
      close: async () => {
        this.#members.delete(options)
        await options.onRevoked(this.#all, { lost: false })
      },
    }
  }

  async #fetch(request: Parameters<Membership['fetch']>[0]): Promise<Fetched> {
    const { partition, fromOffset, maxWaitMs, signal } = request
    if (fromOffset < this.logStartOffset) {
      throw new OperationalError(`offset ${fromOffset} is not in the log`, {
        code: 'OFFSET_OUT_OF_RANGE',
        retryable: false,
      })
    }
    const log = this.#partition(partition)
    const index = (): number => fromOffset - this.logStartOffset
    if (log.length <= index()) await this.#appended(maxWaitMs, signal)
    const records = log.slice(index())
    return {
      records,
      nextOffset: fromOffset + records.length,
      highWatermark: this.logStartOffset + log.length,
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

  get #all(): readonly number[] {
    return this.#partitions.map((_records, partition) => partition)
  }

  #partition(partition: number): LogRecord[] {
    const log = this.#partitions[partition]
    if (log === undefined) throw new RangeError(`there is no partition ${partition}`)
    return log
  }
}
