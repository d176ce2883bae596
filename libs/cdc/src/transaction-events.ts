import type { Lsn } from '@fairlead/base'

/** Where an event stands among those of its transaction; both count from 1, as in Debezium. */
export type TransactionOrder = {
  readonly transactionId: string
  readonly totalOrder: number
  /** Among the events of its table. */
  readonly dataCollectionOrder: number
}

/**
 * The events of one transaction, counted as they stream by. What is counted follows from the log and the
 * configuration alone, so that an event that comes again has the same place: an event that is parked counts,
 * what is no event does not.
 */
export class TransactionEvents {
  /** Debezium's form, `xid:LSN`; the LSN is that of the commit, so that it is one for all of the transaction. */
  readonly transactionId: string
  readonly #counts = new Map<string, number>()
  #count = 0

  constructor(xid: number, commitLsn: Lsn) {
    this.transactionId = `${xid}:${commitLsn}`
  }

  get count(): number {
    return this.#count
  }

  /** By table, as `schema.table`; in the order of their first events. */
  get countByDataCollection(): ReadonlyMap<string, number> {
    return this.#counts
  }

  /** Of one more event. */
  next(dataCollection: string): TransactionOrder {
    const dataCollectionOrder = (this.#counts.get(dataCollection) ?? 0) + 1
    this.#counts.set(dataCollection, dataCollectionOrder)
    this.#count += 1
    return { transactionId: this.transactionId, totalOrder: this.#count, dataCollectionOrder }
  }

  /** The last one is none. */
  takeBack(dataCollection: string): void {
    const count = (this.#counts.get(dataCollection) ?? 0) - 1
    if (count > 0) this.#counts.set(dataCollection, count)
    else this.#counts.delete(dataCollection)
    this.#count -= 1
  }
}
