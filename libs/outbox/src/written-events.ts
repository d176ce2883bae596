import type { NewEvent } from '@fairlead/avro'
import { keyHash } from '@fairlead/base'
import { KeyCounter, type KeyCounts } from './key-counts.ts'

/**
 * Nobody says when the transactions of others are over, and most are never asked about. A process has fewer
 * connections than this, so that one is only forgotten while it is open when it outlives as many others.
 */
const TRANSACTIONS_MAX = 1_000

/** What was appended to one transaction: how many events, by topic and key. */
export class TransactionEvents {
  readonly #topics = new Map<string, KeyCounter>()
  #isComplete: boolean

  constructor(isComplete: boolean) {
    this.#isComplete = isComplete
  }

  /** By topic; null when there may be more that nobody remembers. */
  get topics(): ReadonlyMap<string, KeyCounts> | null {
    return this.#isComplete ? this.#topics : null
  }

  add(events: readonly NewEvent[]): void {
    for (const { topic, key } of events) {
      const counter = this.#topics.get(topic) ?? new KeyCounter()
      this.#topics.set(topic, counter)
      counter.add(keyHash(Buffer.from(key)))
    }
  }

  forget(): void {
    this.#isComplete = false
  }
}

/** What was appended to the last transactions, by their ids. */
export class WrittenEvents {
  readonly #transactions = new Map<string, TransactionEvents>()
  #newestForgotten = 0n

  /** Those of a transaction, to which later ones are added, too. */
  of(transactionId: string): TransactionEvents {
    const known = this.#transactions.get(transactionId)
    if (known !== undefined) return known
    // Ids grow: an older one may be of a transaction that was forgotten with what it wrote before.
    const events = new TransactionEvents(BigInt(transactionId) > this.#newestForgotten)
    this.#transactions.set(transactionId, events)
    if (this.#transactions.size > TRANSACTIONS_MAX) this.#forgetOldest()
    return events
  }

  /** The transaction is over. */
  close(transactionId: string): void {
    this.#transactions.delete(transactionId)
  }

  #forgetOldest(): void {
    const [oldest] = this.#transactions
    if (oldest === undefined) return
    const [transactionId, events] = oldest
    events.forget()
    this.#transactions.delete(transactionId)
    const id = BigInt(transactionId)
    if (id > this.#newestForgotten) this.#newestForgotten = id
  }
}
