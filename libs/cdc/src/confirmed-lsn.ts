import { type Lsn, formatLsn, invariant } from '@fairlead/base'

/**
 * Decides which LSN the relay may confirm to its replication slot.
 *
 * Postgres recycles WAL before the confirmed LSN, and skips transactions that end at or before it.
 * It must therefore never pass a transaction with an event that the brokers have not acknowledged:
 * after a crash that event would be lost.
 *
 * - Transactions arrive in commit order, their rows between `begin` and `commit`; acknowledgements
 *   arrive in any order, also before the commit does.
 * - The value is the `end_lsn` of a Commit message, as it is. The next commit record may start
 *   exactly there: confirming end_lsn + 1 would skip that transaction. The LSN of a message outside of
 *   transactions is such an end, too.
 * - A keepalive carries the position up to which Postgres has read its log. While nothing is open
 *   and nothing is in flight, all before it is of no interest to us, and confirming it keeps an
 *   idle slot from holding back the log. In the middle of a transaction the same field carries
 *   the LSN of that transaction's own commit: it must not be used then.
 *
 * Invariant: the value never decreases, and no unacknowledged event lies before it.
 */
export class ConfirmedLsn {
  /**
   * In commit order, from `#oldestIndex` on; the last one may be open. Bounded by the caller's bound on events
   * in flight: thousands, which `shift` would move each time.
   */
  #transactions: Transaction[] = []
  #oldestIndex = 0
  /** One for all: there may be thousands of transactions. */
  readonly #onComplete = (): void => this.#advance()
  #confirmed: Lsn
  #newestEnd: Lsn

  constructor(restartLsn: Lsn) {
    this.#confirmed = restartLsn
    this.#newestEnd = restartLsn
  }

  /** The greatest LSN before which every event is acknowledged. */
  get value(): Lsn {
    return this.#confirmed
  }

  /** No transaction is open, and every event is acknowledged. */
  get isIdle(): boolean {
    return this.#oldestIndex === this.#transactions.length
  }

  /** A Begin message arrived. Its rows are counted on the returned transaction. */
  begin(): PendingTransaction {
    invariant(!this.#isOpen(), 'transactions do not overlap in the stream')
    const transaction = new Transaction(this.#onComplete)
    this.#transactions.push(transaction)
    return transaction
  }

  /** The Commit message of the open transaction arrived; or it was a message outside of transactions. */
  commit(endLsn: Lsn): void {
    const transaction = this.#transactions.at(-1)
    invariant(transaction !== undefined, 'a commit follows a begin')
    invariant(transaction.endLsn === undefined, 'a commit ends an open transaction')
    invariant(
      endLsn > this.#newestEnd,
      () => `commit ${formatLsn(endLsn)} arrived after ${formatLsn(this.#newestEnd)}`,
    )
    transaction.endLsn = endLsn
    this.#newestEnd = endLsn
    this.#advance()
  }

  /** A keepalive arrived, with the position up to which the server has read its log. */
  keepalive(walEnd: Lsn): void {
    if (this.isIdle && walEnd > this.#confirmed) this.#confirmed = walEnd
  }

  /** Those that are confirmed: at least as many as are left, so that a transaction is moved once at most. */
  #forget(): void {
    this.#transactions = this.#transactions.slice(this.#oldestIndex)
    this.#oldestIndex = 0
  }

  #isOpen(): boolean {
    const newest = this.#transactions.at(-1)
    return !this.isIdle && newest?.endLsn === undefined
  }

  #advance(): void {
    let oldest = this.#transactions[this.#oldestIndex]
    while (oldest?.endLsn !== undefined && oldest.unacknowledgedEvents === 0) {
      if (oldest.endLsn > this.#confirmed) this.#confirmed = oldest.endLsn
      this.#oldestIndex += 1
      oldest = this.#transactions[this.#oldestIndex]
    }
    if (this.#oldestIndex * 2 > this.#transactions.length) this.#forget()
  }
}

/** A transaction from its Begin until all its events are acknowledged. */
export interface PendingTransaction {
  /** One more event is on its way to the brokers. */
  eventReceived(): void
  /** One event is durable: at the brokers, or parked. */
  eventAcknowledged(): void
}

class Transaction implements PendingTransaction {
  readonly #onComplete: () => void
  unacknowledgedEvents = 0
  /** Undefined while rows may still arrive. */
  endLsn: Lsn | undefined

  constructor(onComplete: () => void) {
    this.#onComplete = onComplete
  }

  eventReceived(): void {
    invariant(this.endLsn === undefined, 'a committed transaction gets no more events')
    this.unacknowledgedEvents += 1
  }

  eventAcknowledged(): void {
    invariant(this.unacknowledgedEvents > 0, 'an event is acknowledged once')
    this.unacknowledgedEvents -= 1
    if (this.unacknowledgedEvents === 0 && this.endLsn !== undefined) this.#onComplete()
  }
}
