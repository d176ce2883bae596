import type pg from 'pg'
import { matchingTables } from '../source/capture-publication.ts'
import { type SourceOptions, quotedTable } from '../source/source-options.ts'
import type {
  CapturedTableFacts,
  OutboxTableFacts,
  PublicationFacts,
  SlotFacts,
  SourceFacts,
} from './findings.ts'

const BYTES_PER_MEGABYTE = 1_048_576

type ServerRow = {
  version: number
  wal_level: string
  /** -1 without a bound. */
  keep_megabytes: number
  slots_max: number
  slot_count: number
  idle_seconds: number
  oldest_seconds: number
  role: string
  may_replicate: boolean
}

/** Looks at everything of the source that a relay depends on, and changes nothing. */
export async function readSourceFacts(
  client: pg.ClientBase | pg.Pool,
  options: SourceOptions,
): Promise<SourceFacts> {
  const server = await readServer(client)
  const { capture } = options
  const captured = capture === undefined ? [] : await matchingTables(client, capture)
  const outbox = { name: options.publicationName, tables: options.tables }
  const publications = [
    ...(options.tables.length === 0 ? [] : [outbox]),
    ...(capture === undefined ? [] : [{ name: capture.publicationName, tables: captured }]),
  ]
  return {
    ...server,
    slot: await readSlot(client, options.slotName),
    publications: await Promise.all(publications.map((one) => readPublication(client, one))),
    outboxTables: await readOutboxTables(client, options),
    capturedTables: await readCapturedTables(client, captured),
  }
}

type ServerFacts = Omit<SourceFacts, 'slot' | 'publications' | 'outboxTables' | 'capturedTables'>

async function readServer(client: pg.ClientBase | pg.Pool): Promise<ServerFacts> {
  const { rows } = await client.query<ServerRow>(
    `select current_setting('server_version_num')::int as version,
       current_setting('wal_level') as wal_level,
       (select setting::int from pg_settings where name = 'max_slot_wal_keep_size') as keep_megabytes,
       current_setting('max_replication_slots')::int as slots_max,
       (select count(*)::int from pg_replication_slots) as slot_count,
       coalesce(extract(epoch from
         nullif(current_setting('idle_replication_slot_timeout', true), '')::interval), 0)::int as idle_seconds,
       greatest(
         (select extract(epoch from max(clock_timestamp() - xact_start)) from pg_stat_activity
          where backend_xid is not null),
         (select extract(epoch from max(clock_timestamp() - prepared)) from pg_prepared_xacts),
         0)::int as oldest_seconds,
       rolname as role, rolreplication or rolsuper as may_replicate
     from pg_roles where rolname = current_user`,
  )
  const [row] = rows
  if (row === undefined) throw new Error('the role of this connection is not listed')
  return {
    serverVersionNumber: row.version,
    walLevel: row.wal_level,
    maxSlotWalKeepSizeBytes:
      row.keep_megabytes < 0 ? null : row.keep_megabytes * BYTES_PER_MEGABYTE,
    maxReplicationSlots: row.slots_max,
    replicationSlotCount: row.slot_count,
    idleSlotTimeoutSeconds: row.idle_seconds,
    oldestTransactionSeconds: row.oldest_seconds,
    role: { name: row.role, mayReplicate: row.may_replicate },
  }
}

async function readSlot(
  client: pg.ClientBase | pg.Pool,
  slotName: string,
): Promise<SlotFacts | undefined> {
  // Before PostgreSQL 17 a slot has no such column.
  const { rows } = await client.query<SlotFacts>(
    `select active as "isActive", coalesce(wal_status, 'lost') as "walStatus",
       coalesce((to_jsonb(slot) ->> 'failover')::boolean, false) as "isFailover"
     from pg_replication_slots as slot where slot_name = $1`,
    [slotName],
  )
  return rows[0]
}

async function readPublication(
  client: pg.ClientBase | pg.Pool,
  { name, tables }: { readonly name: string; readonly tables: readonly string[] },
): Promise<PublicationFacts> {
  const { rows } = await client.query<Omit<PublicationFacts, 'name' | 'exists'>>(
    `select pubinsert as "publishesInserts", pubviaroot as "isViaRoot",
       array(select name from unnest($2::text[]) as name where not exists (
         select from pg_publication_tables as t
         where t.pubname = p.pubname and t.schemaname || '.' || t.tablename = name)) as "missingTables"
     from pg_publication as p where pubname = $1`,
    [name, tables],
  )
  const [row] = rows
  const absent = { publishesInserts: false, isViaRoot: false, missingTables: [] }
  return { name, exists: row !== undefined, ...(row ?? absent) }
}

async function readOutboxTables(
  client: pg.ClientBase | pg.Pool,
  options: SourceOptions,
): Promise<readonly OutboxTableFacts[]> {
  // Before the first start there is no such table.
  const { rows: cleaning } = await client.query<{ exists: boolean }>(
    `select to_regclass('relay.outbox_cleaning') is not null as exists`,
  )
  const cleaned =
    cleaning[0]?.exists === true
      ? 'exists (select from relay.outbox_cleaning where table_name = "table")'
      : 'false'
  const { rows } = await client.query<OutboxTableFacts>(
    `select "table", to_regclass(name) is not null as exists,
       array(select "column" from unnest($3::text[]) as "column" where not exists (
         select from pg_attribute where attrelid = to_regclass(name) and attname = "column"
           and not attisdropped)) as "missingColumns",
       ${cleaned} as "isCleaned"
     from unnest($1::text[], $2::text[]) as t(name, "table")`,
    [options.tables.map(quotedTable), options.tables, options.columns.required],
  )
  return rows
}

async function readCapturedTables(
  client: pg.ClientBase | pg.Pool,
  tables: readonly string[],
): Promise<readonly CapturedTableFacts[]> {
  const { rows } = await client.query<CapturedTableFacts>(
    `select "table", relreplident as "replicaIdentity",
       exists (select from pg_index where indrelid = c.oid and indisprimary) as "hasPrimaryKey",
       array(select attname::text from pg_attribute
         where attrelid = c.oid and attnum > 0 and not attisdropped and attstorage in ('x', 'e')
         order by attnum) as "largeColumns"
     from unnest($1::text[], $2::text[]) as t(name, "table")
       join pg_class as c on c.oid = to_regclass(name)`,
    [tables.map(quotedTable), tables],
  )
  return rows
}
