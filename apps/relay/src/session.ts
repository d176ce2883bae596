import { DecodeError, InvariantViolation, type Lsn, errorMessage, lsn } from '@fairlead/base'
import {
  ConfirmedLsn,
  type EmittedMessage,
  type LogicalMessage,
  OutboxMessages,
  OutboxRouter,
  type PendingTransaction,
  PgOutputDecoder,
  type Relation,
  type RouteOutcome,
  type RowChange,
  TableCapture,
  TransactionAssembler,
  encodeStandbyStatus,
} from '@fairlead/cdc'
import {
  type Keepalive,
  ReplicationConnection,
  ReplicationError,
  classifyPostgresError,
  cutClient,
  postgresErrorCode,
} from '@fairlead/postgres'
import type pg from 'pg'
import { failpoint } from './failpoint.ts'
import type { RelayMetrics } from './metrics.ts'
import type { RelayOptions } from './options.ts'
import type { SessionEnd } from './relay-state.ts'
import { ParkedReplay, type ParkedReplayOptions } from './parked/parked-replay.ts'
import { originOf, originWithRow, tableOrigin } from './parked/stored-event.ts'
import { SessionFailure, halt } from './session-failure.ts'
import { SnapshotRunner } from './snapshot/snapshot-runner.ts'
import { SnapshotTables } from './snapshot/snapshot-tables.ts'
import { Signals } from './signals/signals.ts'
import { beginDelivery } from './sink/begin-delivery.ts'
import type { SinkClients, SinkFactory } from './sink/sink-clients.ts'
import type { EventEncoder } from './sink/event-encoder.ts'
import { Publisher } from './sink/publisher.ts'
import type { TailStore } from './sink/tail-store.ts'
import { Topics } from './sink/topics.ts'
import { type ParkedEvent, ParkedEvents } from './source/parked-events.ts'
import { LiveCatalog } from './source/live-catalog.ts'
import { type Source, sourceName } from './source/preflight.ts'
import { publicationNames } from './source/source-options.ts'
import { slotLostReason } from './source/slot.ts'
import { SlotLease } from './source/slot-lease.ts'
import { type EndedSession, SlotSession } from './source/slot-session.ts'

export type SessionParts = {
  readonly options: RelayOptions
  /** Also tells that the server shuts down: idle sessions hear of it first. */
  readonly control: pg.Client
  readonly source: Source
  /** The last one of this process, if there was one. */
  readonly lastSession: EndedSession | undefined
  readonly openSink: SinkFactory
  readonly encoder: EventEncoder | undefined
  readonly tails: TailStore
  readonly metrics: RelayMetrics
  readonly wallNowMs: () => number
  readonly isSnapshotHeldBack: () => boolean
  readonly onSettled: ParkedReplayOptions['onSettled']
  onParked(events: readonly ParkedEvent[]): void
  /** Something that is passed over; for the log. */
  onNotice(level: 'warn' | 'error', reason: string): void
  /** The slot is ours. */
  onStreaming(): void
}

/** A walsender whose socket is full can neither checkpoint nor shut down: never longer than this. */
const PAUSE_MAX_MS = 5_000
/** Of the bound on memory: reading goes on as soon as this share is free again. */
const RESUME_SHARE = 0.9
/** Of a logical decoding message that is an order to the relay. */
const SIGNAL_PREFIX = 'fairlead.signal'
const DRAIN_DEADLINE_MS = 2_000
/** Postgres may be waiting for us to shut down, and that should take it no more than two seconds. */
const SOURCE_LOST_DRAIN_DEADLINE_MS = 1_000
const OPEN_TOPICS_DEADLINE_MS = 60_000
const CLOSE_DEADLINE_MS = 1_000
/** Progress is reported at most this often. */
const STATUS_COALESCE_MS = 100
const CONTROL_DEADLINE_MS = 2_000
const NOTE_DEADLINE_MS = 500
const NOTHING_CONFIRMED = lsn(0n)
const WATCHDOG_POLL_MS = 1_000

/**
 * One connection to the slot, from START_REPLICATION until it ends for whatever reason. All that is
 * known of positions lives and dies with it: the next session starts from the slot and from what
 * the topics hold.
 *
 * An LSN is confirmed only through ConfirmedLsn, in every status update: the timer's, the one that
 * follows progress, the answer to a keepalive, and the last one.
 */
