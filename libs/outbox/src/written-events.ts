import type { NewEvent } from '@fairlead/avro'
import { keyHash } from '@fairlead/base'
import { KeyCounter, type KeyCounts } from './key-counts.ts'

const NO_TRANSACTION = '0'

/** Counts what is appended while one function runs: events by transaction, topic and key. */
export class WrittenEvents {
  readonly #transactions = new Map<string, Map<string, KeyCounter>>()

  add(transactionId: string, events: readonly NewEvent[]): void {
    const topics = this.#transactions.get(transactionId) ?? new Map<string, KeyCounter>()
    this.#transactions.set(transactionId, topics)
    for (const { topic, key } of events) {
      const counter = topics.get(topic) ?? new KeyCounter()
      topics.set(topic, counter)
      counter.add(keyHash(Buffer.from(key)))
    }
  }

  /** The transaction of all events, or one that has none; undefined when there are several. */
  get onlyTransactionId(): string | undefined {
    const [first = NO_TRANSACTION, ...others] = this.#transactions.keys()
    return others.length === 0 ? first : undefined
  }

  /** By topic; nothing when the transaction wrote no events. */
  of(transactionId: string): ReadonlyMap<string, KeyCounts> {
    return this.#transactions.get(transactionId) ?? new Map()
  }
}
