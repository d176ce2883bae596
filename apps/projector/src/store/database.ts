import { type Logger, createKysely, createPool } from '@fairlead/postgres'
import type { Kysely } from 'kysely'
import pg from 'pg'

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
  readonly logger?: Logger
}): Database {
  const pool = createPool({
    url: options.url,
    max: options.connectionsMax,
    applicationName: 'fairlead-projector',
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    idleInTransactionTimeoutMs: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    types: VALUE_TYPES,
    ...(options.logger === undefined ? {} : { logger: options.logger }),
  })
  return createKysely<unknown>(pool)
}

/** OIDs of `pg_type`; fixed for ever. */
const INT8 = 20
const DATE = 1082
const TIMESTAMPTZ = 1184

const parserOf: (oid: number, format?: 'text' | 'binary') => unknown = pg.types.getTypeParser

/** How values of the server become those that projections declare. */
export const VALUE_TYPES: pg.CustomTypesConfig = { getTypeParser }

function getTypeParser(oid: number, format?: 'text' | 'binary'): unknown {
  if (oid === INT8) return BigInt
  if (oid === DATE) return String
  if (oid === TIMESTAMPTZ) return parseTimestamp
  return parserOf(oid, format)
}

const parseAnyTimestamp = parserOf(TIMESTAMPTZ) as (text: string) => Date
const UTC_TIMESTAMP = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00$/

/** The text of a server in UTC, which `pg` reads ten times as slowly; all other text it reads. */
function parseTimestamp(text: string): Date {
  if (!UTC_TIMESTAMP.test(text)) return parseAnyTimestamp(text)
  // To milliseconds, as `pg` does it: what is finer is cut off.
  const fraction = text.length > 22 ? Number(text.slice(20, -3).padEnd(3, '0').slice(0, 3)) : 0
  return new Date(Date.parse(`${text.slice(0, 10)}T${text.slice(11, 19)}Z`) + fraction)
}
