import { invariant } from '@fairlead/base'

/** A log with fewer segments may begin another while the last tenth is free; others may not. */
const FEW_SEGMENTS = 8
const RESERVE_RATIO = 0.1

/**
 * The files that the segments of all logs may have open, together: each segment its own, each log one
 * more for the index that grows.
 *
 * A log that would pass it begins no segment, and refuses appends until retention has removed some. The
 * last tenth is for logs with few segments: one whose segments are tiny does not stop the others.
 */
export class FileBudget {
  #filesMax: number
  #openCount = 0

  constructor(options: { readonly filesMax: number }) {
    this.#filesMax = options.filesMax
  }

  get filesMax(): number {
    return this.#filesMax
  }

  get openCount(): number {
    return this.#openCount
  }

  /** Whether a log with so many segments may begin another. */
  admits(segmentCount: number): boolean {
    const reserve = segmentCount < FEW_SEGMENTS ? 0 : this.#filesMax * RESERVE_RATIO
    return this.#openCount + 1 <= this.#filesMax - reserve
  }

  /** What is open stays so; with less, no segment is begun before others are removed. */
  resize(filesMax: number): void {
    this.#filesMax = filesMax
  }

  /** So many files more are open; fewer, when it is negative. */
  change(count: number): void {
    this.#openCount += count
    invariant(this.#openCount >= 0, 'only what was opened is closed')
  }
}
