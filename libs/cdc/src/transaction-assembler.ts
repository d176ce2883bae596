import { DecodeError, type Lsn, formatLsn } from '@fairlead/base'
import type { EventPosition } from './event-position.ts'
import type {
  BeginMessage,
  LogicalMessage,
  PgOutputMessage,
  Relation,
  RowMessage,
} from './pgoutput-message.ts'

/** What a stream of messages means, one item at a time. */
export type StreamItem =
  | { readonly kind: 'begin'; readonly commitLsn: Lsn; readonly xid: number }
  | RowChange
  | CommittedTransaction
  | { readonly kind: 'truncate'; readonly relations: readonly Relation[] }
  | { readonly kind: 'message'; readonly message: LogicalMessage }

/** A row of a transaction whose end has not arrived yet, though it is known to have committed. */
export type RowChange = {
  readonly kind: 'row'
  readonly change: RowMessage
  readonly position: EventPosition
  readonly commitTimestampMs: number
  readonly xid: number
}

export type CommittedTransaction = {
  readonly kind: 'commit'
  readonly commitLsn: Lsn
  readonly endLsn: Lsn
  readonly commitTimestampMs: number
  readonly rowCount: number
}

/**
 * Stamps each row with its transaction and its index in it, as it streams. A transaction is never
 * collected: it may have more rows than memory. That works because protocol version 1 sends only
 * committed transactions, one after the other, and Begin carries the commit LSN.
 */
export class TransactionAssembler {
  #newestEnd: Lsn | undefined
  #open: { readonly begin: BeginMessage; rowCount: number } | undefined

  /**
   * What the next message adds; undefined for those that only describe (relation, type, origin).
   *
   * @throws {DecodeError} when the messages do not form transactions.
   */
  accept(message: PgOutputMessage): StreamItem | undefined {
    switch (message.kind) {
      case 'insert':
      case 'update':
      case 'delete':
        return this.#row(message)
      case 'begin':
        return this.#begin(message)
      case 'commit':
        return this.#commit(message)
      case 'truncate':
        this.#opened('truncate')
        return { kind: 'truncate', relations: message.relations }
      case 'message':
        if (message.isTransactional) this.#opened('a transactional message')
        return { kind: 'message', message }
      case 'relation':
      case 'type':
      case 'origin':
        return undefined
    }
  }

  #begin(begin: BeginMessage): StreamItem {
    if (this.#open !== undefined) throw new DecodeError('begin inside of a transaction', 0)
    // Adjacent commits touch: the next commit record may start where the last one ends.
    if (this.#newestEnd !== undefined && begin.commitLsn < this.#newestEnd) {
      throw new DecodeError(`transaction ${formatLsn(begin.commitLsn)} is out of commit order`, 0)
    }
    this.#open = { begin, rowCount: 0 }
    return { kind: 'begin', commitLsn: begin.commitLsn, xid: begin.xid }
  }

  #row(change: RowMessage): RowChange {
    const open = this.#opened(change.kind)
    const { commitLsn, commitTimestampMs, xid } = open.begin
    const position = { commitLsn, commitIndex: open.rowCount }
    open.rowCount += 1
    return { kind: 'row', change, position, commitTimestampMs, xid }
  }

  #commit(message: PgOutputMessage & { readonly kind: 'commit' }): CommittedTransaction {
    const { begin, rowCount } = this.#opened('commit')
    const { commitLsn, endLsn, commitTimestampMs } = message
    if (commitLsn !== begin.commitLsn) {
      throw new DecodeError(
        `commit ${formatLsn(commitLsn)} ends transaction ${formatLsn(begin.commitLsn)}`,
        0,
      )
    }
    if (endLsn <= commitLsn) throw new DecodeError('a transaction ends before its commit', 0)
    this.#open = undefined
    this.#newestEnd = endLsn
    return { kind: 'commit', commitLsn, endLsn, commitTimestampMs, rowCount }
  }

  #opened(what: string): { readonly begin: BeginMessage; rowCount: number } {
    if (this.#open === undefined) throw new DecodeError(`${what} outside of a transaction`, 0)
    return this.#open
  }
}
