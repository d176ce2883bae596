import { errorMessage } from '@fairlead/base'
import { classifyPostgresError, closeClient } from '@fairlead/postgres'
import { INFRA_BACKOFF } from '@fairlead/projection'
import pg from 'pg'
import { pause, pauseFor } from './pause.ts'

/** How soon a process takes over from one that is gone. A look costs the server 0.1 ms. */
const POLL_INTERVAL_MS = 50
const CONNECT_TIMEOUT_MS = 10_000
/** So many signs of life are due until the server takes a process for gone. */
const SIGNS_PER_TIMEOUT = 3

export type StandbyOptions = {
  /** Of processes with one name, one works. */
  readonly name: string
  /** How long after its last sign of life a process is gone whose session stays: it hangs, or its host is cut off. */
  readonly goneAfterMs: number
}

type StandbyLockOptions = StandbyOptions & {
  readonly databaseUrl: string
  readonly logger: {
    info(fields: object, message: string): void
    warn(fields: object, message: string): void
  }
  /** There is another one that works; called at most once, and not when this one has worked before. */
  readonly onStandby: () => void
  /** Whether the database answers, or why not. */
  readonly onDatabase: (state: true | string) => void
}

/**
 * Lets one of several processes work, the first, and the next one as soon as that is gone: it holds an advisory
 * lock of the database for as long as a session of its own lasts. The kernel ends the session of a process that is
 * killed; that of one that hangs, or whose host is cut off, is ended by the server, as it is idle for too long.
 *
 * The lock is a courtesy. Whoever loses it, as its session was cut, goes on, and asks for it again; when another one
 * has it by then, that one's joining the group under the same name ends this one's membership, and fences its batches.
 *
 * The lock is asked for again and again: a statement that waited would keep vacuum from all rows that die meanwhile.
 */
export class StandbyLock {
  readonly #options: StandbyLockOptions
  readonly #abort = new AbortController()
  readonly #held = Promise.withResolvers<boolean>()
  readonly #done: Promise<void>
  #hasWorked = false
  /** That another one works. */
  #isTold = false
  /** What goes wrong; told once, until the database answers again. */
  #trouble: string | undefined

  constructor(options: StandbyLockOptions) {
    this.#options = options
    this.#done = this.#run()
  }

  /** Resolves once this process is the one that works; with false when it stops meanwhile. */
  get held(): Promise<boolean> {
    return this.#held.promise
  }

  /** Lets the next one work: call it when the work is done. */
  async release(): Promise<void> {
    this.#abort.abort()
    await this.#done
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      try {
        await this.#session(() => {
          attempt = 0
          this.#trouble = undefined
          this.#options.onDatabase(true)
        })
      } catch (error) {
        if (!signal.aborted) this.#report(error)
      }
      if (!signal.aborted) await pause(Math.max(1, attempt), INFRA_BACKOFF, signal)
    }
    this.#held.resolve(false)
  }

  /** Until the process stops, or the session ends. */
  async #session(onAnswer: () => void): Promise<void> {
    const { signal } = this.#abort
    const client = new pg.Client({
      connectionString: this.#options.databaseUrl,
      application_name: 'fairlead-projector-standby',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: this.#options.goneAfterMs,
    })
    const lost = Promise.withResolvers<void>()
    client.on('error', () => lost.resolve())
    client.on('end', () => lost.resolve())
    try {
      await client.connect()
      await client.query(`select set_config('idle_session_timeout', $1, false)`, [
        String(this.#options.goneAfterMs),
      ])
      onAnswer()
      if (!(await this.#lock(client))) return
      this.#hasWorked = true
      this.#isTold = false
      this.#held.resolve(true)
      await Promise.race([lost.promise, this.#showLife(client)]).catch(() => undefined)
      if (!signal.aborted) {
        this.#options.logger.warn({}, 'the session that keeps others on standby is lost')
      }
    } finally {
      await closeClient(client).catch(() => undefined)
    }
  }

  /** Until the process stops, or the session does not answer. */
  async #showLife(client: pg.Client): Promise<void> {
    const { signal } = this.#abort
    while (!signal.aborted) {
      await pauseFor(this.#options.goneAfterMs / SIGNS_PER_TIMEOUT, signal)
      if (!signal.aborted) await client.query('select')
    }
  }

  /** False when the process stops meanwhile: it must not begin what it is to end, on a lock that it gives away. */
  async #lock(client: pg.Client): Promise<boolean> {
    const { signal } = this.#abort
    while (!signal.aborted) {
      const { rows } = await client.query<{ held: boolean }>(
        'select pg_try_advisory_lock(hashtextextended($1, 0)) as held',
        [`evt.standby ${this.#options.name}`],
      )
      if (rows[0]?.held === true) return !signal.aborted
      this.#tellOfOther()
      await pauseFor(POLL_INTERVAL_MS, signal)
    }
    return false
  }

  #tellOfOther(): void {
    if (this.#isTold) return
    this.#isTold = true
    if (this.#hasWorked) {
      this.#options.logger.warn({}, 'another process has taken over: it fences this one')
    } else this.#options.onStandby()
  }

  #report(error: unknown): void {
    const reason = errorMessage(error)
    this.#options.onDatabase(reason)
    if (this.#trouble === reason) return
    this.#trouble = reason
    const failureClass = classifyPostgresError(error)
    this.#options.logger.warn({ err: error, failureClass }, 'the standby lock cannot be asked for')
  }
}
