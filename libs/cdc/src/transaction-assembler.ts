import { DecodeError, type Lsn, formatLsn } from '@fairlead/base'
import { type EventPosition, positionWithin } from './event-position.ts'
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
  | TruncatedTables
  | EmittedMessage

/** A row of a transaction whose end has not arrived yet, though it is known to have committed. */
export type RowChange = {
  readonly kind: 'row'
  readonly change: RowMessage
  readonly position: EventPosition
  readonly commitTimestampMs: number
  /** The same in microseconds, of a row that came from the log. */
  readonly commitTimestampUs?: number
  readonly xid: number
}

/** Tables of a transaction that were emptied; the position is that of the first. */
export type TruncatedTables = {
  readonly kind: 'truncate'
  readonly relations: readonly Relation[]
  readonly position: EventPosition
  readonly commitTimestampMs: number
  readonly commitTimestampUs: number
  readonly xid: number
}

/**
 * A logical decoding message. One outside of transactions comes between two of them: it has a position
 * of its own, and no commit time.
 */
export type EmittedMessage = {
  readonly kind: 'message'
  readonly message: LogicalMessage
  readonly position: EventPosition
  readonly commitTimestampMs: number | undefined
  readonly xid: number
}

export type CommittedTransaction = {
  readonly kind: 'commit'
  readonly commitLsn: Lsn
  readonly endLsn: Lsn
  readonly commitTimestampMs: number
  readonly rowCount: number
}

type OpenTransaction = { readonly begin: BeginMessage; rowCount: number; nextIndex: number }

/**
 * How many records a change can become: a delete has a tombstone behind it, and an update of a key
 * is a delete, its tombstone and an insert. Each has an index of its own, whatever is configured, so
 * that a position means the same record for ever.
 */
const RECORDS_MAX = { insert: 1, update: 3, delete: 2 } as const

/**
 * Stamps each row with its transaction and its index in it, as it streams. A transaction is never
 * collected: it may have more rows than memory. That works because protocol version 1 sends only
 * committed transactions, one after the other, and Begin carries the commit LSN.
 */
export class TransactionAssembler {
  #newestEnd: Lsn | undefined
  #open: OpenTransaction | undefined

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
        return this.#truncate(message.relations)
      case 'message':
        return this.#message(message)
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
    this.#open = { begin, rowCount: 0, nextIndex: 0 }
    return { kind: 'begin', commitLsn: begin.commitLsn, xid: begin.xid }
  }

  #row(change: RowMessage): RowChange {
    const open = this.#opened(change.kind)
    const { commitLsn, commitTimestampMs, commitTimestampUs, xid } = open.begin
    const position = { commitLsn, commitIndex: open.nextIndex }
    open.rowCount += 1
    open.nextIndex += RECORDS_MAX[change.kind]
    return { kind: 'row', change, position, commitTimestampMs, commitTimestampUs, xid }
  }

  #truncate(relations: readonly Relation[]): TruncatedTables {
    const open = this.#opened('truncate')
    const { commitLsn, commitTimestampMs, commitTimestampUs, xid } = open.begin
    const position = { commitLsn, commitIndex: open.nextIndex }
    open.nextIndex += relations.length
    return { kind: 'truncate', relations, position, commitTimestampMs, commitTimestampUs, xid }
  }

  #message(message: LogicalMessage): EmittedMessage {
    if (!message.isTransactional) {
      const position = positionWithin(message.messageLsn, 0)
      return { kind: 'message', message, position, commitTimestampMs: undefined, xid: 0 }
    }
    const open = this.#opened('a transactional message')
    const { commitLsn, commitTimestampMs, xid } = open.begin
    const position = { commitLsn, commitIndex: open.nextIndex }
    open.nextIndex += 1
    return { kind: 'message', message, position, commitTimestampMs, xid }
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

  #opened(what: string): OpenTransaction {
    if (this.#open === undefined) throw new DecodeError(`${what} outside of a transaction`, 0)
    return this.#open
  }
}
