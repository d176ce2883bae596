import { OperationalError, errorMessage } from '@fairlead/base'
import { classifyPostgresError } from '@fairlead/postgres'
import { type Table, type TableIndex, shownIndex } from '@fairlead/projection'
import { type Kysely, sql } from 'kysely'

/** "indx" in ASCII: class of the advisory locks of who makes indexes; the second key is the projection's. */
export const INDEX_LOCK_CLASS = 0x696e6478

/** The definition of an index is one that Postgres does not take, as with a condition that is none. */
class IndexRefused extends OperationalError {
  override readonly name = 'IndexRefused'

  constructor(message: string, cause: unknown) {
    super(message, { code: 'INDEX_REFUSED', retryable: false, cause })
  }
}

/** Indexes of the definition that the table does not have, or only in part: one that a crash has left is not valid. */
export async function missingIndexes(
  db: Kysely<unknown>,
  { name, indexes = [] }: Table,
  schemaName: string,
): Promise<readonly TableIndex[]> {
  if (indexes.length === 0) return indexes
  const { rows } = await sql<{ name: string }>`
    select c.relname as name from pg_index i join pg_class c on c.oid = i.indexrelid
    where i.indrelid = ${`${schemaName}.${name}`}::regclass and i.indisvalid`.execute(db)
  return indexes.filter((index) => !rows.some((row) => row.name === index.name))
}

/** @throws {IndexRefused}; what the database says of rows that have no place in an index (SQLSTATE class 22 or 54). */
export async function addIndexes(
  db: Kysely<unknown>,
  table: Table,
  schemaName: string,
): Promise<void> {
  for (const index of table.indexes ?? []) {
    await addIndex(db, { table, index, schemaName })
  }
}

type Target = { readonly table: Table; readonly index: TableIndex; readonly schemaName: string }

export async function addIndex(db: Kysely<unknown>, target: Target): Promise<void> {
  await create(db, target, sql``)
}

/**
 * Makes an index of a table that is written to meanwhile, outside of a transaction. One that does not come
 * about is taken away: writers would keep it up for nobody.
 */
export async function addIndexConcurrently(db: Kysely<unknown>, target: Target): Promise<void> {
  await dropIndex(db, target)
  try {
    await create(db, target, sql`concurrently`)
  } catch (error) {
    await dropIndex(db, target).catch(() => undefined)
    throw error
  }
}

async function create(
  db: Kysely<unknown>,
  { table, index, schemaName }: Target,
  how: ReturnType<typeof sql>,
): Promise<void> {
  const { name, columns, using, where } = index
  const condition = where === undefined ? sql`` : sql`where ${sql.raw(where)}`
  try {
    await sql`create index ${how} ${sql.id(name)} on ${sql.table(`${schemaName}.${table.name}`)}
      using ${sql.raw(using)} (${sql.join(columns.map((column) => sql.ref(column)))}) ${condition}`.execute(
      db,
    )
  } catch (error) {
    if (classifyPostgresError(error) !== 'schema') throw error
    throw new IndexRefused(
      `${schemaName}.${table.name}: ${shownIndex(index)} cannot be made: ${errorMessage(error)}`,
      error,
    )
  }
}

async function dropIndex(db: Kysely<unknown>, { index, schemaName }: Target): Promise<void> {
  await sql`drop index concurrently if exists ${sql.id(schemaName, index.name)}`.execute(db)
}
