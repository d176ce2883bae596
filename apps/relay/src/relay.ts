import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { type Random, errorMessage, formatLsn } from '@fairlead/base'
import { OutboxRouter } from '@fairlead/cdc'
import {
  type Logger,
  MigrationError,
  classifyPostgresError,
  closeClient,
  migrate,
  oneAtATime,
  postgresErrorCode,
  tlsErrorCode,
  tlsFailure,
} from '@fairlead/postgres'
import pg from 'pg'
import type { RelayMetrics } from './metrics.ts'
import type { RelayOptions } from './options.ts'
import { orderWhenNeeded } from './recovery/order-when-needed.ts'
import type { TableSource } from './recovery/publish-unseen.ts'
import { replayTable } from './recovery/replay-table.ts'
import { type RelayState, type SessionEnd, afterSession } from './relay-state.ts'
import { SessionFailure } from './session-failure.ts'
import { Session } from './session.ts'
import { Signals } from './signals/signals.ts'
import { beginDelivery } from './sink/begin-delivery.ts'
import type { EventEncoder } from './sink/event-encoder.ts'
import { loadEncoder } from './sink/load-encoder.ts'
import { sinkFailure } from './sink/sink-failure.ts'
import type { SinkFactory } from './sink/sink-clients.ts'
import { findUnreadTables, publishTables } from './snapshot/initial-only.ts'
import { TailStore } from './sink/tail-store.ts'
import type { ParkedEvent } from './source/parked-events.ts'
import { isInUse } from './source/preflight-lock.ts'
import { type Source, checkPublishedTables, preflight, sourceName } from './source/preflight.ts'
import { PublishedUntil } from './source/published-until.ts'
import type { EndedSession } from './source/slot-session.ts'
import { checkTimeline } from './timeline/check-timeline.ts'
import type { SystemIdentity } from './timeline/identify-system.ts'
import { newestPublished } from './timeline/newest-published.ts'
import { type HeartbeatStatus, NO_HEARTBEAT } from './watch/heartbeats.ts'

export type RelayParts = {
  readonly options: RelayOptions
  readonly openSink: SinkFactory
  readonly metrics: RelayMetrics
  readonly logger: Logger
  /** Snapshots wait while it says so: the slot keeps back too much of the log. */
  readonly isSnapshotHeldBack: () => boolean
  onState(state: RelayState, reason: string): void
  /** With `heartbeat.interval.ms`: true, or why none comes back. */
  onHeartbeat(state: true | string): void
  /** A bug, or migrations that cannot be applied: nothing that trying again would cure. */
  onFatal(error: unknown): void
}

export type RelayStatus = {
  readonly state: RelayState
  /** Why it is not streaming; empty when it is. */
  readonly reason: string
  readonly slot: string
  readonly publication: string
  readonly receivedLsn: string | null
  readonly confirmedLsn: string | null
  /** Events in memory: received and not durable yet. */
  readonly pendingEvents: number
  /** Null without `heartbeat.interval.ms`, and while no slot is read. */
  readonly heartbeat: HeartbeatStatus | null
}

type EndedRun = { readonly end: SessionEnd; readonly publishedEvents: number }

const CONNECT_TIMEOUT_MS = 10_000
const STATEMENT_TIMEOUT_MS = 30_000
/** For a server that is gone without a word, and so cancels nothing. */
const QUERY_TIMEOUT_MS = 40_000
/** A network that swallows everything is noticed by the system a few seconds behind it. */
const KEEP_ALIVE_DELAY_MS = 5_000
/** Between two looks at how far the slot is, and at what is published. */
const LOOK_INTERVAL_MS = 5_000

const RANDOM: Random = { int: randomInt, bytes: randomBytes }

/**
 * The outbox relay: one session after the other, for ever. Each session connects, checks the
 * source, takes the slot and publishes until something fails; what follows is decided by
 * `afterSession`. There is no other way to recover from anything.
 */
export class Relay {
  readonly #parts: RelayParts
  readonly #stopped = new AbortController()
  /** Lives longer than a session: what it knows of schemas outlasts a registry that is down. */
  #encoder: EventEncoder | undefined
  /** For the session that follows one that could not read all of it. */
  readonly #tails = new TailStore()
  #state: RelayState = 'starting'
  #reason = 'not connected yet'
  #session: Session | undefined
  #heartbeat: HeartbeatStatus | undefined
  #lastSession: EndedSession | undefined
  #isMigrated = false
  #running: Promise<void> | undefined

  constructor(parts: RelayParts) {
    this.#parts = parts
  }

