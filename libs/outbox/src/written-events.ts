import type { NewEvent } from '@fairlead/avro'
import { keyHash } from '@fairlead/base'
import type { DialectAdapter, Kysely } from 'kysely'
import { KeyCounter, type KeyCounts } from './key-counts.ts'

/**
 * Nobody says when the transactions of others are over, and most are never asked about. A process has fewer
 * connections than this, so that one is only forgotten while it is open when it outlives as many others.
 */
const TRANSACTIONS_MAX = 1_000

/** What was appended to one transaction: how many events, by topic and key. */
export class TransactionEvents {
  readonly #topics = new Map<string, KeyCounter>()
  readonly #topicsOfAll: Set<string>
  #isComplete: boolean

  constructor(topicsOfAll: Set<string>, isComplete: boolean) {
    this.#topicsOfAll = topicsOfAll
    this.#isComplete = isComplete
  }

  /** By topic; where there may be more that nobody remembers, null in every topic that has any. */
  get topics(): ReadonlyMap<string, KeyCounts | null> {
    if (this.#isComplete) return this.#topics
    return new Map([...this.#topicsOfAll].map((topic) => [topic, null]))
  }

  add(events: readonly NewEvent[]): void {
    for (const { topic, key } of events) {
      const counter = this.#topics.get(topic) ?? new KeyCounter()
      this.#topics.set(topic, counter)
      this.#topicsOfAll.add(topic)
      counter.add(keyHash(Buffer.from(key)))
    }
  }

  forget(): void {
    this.#isComplete = false
  }
}

/** What was appended to the last transactions of a database, by their ids. */
export class WrittenEvents {
  readonly #transactions = new Map<string, TransactionEvents>()
  readonly #topics = new Set<string>()
  #newestForgotten = 0n

  /** Those of a transaction, to which later ones are added, too. */
  of(transactionId: string): TransactionEvents {
    const known = this.#transactions.get(transactionId)
    if (known !== undefined) return known
    // Ids grow: an older one may be of a transaction that was forgotten with what it wrote before.
    const isComplete = BigInt(transactionId) > this.#newestForgotten
    const events = new TransactionEvents(this.#topics, isComplete)
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

const WRITTEN = new WeakMap<DialectAdapter, WrittenEvents>()

/**
 * Those of a database, whichever outbox they were appended with: a checkpoint counts all events of a transaction. Ids of
 * transactions are of one server. A `Kysely` and its transactions have one adapter, and no other has it.
 */
export function writtenWith<DB>(db: Kysely<DB>): WrittenEvents {
  const { adapter } = db.getExecutor()
  const known = WRITTEN.get(adapter)
  if (known !== undefined) return known
  const written = new WrittenEvents()
  WRITTEN.set(adapter, written)
  return written
}
