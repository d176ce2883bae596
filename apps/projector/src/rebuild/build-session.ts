import { OperationalError } from '@fairlead/base'
import { END_WITH_CLIENT, SESSION_SETTINGS, copyIn, cutClient } from '@fairlead/postgres'
import type { Kysely } from 'kysely'
import pg from 'pg'
import { IDLE_IN_TRANSACTION_TIMEOUT_MS, VALUE_TYPES } from '../store/database.ts'
import { JOB_LOCK_CLASS, jobLockKey } from '../store/jobs.ts'
import { kyselyOfClient } from '../store/kysely.ts'

const CONNECT_TIMEOUT_MS = 10_000
const KEEP_ALIVE_DELAY_MS = 5_000

/**
 * An index of many rows takes as long as it takes, and so does what is folded between two writes,
 * whatever is set for the role or the database. `pg` passes no timeout of 0 on; which ones there are
 * depends on the version of the server.
 */
const WITHOUT_TIMEOUTS = `
  select set_config(name, '0', false) from pg_settings
  where name in ('statement_timeout', 'transaction_timeout', 'idle_session_timeout',
    'idle_in_transaction_session_timeout')`

/** Whether there is a transaction or not: the one of them that does not apply changes nothing. */
const LIMIT_IDLE = `
  select set_config('idle_session_timeout', $1, false),
    set_config('idle_in_transaction_session_timeout', $1, false)`

/**
 * A connection that holds the lock of a job, and through which all of the job's writes go: nobody else
 * does the job while the session lives, and what it had not committed is gone with it.
 */
export class BuildSession {
  readonly db: Kysely<unknown>
  /** Process id of the server's end, as in `pg_stat_progress_copy`. */
  readonly pid: number
  /** Fires when the session is gone, which work that does without it for long would not notice. */
  readonly signal: AbortSignal
  readonly #client: pg.Client
  readonly #closing: AbortController
  #lentCount = 0

  private constructor(client: pg.Client, closing: AbortController, pid: number) {
    this.#client = client
    this.#closing = closing
    this.pid = pid
    this.signal = whenGone(client)
    this.db = kyselyOfClient(client)
  }

  /** Null when another session has the job. It is cut off when `signal` fires, whatever it is about. */
  static open(
    databaseUrl: string,
    jobId: bigint,
    signal: AbortSignal,
  ): Promise<BuildSession | null> {
    const lock = { lockClass: JOB_LOCK_CLASS, lockKey: jobLockKey(jobId) }
    return BuildSession.openLocked(databaseUrl, lock, signal)
  }

  /** For what is no job, with an advisory lock of its own; null when another session has that. */
  static async openLocked(
    databaseUrl: string,
    { lockClass, lockKey }: { readonly lockClass: number; readonly lockKey: number },
    signal: AbortSignal,
  ): Promise<BuildSession | null> {
    signal.throwIfAborted()
    const client = new pg.Client({
      connectionString: databaseUrl,
      application_name: 'fairlead-projector-rebuild',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
      types: VALUE_TYPES,
    })
    // A lost connection also rejects the statement that runs, or the next one.
    client.on('error', () => undefined)
    const closing = new AbortController()
    signal.addEventListener('abort', () => cutClient(client), {
      once: true,
      signal: closing.signal,
    })
    try {
      await client.connect()
      const { rows } = await client.query<{ locked: boolean; pid: number }>(
        'select pg_try_advisory_lock($1, $2) as locked, pg_backend_pid() as pid',
        [lockClass, lockKey],
      )
      const [row] = rows
      if (row?.locked === true) {
        await client.query(WITHOUT_TIMEOUTS)
        await client.query(SESSION_SETTINGS)
        await client.query(END_WITH_CLIENT).catch(() => undefined)
        return new BuildSession(client, closing, row.pid)
      }
    } catch (error) {
      await end(client, closing)
      throw error
    }
    await end(client, closing)
    return null
  }

  /** Inside or outside of a transaction of `db`. */
  copy(statement: string, chunks: Iterable<string> | AsyncIterable<Uint8Array>): Promise<number> {
    return copyIn(this.#client, statement, chunks)
  }

  /**
   * What `run` comes to, in which code of the projection has the session, or live batches wait for it. As live, the
   * server ends a session that is idle for too long meanwhile: it waits for something else, and might for ever.
   */
  async lend<T>(run: () => Promise<T>): Promise<T> {
    this.#lentCount += 1
    try {
      await this.#limitIdle(IDLE_IN_TRANSACTION_TIMEOUT_MS)
      return await run()
    } finally {
      this.#lentCount -= 1
      // It fails in a session that is gone, and in a transaction that is about to be rolled back, limits and all.
      if (this.#lentCount === 0) await this.#limitIdle(0).catch(() => undefined)
    }
  }

  async #limitIdle(timeoutMs: number): Promise<void> {
    await this.#client.query(LIMIT_IDLE, [String(timeoutMs)])
  }

  async close(): Promise<void> {
    await end(this.#client, this.#closing)
  }
}

function whenGone(client: pg.Client): AbortSignal {
  const gone = new AbortController()
  const abort = (cause?: Error): void =>
    gone.abort(
      new OperationalError('the session that has the lock is gone', {
        code: 'SESSION_GONE',
        retryable: true,
        cause,
      }),
    )
  client.once('error', abort)
  client.once('end', () => abort())
  return gone.signal
}

async function end(client: pg.Client, closing: AbortController): Promise<void> {
  await client.end().catch(() => undefined)
  closing.abort()
}
