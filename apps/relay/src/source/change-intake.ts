import { DecodeError, type Lsn } from '@fairlead/base'
import {
  type BegunTransaction,
  type CommittedTransaction,
  type ConfirmedLsn,
  type EmittedMessage,
  type LogicalMessage,
  type OutboxMessages,
  type OutboxRouter,
  type PendingTransaction,
  PgOutputDecoder,
  type Relation,
  type RouteOutcome,
  type RowChange,
  type TableCapture,
  TransactionAssembler,
  type TransactionMarkers,
  formatPosition,
} from '@fairlead/cdc'
import { failpoint } from '../failpoint.ts'
import { LOOP_TURN_MS, LoopTurn } from '../loop-turn.ts'
import type { RelayMetrics } from '../metrics.ts'
import { originOf, originWithRow, routedOrigin, tableOrigin } from '../parked/stored-event.ts'
import { halt } from '../session-failure.ts'
import type { Signals } from '../signals/signals.ts'
import type { Publisher } from '../sink/publisher.ts'
import { type Heartbeats, isHeartbeat } from '../watch/heartbeats.ts'
import type { SnapshotRunner } from '../snapshot/snapshot-runner.ts'
import { precedesEarlierRows } from './earlier-rows.ts'
import type { LiveCatalog } from './live-catalog.ts'

export type ChangeIntakeOptions = {
  /** Outboxes, as `schema.table`. */
  readonly tables: readonly string[]
  readonly catalog: LiveCatalog
  readonly router: OutboxRouter
  readonly messages: OutboxMessages
  readonly capture: TableCapture | undefined
  /** Undefined when begin and end of transactions are not told. */
  readonly transactions: TransactionMarkers | undefined
  readonly confirmed: ConfirmedLsn
  readonly publisher: Publisher
  readonly snapshots: SnapshotRunner
  readonly signals: Signals
  /** Undefined for none. */
  readonly heartbeats: Heartbeats | undefined
  readonly metrics: RelayMetrics
  readonly wallNowMs: () => number
  readonly areLogSignalsTaken: boolean
  /** Something that is passed over; for the log. */
  readonly onNotice: (level: 'warn' | 'error', reason: string) => void
  /** The function of `route.module` holds up all that follows; for the log. */
  readonly onSlowRoute: (reason: string) => void
  /** Nothing more should come until `onReleased`. */
  readonly onHeld: () => void
  readonly onReleased: () => void
  /** An event waits with those that wait already. */
  readonly onEnqueued: () => void
  readonly onCommit: (endLsn: Lsn) => void
  readonly onFailure: (error: unknown) => void
}

/** Of a logical decoding message that is an order to the relay. */
const SIGNAL_PREFIX = 'fairlead.signal'
/** Of one event: above it the function is told of, once in a while. */
const SLOW_ROUTE_MS = 25
const SLOW_ROUTE_NOTICE_INTERVAL_MS = 60_000

/** What the log brings becomes events in the publisher's queue, transactions that wait for them, and signals. */
export class ChangeIntake {
  readonly #options: ChangeIntakeOptions
  readonly #decoder = new PgOutputDecoder()
  readonly #assembler: TransactionAssembler
  #transaction: PendingTransaction | undefined
  /** Begun, and not told yet: it may be one that the relay made for itself. */
  #untold: BegunTransaction | undefined
  #isOwn = false
  #messageCount = 0
  /** While the catalog is read, or others have their turn: the messages that came since. One read of the socket has no more. */
  #held: Uint8Array[] | undefined
  #isRouting = false
  /** Since others had their turn. */
  #routingMs = 0
  #slowRouteNotedAtMs = Number.NEGATIVE_INFINITY
  #isStopped = false

  constructor(options: ChangeIntakeOptions) {
    this.#options = options
    this.#assembler = new TransactionAssembler({ countsEvents: options.transactions !== undefined })
  }

  /** That the log has brought so far. */
  get messageCount(): number {
    return this.#messageCount
  }

  get isHeld(): boolean {
    return this.#held !== undefined
  }

  /** What is held waits for a function that routes, and not for the catalog. */
  get isRouting(): boolean {
    return this.#isRouting
  }

  /** What is not taken in is not confirmed either: Postgres sends it again. */
  stop(): void {
    this.#isStopped = true
  }

