import type { Projection } from '@fairlead/projection'
import { type Kysely, sql } from 'kysely'
import { lookUpOf } from './look-up.ts'
import { MemoryReadModel } from './memory-read-model.ts'
import { PostgresReadModel } from './postgres-read-model.ts'
import type { ReadModel } from './read-model.ts'

export type ReadModelOptions<DB> = {
  readonly db?: Kysely<DB>
  readonly enriched?: unknown
}

/** @throws {TypeError} when the projection needs a database, or a look-up, that is not there. */
export async function openReadModel<DB>(
  projection: Projection,
  options: ReadModelOptions<DB>,
  { isReplay }: { readonly isReplay: boolean } = { isReplay: false },
): Promise<ReadModel> {
  // The engine knows no database type; Kysely has no type that stands for all of them.
  const db = options.db as unknown as Kysely<unknown> | undefined
  const lookUp = lookUpOf(projection, options)
  if (projection.kind !== 'sql') {
    return new MemoryReadModel(projection, (events) => lookUp(events, db))
  }
  if (db === undefined) {
    throw new TypeError(`${projection.name} is written in SQL: give { db } to test it`)
  }
  await refuseOtherTypes(db)
  return PostgresReadModel.create(db, { projection, lookUp, isReplay })
}

/** @throws {TypeError} for values of other types than handlers read live: a test would prove nothing. */
async function refuseOtherTypes(db: Kysely<unknown>): Promise<void> {
  const { rows } = await sql<{ big: unknown; day: unknown }>`
    select '1'::bigint as big, '2026-01-01'::date as day`.execute(db)
  const [row] = rows
  if (row?.big === 1n && row.day === '2026-01-01') return
  throw new TypeError(
    'live, a handler reads bigint as bigint and date as text: give { db } of a pool with { types: valueTypes(pg.types) }',
  )
}
