import type { DamagedRange } from './scrub-log.ts'

/**
 * Ranges of a log that the disk does not give back as they were written. They are neither cut off nor
 * served: reads stop before them, and are refused in them, until they are deleted.
 */
export class Quarantine {
  #ranges: readonly DamagedRange[] = []

  get ranges(): readonly DamagedRange[] {
    return this.#ranges
  }

  /** False when the range is known already. */
  add(range: DamagedRange): boolean {
    const isKnown = this.#ranges.some(
      ({ fromOffset, endOffset }) => fromOffset <= range.fromOffset && range.endOffset <= endOffset,
    )
    if (!isKnown) this.#ranges = [...this.#ranges, range]
    return !isKnown
  }

  /** Why nothing can be read at `offset`; undefined when something can. */
  problemAt(offset: number): string | undefined {
    const range = this.#ranges.find(
      ({ fromOffset, endOffset }) => fromOffset <= offset && offset < endOffset,
    )
    if (range === undefined) return undefined
    const { fromOffset, endOffset, problem } = range
    return `offsets ${fromOffset} to ${endOffset - 1} are damaged on the disk: ${problem}`
  }

  /** How far a read from `offset` may go. */
  limit(offset: number, upTo: number): number {
    return this.#ranges.reduce(
      (end, { fromOffset }) => (fromOffset > offset ? Math.min(end, fromOffset) : end),
      upTo,
    )
  }

  forgetBelow(logStartOffset: number): void {
    this.#ranges = this.#ranges.filter(({ endOffset }) => endOffset > logStartOffset)
  }
}
