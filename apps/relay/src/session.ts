import { type Lsn, lsn } from '@fairlead/base'
import {
  ConfirmedLsn,
  OutboxMessages,
  OutboxRouter,
  TableCapture,
  TransactionMarkers,
  encodeStandbyStatus,
} from '@fairlead/cdc'
import { type Keepalive, ReplicationConnection, cutClient } from '@fairlead/postgres'
import type pg from 'pg'
import { failpoint } from './failpoint.ts'
import type { RelayMetrics } from './metrics.ts'
import type { RelayOptions } from './options.ts'
import { ParkedReplay, type ParkedReplayOptions } from './parked/parked-replay.ts'
import type { SessionEnd } from './relay-state.ts'
import { sessionEndOf, sourceLost } from './session-end.ts'
import { SessionFailure } from './session-failure.ts'
import { Signals } from './signals/signals.ts'
import { beginDelivery } from './sink/begin-delivery.ts'
import type { EventEncoder } from './sink/event-encoder.ts'
import { KeptPosition } from './sink/kept-position.ts'
import { Publisher } from './sink/publisher.ts'
import type { SinkClients, SinkFactory } from './sink/sink-clients.ts'
import type { TailStore } from './sink/tail-store.ts'
import { Topics } from './sink/topics.ts'
import { SnapshotRunner } from './snapshot/snapshot-runner.ts'
import { SnapshotTables } from './snapshot/snapshot-tables.ts'
import { ChangeIntake } from './source/change-intake.ts'
import { LiveCatalog } from './source/live-catalog.ts'
import { type ParkedEvent, ParkedEvents } from './source/parked-events.ts'
import { type Source, sourceName } from './source/preflight.ts'
import { SlotLease } from './source/slot-lease.ts'
import { type EndedSession, SlotSession } from './source/slot-session.ts'
import { publicationNames } from './source/source-options.ts'
import { type HeartbeatStatus, Heartbeats } from './watch/heartbeats.ts'

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
  onSlowRoute(reason: string): void
  /** The slot is ours. */
  onStreaming(): void
  onHeartbeat(status: HeartbeatStatus): void
  onHeartbeatNotice(reason: string): void
}

