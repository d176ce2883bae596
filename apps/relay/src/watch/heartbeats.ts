import { randomUUID } from 'node:crypto'
import { errorMessage } from '@fairlead/base'
import type { LogicalMessage } from '@fairlead/cdc'
import { closeClient } from '@fairlead/postgres'
import pg from 'pg'
import type { RelayMetrics } from '../metrics.ts'
import { HeartbeatWatch, type LogProgress } from './heartbeat-watch.ts'

export type HeartbeatOptions = {
  readonly intervalMs: number
  /** One that is not back by then is told of. */
  readonly timeoutMs: number
  /** `heartbeat.action.query`: run with each of them; empty for none. */
  readonly actionQuery: string
}

export type HeartbeatParts = HeartbeatOptions & {
  readonly databaseUrl: string
  readonly slotName: string
  readonly metrics: RelayMetrics
  readonly wallNowMs: () => number
  readonly progress: () => LogProgress
  /** Something failed that is tried again; for the log. */
  readonly onNotice: (reason: string) => void
  readonly onStatus: (status: HeartbeatStatus) => void
}

/** Heartbeats of the session at hand. */
export type HeartbeatStatus = {
  /** Of the last one that came back; null before the first. */
  readonly roundTripMs: number | null
  /** When that was, in ISO 8601. */
  readonly seenAt: string | null
  /** Null when nothing is wrong. */
  readonly problem: string | null
}

export const NO_HEARTBEAT: HeartbeatStatus = { roundTripMs: null, seenAt: null, problem: null }

/** Of messages that relays write to see them come back. */
const HEARTBEAT_PREFIX = 'fairlead.heartbeat'
const CHECK_INTERVAL_MS = 1_000
const CONNECT_TIMEOUT_MS = 10_000
const STATEMENT_TIMEOUT_MS = 30_000
const TEXT = new TextDecoder()

/**
 * Writes a message to the log every now and then, and sees it come back: so all of the way from a commit to
 * here is known to work, also while nobody writes an event. Nothing depends on it: an idle slot moves with
 * keepalives.
 *
 * The message is one of a transaction, which is flushed at its commit; one outside of transactions would wait
 * for the next flush. A connection of its own keeps a slow `heartbeat.action.query` from holding up
 * anything else.
 */
export class Heartbeats {
  readonly #parts: HeartbeatParts
  readonly #watch: HeartbeatWatch
  #status = NO_HEARTBEAT
  #client: pg.Client | undefined
  #beating: Promise<void> | undefined
  #timers: NodeJS.Timeout[] = []
  #isStopped = false

  constructor(parts: HeartbeatParts) {
    this.#parts = parts
    this.#watch = new HeartbeatWatch(parts)
  }

  /** Once the slot is ours. */
  start(): void {
    if (this.#isStopped) return
    this.#timers = [
      setInterval(() => this.#next(), this.#parts.intervalMs),
      setInterval(() => this.#check(), CHECK_INTERVAL_MS),
    ]
    this.#next()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    for (const timer of this.#timers) clearInterval(timer)
    // A query that runs ends with its connection.
    await this.#drop()
    await this.#beating
  }

  messageSeen({ content }: LogicalMessage): void {
    const seen = this.#watch.seen(TEXT.decode(content), performance.now())
    if (seen === undefined) return
    const { metrics, wallNowMs } = this.#parts
    const seenAtMs = wallNowMs()
    const roundTripMs = Math.round(seen.roundTripMs)
    metrics.heartbeatSeen({ roundTripMs: seen.roundTripMs, seenAtMs })
    this.#tell({ roundTripMs, seenAt: new Date(seenAtMs).toISOString(), problem: null })
  }

  /** Rounds do not overlap. */
  #next(): void {
    if (this.#beating !== undefined) return
    this.#beating = this.#beat().finally(() => (this.#beating = undefined))
  }

  async #beat(): Promise<void> {
    const { slotName, actionQuery } = this.#parts
    const id = `${slotName} ${randomUUID()}`
    if (this.#watch.begins(id, performance.now())) {
      const write = 'select pg_logical_emit_message(true, $1, $2)'
      const failure = await this.#query(write, [HEARTBEAT_PREFIX, id])
      if (failure === undefined) this.#watch.written(id)
      else this.#watch.failed(id, failure)
    }
    if (actionQuery === '') return
    const failure = await this.#query(actionQuery)
    if (failure !== undefined) this.#parts.onNotice(`heartbeat.action.query: ${failure}`)
  }

  /** Why it failed; undefined when it did not. */
  async #query(sql: string, values?: readonly string[]): Promise<string | undefined> {
    if (this.#isStopped) return undefined
    try {
      const client = this.#client ?? (await this.#connect())
      // Without values it may be several statements.
      await (values === undefined ? client.query(sql) : client.query(sql, [...values]))
      return undefined
    } catch (error) {
      await this.#drop()
      return errorMessage(error)
    }
  }

  /** What failed may have begun a transaction, in which nothing would succeed any more. */
  async #drop(): Promise<void> {
    const client = this.#client
    this.#client = undefined
    if (client !== undefined) await closeClient(client)
  }

  async #connect(): Promise<pg.Client> {
    const { databaseUrl, slotName } = this.#parts
    const client = new pg.Client({
      connectionString: databaseUrl,
      application_name: `fairlead-relay-${slotName}-heartbeat`,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      // A server that is not there any more does not tell that it timed out.
      query_timeout: STATEMENT_TIMEOUT_MS,
      keepAlive: true,
    })
    const forget = () => {
      if (this.#client === client) this.#client = undefined
    }
    client.on('error', forget)
    client.on('end', forget)
    // Before it is connected: it is closed with the session, however long that takes.
    this.#client = client
    try {
      await client.connect()
    } catch (error) {
      forget()
      throw error
    }
    return client
  }

  #check(): void {
    const problem = this.#watch.problem(this.#parts.progress(), performance.now()) ?? null
    if (problem !== this.#status.problem) this.#tell({ ...this.#status, problem })
  }

  #tell(status: HeartbeatStatus): void {
    this.#status = status
    this.#parts.onStatus(status)
  }
}

export function isHeartbeat({ prefix }: LogicalMessage): boolean {
  return prefix === HEARTBEAT_PREFIX
}
