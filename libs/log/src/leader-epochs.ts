import { invariant } from '@fairlead/base'

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

  /** The epochs that began below `offset`. */
  startedBelow(offset: number): readonly LeaderEpochStart[] {
    return this.#entries.filter(({ startOffset }) => startOffset < offset)
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
