import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { postgresErrorCode } from './classify-error.ts'
import type { Logger } from './logger.ts'

export type PoolOptions = {
  readonly url: string
  /** Most connections at a time. */
  readonly max: number
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string
  readonly logger?: Logger
  /** A statement that takes longer is cancelled with SQLSTATE 57014. */
  readonly statementTimeoutMs?: number
}

const CONNECT_TIMEOUT_MS = 10_000
const STATEMENT_TIMEOUT_MS = 60_000
/** A transaction that its owner forgot holds locks, and the horizon of vacuum. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 60_000
const KEEP_ALIVE_DELAY_MS = 10_000

/** A pool whose idle connections may die without ending the process. */
export function createPool(options: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.max,
    application_name: options.applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
  })
  // The pool drops a connection that failed while idle. Without a listener Node would throw.
  pool.on('error', (error) =>
    options.logger?.warn(
      { code: postgresErrorCode(error), reason: error.message },
      'an idle connection was lost',
    ),
  )
  return pool
}

/** Kysely over a pool; `destroy` of the result ends the pool. */
export function createKysely<Database>(pool: pg.Pool): Kysely<Database> {
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) })
}
