import type { Lsn } from '@fairlead/base'
import type { SourceCatalog } from '@fairlead/cdc'
import pg from 'pg'
import { halt } from '../session-failure.ts'
import { type SystemIdentity, identifySystem } from '../timeline/identify-system.ts'
import { knownTimeline } from '../timeline/check-timeline.ts'
import {
  NOT_IN_THE_LOG,
  checkCapturedTables,
  ensureCapturePublication,
} from './capture-publication.ts'
import { giveBackPreflightLock, takePreflightLock } from './preflight-lock.ts'
import { readCatalog } from './read-catalog.ts'
import { ensureSlot } from './slot.ts'
import { type SourceOptions, quotedTable } from './source-options.ts'

export type Source = {
  readonly system: SystemIdentity & { readonly known: number | undefined }
  /** Nothing before it is to be read; 0 leaves it to the slot. */
  readonly startLsn: Lsn
  readonly catalog: SourceCatalog
  /** As `schema.table`. */
  readonly capturedTables: readonly string[]
}

/** As the records' header `cdc.source` has it. */
export function sourceName(
  { system }: { readonly system: Pick<SystemIdentity, 'systemIdentifier'> },
  slotName: string,
): string {
  return `${system.systemIdentifier}/${slotName}`
}

/**
 * Checks that the source can be read without a gap, and makes what is missing on the very first
 * start: the publication before the slot, because a slot that reads a change from before its
 * publication existed can never get past it.
 *
 * @param recover carries out the order of an operator to make a lost slot good, if there is one.
 * @throws {SessionFailure} `halted` when events may have been lost, or nothing can work; `slot-in-use` while
 * another relay is at it.
 */
export async function preflight(
  client: pg.Client,
  options: SourceOptions,
  recover: (source: Omit<Source, 'startLsn'>) => Promise<void>,
): Promise<Source> {
  await checkServer(client)
  await takePreflightLock(client, options.slotName)
  try {
    if (options.tables.length > 0) await ensurePublication(client, options)
    const capturedTables =
      options.capture === undefined
        ? []
        : await ensureCapturePublication(client, options.capture, options.slotName)
    await checkColumns(client, options)
    const known = await knownTimeline(client, options.slotName)
    const system = { ...(await identifySystem(options, known)), known }
    const catalog = await readCatalog(client, [...options.tables, ...capturedTables])
    const source = { system, catalog, capturedTables }
    await recover(source)
    const startLsn = await ensureSlot(client, options, source)
    return { ...source, startLsn }
  } finally {
    await giveBackPreflightLock(client, options.slotName)
  }
}

async function checkServer(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ wal_level: string; may_replicate: boolean; name: string }>(`
    select current_setting('wal_level') as wal_level, rolname as name,
      rolreplication or rolsuper as may_replicate
    from pg_roles where rolname = current_user`)
  const [server] = rows
  if (server === undefined) return
  if (server.wal_level !== 'logical') {
    throw halt(
      'WAL_LEVEL',
      `wal_level is ${server.wal_level}: set wal_level = logical and restart Postgres`,
    )
  }
  if (!server.may_replicate) {
    throw halt(
      'NOT_A_REPLICATION_ROLE',
      `role ${server.name} may not replicate: alter role ${server.name} with replication`,
    )
  }
}

async function ensurePublication(client: pg.Client, options: SourceOptions): Promise<void> {
  const { publicationName } = options
  const publications = await client.query<{ pubinsert: boolean }>(
    'select pubinsert from pg_publication where pubname = $1',
    [publicationName],
  )
  if (publications.rowCount === 0) await createPublication(client, options)
  if (publications.rows[0]?.pubinsert === false) {
    throw halt(
      'PUBLICATION_UNSUITABLE',
      `publication ${publicationName} publishes no inserts: alter publication ${publicationName} set (publish = 'insert')`,
    )
  }
  await checkOutboxTables(client, options)
}

/**
 * Called while the slot is read: what a publication does not have any more, since the table was dropped or
 * taken out, the log goes on without, and says nothing.
 *
 * @throws {SessionFailure} `TABLE_MISSING`
 */
export async function checkPublishedTables(
  client: pg.Client,
  options: SourceOptions,
  capturedTables: readonly string[],
): Promise<void> {
  if (options.tables.length > 0) await checkOutboxTables(client, options)
  if (options.capture === undefined) return
  // A captured table may be dropped; one that was made anew under its name is another one.
  const { rows } = await client.query<{ table: string }>(
    `select "table" from unnest($1::text[], $2::text[]) as t(name, "table")
     where to_regclass(name) is not null`,
    [capturedTables.map(quotedTable), capturedTables],
  )
  const present = rows.map(({ table }) => table)
  await checkCapturedTables(client, options.capture, present)
}

async function checkOutboxTables(client: pg.Client, options: SourceOptions): Promise<void> {
  const { publicationName, tables } = options
  const { rows } = await client.query<{ name: string }>(
    `select schemaname || '.' || tablename as name from pg_publication_tables where pubname = $1`,
    [publicationName],
  )
  const published = new Set(rows.map(({ name }) => name))
  const missing = tables.filter((table) => !published.has(table))
  if (missing.length > 0) {
    throw halt(
      'TABLE_MISSING',
      `publication ${publicationName} does not publish ${missing.join(', ')}: alter publication ${publicationName} add table …. ${NOT_IN_THE_LOG}`,
    )
  }
}

async function createPublication(client: pg.Client, options: SourceOptions): Promise<void> {
  const slots = await client.query('select from pg_replication_slots where slot_name = $1', [
    options.slotName,
  ])
  if (slots.rowCount !== 0) {
    throw halt(
      'PUBLICATION_MISSING',
      `slot ${options.slotName} exists and publication ${options.publicationName} does not: a slot cannot read what was written before its publication existed`,
    )
  }
  const tables = options.tables.map(quotedTable)
  const found = await client.query<{ name: string; oid: string | null }>(
    'select name, to_regclass(name)::oid::text as oid from unnest($1::text[]) as name',
    [tables],
  )
  const absent = found.rows.filter(({ oid }) => oid === null).map(({ name }) => name)
  if (absent.length > 0) throw halt('TABLE_MISSING', `there is no table ${absent.join(', ')}`)
  await client.query(
    `create publication ${pg.escapeIdentifier(options.publicationName)}
     for table ${tables.join(', ')} with (publish = 'insert', publish_via_partition_root = true)`,
  )
}

/** A wrong name would set every event aside. */
export async function checkColumns(client: pg.Client, options: SourceOptions): Promise<void> {
  const { rows } = await client.query<{ table: string; column: string }>(
    `select "table", "column" from unnest($1::text[], $2::text[]) as t(name, "table"),
       unnest($3::text[]) as "column"
     where not exists (select from pg_attribute
       where attrelid = to_regclass(name) and attname = "column" and not attisdropped)`,
    [options.tables.map(quotedTable), options.tables, options.columns.required],
  )
  const [missing] = rows
  if (missing === undefined) return
  throw halt('OUTBOX_COLUMNS', `${missing.table} has no column ${missing.column}`)
}
