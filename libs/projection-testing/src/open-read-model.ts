import type { Projection } from '@fairlead/projection'
import type { Kysely } from 'kysely'
import { lookedUpFor } from './looked-up-for.ts'
import { type LookUp, MemoryReadModel } from './memory-read-model.ts'
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
): Promise<ReadModel> {
  // The engine knows no database type; Kysely has no type that stands for all of them.
  const db = options.db as unknown as Kysely<unknown> | undefined
  if (projection.kind !== 'sql') {
    return new MemoryReadModel(projection, lookUpOf(projection, db, options))
  }
  if (db === undefined) {
    throw new TypeError(`${projection.name} is written in SQL: give { db } to test it`)
  }
  return PostgresReadModel.create(db, projection)
}

function lookUpOf<DB>(
  projection: Projection,
  db: Kysely<unknown> | undefined,
  options: ReadModelOptions<DB>,
): LookUp {
  const { name, enrich, enrichEach } = projection
  if (enrichEach !== undefined) return (events) => lookedUpFor(projection, events, options)
  return (events) => {
    if ('enriched' in options) return options.enriched
    if (db === undefined || enrich === undefined) {
      throw new TypeError(`${name} looks things up: give { enriched } or { db } to test it`)
    }
    return enrich(events, { db })
  }
}