export class Session {
  readonly #parts: SessionParts
  readonly #decoder = new PgOutputDecoder()
  readonly #assembler = new TransactionAssembler()
  readonly #catalog: LiveCatalog
  readonly #router: OutboxRouter
  readonly #messages: OutboxMessages
  readonly #capture: TableCapture | undefined
  /** From 0: Postgres takes that as "nothing to confirm" and leaves the slot where it is. */
  readonly #confirmed = new ConfirmedLsn(lsn(0n))
  readonly #lease: SlotLease
  readonly #sink: SinkClients
  readonly #topics: Topics
  readonly #publisher: Publisher
  readonly #signals: Signals
  readonly #replay: ParkedReplay
  readonly #snapshots: SnapshotRunner
  readonly #ended = Promise.withResolvers<SessionEnd>()
  readonly #stopping = Promise.withResolvers<void>()
  #connection: ReplicationConnection | undefined
  /** Until it has begun nothing is confirmed. */
  #slotSession: SlotSession | undefined
  #endedSession: EndedSession | undefined
  /** Set by the last status update: nothing is confirmed after it. */
  #finalLsn: Lsn | undefined
  #transaction: PendingTransaction | undefined
  #receivedLsn: Lsn = lsn(0n)
  /** While the catalog is read: the messages that came since. One read of the socket has no more. */
  #held: Uint8Array[] | undefined
  #isDraining = false
  #pausedSinceMs: number | undefined
  #heardAtMs = performance.now()
  #statusTimer: NodeJS.Timeout | undefined

