import type { Letter } from '@fairlead/projection'
import type { PartitionProgress } from '../store/checkpoints.ts'
import { type FoldJob, FoldThread, type Folded } from './fold-thread.ts'
import type { LogSection } from './merged-log.ts'
import { refuseFlood } from './rebuild-failed.ts'

export { ThreadGaveUp } from './fold-thread.ts'

/** What a process needs to have threads that fold. */
export type FoldThreadsSetup = Pick<
  FoldJob,
  'sources' | 'projection' | 'aheadMaxMs' | 'tenantHeader' | 'includedTenants'
> & { readonly threadsMax: number }

type FoldThreadsOptions = FoldThreadsSetup &
  Pick<FoldJob, 'bound' | 'fetchBytesMax' | 'memoryBytesMax'> & {
    /** All of the topic. */
    readonly partitions: readonly LogSection[]
    readonly onTrouble: (reason: string) => void
    /** Ends the threads. */
    readonly signal: AbortSignal
  }

/**
 * Folds the partitions of a topic at once, each thread some of them, in memory. For folds whose rows have
 * the keys of their events, while no key is in two partitions: each thread makes sure of that, and gives up
 * otherwise, as it does when its rows outgrow its share of the memory.
 */
export class FoldThreads {
  readonly #threads: readonly FoldThread[]
  readonly #flood = Promise.withResolvers<never>()
  readonly #signal: AbortSignal
  readonly #onAbort = (): void => void this.#end()

  constructor(options: FoldThreadsOptions) {
    const { partitions, threadsMax, onTrouble, signal, ...job } = options
    const shares = sharesOf(partitions, threadsMax)
    const memoryBytesMax = job.memoryBytesMax / shares.length
    const partitionCount = partitions.length
    this.#threads = shares.map(
      (sections) =>
        new FoldThread(
          { ...job, sections, partitionCount, memoryBytesMax },
          { onTrouble, onProgress: () => this.#refuseFlood() },
        ),
    )
    this.#flood.promise.catch(() => undefined)
    this.#signal = signal
    signal.addEventListener('abort', this.#onAbort)
  }

  get count(): number {
    return this.#threads.length
  }

  /** Records of the log that are behind the threads. */
  get readCount(): number {
    return sum(this.#threads, ({ progress }) => progress.readCount)
  }

  get parkedCount(): number {
    return sum(this.#threads, ({ progress }) => progress.parkedCount)
  }

  /**
   * @throws {ThreadGaveUp} as soon as one does, and when `signal` fires. {RebuildFailed} when too many
   *   keys fail.
   */
  async folded(): Promise<Folded> {
    const folded = Promise.all(this.#threads.map((thread) => thread.folded))
    const all = await Promise.race([folded, this.#flood.promise])
    return {
      rowCount: sum(all, ({ rowCount }) => rowCount),
      positions: all.flatMap(({ positions }): readonly PartitionProgress[] => positions),
      letters: all.flatMap(({ letters }): readonly Letter[] => letters),
    }
  }

  /** The rows of all threads, as text of COPY: in turns, so that all are at work. @throws {ThreadGaveUp} */
  async *chunks(): AsyncGenerator<Uint8Array> {
    const left = new Set(this.#threads.map((thread) => thread.chunks()))
    while (left.size > 0) {
      for (const chunks of left) {
        const next = await chunks.next()
        if (next.done === true) left.delete(chunks)
        else yield next.value
      }
    }
  }

  async stop(): Promise<void> {
    this.#signal.removeEventListener('abort', this.#onAbort)
    await this.#end()
  }

  async #end(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.stop()))
  }

  #refuseFlood(): void {
    try {
      refuseFlood(this.parkedCount)
    } catch (error) {
      this.#flood.reject(error)
    }
  }
}

/** About as many records for each thread: the longest first, each to whoever has the least. */
function sharesOf(sections: readonly LogSection[], threadsMax: number): readonly LogSection[][] {
  const filledCount = sections.filter((section) => lengthOf(section) > 0).length
  const shares = Array.from({ length: Math.max(1, Math.min(threadsMax, filledCount)) }, () => ({
    sections: [] as LogSection[],
    recordCount: 0,
  }))
  const byLength = sections.toSorted((left, right) => lengthOf(right) - lengthOf(left))
  for (const section of byLength) {
    const least = shares.reduce((a, b) => (b.recordCount < a.recordCount ? b : a))
    least.sections.push(section)
    least.recordCount += lengthOf(section)
  }
  return shares.map((share) => share.sections)
}

function lengthOf({ start, end }: LogSection): number {
  return end - start.nextOffset
}

function sum<T>(all: readonly T[], of: (each: T) => number): number {
  return all.reduce((total, each) => total + of(each), 0)
}
