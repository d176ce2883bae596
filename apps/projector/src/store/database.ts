import { createKysely } from '@fairlead/postgres'
import type { Kysely } from 'kysely'
import pg from 'pg'

const CONNECT_TIMEOUT_MS = 10_000
const STATEMENT_TIMEOUT_MS = 30_000
/**
 * A worker that stops in the middle of a batch holds the row of its checkpoint; the next owner waits
 * for it for this long.
 */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 10_000

export type Database = Kysely<unknown>

/**
 * A pool whose values have the types that projections declare: bigint as `bigint` and date as text
 * (as a `Date` it would be midnight in the time zone of the process).
 */
export function openDatabase(options: {
  readonly url: string
  readonly connectionsMax: number
  readonly onIdleError: (error: Error) => void
}): Database {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.connectionsMax,
    application_name: 'fairlead-projector',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS + CONNECT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    keepAlive: true,
    types: { getTypeParser },
  })
  pool.on('error', options.onIdleError)
  // A connection in use that is lost between two statements says so here too, and the next statement
  // fails. Without a listener of its own Node would throw.
  pool.on('connect', (client) => client.on('error', () => undefined))
  return createKysely<unknown>(pool)
}

/** OIDs of `pg_type`; fixed for ever. */
const INT8 = 20
const DATE = 1082

const parserOf: (oid: number, format?: 'text' | 'binary') => unknown = pg.types.getTypeParser

function getTypeParser(oid: number, format?: 'text' | 'binary'): unknown {
  if (oid === INT8) return BigInt
  if (oid === DATE) return String
  return parserOf(oid, format)
}
