import { errorMessage } from '@fairlead/base'
import pg from 'pg'
import { postgresErrorCode } from './classify-error.ts'
import type { Logger } from './logger.ts'
import { END_WITH_CLIENT, SESSION_SETTINGS } from './session-settings.ts'

export type PoolOptions = {
  readonly url: string
  /** Most connections at a time. */
  readonly max: number
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string
  readonly logger?: Logger
  /** A statement that takes longer is cancelled with SQLSTATE 57014. Default 60 000. */
  readonly statementTimeoutMs?: number
  /** A transaction that is idle for longer is rolled back and its session ended. Default 60 000. */
  readonly idleInTransactionTimeoutMs?: number
  /** Types of the values that statements return; default: those of `pg`. */
  readonly types?: pg.CustomTypesConfig
  /** A statement ends soon after the process that waits for it, where the server can tell. Default false. */
  readonly endsWithClient?: boolean
}

const CONNECT_TIMEOUT_MS = 10_000
const STATEMENT_TIMEOUT_MS = 60_000
const QUERY_GRACE_MS = 10_000
/** A transaction that its owner forgot holds locks, and the horizon of vacuum. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 60_000
/** Of `pg`, which has no code for it. */
const QUERY_TIMEOUT_MESSAGE = 'Query read timeout'
const KEEP_ALIVE_DELAY_MS = 10_000

/**
 * A pool whose connections may die without ending the process: one that is idle is replaced, and
 * the holder of one that is in use learns it from its next statement.
 */
export function createPool(options: PoolOptions): pg.Pool {
  const statementTimeoutMs = options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.max,
    application_name: options.applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: statementTimeoutMs,
    // For a server that is gone without a word, and so cancels nothing.
    query_timeout: statementTimeoutMs + QUERY_GRACE_MS,
    idle_in_transaction_session_timeout:
      options.idleInTransactionTimeoutMs ?? IDLE_IN_TRANSACTION_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
    ...(options.types === undefined ? {} : { types: options.types }),
    onConnect: (client) => setUp(client, options),
  })
  // Without these listeners Node would throw. The pool's own hears of idle connections only; one in
  // use that is lost between two statements tells nobody but its client.
  pool.on('error', (error) =>
    options.logger?.warn(
      { code: postgresErrorCode(error), reason: error.message },
      'an idle connection was lost',
    ),
  )
  pool.on('connect', (client) => {
    client.on('error', () => undefined)
    endWhenLate(client)
  })
  return pool
}

/** A promise, which the pool waits for; its types do not know. */
function setUp(
  client: pg.ClientBase,
  { endsWithClient = false }: Pick<PoolOptions, 'endsWithClient'>,
): unknown {
  const isSet = client.query(SESSION_SETTINGS)
  if (!endsWithClient) return isSet
  return isSet.then(() => client.query(END_WITH_CLIENT).catch(() => undefined))
}

/**
 * `pg` gives a statement up that has no answer in time, and keeps the connection: whoever holds it would wait as long
 * for its next one, and the pool would give it to others first. What ends it here is known before its holder goes on.
 */
function endWhenLate(client: pg.PoolClient): void {
  const query = client.query.bind(client) as (...given: readonly unknown[]) => unknown
  const queryInTime = (...given: readonly unknown[]): unknown => {
    const result = query(...given)
    if (result instanceof Promise) {
      result.catch((error: unknown) => {
        if (errorMessage(error) === QUERY_TIMEOUT_MESSAGE) void client.end()
      })
    }
    return result
  }
  Object.assign(client, { query: queryInTime })
}
