import type { TopicPartition } from './records.ts'

/**
 * Keys of which a record was rejected. What comes behind it is rejected, too, in its own `send` and in
 * every other one that was given the same keys: so sends that are on their way together keep the order of
 * a key as one would. A key is never taken out again; the caller makes new ones once nothing is on its way.
 */
export class RejectedKeys {
  readonly #keys = new Set<string>()

  get isEmpty(): boolean {
    return this.#keys.size === 0
  }

  /** A record without a key has nothing behind it. */
  add(place: TopicPartition, key: Uint8Array | null): void {
    if (key !== null) this.#keys.add(textOf(place, key))
  }

  has(place: TopicPartition, key: Uint8Array | null): boolean {
    return this.#keys.size > 0 && key !== null && this.#keys.has(textOf(place, key))
  }
}

function textOf({ topic, partition }: TopicPartition, key: Uint8Array): string {
  return `${topic}-${partition} ${Buffer.from(key).toString('latin1')}`
}
