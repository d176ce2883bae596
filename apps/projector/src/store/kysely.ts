import { Kysely, PostgresDialect } from 'kysely'
import type pg from 'pg'

/** Kysely over a pool; `destroy` of the result ends the pool. */
export function createKysely<Database>(pool: pg.Pool): Kysely<Database> {
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) })
}

/**
 * Kysely over one client, for work that must not change its session: what an advisory lock guards, or
 * what has temporary tables. One statement at a time; the client stays the caller's.
 */
export function kyselyOfClient<Database>(client: pg.Client): Kysely<Database> {
  const lent = Object.assign(client, { release: () => undefined })
  const pool = {
    options: {},
    connect: () => Promise.resolve(lent),
    end: () => Promise.resolve(),
  }
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) })
}
