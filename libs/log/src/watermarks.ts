import { type Offset, invariant, offset } from '@fairlead/base'
import { AppendWaiters } from './append-waiters.ts'

/** What a reader that waits is told of. Its methods may call the log again. */
export interface LogWatcher {
  /** So many bytes more came below the high watermark. */
  onReadable(sizeBytes: number): void
  /** The log ended, or begins later than before: reading it again may give an error. */
  onChanged(): void
}

/**
 * The end of a log, its high watermark, and who waits for it: appends to be answered, readers for
 * something new.
 *
 * Invariants: highWatermark ≤ logEndOffset; the high watermark never goes back, and the end only by
 * what was not written.
 */
export class Watermarks {
  readonly waiters: AppendWaiters = new AppendWaiters()
  readonly #watchers = new Set<LogWatcher>()
  #logEndOffset: Offset
  #highWatermark: Offset
  #readableBytes = 0

  /** All that was recovered is served, also a tail that is not known to be durable. */
  constructor(recoveredEndOffset: number) {
    this.#logEndOffset = offset(recoveredEndOffset)
    this.#highWatermark = this.#logEndOffset
  }

  get logEndOffset(): Offset {
    return this.#logEndOffset
  }

  get highWatermark(): Offset {
    return this.#highWatermark
  }

  /** The high watermark: no transaction is ever open, since none can begin. */
  get lastStableOffset(): Offset {
    return this.#highWatermark
  }

  /** Bytes that came below the high watermark since the log was opened. */
  get readableBytes(): number {
    return this.#readableBytes
  }

  setLogEnd(to: number): void {
    invariant(to >= this.#highWatermark, 'the high watermark stays below the log end')
    this.#logEndOffset = offset(to)
  }

  /** Also answers what waited, below the high watermark, for the disk to have room. */
  advanceHighWatermark(to: number, sizeBytes: number): void {
    if (to <= this.#highWatermark) {
      this.waiters.answerBelow(() => this.#highWatermark)
      return
    }
    invariant(to <= this.#logEndOffset, 'the high watermark stays below the log end')
    this.#highWatermark = offset(to)
    this.#readableBytes += sizeBytes
    this.waiters.answerBelow(() => this.#highWatermark)
    for (const watcher of this.#watchers) watcher.onReadable(sizeBytes)
  }

  /** Until the returned function runs, or `dismiss`. */
  watch(watcher: LogWatcher): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  /** Whoever waits for records must look again. */
  announceChange(): void {
    for (const watcher of this.#watchers) watcher.onChanged()
  }

  /** Whoever waits for records of a log that ends must ask again, and learns why there are none. */
  dismiss(): void {
    const watchers = [...this.#watchers]
    this.#watchers.clear()
    for (const watcher of watchers) watcher.onChanged()
  }
}
