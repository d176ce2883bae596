import { Kysely, PostgresDialect } from 'kysely'
import type pg from 'pg'

/** Kysely over a pool; `destroy` of the result ends the pool. */
export function createKysely<Database>(pool: pg.Pool): Kysely<Database> {
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) })
}
