import type { Lsn } from '@fairlead/base'
import type { AppliedTransaction, SourcePosition, SourceProgress } from './source-position.ts'

type Counted = { transactionId: string; eventCount: number; readonly commitLsn: Lsn }

/**
 * Counts the events of each transaction along a partition, where those of one stand together. A batch
 * may begin in the middle of one: the events before are in the checkpoint.
 */
export class TransactionTally {
  readonly #counted: Counted[] = []
  #last: Counted | undefined

  constructor(before: SourceProgress | null) {
    const newest = before?.recentTransactions.at(-1)
    if (before !== null && newest !== undefined) {
      this.#last = { ...newest, commitLsn: before.commitLsn }
    }
  }

  /** The last of which events were counted here, in their order. */
  newest(count: number): readonly AppliedTransaction[] {
    return this.#counted
      .slice(-count)
      .map(({ transactionId, eventCount }) => ({ transactionId, eventCount }))
  }

  count({ transactionId, commitLsn }: SourcePosition): void {
    if (transactionId === null) return
    const last = this.#last
    const isSame = last?.transactionId === transactionId && last.commitLsn === commitLsn
    const counted = isSame ? last : { transactionId, eventCount: 0, commitLsn }
    if (counted !== this.#counted.at(-1)) this.#counted.push(counted)
    counted.eventCount += 1
    this.#last = counted
  }
}
