import { type Logger, createPool } from '@fairlead/postgres'
import { type ValueTypes, valueTypes } from '@fairlead/projection'
import type { Kysely, Transaction } from 'kysely'
import pg from 'pg'
import { createKysely } from './kysely.ts'
import { TIMESTAMPTZ, parseTimestamp } from './parse-timestamp.ts'

const STATEMENT_TIMEOUT_MS = 30_000
/**
 * A worker that stops in the middle of a batch holds the row of its checkpoint; the next owner waits
 * for it for this long.
 */
export const IDLE_IN_TRANSACTION_TIMEOUT_MS = 10_000

export type Database = Kysely<unknown>

/**
 * A pool whose values have the types that projections declare: bigint as `bigint` and date as text
 * (as a `Date` it would be midnight in the time zone of the process).
 */
export function openDatabase(options: {
  readonly url: string
  readonly connectionsMax: number
  /** Default: that of workers. */
  readonly applicationName?: string
  readonly logger?: Logger
}): Database {
  const pool = createPool({
    url: options.url,
    max: options.connectionsMax,
    applicationName: options.applicationName ?? 'fairlead-projector',
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    idleInTransactionTimeoutMs: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    types: VALUE_TYPES,
    // What a worker that was killed was waiting for keeps the next owner from the row, too.
    endsWithClient: true,
    ...(options.logger === undefined ? {} : { logger: options.logger }),
  })
  return createKysely<unknown>(pool)
}

/**
 * As `db.transaction()`, but what is thrown is what `run` threw: where its session is gone, the rollback fails,
 * too, and would say nothing of why.
 */
export async function inTransaction<Result>(
  db: Database,
  run: (trx: Transaction<unknown>) => Promise<Result>,
): Promise<Result> {
  const thrown: unknown[] = []
  try {
    return await db.transaction().execute(async (trx) => {
      try {
        return await run(trx)
      } catch (error) {
        thrown.push(error)
        throw error
      }
    })
  } catch (error) {
    throw thrown.length > 0 ? thrown[0] : error
  }
}

const parserOf: ValueTypes['getTypeParser'] = pg.types.getTypeParser

/** How values of the server become those that projections declare. */
export const VALUE_TYPES: pg.CustomTypesConfig = valueTypes({
  getTypeParser: (oid, format) => (oid === TIMESTAMPTZ ? parseTimestamp : parserOf(oid, format)),
})
