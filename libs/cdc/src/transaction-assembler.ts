import { DecodeError, type Lsn, formatLsn } from '@fairlead/base'
import { type EventPosition, positionWithin } from './event-position.ts'
import { TransactionEvents } from './transaction-events.ts'
import type {
  BeginMessage,
  LogicalMessage,
  PgOutputMessage,
  Relation,
  RowMessage,
} from './pgoutput-message.ts'

/** What a stream of messages means, one item at a time. */
export type StreamItem =
  | BegunTransaction
  | RowChange
  | CommittedTransaction
  | TruncatedTables
  | EmittedMessage

export type BegunTransaction = {
  readonly kind: 'begin'
  /** Before that of every event. */
  readonly position: EventPosition
  readonly commitTimestampMs: number
  readonly xid: number
  readonly events: TransactionEvents | undefined
}

/** A row of a transaction whose end has not arrived yet, though it is known to have committed. */
export type RowChange = {
  readonly kind: 'row'
  readonly change: RowMessage
  readonly position: EventPosition
  readonly commitTimestampMs: number
  /** The same in microseconds, of a row that came from the log. */
  readonly commitTimestampUs?: number
  readonly xid: number
  /** Those of its transaction so far, where they are counted: each event of the row has its place there. */
  readonly events?: TransactionEvents | undefined
}

/** Tables of a transaction that were emptied; the position is that of the first. */
export type TruncatedTables = {
  readonly kind: 'truncate'
  readonly relations: readonly Relation[]
  readonly position: EventPosition
  readonly commitTimestampMs: number
  readonly commitTimestampUs: number
  readonly xid: number
  readonly events: TransactionEvents | undefined
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
  readonly events: TransactionEvents | undefined
}

export type CommittedTransaction = {
  readonly kind: 'commit'
  readonly commitLsn: Lsn
  readonly endLsn: Lsn
  /** Behind that of every event. */
  readonly position: EventPosition
  readonly commitTimestampMs: number
  readonly rowCount: number
  readonly events: TransactionEvents | undefined
}

type OpenTransaction = {
  readonly begin: BeginMessage
  events: TransactionEvents | undefined
  rowCount: number
  nextIndex: number
}

/**
 * How many records a change can become: a delete has a tombstone behind it, and an update of a key
 * is a delete, its tombstone and an insert. Each has an index of its own, whatever is configured, so
 * that a position means the same record for ever.
 */
const RECORDS_MAX = { insert: 1, update: 3, delete: 2 } as const
/** Before the first event of a transaction, whose index is 0 whatever is configured. */
const BEGIN_INDEX = -1

/**
 * Stamps each row with its transaction and its index in it, as it streams. A transaction is never
 * collected: it may have more rows than memory. That works because protocol version 1 sends only
 * committed transactions, one after the other, and Begin carries the commit LSN.
 */
export class TransactionAssembler {
  readonly #countsEvents: boolean
  #newestEnd: Lsn | undefined
  #open: OpenTransaction | undefined

  /** With `countsEvents` the items of a transaction have its events; see {@link TransactionEvents}. */
  constructor({ countsEvents }: { readonly countsEvents: boolean } = { countsEvents: false }) {
    this.#countsEvents = countsEvents
  }

  /** From here on the events of the open transaction belong to none, as those of a snapshot. */
  countNoEvents(): void {
    if (this.#open !== undefined) this.#open.events = undefined
  }

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
    const { commitLsn, commitTimestampMs, xid } = begin
    const events = this.#countsEvents ? new TransactionEvents(xid, commitLsn) : undefined
    this.#open = { begin, events, rowCount: 0, nextIndex: 0 }
    const position = { commitLsn, commitIndex: BEGIN_INDEX }
    return { kind: 'begin', position, commitTimestampMs, xid, events }
  }

  #row(change: RowMessage): RowChange {
    const open = this.#opened(change.kind)
    const { commitLsn, commitTimestampMs, commitTimestampUs, xid } = open.begin
    const position = { commitLsn, commitIndex: open.nextIndex }
    open.rowCount += 1
    open.nextIndex += RECORDS_MAX[change.kind]
    const { events } = open
    return { kind: 'row', change, position, commitTimestampMs, commitTimestampUs, xid, events }
  }

  #truncate(relations: readonly Relation[]): TruncatedTables {
    const open = this.#opened('truncate')
    const { commitLsn, commitTimestampMs, commitTimestampUs, xid } = open.begin
    const position = { commitLsn, commitIndex: open.nextIndex }
    open.nextIndex += relations.length
    const { events } = open
    const time = { commitTimestampMs, commitTimestampUs }
    return { kind: 'truncate', relations, position, ...time, xid, events }
  }

  #message(message: LogicalMessage): EmittedMessage {
    if (!message.isTransactional) {
      const position = positionWithin(message.messageLsn, 0)
      const none = { commitTimestampMs: undefined, xid: 0, events: undefined }
      return { kind: 'message', message, position, ...none }
    }
    const open = this.#opened('a transactional message')
    const { commitLsn, commitTimestampMs, xid } = open.begin
    const position = { commitLsn, commitIndex: open.nextIndex }
    open.nextIndex += 1
    return { kind: 'message', message, position, commitTimestampMs, xid, events: open.events }
  }

  #commit(message: PgOutputMessage & { readonly kind: 'commit' }): CommittedTransaction {
    const { begin, rowCount, nextIndex, events } = this.#opened('commit')
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
    const position = { commitLsn, commitIndex: nextIndex }
    return { kind: 'commit', commitLsn, endLsn, position, commitTimestampMs, rowCount, events }
  }

  #opened(what: string): OpenTransaction {
    if (this.#open === undefined) throw new DecodeError(`${what} outside of a transaction`, 0)
    return this.#open
  }
}
