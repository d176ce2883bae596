import { type EventPosition, comparePositions, formatPosition } from '@fairlead/cdc'

/**
 * Which events of our source a partition holds, as far as its last records tell. Postgres sends
 * again what was not confirmed before a crash; this recognises what had been published by then.
 *
 * Events reach a partition in commit order, so what lies before the oldest record that was read was
 * published, too. That is no proof for a partition of which every record was read. Nor is it one
 * near the newest records: of a batch that a crash interrupted an event may be missing (the broker
 * refused it, and it was to be parked) while a later one is there. Therefore a tail must hold more
 * of our records than one batch has.
 */
export class PartitionTail {
  readonly #seen = new Set<string>()
  readonly #isWhole: boolean
  readonly #oldest: EventPosition | undefined
  readonly #newest: EventPosition | undefined

  /** `isWhole`: the partition never held another record of our source than these. */
  constructor(positions: readonly EventPosition[], { isWhole }: { readonly isWhole: boolean }) {
    this.#isWhole = isWhole
    for (const position of positions) this.#seen.add(formatPosition(position))
    const ordered = [...positions].sort(comparePositions)
    this.#oldest = ordered[0]
    this.#newest = ordered.at(-1)
  }

  get newest(): EventPosition | undefined {
    return this.#newest
  }

  /** The event is among the records that were read. */
  includes(position: EventPosition): boolean {
    return this.#seen.has(formatPosition(position))
  }

  /** The event was published, to this partition if to any. */
  holds(position: EventPosition): boolean {
    if (this.#newest === undefined || this.#oldest === undefined) return false
    if (comparePositions(position, this.#newest) > 0) return false
    if (comparePositions(position, this.#oldest) < 0) return !this.#isWhole
    return this.includes(position)
  }
}
