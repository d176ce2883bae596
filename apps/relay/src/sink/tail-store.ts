import { TailProgress } from './read-tail.ts'

/** Positions of events in memory, 16 bytes each. */
const POSITIONS_MAX = 1_000_000
/** Partitions, of 1,000 topics with twelve each; the objects of one take some hundred bytes. */
const PLACES_MAX = 12_000

/**
 * What this process has read of the ends of partitions. A session may end before it has read all that
 * it needs, so that nothing is published: were everything read anew, the next one would end the same way.
 *
 * Not for longer than that: a broker that crashed may have lost records that could be read already, and
 * others may stand in their place.
 */
export class TailStore {
  /** The one that is used last stands last. */
  readonly #byPlace = new Map<string, TailProgress>()
  readonly #positionsMax: number
  readonly #placesMax: number
  #positionCount = 0

  constructor({ positionsMax = POSITIONS_MAX, placesMax = PLACES_MAX } = {}) {
    this.#positionsMax = positionsMax
    this.#placesMax = placesMax
  }

  /** For one reader at a time. */
  of(source: string, topic: string, partition: number): TailProgress {
    const place = placeOf(source, topic, partition)
    const progress = this.#byPlace.get(place) ?? this.#newAt(place)
    this.#byPlace.delete(place)
    this.#byPlace.set(place, progress)
    this.#forgetOldest(place)
    return progress
  }

  /** The partition was created anew. */
  forget(source: string, topic: string, partition: number): void {
    this.#forget(placeOf(source, topic, partition))
  }

  clear(): void {
    this.#byPlace.clear()
    this.#positionCount = 0
  }

  #newAt(place: string): TailProgress {
    const progress: TailProgress = new TailProgress((count) => {
      // One that is forgotten may still be in use.
      if (this.#byPlace.get(place) === progress) this.#positionCount += count
    })
    return progress
  }

  #forgetOldest(newest: string): void {
    for (const place of this.#byPlace.keys()) {
      const isTooMuch =
        this.#positionCount > this.#positionsMax || this.#byPlace.size > this.#placesMax
      if (!isTooMuch || place === newest) return
      this.#forget(place)
    }
  }

  #forget(place: string): void {
    this.#positionCount -= this.#byPlace.get(place)?.tail.count ?? 0
    this.#byPlace.delete(place)
  }
}

function placeOf(source: string, topic: string, partition: number): string {
  return `${source} ${topic}-${partition}`
}
