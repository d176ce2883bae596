import type { Lsn } from '@fairlead/base'

/** Of a database, at one moment. */
export type WalObservation = {
  /** Oldest transaction that runs: `pg_snapshot_xmin(pg_current_snapshot())`. */
  readonly oldestXid: bigint
  /** Transactions from here on have not begun: `pg_snapshot_xmax(pg_current_snapshot())`. */
  readonly nextXid: bigint
  readonly walInsertLsn: Lsn
  /** What each logical slot of the database has confirmed; null where that is not known. */
  readonly confirmedLsns: readonly (Lsn | null)[]
}

/**
 * Whether rows of the past may be removed from an outbox table: everything that was written before
 * the gate was made, by transactions that ran at that time included, is confirmed by every slot.
 *
 * First it waits for the end of the transactions that run, then for every slot to confirm what is in
 * the log by then. Both only move forward, so a gate that has opened stays open.
 */
export class RetirementGate {
  #awaitedXid: bigint | undefined
  #awaitedLsn: Lsn | undefined
  #isOpen = false

  observe(seen: WalObservation): boolean {
    this.#awaitedXid ??= seen.nextXid
    if (seen.oldestXid >= this.#awaitedXid) this.#awaitedLsn ??= seen.walInsertLsn
    this.#isOpen ||= this.#isConfirmed(seen.confirmedLsns)
    return this.#isOpen
  }

  #isConfirmed(confirmedLsns: WalObservation['confirmedLsns']): boolean {
    const awaitedLsn = this.#awaitedLsn
    if (awaitedLsn === undefined) return false
    return confirmedLsns.every((confirmed) => confirmed !== null && confirmed >= awaitedLsn)
  }
}
