import type { Timers } from '@fairlead/base'
import type { LocalPartition, PartitionTable } from '../partitions/partition-table.ts'
import type { BackgroundThread } from './background-thread.ts'

type UnderWay = { readonly thread: BackgroundThread; readonly end: Promise<void> }

/**
 * Work on partitions that goes on for as long as the broker runs, on threads of its own: which
 * partition is being worked on, pauses between, and how all of it ends.
 *
 * Invariants: a partition is worked on by one thread at a time; its log is deleted only after that
 * thread has let go of its files; `stop` resolves when nothing is under way any more.
 */
export class BackgroundWork {
  readonly #timers: Timers
  readonly #underWay = new Map<LocalPartition, UnderWay>()
  readonly #wakeUps = new Set<() => void>()
  readonly #loops: Promise<void>[] = []
  #isStopped = false

  constructor(options: { readonly timers: Timers; readonly partitions: PartitionTable }) {
    this.#timers = options.timers
    options.partitions.beforeRemoval((partition) => this.#release(partition))
  }

  get isStopped(): boolean {
    return this.#isStopped
  }

  isUnderWay(partition: LocalPartition): boolean {
    return this.#underWay.has(partition)
  }

  /** Begins a loop that looks at `isStopped`. */
  begin(loop: () => Promise<void>): void {
    this.#loops.push(loop())
  }

  /** Resolves when the work on a partition, which has just been begun, has ended. */
  async run(
    partition: LocalPartition,
    thread: BackgroundThread,
    work: () => Promise<void>,
  ): Promise<void> {
    const end = work()
    this.#underWay.set(partition, { thread, end })
    await end.finally(() => this.#underWay.delete(partition))
  }

  /** Tells the thread that works on a partition, if one does, to end as soon as it can. */
  cancel(partition: LocalPartition): void {
    this.#underWay.get(partition)?.thread.cancel()
  }

  /** Resolves after this time, or when the work is to stop. */
  async pause(durationMs: number): Promise<void> {
    if (this.#isStopped) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#timers.after(durationMs, resolve)
    this.#wakeUps.add(resolve)
    await promise
    this.#wakeUps.delete(resolve)
    cancel()
  }

  /** Ends all pauses. */
  wake(): void {
    for (const wakeUp of this.#wakeUps) wakeUp()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.wake()
    for (const { thread } of this.#underWay.values()) thread.cancel()
    await Promise.all(this.#loops)
  }

  async #release(partition: LocalPartition): Promise<void> {
    this.cancel(partition)
    await this.#underWay.get(partition)?.end
  }
}
