import type { NewEvent } from '@fairlead/avro'
import { keyHash } from '@fairlead/base'
import type { DialectAdapter, Kysely } from 'kysely'
import { KeyCounter, type KeyCounts } from './key-counts.ts'

/**
 * Nobody says when the transactions of others are over, and most are never asked about. A process has fewer
 * connections than this, so that one is only forgotten while it is open when it outlives as many others.
 */
const TRANSACTIONS_MAX = 1_000

/** Appends of a transaction that are told apart; the first ones of more than these are rolled back together, or not at all. */
const APPENDS_MAX = 64

/** Stands for the append before the first one. */
export const NO_APPEND = ''

/** Which append to a transaction it was, and which one it found to be the last that is not rolled back. */
export type AppendPlace = { readonly appendId: string; readonly previousId: string }

type Appended = { readonly appendId: string; readonly topics: Map<string, KeyCounter> }

/**
 * What was appended to one transaction: how many events, by topic and key.
 *
 * Savepoints are a stack: who knows the last append that is left knows that all before it are, too, and none behind it.
 */
export class TransactionEvents {
  /** The oldest first. */
  readonly #appended: Appended[] = []
  readonly #topicsOfAll: Set<string>
  #isComplete: boolean

  constructor(topicsOfAll: Set<string>, isComplete: boolean) {
    this.#topicsOfAll = topicsOfAll
    this.#isComplete = isComplete
  }

  /** By topic; where there may be more that nobody remembers, null in every topic that has any. */
  get topics(): ReadonlyMap<string, KeyCounts | null> {
    if (!this.#isComplete) return new Map([...this.#topicsOfAll].map((topic) => [topic, null]))
    const all = new Map<string, KeyCounter>()
    for (const { topics } of this.#appended) addAll(all, topics)
    return all
  }

  add(events: readonly NewEvent[], { appendId, previousId }: AppendPlace): void {
    this.keepUpTo(previousId)
    const topics = new Map<string, KeyCounter>()
    for (const { topic, key } of events) {
      const counter = topics.get(topic) ?? new KeyCounter()
      topics.set(topic, counter)
      this.#topicsOfAll.add(topic)
      counter.add(keyHash(Buffer.from(key)))
    }
    this.#appended.push({ appendId, topics })
    const [oldest, next] = this.#appended
    if (this.#appended.length <= APPENDS_MAX || oldest === undefined || next === undefined) return
    addAll(oldest.topics, next.topics)
    this.#appended.splice(0, 2, { appendId: next.appendId, topics: oldest.topics })
  }

  /** What was appended behind that one is rolled back, to a savepoint. */
  keepUpTo(appendId: string): void {
    const index = this.#appended.findLastIndex((appended) => appended.appendId === appendId)
    // One of those that are not told apart, or of another copy of this module.
    if (index === -1 && appendId !== NO_APPEND) this.forget()
    this.#appended.splice(index + 1)
  }

  forget(): void {
    this.#isComplete = false
  }
}

function addAll(to: Map<string, KeyCounter>, topics: ReadonlyMap<string, KeyCounter>): void {
  for (const [topic, counts] of topics) {
    const counter = to.get(topic) ?? new KeyCounter()
    to.set(topic, counter)
    counter.addAll(counts)
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
