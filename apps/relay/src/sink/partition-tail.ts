import { lsn } from '@fairlead/base'
import { type EventPosition, comparePositions } from '@fairlead/cdc'

const CAPACITY_MIN = 16

/**
 * Which events of our source a partition holds, as far as its last records tell. Postgres sends
 * again what was not confirmed before a crash; this recognises what had been published by then.
 *
 * Events reach a partition in commit order, so what lies before the oldest record that was read was
 * published, too. That is no proof for a partition of which every record was read. Nor is it one
 * near the newest records: of a batch that a crash interrupted an event may be missing (the broker
 * refused it, and it was to be parked) while a later one is there. Therefore a tail must hold as many
 * of our records as the batches that are on their way at a time. With fewer of them, as where retention has cut the partition,
 * nothing is known of what lies before: it is published again, rather than lost.
 *
 * There may be thousands of partitions: a position takes 16 bytes.
 */
export class PartitionTail {
  #lsns = new BigUint64Array()
  #indexes = new Float64Array()
  #count = 0
  #isSorted = true
  /** What lies before the oldest of these was published. */
  holdsEarlier: boolean

  constructor(
    positions: readonly EventPosition[],
    { holdsEarlier }: { readonly holdsEarlier: boolean },
  ) {
    this.holdsEarlier = holdsEarlier
    for (const position of positions) this.add(position)
  }

  get count(): number {
    return this.#count
  }

  get newest(): EventPosition | undefined {
    return this.#at(this.#count - 1)
  }

  /** In any order. */
  add({ commitLsn, commitIndex }: EventPosition): void {
    if (this.#count === this.#lsns.length) this.#grow()
    this.#lsns[this.#count] = commitLsn
    this.#indexes[this.#count] = commitIndex
    this.#count += 1
    this.#isSorted = false
  }

  /** The event is among the records that were read. */
  includes(position: EventPosition): boolean {
    let from = 0
    let to = this.#count
    while (from < to) {
      const middle = Math.floor((from + to) / 2)
      const found = this.#at(middle)
      if (found === undefined || comparePositions(found, position) < 0) from = middle + 1
      else to = middle
    }
    const found = this.#at(from)
    return found !== undefined && comparePositions(found, position) === 0
  }

  /** The event was published, to this partition if to any. */
  holds(position: EventPosition): boolean {
    const oldest = this.#at(0)
    const { newest } = this
    if (newest === undefined || oldest === undefined) return false
    if (comparePositions(position, newest) > 0) return false
    if (comparePositions(position, oldest) < 0) return this.holdsEarlier
    return this.includes(position)
  }

  /** In order. */
  #at(place: number): EventPosition | undefined {
    if (!this.#isSorted) this.#sort()
    const commitLsn = place < this.#count ? this.#lsns[place] : undefined
    const commitIndex = this.#indexes[place]
    if (commitLsn === undefined || commitIndex === undefined) return undefined
    return { commitLsn: lsn(commitLsn), commitIndex }
  }

  #sort(): void {
    this.#isSorted = true
    const positions = Array.from({ length: this.#count }, (_, place) => this.#at(place))
    const ordered = positions.filter((position) => position !== undefined).sort(comparePositions)
    for (const [place, { commitLsn, commitIndex }] of ordered.entries()) {
      this.#lsns[place] = commitLsn
      this.#indexes[place] = commitIndex
    }
  }

  #grow(): void {
    const capacity = Math.max(CAPACITY_MIN, this.#count * 2)
    const lsns = new BigUint64Array(capacity)
    const indexes = new Float64Array(capacity)
    lsns.set(this.#lsns)
    indexes.set(this.#indexes)
    this.#lsns = lsns
    this.#indexes = indexes
  }
}