  /**
   * A message of the log, from `start` up to before `end`.
   *
   * @throws {DecodeError} for what is no message that belongs here.
   * @throws {SessionFailure}
   */
  take(bytes: Uint8Array, start: number, end: number): void {
    if (this.#isStopped) return
    if (this.#held === undefined) this.#accept(bytes, start, end)
    // Not `slice`: of a Buffer that is a view of memory that the next read may overwrite.
    else this.#held.push(new Uint8Array(bytes.subarray(start, end)))
  }

  #accept(bytes: Uint8Array, start: number, end: number): void {
    const { confirmed, metrics, snapshots, capture } = this.#options
    const message = this.#decoder.decode(bytes, start, end)
    this.#messageCount += 1
    if (message.kind === 'relation') this.#onRelation(message.relation)
    const item = this.#assembler.accept(message)
    failpoint('received')
    switch (item?.kind) {
      case 'begin':
        metrics.transactionBegun(this.#options.wallNowMs() - item.commitTimestampMs)
        this.#transaction = confirmed.begin()
        this.#untold = item
        this.#isOwn = false
        snapshots.transactionSeen(item.xid)
        return
      case 'row':
        this.#tellBegin()
        this.#onRow(item)
        return
      case 'commit':
        metrics.transactionReceived(item.rowCount)
        this.#tellEnd(item)
        this.#transaction = undefined
        confirmed.commit(item.endLsn)
        this.#options.onCommit(item.endLsn)
        return
      case 'message':
        this.#onMessage(item)
        return
      case 'truncate':
        this.#tellBegin()
        snapshots.tablesTruncated(item.relations)
        for (const event of capture?.captureTruncate(item) ?? []) {
          this.#enqueue(event, tableOrigin(event.aggregateType ?? ''), this.#opened())
        }
        return
      case undefined:
    }
  }

  /**
   * What the log does not tell of the table is read before its rows: they wait, and the socket with them.
   * What had been read from that waits here. A relation comes within a transaction, so that a keepalive
   * meanwhile confirms nothing.
   */
  #onRelation(relation: Relation): void {
    const { tables, capture, catalog, onHeld, onFailure } = this.#options
    const table = `${relation.schema}.${relation.table}`
    if (!tables.includes(table) && capture?.captures(relation) !== true) return
    this.#held = []
    onHeld()
    catalog
      .refresh(table)
      .then(() => this.#release())
      .catch(onFailure)
  }

  /** Up to what holds it up again: another relation, or the next turn of a function that routes. */
  #release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    this.#isRouting = false
    for (const bytes of held) this.take(bytes, 0, bytes.length)
    this.#options.onReleased()
  }

  /** As Debezium does: of every transaction that the server sends, also of one without events. */
  #tellBegin(): void {
    const begun = this.#untold
    const { transactions } = this.#options
    this.#untold = undefined
    if (begun?.events === undefined || transactions === undefined) return
    const { position, commitTimestampMs, events } = begun
    this.#enqueueMarker(transactions.begin({ position, commitTimestampMs, events }))
  }

