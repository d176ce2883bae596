import type { NewEvent } from '@fairlead/avro'
import { keyHash } from '@fairlead/base'
import { KEYS_PER_TOPIC_MAX } from './commit-token.ts'

const NO_TRANSACTION = '0'

/** Collects what is appended while one function runs: keys of events, by transaction and topic. */
export class WrittenEvents {
  readonly #transactions = new Map<string, Map<string, Set<number>>>()

  add(transactionId: string, events: readonly NewEvent[]): void {
    const topics = this.#transactions.get(transactionId) ?? new Map<string, Set<number>>()
    this.#transactions.set(transactionId, topics)
    for (const { topic, key } of events) {
      const hashes = topics.get(topic) ?? new Set<number>()
      topics.set(topic, hashes)
      // One more than a token holds says that there are too many.
      if (hashes.size <= KEYS_PER_TOPIC_MAX) hashes.add(keyHash(Buffer.from(key)))
    }
  }

  /** The transaction of all events, or one that has none; undefined when there are several. */
  get onlyTransactionId(): string | undefined {
    const [first = NO_TRANSACTION, ...others] = this.#transactions.keys()
    return others.length === 0 ? first : undefined
  }

  /** Of the transaction; nothing when it wrote no events. */
  keyHashes(transactionId: string): ReadonlyMap<string, readonly number[] | null> {
    const topics = this.#transactions.get(transactionId) ?? new Map<string, Set<number>>()
    return new Map(
      [...topics].map(([topic, hashes]) => [
        topic,
        hashes.size > KEYS_PER_TOPIC_MAX ? null : [...hashes],
      ]),
    )
  }
}