  start(): void {
    this.#enter('starting', 'connecting to the source')
    this.#running = this.#run().catch((error: unknown) => this.#parts.onFatal(error))
  }

  /** Publishes what is in flight, within two seconds, confirms it and frees the slot. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#session?.stop()
    await this.#running
  }

  get status(): RelayStatus {
    const { slotName, publicationName } = this.#parts.options.source
    const session = this.#session
    return {
      state: this.#state,
      reason: this.#reason,
      slot: slotName,
      publication: publicationName,
      receivedLsn: session === undefined ? null : formatLsn(session.receivedLsn),
      confirmedLsn: session === undefined ? null : formatLsn(session.confirmedLsn),
      pendingEvents: session?.pendingEvents ?? 0,
      heartbeat: this.#heartbeat ?? null,
    }
  }

  async #run(): Promise<void> {
    this.#encoder = await loadEncoder(this.#parts.options.registry)
    let failures = 0
    while (!this.#stopped.signal.aborted) {
      const { end: sessionEnd, publishedEvents } = await this.#runSession()
      const end = await this.#madeGood(sessionEnd)
      failures = publishedEvents > 0 ? 1 : failures + 1
      const next = afterSession(end, failures, RANDOM)
      this.#log(end, next.kind === 'retry' ? next.delayMs : 0)
      if (next.kind === 'stop') break
      this.#enter(next.state, 'reason' in end ? end.reason : '')
      if (next.kind === 'rest') await this.#untilStopped()
      else if (next.state === 'standby') await this.#standBy(next.delayMs)
      else await this.#pause(next.delayMs)
    }
    this.#enter('stopped', 'asked to stop')
  }

  async #runSession(): Promise<EndedRun> {
    try {
      return await this.#withClient('', (control) => this.#runSessionOn(control))
    } catch (error) {
      const end = endOfStart(error, this.#parts.options.databaseUrl)
      return { end, publishedEvents: 0 }
    }
  }

  async #runSessionOn(control: pg.Client): Promise<EndedRun> {
    let looking: NodeJS.Timeout | undefined
    try {
      if (this.#parts.options.source.snapshotMode === 'initial_only') {
        return { end: await this.#publishTablesOnce(control), publishedEvents: 0 }
      }
      const { session, source } = await this.#openSession(control)
      this.#session = session
      if (this.#parts.options.heartbeat !== undefined) this.#heartbeat = NO_HEARTBEAT
      if (this.#stopped.signal.aborted) session.stop()
      const publishedUntil = new PublishedUntil(control, this.#slotName)
      this.#notePublished(publishedUntil)
      looking = setInterval(() => {
        this.#notePublished(publishedUntil)
        this.#checkPublished(control, session, source)
      }, LOOK_INTERVAL_MS)
      const end = await session.run()
      this.#lastSession = session.endedSession ?? this.#lastSession
      // After trouble of the brokers what was read may not be there any more.
      if (end.kind !== 'backpressure') this.#tails.clear()
      return { end, publishedEvents: session.publishedEvents }
    } finally {
      clearInterval(looking)
      this.#session = undefined
      this.#noteHeartbeat(undefined)
    }
  }

  async #openSession(
    control: pg.Client,
  ): Promise<{ readonly session: Session; readonly source: Source }> {
    const { options, openSink, metrics, logger } = this.#parts
    await this.#migrate(control)
    const source = await preflight(control, options.source, (found) =>
      this.#recover(control, found),
    )
    await this.#checkTimeline(control, source)
    const session = await Session.open({
      options,
      control,
      source,
      lastSession: this.#lastSession,
      openSink,
      encoder: this.#encoder,
      tails: this.#tails,
      metrics,
      wallNowMs: () => Date.now(),
      isSnapshotHeldBack: this.#parts.isSnapshotHeldBack,
      onParked: (events) => this.#logParked(events),
      onSettled: (settled) => logger.info(settled, 'parked events were settled'),
      onNotice: (level, reason) => logger[level]({ reason }, 'a change is passed over'),
      onSlowRoute: (reason) => logger.warn({ reason }, 'events wait for their routes'),
      onStreaming: () => this.#enter('streaming', ''),
      onHeartbeat: (status) => this.#noteHeartbeat(status),
      onHeartbeatNotice: (reason) => logger.warn({ reason }, 'a heartbeat was not whole'),
    })
    return { session, source }
  }

  async #checkTimeline(control: pg.Client, source: Source): Promise<void> {
    const { system } = source
    this.#parts.metrics.timeline(system.timeline)
    await checkTimeline(control, this.#slotName, system, async () => {
      const name = sourceName(source, this.#slotName)
      const sink = this.#parts.openSink(() => !this.#stopped.signal.aborted, name)
      try {
        return await newestPublished(sink, name)
      } catch (error) {
        throw sinkFailure(error)
      } finally {
        await sink.close()
      }
    })
  }

  /** Only when an operator has ordered it, or `snapshot.mode` says so: see `replayTable`. */
  async #recover(control: pg.Client, found: Omit<Source, 'startLsn'>): Promise<void> {
    const { logger } = this.#parts
    const signals = new Signals(control, this.#slotName)
    const order = await signals.next(['replay-table'])
    if (order === undefined) return
    this.#enter('starting', 'the outbox table is replayed')
    const { capturedTables } = found
    await this.#withTables(control, found, (source) =>
      replayTable({ ...source, capturedTables, signals, logger }, order),
    )
  }

  /** In the place of sessions, with `snapshot.mode=initial_only`. */
  async #publishTablesOnce(control: pg.Client): Promise<SessionEnd> {
    await this.#migrate(control)
    const unread = await findUnreadTables(control, this.#parts.options.source)
    if (typeof unread === 'string') return { kind: 'completed', reason: unread }
    this.#enter('starting', 'the tables are read')
    const count = await this.#withTables(control, unread, (source) => publishTables(source, unread))
    return { kind: 'completed', reason: `${count} rows were published` }
  }

  async #withTables<Result>(
    control: pg.Client,
    { system, catalog }: Pick<Source, 'catalog'> & { readonly system: SystemIdentity },
    action: (source: TableSource) => Promise<Result>,
  ): Promise<Result> {
    const { options, openSink, metrics } = this.#parts
    let isConnected = true
    control.on('end', () => (isConnected = false))
    const isPermitted = () => isConnected && !this.#stopped.signal.aborted
    const source = sourceName({ system }, this.#slotName)
    const { tables } = options.source
    const sink = openSink(isPermitted, source)
    try {
      await beginDelivery(sink)
      return await action({
        control,
        options,
        source,
        router: new OutboxRouter({ ...options.routing, tables, source, catalog }),
        sink,
        encoder: this.#encoder,
        metrics,
        isPermitted,
        wallNowMs: () => Date.now(),
        onParked: (events) => this.#logParked(events),
      })
    } finally {
      await sink.close()
    }
  }

  /** With `snapshot.mode=when_needed`, a slot that is lost is made good in the next session. */
  async #madeGood(end: SessionEnd): Promise<SessionEnd> {
    const { options, logger, metrics } = this.#parts
    if (options.source.snapshotMode !== 'when_needed' || !isSlotLost(end)) return end
    try {
      const outcome = await this.#withClient('recovery', (client) =>
        orderWhenNeeded(client, this.#slotName),
      )
      if (outcome.kind === 'needless') return end
      if (outcome.kind === 'refused') {
        const reason = `${end.reason}. snapshot.mode=when_needed has tried that, and failed: ${outcome.reason}`
        return { ...end, reason }
      }
      if (outcome.kind === 'ordered') {
        metrics.slotRecovered(end.code)
        logger.warn(
          { code: end.code, reason: end.reason },
          'the slot is made anew, and what is missing published from the tables, as snapshot.mode=when_needed says',
        )
      }
      return { kind: 'source-lost', code: end.code, reason: end.reason }
    } catch (error) {
      return endOfStart(error, options.databaseUrl)
    }
  }

  async #migrate(client: pg.Client): Promise<void> {
    if (this.#isMigrated) return
    const { options, logger } = this.#parts
    await migrate({ client, directory: options.migrationsDirectory, logger })
    this.#isMigrated = true
  }

  #notePublished(publishedUntil: PublishedUntil): void {
    // The session ends with its connection; a single slow answer is no harm.
    publishedUntil.tick().catch((error: unknown) => {
      const reason = errorMessage(error)
      this.#parts.logger.debug({ reason }, 'how far events are published was not noted')
    })
  }

  /** Undefined when no slot is read any more: the state tells then what is wrong. */
  #noteHeartbeat(status: HeartbeatStatus | undefined): void {
    const { logger, options } = this.#parts
    if (options.heartbeat === undefined) return
    const before = this.#heartbeat?.problem ?? null
    const problem = status?.problem ?? null
    this.#heartbeat = status
    this.#parts.onHeartbeat(problem ?? true)
    if (problem !== null && before === null) {
      logger.error({ reason: problem }, 'heartbeats do not come back')
    } else if (problem === null && before !== null) logger.info({}, 'heartbeats come back again')
  }

  #checkPublished(control: pg.Client, session: Session, { capturedTables }: Source): void {
    checkPublishedTables(control, this.#parts.options.source, capturedTables).catch(
      (error: unknown) => {
        if (error instanceof SessionFailure) session.fail(error)
        else {
          const reason = errorMessage(error)
          this.#parts.logger.debug({ reason }, 'what is published was not looked at')
        }
      },
    )
  }

  #enter(state: RelayState, reason: string): void {
    this.#state = state
    this.#reason = reason
    this.#parts.metrics.stateChanged(state)
    this.#parts.onState(state, reason)
  }

  #log(end: SessionEnd, retryInMs: number): void {
    const { logger, metrics } = this.#parts
    metrics.sessionEnded(end.kind)
    const fields = { ...end, retryInMs: Math.round(retryInMs) }
    if (end.kind === 'halted') logger.error(fields, 'the relay is halted')
    else if (end.kind === 'stopped') logger.info(fields, 'the session has ended')
    else if (end.kind === 'completed') logger.info(fields, 'nothing is left to be published')
    else if (end.kind === 'slot-in-use') logger.info(fields, 'standing by: the slot is in use')
    else logger.warn(fields, 'the session has ended, another one follows')
  }

  #logParked(events: readonly ParkedEvent[]): void {
    const { logger, metrics } = this.#parts
    for (const { event, kind, reasonCode, reason } of events) {
      metrics.parked(reasonCode)
      logger.warn(
        {
          kind,
          code: reasonCode,
          reason,
          eventId: event.eventId,
          aggregateType: event.aggregateType,
          aggregateId: event.aggregateId,
          commitLsn: formatLsn(event.position.commitLsn),
          commitIndex: event.position.commitIndex,
        },
        'event parked',
      )
    }
  }

  /**
   * Until nobody has the slot: a look at it costs much less than a session. Where that fails the next
   * session will tell why.
   */
  async #standBy(pollMs: number): Promise<void> {
    try {
      await this.#withClient('standby', async (client) => {
        while (!this.#stopped.signal.aborted && (await isInUse(client, this.#slotName))) {
          await this.#pause(pollMs)
        }
      })
    } catch (error) {
      this.#parts.logger.debug({ reason: errorMessage(error) }, 'the slot was not observed')
      await this.#pause(pollMs)
    }
  }

  /** Rejects as well where a client cannot even be made, as without the file of a certificate. */
  async #withClient<Result>(
    purpose: string,
    action: (client: pg.Client) => Promise<Result>,
  ): Promise<Result> {
    // Of a session: the stream, the publisher, signals and snapshots ask through it, each when it needs to.
    const client = oneAtATime(this.#client(purpose))
    try {
      await client.connect()
      return await action(client)
    } finally {
      await closeClient(client)
    }
  }

  #client(purpose: string): pg.Client {
    const client = new pg.Client({
      connectionString: this.#parts.options.databaseUrl,
      application_name: ['fairlead-relay', this.#slotName, purpose].filter(Boolean).join('-'),
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      query_timeout: QUERY_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
    })
    // Without a listener Node throws; the session adds its own and ends with the connection.
    client.on('error', () => undefined)
    return client
  }

  get #slotName(): string {
    return this.#parts.options.source.slotName
  }

  async #untilStopped(): Promise<void> {
    const { signal } = this.#stopped
    if (!signal.aborted) await once(signal, 'abort')
  }

  async #pause(delayMs: number): Promise<void> {
    await setTimeout(delayMs, undefined, { signal: this.#stopped.signal }).catch(() => undefined)
  }
}

/** What lies between its slot and what was published may be missing. */
function isSlotLost(end: SessionEnd): end is Extract<SessionEnd, { readonly kind: 'halted' }> {
  return end.kind === 'halted' && (end.code === 'SLOT_LOST' || end.code === 'SLOT_AHEAD')
}

/** A session that did not get as far as to run. */
function endOfStart(error: unknown, databaseUrl: string): SessionEnd {
  if (error instanceof SessionFailure) return error.end
  const errorClass = classifyPostgresError(error)
  if (error instanceof MigrationError && errorClass !== 'infra') throw error
  if (errorClass === 'unknown') throw error
  const code = tlsErrorCode(error) ?? postgresErrorCode(error) ?? 'CONNECTION_LOST'
  const reason = tlsFailure(databaseUrl, error) ?? errorMessage(error)
  return { kind: 'source-lost', code, reason }
}