  /** Behind all events of the transaction, and before it is confirmed. Those of the relay itself are nobody's business. */
  #tellEnd({ position, commitTimestampMs, events }: CommittedTransaction): void {
    const { transactions } = this.#options
    const isAllOwn = this.#isOwn && this.#untold !== undefined
    if (events === undefined || transactions === undefined || isAllOwn) return
    this.#tellBegin()
    this.#enqueueMarker(transactions.end({ position, commitTimestampMs, events }))
  }

  /** Of a transaction whose rows are those of a snapshot: as with Debezium they belong to none. */
  #tellNothing(): void {
    this.#untold = undefined
    this.#assembler.countNoEvents()
  }

  #enqueueMarker(marker: ReturnType<TransactionMarkers['begin']>): void {
    this.#enqueue(marker, tableOrigin(marker.aggregateType ?? ''), this.#opened())
  }

  #onMessage(item: EmittedMessage): void {
    const { snapshots, heartbeats } = this.#options
    const { message } = item
    // Also of other relays, and of a time when they were on: what is told follows from the log alone.
    const rows = snapshots.messageSeen(message)
    const isOwn = isHeartbeat(message) || rows !== undefined
    if (isOwn) heartbeats?.messageSeen(message)
    // Every role may write it: a transaction that is told of already goes on to its end.
    if (this.#untold !== undefined && precedesEarlierRows(message)) this.#tellNothing()
    else if (isOwn) this.#isOwn = true
    else if (message.isTransactional) this.#tellBegin()
    if (message.prefix === SIGNAL_PREFIX) this.#onSignal(message)
    else if (!isOwn) this.#onLogicalMessage(item)
    if (rows !== undefined && !this.#publishRows(rows)) {
      this.#letOthersRun(() => this.#publishRows(rows))
    }
  }

  /** Of a chunk of a snapshot, for one turn; whether that was all. */
  #publishRows(rows: Iterator<undefined>): boolean {
    const turn = new LoopTurn()
    while (!this.#isStopped) {
      if (rows.next().done === true) return true
      if (turn.isOver) return false
    }
    return true
  }

  /** It is in the database before its transaction is confirmed. */
  #onSignal({ messageLsn, content }: LogicalMessage): void {
    const { areLogSignalsTaken, signals, onNotice, onFailure } = this.#options
    if (!areLogSignalsTaken) return
    const transaction = this.#transaction
    transaction?.eventReceived()
    signals.takeMessage(messageLsn, new TextDecoder().decode(content)).then((refusal) => {
      if (refusal !== undefined) onNotice('warn', `a signal in the log: ${refusal}`)
      transaction?.eventAcknowledged()
    }, onFailure)
  }

  #onRow(row: RowChange): void {
    const { snapshots, capture, router } = this.#options
    snapshots.rowSeen(row.change)
    const { relation } = row.change
    if (capture?.captures(relation) === true) {
      for (const event of capture.capture(row)) {
        this.#enqueue(event, originOf(relation), this.#opened())
      }
      return
    }
    this.#onOutcome(router.isCustom ? this.#routed(row) : router.route(row), row, this.#opened())
  }

  /** By a function, which may take its time. */
  #routed(row: RowChange): RouteOutcome {
    const startMs = performance.now()
    const outcome = this.#options.router.route(row)
    const endMs = performance.now()
    const tookMs = endMs - startMs
    if (tookMs >= SLOW_ROUTE_MS) this.#noteSlowRoute(row, tookMs, endMs)
    this.#routingMs += tookMs
    if (this.#routingMs >= LOOP_TURN_MS) this.#letOthersRun(() => true)
    return outcome
  }

  #noteSlowRoute({ change, position }: RowChange, tookMs: number, nowMs: number): void {
    if (nowMs - this.#slowRouteNotedAtMs < SLOW_ROUTE_NOTICE_INTERVAL_MS) return
    this.#slowRouteNotedAtMs = nowMs
    const { schema, table } = change.relation
    const event = `an event of ${schema}.${table} at ${formatPosition(position)}`
    this.#options.onSlowRoute(`route.module took ${Math.round(tookMs)} ms for ${event}`)
  }

  /**
   * The lease, status updates and the brokers come first; what follows waits, and the socket with it.
   * `isOver` goes on with what was left, until all of it is done.
   */
  #letOthersRun(isOver: () => boolean): void {
    this.#routingMs = 0
    this.#isRouting = true
    this.#held ??= []
    this.#options.onHeld()
    setImmediate(() => {
      try {
        if (isOver()) this.#release()
        else this.#letOthersRun(isOver)
      } catch (error) {
        this.#options.onFailure(error)
      }
    })
  }

  /** A message outside of transactions is one of its own, which ends where it ends. */
  #onLogicalMessage(item: EmittedMessage): void {
    const { messages, router, confirmed } = this.#options
    const row = messages.rowOf(item)
    if (row === undefined) return
    const { isTransactional, messageLsn } = item.message
    const transaction = isTransactional ? this.#opened() : confirmed.begin()
    if (row.kind === 'row') {
      this.#onOutcome(router.isCustom ? this.#routed(row) : router.route(row), row, transaction)
    } else this.#enqueue(row, tableOrigin(item.message.prefix), transaction)
    if (!isTransactional) confirmed.commit(messageLsn)
  }

  #onOutcome(outcome: RouteOutcome, row: RowChange, transaction: PendingTransaction): void {
    switch (outcome.kind) {
      case 'routed':
        this.#enqueue(outcome, routedOrigin(row, this.#options.router), transaction)
        return
      case 'unroutable':
        this.#enqueue(outcome, originWithRow(row), transaction)
        return
      case 'dropped':
        this.#options.metrics.eventsDone('', 'dropped', 1)
        return
      case 'invalid-operation':
        if (outcome.behavior === 'fatal') throw halt('OUTBOX_UPDATED', outcome.reason)
        this.#options.onNotice(outcome.behavior, `${outcome.reason}: the update is passed over`)
        return
      case 'ignored':
    }
  }

  #enqueue(...item: Parameters<Publisher['enqueue']>): void {
    this.#options.publisher.enqueue(...item)
    failpoint('queued')
    this.#options.onEnqueued()
  }

  #opened(): PendingTransaction {
    if (this.#transaction === undefined) throw new DecodeError('a change has no transaction', 0)
    return this.#transaction
  }
}
