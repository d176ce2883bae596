import pg from 'pg'
import { halt } from '../session-failure.ts'
import { type CaptureSource, quotedTable } from './source-options.ts'

/** What a publication of captured tables has to publish. */
const OPERATIONS = ['pubinsert', 'pubupdate', 'pubdelete', 'pubtruncate'] as const

/** Of a table that its publication does not have. */
export const NOT_IN_THE_LOG =
  'What is written without that is not in the log: "fairlead relay replay-table --force" then publishes what the tables hold'

/**
 * Makes the publication of the captured tables when there is none, and checks the one there is. Not
 * the publication of the outbox: that has inserts alone, since an update or delete of a table
 * without a replica identity would fail once it is published.
 *
 * Resolves with the captured tables, as `schema.table`.
 *
 * @throws {SessionFailure} `halted`
 */
export async function ensureCapturePublication(
  client: pg.Client,
  capture: CaptureSource,
  slotName: string,
): Promise<readonly string[]> {
  const tables = await matchingTables(client, capture)
  if (tables.length === 0) {
    throw halt('TABLE_MISSING', 'capture.table.include.list matches no table of the database')
  }
  const { rows } = await client.query<Record<(typeof OPERATIONS)[number], boolean>>(
    `select ${OPERATIONS.join(', ')} from pg_publication where pubname = $1`,
    [capture.publicationName],
  )
  const [publication] = rows
  if (publication === undefined) {
    await createPublication(client, capture, tables, slotName)
    return tables
  }
  const absent = OPERATIONS.filter((operation) => !publication[operation])
  if (absent.length > 0) {
    const name = pg.escapeIdentifier(capture.publicationName)
    throw halt(
      'PUBLICATION_UNSUITABLE',
      `publication ${capture.publicationName} does not publish every operation: alter publication ${name} set (publish = 'insert, update, delete, truncate')`,
    )
  }
  await checkCapturedTables(client, capture, tables)
  return tables
}

/** Partitions are published as their root. */
export async function matchingTables(
  client: pg.ClientBase | pg.Pool,
  { tables: patterns, except }: CaptureSource,
): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select nspname || '.' || relname as name
     from pg_class join pg_namespace as n on n.oid = relnamespace
     where relkind in ('r', 'p') and not relispartition and relpersistence = 'p'
       and nspname not in ('pg_catalog', 'information_schema', 'relay') order by 1`,
  )
  return rows
    .map(({ name }) => name)
    .filter((name) => patterns.some((pattern) => pattern.test(name)) && !except.includes(name))
}

async function createPublication(
  client: pg.Client,
  { publicationName }: CaptureSource,
  tables: readonly string[],
  slotName: string,
): Promise<void> {
  const slots = await client.query('select from pg_replication_slots where slot_name = $1', [
    slotName,
  ])
  if (slots.rowCount !== 0) {
    throw halt(
      'PUBLICATION_MISSING',
      `slot ${slotName} exists and publication ${publicationName} does not: a slot cannot read what was written before its publication existed`,
    )
  }
  await client.query(
    `create publication ${pg.escapeIdentifier(publicationName)}
     for table ${tables.map(quotedTable).join(', ')} with (publish_via_partition_root = true)`,
  )
}

/** @throws {SessionFailure} `TABLE_MISSING` when the publication does not have all of them. */
export async function checkCapturedTables(
  client: pg.Client,
  { publicationName }: CaptureSource,
  tables: readonly string[],
): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `select schemaname || '.' || tablename as name from pg_publication_tables where pubname = $1`,
    [publicationName],
  )
  const published = new Set(rows.map(({ name }) => name))
  const missing = tables.filter((table) => !published.has(table))
  if (missing.length === 0) return
  const name = pg.escapeIdentifier(publicationName)
  throw halt(
    'TABLE_MISSING',
    `publication ${publicationName} does not publish ${missing.join(', ')}: alter publication ${name} add table ${missing.map(quotedTable).join(', ')}. ${NOT_IN_THE_LOG}`,
  )
}