/** A walsender whose socket is full can neither checkpoint nor shut down: never longer than this. */
const PAUSE_MAX_MS = 5_000
/** Of the bound on memory: reading goes on as soon as this share is free again. */
const RESUME_SHARE = 0.9
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
  readonly #intake: ChangeIntake
  /** From 0: Postgres takes that as "nothing to confirm" and leaves the slot where it is. */
  readonly #confirmed = new ConfirmedLsn(lsn(0n))
  readonly #lease: SlotLease
  readonly #sink: SinkClients
  readonly #topics: Topics
  readonly #publisher: Publisher
  readonly #signals: Signals
  readonly #keptPosition: KeptPosition
  readonly #replay: ParkedReplay
  readonly #snapshots: SnapshotRunner
  readonly #heartbeats: Heartbeats | undefined
  readonly #ended = Promise.withResolvers<SessionEnd>()
  readonly #stopping = Promise.withResolvers<void>()
  #connection: ReplicationConnection | undefined
  /** Until it has begun nothing is confirmed. */
  #slotSession: SlotSession | undefined
  #endedSession: EndedSession | undefined
  /** Set by the last status update: nothing is confirmed after it. */
  #finalLsn: Lsn | undefined
  #receivedLsn: Lsn = lsn(0n)
  #isDraining = false
  #pausedSinceMs: number | undefined
  #heardAtMs = performance.now()
  #statusTimer: NodeJS.Timeout | undefined

  private constructor(parts: SessionParts) {
    const { options, source } = parts
    const name = sourceName(source, options.source.slotName)
    this.#parts = parts
    const catalog = new LiveCatalog(parts.control, source.catalog)
    const router = new OutboxRouter({
      ...options.routing,
      tables: options.source.tables,
      source: name,
      catalog,
    })
    const capture =
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
      creation: options.sink.topicCreation,
      singlePartitionTopic: options.transactionTopic,
      batches: options.sink,
      isEncoded: parts.encoder !== undefined,
      tails: parts.tails,
    })
    this.#signals = new Signals(parts.control, options.source.slotName)
    this.#keptPosition = new KeptPosition({
      control: parts.control,
      signals: this.#signals,
      slotName: options.source.slotName,
      topic: options.sink.transactional?.positionTopic,
    })
    this.#replay = new ParkedReplay({
      ...options.sink,
      control: parts.control,
      slotName: options.source.slotName,
      source: name,
      signals: this.#signals,
      sink: this.#sink,
      topics: this.#topics,
      encoder: parts.encoder,
      router,
      isTopicFixed: (table) =>
        table === options.transactionTopic || capture?.capturesTable(table) === true,
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
      tables: snapshotTables(parts, router, capture),
      timeColumn: options.source.columns.timestamp,
      chunkRowsMax: options.snapshotChunkRowsMax,
      queueBytesMax: options.sink.queueBytesMax,
      signals: this.#signals,
      publisher: this.#publisher,
      metrics: parts.metrics,
      wallNowMs: parts.wallNowMs,
      isHeldBack: parts.isSnapshotHeldBack,
      onFailure: (error) => this.#fail(error),
    })
    this.#heartbeats = this.#newHeartbeats()
    this.#intake = new ChangeIntake({
      tables: options.source.tables,
      catalog,
      router,
      messages: new OutboxMessages(options.routing.messagePrefixes, parts.wallNowMs),
      capture,
      transactions: transactionMarkers(options, name),
      confirmed: this.#confirmed,
      publisher: this.#publisher,
      snapshots: this.#snapshots,
      signals: this.#signals,
      heartbeats: this.#heartbeats,
      metrics: parts.metrics,
      wallNowMs: parts.wallNowMs,
      areLogSignalsTaken: options.areLogSignalsTaken,
      onNotice: (level, reason) => parts.onNotice(level, reason),
      onSlowRoute: (reason) => parts.onSlowRoute(reason),
      onHeld: () => this.#pause(),
      onReleased: () => {
        if (this.#intake.isHeld) this.#heldAnew()
        else if (!this.#isQueueFull()) this.#resume()
      },
      onEnqueued: () => {
        if (this.#isQueueFull()) this.#pause()
      },
      onCommit: (endLsn) => {
        this.#received(endLsn)
        this.#scheduleStatus()
      },
      onFailure: (error) => this.#fail(error),
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
    const heartbeatsStopped = this.#heartbeats?.stop()
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
    const settled = Promise.all([
      this.#sink.close(),
      publishing,
      landed,
      snapshotsStopped,
      heartbeatsStopped,
    ])
    // It may be waiting for a server that is gone without a word.
    const late = setTimeout(() => cutClient(this.#parts.control), CONTROL_DEADLINE_MS)
    await (end.kind === 'stopped' ? Promise.race([settled, later(CLOSE_DEADLINE_MS)]) : settled)
    clearTimeout(late)
    return end
  }

  #newHeartbeats(): Heartbeats | undefined {
    const { options, metrics, wallNowMs } = this.#parts
    if (options.heartbeat === undefined) return undefined
    return new Heartbeats({
      ...options.heartbeat,
      databaseUrl: options.databaseUrl,
      slotName: options.source.slotName,
      metrics,
      wallNowMs,
      progress: () => ({
        messageCount: this.#intake.messageCount,
        receivedLsn: this.#receivedLsn,
      }),
      onNotice: (reason) => this.#parts.onHeartbeatNotice(reason),
      onStatus: (status) => this.#parts.onHeartbeat(status),
    })
  }

  /** The parked events are read when the slot is ours: its former reader adds none any more. */
  async #publish(): Promise<void> {
    const { control, options, metrics, lastSession } = this.#parts
    this.#slotSession = await SlotSession.begin(control, options.source.slotName, lastSession)
    const found = await beginDelivery(this.#sink)
    this.#topics.publishedUntil(await this.#keptPosition.begin(found))
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
      this.#keptPosition.refuseOrders().catch((error: unknown) => this.#fail(error))
      this.#replay.signalled()
      this.#publisher.wake()
      this.#snapshots.signalled()
    })
    this.#snapshots.start()
    this.#heartbeats?.start()
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
        onRead: (nowMs) => {
          this.#hear(nowMs)
          this.#publisher.arrivesAt(nowMs)
        },
        onMessage: (bytes, start, end) => this.#onMessage(bytes, start, end),
        onKeepalive: (keepalive) => this.#onKeepalive(keepalive),
      })
    } catch (error) {
      throw new SessionFailure(sessionEndOf(error, slotName), error)
    }
    // The first rows may have come in one read with the start of the stream, before there was anything to pause.
    if (this.#pausedSinceMs !== undefined) this.#connection.pause()
    this.#hear(performance.now())
    void this.#connection.closed.then((error) => {
      this.#lease.end()
      if (error === undefined) this.#end(sourceLost('the server ended the stream'))
      else this.#fail(error)
    })
    this.#parts.onStreaming()
  }

  #hear(nowMs: number): void {
    this.#heardAtMs = nowMs
    this.#lease.heard(nowMs)
  }

  /** Nothing may be thrown into the socket's event. */
  #onMessage(bytes: Uint8Array, start: number, end: number): void {
    try {
      this.#intake.take(bytes, start, end)
    } catch (error) {
      this.#fail(error)
    }
  }

  #isQueueFull(): boolean {
    return this.#publisher.pendingBytes > this.#parts.options.sink.queueBytesMax
  }

  #onKeepalive({ walEnd, replyRequested }: Keepalive): void {
    this.#received(walEnd)
    // While draining, messages are dropped: what lies before walEnd is not all published. Nor is what is held.
    if (!this.#isDraining && !this.#intake.isHeld) this.#confirmed.keepalive(walEnd)
    if (replyRequested) this.#sendStatus(false)
    else this.#scheduleStatus()
  }

  #onProgress(): void {
    const { metrics, options } = this.#parts
    const { pendingBytes, pendingEvents } = this.#publisher
    if (pendingBytes < options.sink.queueBytesMax * RESUME_SHARE) this.#resume()
    if (pendingEvents === 0) metrics.nothingPending()
    if (this.#publisher.publishedEvents > 0) {
      this.#keptPosition.committed().catch((error: unknown) => this.#fail(error))
    }
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
    if (this.#pausedSinceMs === undefined || this.#intake.isHeld || this.#isDraining) return
    this.#pausedSinceMs = undefined
    this.#hear(performance.now())
    this.#connection?.resume()
  }

  /** By the next of many tables, of which each is read in time: it gets on, as below. */
  #heldAnew(): void {
    if (this.#pausedSinceMs !== undefined) this.#pausedSinceMs = performance.now()
  }

  #watch(): void {
    const nowMs = performance.now()
    this.#lease.tick(nowMs)
    if (this.#pausedSinceMs !== undefined) {
      this.#lease.heard(nowMs)
      // It gets on, if slowly: a session that ended for it would begin anew with the same events.
      if (this.#intake.isRouting) this.#pausedSinceMs = nowMs
      if (nowMs - this.#pausedSinceMs < PAUSE_MAX_MS - WATCHDOG_POLL_MS) return
      const isForCatalog = this.#intake.isHeld
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

  /** Of a bug the process ends, by an error that nobody catches; until then nothing of what follows is confirmed. */
  #fail(error: unknown): void {
    this.#takeNoMore()
    try {
      this.#end(sessionEndOf(error, this.#parts.options.source.slotName))
    } catch (bug) {
      // Not from here: thrown through the reader of the socket, it would cost it its place in the stream.
      queueMicrotask(() => {
        throw bug
      })
    }
  }

  #end(end: SessionEnd): void {
    this.#takeNoMore()
    this.#ended.resolve(end)
  }

  #takeNoMore(): void {
    this.#isDraining = true
    this.#intake.stop()
  }
}

function transactionMarkers(
  { transactionTopic: topic, routing }: RelayOptions,
  source: string,
): TransactionMarkers | undefined {
  if (topic === undefined) return undefined
  return new TransactionMarkers({ topic, converters: routing.converters, source })
}

function snapshotTables(
  { options, source }: SessionParts,
  router: OutboxRouter,
  capture: TableCapture | undefined,
): SnapshotTables {
  const { tables, publicationName, capture: captured } = options.source
  return new SnapshotTables({
    outbox: { tables, publicationName },
    router,
    captured:
      captured === undefined || capture === undefined
        ? undefined
        : {
            tables: source.capturedTables,
            publicationName: captured.publicationName,
            capture,
          },
  })
}

function later(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs).unref())
}
