import { type EventPosition, comparePositions, formatPosition } from '@fairlead/cdc'

/**
 * Which events of our source a partition holds, as far as its last records tell. Postgres sends
 * again what was not confirmed before a crash; this recognises what had been published by then.
 *
 * Events reach a partition in commit order, so everything before the oldest record that was read
 * is known to be there. Between the oldest and the newest, only what was seen is: of a batch that
 * the crash interrupted, an event may be missing (it was to be parked) while a later one is there.
 */
export class PartitionTail {
  readonly #seen = new Set<string>()
  #oldest: EventPosition | undefined
  #newest: EventPosition | undefined

  get newest(): EventPosition | undefined {
    return this.#newest
  }

  add(position: EventPosition): void {
    this.#seen.add(formatPosition(position))
    if (this.#oldest === undefined || comparePositions(position, this.#oldest) < 0) {
      this.#oldest = position
    }
    if (this.#newest === undefined || comparePositions(position, this.#newest) > 0) {
      this.#newest = position
    }
  }

  holds(position: EventPosition): boolean {
    if (this.#newest === undefined || this.#oldest === undefined) return false
    if (comparePositions(position, this.#newest) > 0) return false
    if (comparePositions(position, this.#oldest) < 0) return true
    return this.#seen.has(formatPosition(position))
  }
}
