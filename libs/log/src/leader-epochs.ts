import { invariant } from '@fairlead/base'

/** An epoch, and the offset behind its last record. */
export type EpochEnd = { readonly leaderEpoch: number; readonly endOffset: number }

export type LeaderEpochStart = { readonly epoch: number; readonly startOffset: number }

/**
 * Which leader epoch wrote which offsets (KIP-101).
 *
 * Invariant: epochs and start offsets grow strictly from entry to entry.
 */
export class LeaderEpochs {
  readonly #entries: LeaderEpochStart[]

  constructor(entries: readonly LeaderEpochStart[] = []) {
    this.#entries = []
    for (const { epoch, startOffset } of entries) this.assign(epoch, startOffset)
  }

  /** -1 before the first append. */
  get latest(): number {
    return this.#entries.at(-1)?.epoch ?? -1
  }

  /**
   * Takes note of a batch that is read back. False when it contradicts what is known: the epoch of a
   * batch is outside its checksum, so this is how damage to it shows.
   */
  replay(epoch: number, baseOffset: number): boolean {
    const newest = this.#entries.at(-1)
    if (epoch < 0) return false
    if (newest === undefined || epoch > newest.epoch) {
      if (newest !== undefined && baseOffset <= newest.startOffset) return false
      this.#entries.push({ epoch, startOffset: baseOffset })
      return true
    }
    return this.#entries.findLast(({ startOffset }) => startOffset <= baseOffset)?.epoch === epoch
  }

  /**
   * Where the records of `epoch` end, and which epoch that really was: the newest that is not above
   * it, or, below all that is known, `epoch` itself at the start of what is left. Undefined for an
   * epoch beyond the newest (KIP-101).
   */
  endOf(epoch: number, logEndOffset: number): EpochEnd | undefined {
    if (epoch < 0 || epoch > this.latest) return undefined
    const next = this.#entries.findIndex((entry) => entry.epoch > epoch)
    const written = next === -1 ? this.#entries.at(-1) : this.#entries[next - 1]
    const endOffset = next === -1 ? logEndOffset : (this.#entries[next]?.startOffset ?? 0)
    return { leaderEpoch: written?.epoch ?? epoch, endOffset }
  }

  /** The epochs that began below `offset`. */
  startedBelow(offset: number): readonly LeaderEpochStart[] {
    return this.#entries.filter(({ startOffset }) => startOffset < offset)
  }

  /** Forgets the epochs that began at `offset` or later: nothing of them was written. */
  cutFrom(offset: number): void {
    const kept = this.#entries.findIndex(({ startOffset }) => startOffset >= offset)
    if (kept >= 0) this.#entries.splice(kept)
  }

  /** Notes that `epoch` wrote at `startOffset`. True when that is its first batch. */
  assign(epoch: number, startOffset: number): boolean {
    const newest = this.#entries.at(-1)
    if (newest !== undefined && epoch <= newest.epoch) return false
    invariant(epoch >= 0, 'leader epochs count from 0')
    // An epoch that wrote nothing leaves no trace: its successor takes its place.
    if (newest !== undefined && newest.startOffset === startOffset) this.#entries.pop()
    invariant(
      (this.#entries.at(-1)?.startOffset ?? -1) < startOffset,
      'a later epoch starts at a later offset',
    )
    this.#entries.push({ epoch, startOffset })
    return true
  }
}