  private constructor(parts: SessionParts) {
    const { options, source } = parts
    const name = sourceName(source, options.source.slotName)
    this.#parts = parts
    const catalog = new LiveCatalog(parts.control, source.catalog)
    this.#catalog = catalog
    this.#router = new OutboxRouter({
      ...options.routing,
      tables: options.source.tables,
      source: name,
      catalog,
    })
    this.#messages = new OutboxMessages(options.routing.messagePrefixes, parts.wallNowMs)
    this.#capture =
      options.capture === undefined
        ? undefined
        : new TableCapture({
            ...options.capture,
            exceptTables: options.source.tables,
            source: name,
            catalog,
            wallNowMs: parts.wallNowMs,
          })
    this.#lease = new SlotLease(options.walSenderTimeoutMs, performance.now())
    const isPermitted = () => this.#lease.isOurs(performance.now())
    this.#sink = parts.openSink(isPermitted, name)
    const { producer, admin, reader } = this.#sink
    this.#topics = new Topics({
      admin,
      reader,
      source: name,
      partitions: options.sink.partitions,
      replicationFactor: options.sink.replicationFactor,
      batches: options.sink,
      isEncoded: parts.encoder !== undefined,
      tails: parts.tails,
    })
    this.#signals = new Signals(parts.control, options.source.slotName)
    this.#replay = new ParkedReplay({
      ...options.sink,
      control: parts.control,
      slotName: options.source.slotName,
      source: name,
      signals: this.#signals,
      sink: this.#sink,
      topics: this.#topics,
      encoder: parts.encoder,
      router: this.#router,
      idColumn: options.source.columns.id,
      isPermitted,
      metrics: parts.metrics,
      onSettled: parts.onSettled,
    })
    this.#publisher = new Publisher({
      ...options.sink,
      producer,
      isPermitted,
      topics: this.#topics,
      encoder: parts.encoder,
      interlude: this.#replay,
      slotName: options.source.slotName,
      metrics: parts.metrics,
      wallNowMs: parts.wallNowMs,
      onParked: (events) => parts.onParked(events),
      onProgress: () => this.#onProgress(),
    })
    this.#snapshots = new SnapshotRunner({
      databaseUrl: options.databaseUrl,
      slotName: options.source.slotName,
      tables: this.#snapshotTables(),
      timeColumn: options.source.columns.timestamp,
      chunkRowsMax: options.snapshotChunkRowsMax,
      signals: this.#signals,
      publisher: this.#publisher,
      metrics: parts.metrics,
      wallNowMs: parts.wallNowMs,
      isHeldBack: parts.isSnapshotHeldBack,
      onFailure: (error) => this.#fail(error),
    })
  }

  #snapshotTables(): SnapshotTables {
    const { options, source } = this.#parts
    const { tables, publicationName, capture } = options.source
    return new SnapshotTables({
      outbox: { tables, publicationName },
      router: this.#router,
      captured:
        capture === undefined || this.#capture === undefined
          ? undefined
          : {
              tables: source.capturedTables,
              publicationName: capture.publicationName,
              capture: this.#capture,
            },
    })
  }

  /** Starts reading the slot. @throws {SessionFailure} */
  static async open(parts: SessionParts): Promise<Session> {
    const session = new Session(parts)
    try {
      await session.#connect()
    } catch (error) {
      await session.#sink.close()
      throw error
    }
    return session
  }

  get confirmedLsn(): Lsn {
    return this.#confirmed.value
  }

  get receivedLsn(): Lsn {
    return this.#receivedLsn
  }

  get pendingEvents(): number {
    return this.#publisher.pendingEvents
  }

  get publishedEvents(): number {
    return this.#publisher.publishedEvents
  }

  /** Undefined when it has not come as far as to confirm anything. */
  get endedSession(): EndedSession | undefined {
    return this.#endedSession
  }

  /** Ends the session after what is in flight, within two seconds. */
  stop(): void {
    this.#stopping.resolve()
    this.#end({ kind: 'stopped' })
  }

  /** Ends the session for what was found out beside the stream. */
  fail(failure: SessionFailure): void {
    this.#fail(failure)
  }

  /** Publishes until the session ends; then releases the slot. Never rejects. */
  async run(): Promise<SessionEnd> {
    const timers = [
      setInterval(() => this.#sendStatus(true), this.#statusIntervalMs()),
      setInterval(() => this.#watch(), this.#lease.tickIntervalMs),
    ]
    const publishing = this.#publish().catch((error: unknown) => this.#fail(error))
    const end = await this.#ended.promise
    for (const timer of timers) clearInterval(timer)
    const snapshotsStopped = this.#snapshots.stop()
    await this.#drain(end)
    clearTimeout(this.#statusTimer)
    // From here on another relay may have the slot: nothing is sent a second time.
    this.#lease.end()
    await this.#connection?.close()
    await this.#noteEnd()
    if (end.kind === 'backpressure') await this.#openTopics()
    // A later session must not read the tail of a topic while a record is on its way there. Only
    // when the process ends, nobody here does.
    const landed = this.#publisher.landed()
    const settled = Promise.all([this.#sink.close(), publishing, landed, snapshotsStopped])
    // It may be waiting for a server that is gone without a word.
    const late = setTimeout(() => cutClient(this.#parts.control), CONTROL_DEADLINE_MS)
    await (end.kind === 'stopped' ? Promise.race([settled, later(CLOSE_DEADLINE_MS)]) : settled)
    clearTimeout(late)
    return end
  }

  /** The parked events are read when the slot is ours: its former reader adds none any more. */
  async #publish(): Promise<void> {
    const { control, options, metrics, lastSession } = this.#parts
    this.#slotSession = await SlotSession.begin(control, options.source.slotName, lastSession)
    this.#topics.publishedUntil(await beginDelivery(this.#sink))
    const parked = await ParkedEvents.load(control, {
      slotName: options.source.slotName,
      keysMax: options.parkedKeysMax,
    })
    metrics.parkedKeys(parked.keyCount)
    // Once for each start of the process.
    if (options.source.snapshotMode === 'always' && lastSession === undefined) {
      await this.#signals.orderInitialSnapshot(this.#parts.source.capturedTables)
    }
    await this.#signals.listen(() => {
      this.#replay.signalled()
      this.#publisher.wake()
      this.#snapshots.signalled()
    })
    this.#snapshots.start()
    await this.#publisher.run(parked)
  }

  async #connect(): Promise<void> {
    const { options, control, source } = this.#parts
    const { slotName } = options.source
    control.on('error', (error) => this.#fail(error))
    control.on('end', () => this.#end(sourceLost('the control connection ended')))
    try {
      this.#connection = await ReplicationConnection.open({
        url: options.databaseUrl,
        slotName,
        publicationNames: publicationNames(options.source),
        startLsn: source.startLsn,
        applicationName: `fairlead-relay-${slotName}`,
        walSenderTimeoutMs: options.walSenderTimeoutMs,
        onMessage: (bytes) => this.#guarded(() => this.#onMessage(bytes)),
        onKeepalive: (keepalive) => this.#onKeepalive(keepalive),
      })
    } catch (error) {
      throw new SessionFailure(this.#endOf(error), error)
    }
    // The first rows may have come in one read with the start of the stream, before there was anything to pause.
    if (this.#pausedSinceMs !== undefined) this.#connection.pause()
    this.#hear()
    void this.#connection.closed.then((error) => {
      this.#lease.end()
      if (error === undefined) this.#end(sourceLost('the server ended the stream'))
      else this.#fail(error)
    })
    this.#parts.onStreaming()
  }

  #hear(): void {
    this.#heardAtMs = performance.now()
    this.#lease.heard(this.#heardAtMs)
  }

  #onMessage(bytes: Uint8Array): void {
    this.#hear()
    this.#take(bytes)
  }

  #take(bytes: Uint8Array): void {
    // What is not taken in is not confirmed either: Postgres sends it again.
    if (this.#isDraining) return
    if (this.#held === undefined) this.#accept(bytes)
    // Not `slice`: of a Buffer that is a view of memory that the next read may overwrite.
    else this.#held.push(new Uint8Array(bytes))
  }

  #accept(bytes: Uint8Array): void {
    const message = this.#decoder.decode(bytes)
    if (message.kind === 'relation') this.#onRelation(message.relation)
    const item = this.#assembler.accept(message)
    failpoint('received')
    switch (item?.kind) {
      case 'begin':
        this.#transaction = this.#confirmed.begin()
        this.#snapshots.transactionSeen(item.xid)
        return
      case 'row':
        this.#onRow(item)
        return
      case 'commit':
        this.#received(item.endLsn)
        this.#parts.metrics.transactionReceived(item.rowCount)
        this.#transaction = undefined
        this.#confirmed.commit(item.endLsn)
        this.#scheduleStatus()
        return
      case 'message':
        this.#snapshots.messageSeen(item.message)
        if (item.message.prefix === SIGNAL_PREFIX) this.#onSignal(item.message)
        else this.#onLogicalMessage(item)
        return
      case 'truncate':
        this.#snapshots.tablesTruncated(item.relations)
        for (const event of this.#capture?.captureTruncate(item) ?? []) {
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
    const table = `${relation.schema}.${relation.table}`
    const isOutbox = this.#parts.options.source.tables.includes(table)
    if (!isOutbox && this.#capture?.captures(relation) !== true) return
    this.#held = []
    this.#pause()
    this.#catalog.refresh(table).then(
      () => this.#guarded(() => this.#release()),
      (error: unknown) => this.#fail(error),
    )
  }

  /** Up to another relation, if one is among what waits. */
  #release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const bytes of held) this.#take(bytes)
    if (this.#publisher.pendingBytes <= this.#parts.options.sink.queueBytesMax) this.#resume()
  }

  /** It is in the database before its transaction is confirmed. */
  #onSignal({ messageLsn, content }: LogicalMessage): void {
    if (!this.#parts.options.areLogSignalsTaken) return
    const transaction = this.#transaction
    transaction?.eventReceived()
    this.#signals.takeMessage(messageLsn, new TextDecoder().decode(content)).then(
      (refusal) => {
        if (refusal !== undefined) this.#parts.onNotice('warn', `a signal in the log: ${refusal}`)
        transaction?.eventAcknowledged()
      },
      (error: unknown) => this.#fail(error),
    )
  }

  #onRow(row: RowChange): void {
    this.#snapshots.rowSeen(row.change)
    const { relation } = row.change
    if (this.#capture?.captures(relation) === true) {
      for (const event of this.#capture.capture(row)) {
        this.#enqueue(event, originOf(relation), this.#opened())
      }
      return
    }
    this.#onOutcome(this.#router.route(row), row, this.#opened())
  }

  /** A message outside of transactions is one of its own, which ends where it ends. */
  #onLogicalMessage(item: EmittedMessage): void {
    const row = this.#messages.rowOf(item)
    if (row === undefined) return
    const { isTransactional, messageLsn } = item.message
    const transaction = isTransactional ? this.#opened() : this.#confirmed.begin()
    if (row.kind === 'row') this.#onOutcome(this.#router.route(row), row, transaction)
    else this.#enqueue(row, tableOrigin(item.message.prefix), transaction)
    if (!isTransactional) this.#confirmed.commit(messageLsn)
  }

  #onOutcome(outcome: RouteOutcome, row: RowChange, transaction: PendingTransaction): void {
    switch (outcome.kind) {
      case 'routed':
        this.#enqueue(outcome, originOf(row.change.relation), transaction)
        return
      case 'unroutable':
        this.#enqueue(outcome, originWithRow(row), transaction)
        return
      case 'invalid-operation':
        if (outcome.behavior === 'fatal') throw halt('OUTBOX_UPDATED', outcome.reason)
        this.#parts.onNotice(outcome.behavior, `${outcome.reason}: the update is passed over`)
        return
      case 'ignored':
    }
  }

  #enqueue(...item: Parameters<Publisher['enqueue']>): void {
    this.#publisher.enqueue(...item)
    failpoint('queued')
    if (this.#publisher.pendingBytes > this.#parts.options.sink.queueBytesMax) this.#pause()
  }

  #opened(): PendingTransaction {
    if (this.#transaction === undefined) throw new DecodeError('a change has no transaction', 0)
    return this.#transaction
  }

  #onKeepalive({ walEnd, replyRequested }: Keepalive): void {
    this.#hear()
    this.#received(walEnd)
    // While draining, messages are dropped: what lies before walEnd is not all published.
    if (!this.#isDraining) this.#confirmed.keepalive(walEnd)
    if (replyRequested) this.#sendStatus(false)
    else this.#scheduleStatus()
  }

  #onProgress(): void {
    const { metrics, options } = this.#parts
    const { pendingBytes, pendingEvents } = this.#publisher
    if (pendingBytes < options.sink.queueBytesMax * RESUME_SHARE) this.#resume()
    if (pendingEvents === 0) metrics.nothingPending()
    this.#scheduleStatus()
  }

  #received(position: Lsn): void {
    if (position > this.#receivedLsn) this.#receivedLsn = position
  }

  #pause(): void {
    if (this.#pausedSinceMs !== undefined) return
    this.#pausedSinceMs = performance.now()
    this.#connection?.pause()
  }

  #resume(): void {
    if (this.#pausedSinceMs === undefined || this.#held !== undefined || this.#isDraining) return
    this.#pausedSinceMs = undefined
    this.#hear()
    this.#connection?.resume()
  }

  #watch(): void {
    const nowMs = performance.now()
    this.#lease.tick(nowMs)
    if (this.#pausedSinceMs !== undefined) {
      this.#lease.heard(nowMs)
      if (nowMs - this.#pausedSinceMs < PAUSE_MAX_MS - WATCHDOG_POLL_MS) return
      const isForCatalog = this.#held !== undefined
      const reason = 'the brokers take events too slowly or not at all'
      this.#end(
        isForCatalog
          ? sourceLost('the catalog could not be read in time')
          : { kind: 'backpressure', reason },
      )
    } else if (nowMs - this.#heardAtMs > 2 * this.#parts.options.walSenderTimeoutMs) {
      this.#end({ kind: 'source-lost', code: 'SILENT', reason: 'nothing was heard from Postgres' })
    }
  }

  /** Each update asks for an answer, so that silence means that the server is gone. */
  #statusIntervalMs(): number {
    const { walSenderTimeoutMs, statusIntervalMs } = this.#parts.options
    return Math.min(walSenderTimeoutMs / 3, statusIntervalMs)
  }

  #scheduleStatus(): void {
    this.#statusTimer ??= setTimeout(() => this.#sendStatus(false), STATUS_COALESCE_MS)
  }

  #sendStatus(replyRequested: boolean): void {
    clearTimeout(this.#statusTimer)
    this.#statusTimer = undefined
    const confirmedLsn = this.#confirmableLsn()
    failpoint('confirming')
    this.#connection?.sendStatus(
      encodeStandbyStatus({
        receivedLsn: this.#receivedLsn,
        confirmedLsn,
        wallNowMs: this.#parts.wallNowMs(),
        replyRequested,
      }),
    )
    failpoint('confirmed')
    this.#parts.metrics.positions({
      receivedLsn: this.#receivedLsn,
      confirmedLsn,
      queueBytes: this.#publisher.pendingBytes,
    })
  }

  /** Finishes what is in flight, unless the slot is gone or the way to the brokers is the trouble. */
  async #drain(end: SessionEnd): Promise<void> {
    this.#isDraining = true
    const mayFinish = end.kind === 'stopped' || end.kind === 'source-lost'
    if (mayFinish && this.#lease.isOurs(performance.now())) {
      const deadlineMs = end.kind === 'stopped' ? DRAIN_DEADLINE_MS : SOURCE_LOST_DRAIN_DEADLINE_MS
      await Promise.race([this.#publisher.idle(), later(deadlineMs)])
    }
    this.#publisher.stop()
    this.#finalLsn = this.#confirmableLsn()
    this.#sendStatus(false)
  }

  #confirmableLsn(): Lsn {
    if (this.#slotSession === undefined) return NOTHING_CONFIRMED
    return this.#finalLsn ?? this.#confirmed.value
  }

  /**
   * It may have been the topics that took so long: their tails are in `tails` then, and the next session
   * has only to look at what came since. Without this no session would ever get further.
   */
  async #openTopics(): Promise<void> {
    let isOver = false
    const opened = this.#publisher.openTopics().catch(() => {
      // A failure of the brokers: what was read from them may not be there any more.
      if (!isOver) this.#parts.tails.clear()
    })
    await Promise.race([opened, this.#stopping.promise, later(OPEN_TOPICS_DEADLINE_MS)])
    isOver = true
  }

  /** Not waited for long: Postgres may be what is gone. */
  async #noteEnd(): Promise<void> {
    if (this.#slotSession === undefined) return
    this.#endedSession = this.#slotSession.endedAt(this.#confirmableLsn())
    const noted = this.#slotSession.note(this.#endedSession).catch(() => undefined)
    await Promise.race([noted, later(NOTE_DEADLINE_MS)])
  }

  /** Nothing may be thrown into the socket's event. */
  #guarded(action: () => void): void {
    try {
      action()
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    this.#end(this.#endOf(error))
  }

  #end(end: SessionEnd): void {
    this.#isDraining = true
    this.#ended.resolve(end)
  }

  #endOf(error: unknown): SessionEnd {
    if (error instanceof SessionFailure) return error.end
    const reason = errorMessage(error)
    if (error instanceof DecodeError) {
      return { kind: 'halted', code: 'STREAM_NOT_UNDERSTOOD', reason }
    }
    const code = postgresErrorCode(error) ?? 'CONNECTION_LOST'
    if (error instanceof ReplicationError) return this.#endOfStream(code, reason)
    // A bug must not be retried for ever as if it were the network: the process ends.
    if (error instanceof InvariantViolation || classifyPostgresError(error) === 'unknown')
      throw error
    return { kind: 'source-lost', code, reason }
  }

  #endOfStream(code: string, reason: string): SessionEnd {
    const { slotName } = this.#parts.options.source
    switch (code) {
      case '55006':
        return { kind: 'slot-in-use', reason }
      case '55000':
        return { kind: 'halted', code: 'SLOT_LOST', reason: slotLostReason(slotName, reason) }
      case '42704':
        return reason.includes('publication')
          ? { kind: 'halted', code: 'PUBLICATION_MISSING', reason }
          : { kind: 'halted', code: 'SLOT_LOST', reason: slotLostReason(slotName, reason) }
      default:
        return { kind: 'source-lost', code, reason }
    }
  }
}

function sourceLost(reason: string): SessionEnd {
  return { kind: 'source-lost', code: 'CONNECTION_LOST', reason }
}

function later(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs).unref())
}
