import { type TimeRange, planRotation } from '@fairlead/cdc'
import { pendingMigrations } from '@fairlead/postgres'
import type pg from 'pg'
import { readCleanedTables, readPartitions, serverNowMs } from '../cleaning/cleaned-tables.ts'
import type { SourceFacts } from '../doctor/findings.ts'
import { readSourceFacts } from '../doctor/read-facts.ts'
import type { RelayOptions } from '../options.ts'
import { matchingTables } from '../source/capture-publication.ts'
import { quotedTable } from '../source/source-options.ts'

/** What a look at the database has found. */
export type PlanFacts = {
  readonly source: SourceFacts
  readonly pendingMigrations: readonly string[]
  readonly slot: ServerSlot | undefined
  /** Of `relay.slot`: what the relays of this slot have noted. */
  readonly notes: SlotNotes | undefined
  /** Orders that a relay has not carried out yet. */
  readonly orders: readonly { readonly signalId: string; readonly type: string }[]
  readonly parkedKeyCount: number
  readonly outboxTables: readonly TableSize[]
  readonly capturedTables: readonly TableSize[]
  readonly rotations: readonly TableRotation[]
}

/** A replication slot, as the server has it. */
type ServerSlot = {
  readonly plugin: string | null
  readonly database: string | null
  readonly isOurs: boolean
  readonly walStatus: string | null
  readonly isFailover: boolean
  /** Undefined when nobody reads it. */
  readonly reader: string | undefined
  readonly confirmedLsn: string | null
  /** Of the log, that it keeps back. */
  readonly retainedBytes: number | null
}

type SlotNotes = {
  readonly state: string
  readonly droppedReason: string | null
  /** The slot stands behind it: somebody has moved it. */
  readonly isSlotAhead: boolean
  readonly notedLsn: string | null
  readonly positionTopic: string | null
  /** Of the database cluster whose slot it is. */
  readonly systemIdentifier: string | null
}

export type TableSize = {
  readonly table: string
  readonly exists: boolean
  /** Postgres' own estimate; null where the table was never analysed. */
  readonly estimatedRows: number | null
  readonly sizeBytes: number
}

/** What the first look of a relay at a partitioned outbox finds to be done. */
type TableRotation = {
  readonly table: string
  readonly create: readonly TimeRange[]
  /** Old enough to go, once every slot is past them. */
  readonly retire: readonly string[]
}

/** Within a transaction that is read-only: nothing is changed. @throws {MigrationError} */
export async function readPlanFacts(client: pg.Client, options: RelayOptions): Promise<PlanFacts> {
  const { source, migrationsDirectory } = options
  const { slotName, tables, capture } = source
  const captured = capture === undefined ? [] : await matchingTables(client, capture)
  const relayTables = await readRelayTables(client)
  return {
    source: await readSourceFacts(client, source),
    pendingMigrations: await pendingMigrations(client, migrationsDirectory),
    slot: await readServerSlot(client, slotName),
    notes: relayTables.has('relay.slot') ? await readNotes(client, slotName) : undefined,
    orders: relayTables.has('relay.signal') ? await readOrders(client, slotName) : [],
    parkedKeyCount: relayTables.has('relay.parked_event')
      ? await countParkedKeys(client, slotName)
      : 0,
    outboxTables: await readSizes(client, tables),
    capturedTables: await readSizes(client, captured),
    rotations: relayTables.has('relay.outbox_cleaning') ? await readRotations(client) : [],
  }
}

/** Of those that migrations make: an earlier version has only some of them. */
async function readRelayTables(client: pg.Client): Promise<ReadonlySet<string>> {
  const { rows } = await client.query<{ name: string }>(
    `select name
     from unnest(array['relay.slot', 'relay.signal', 'relay.parked_event', 'relay.outbox_cleaning']) as name
     where to_regclass(name) is not null`,
  )
  return new Set(rows.map(({ name }) => name))
}

async function readServerSlot(
  client: pg.Client,
  slotName: string,
): Promise<ServerSlot | undefined> {
  const { rows } = await client.query<ServerSlot & { readonly reader: string | null }>(
    `select plugin, slot.database, coalesce(slot.database = current_database(), false) as "isOurs",
       wal_status as "walStatus", confirmed_flush_lsn::text as "confirmedLsn",
       coalesce((to_jsonb(slot) ->> 'failover')::boolean, false) as "isFailover",
       case when not pg_is_in_recovery()
         then pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::float8 end as "retainedBytes",
       case when active then coalesce(
         (select application_name || ', pid ' || pid from pg_stat_activity where pid = active_pid),
         'pid ' || active_pid) end as reader
     from pg_replication_slots as slot where slot_name = $1`,
    [slotName],
  )
  const [row] = rows
  return row === undefined ? undefined : { ...row, reader: row.reader ?? undefined }
}

/** By name: an earlier version of the table lacks some of the columns. */
async function readNotes(client: pg.Client, slotName: string): Promise<SlotNotes | undefined> {
  const { rows } = await client.query<SlotNotes>(
    `select state, note ->> 'dropped_reason' as "droppedReason",
       note ->> 'confirmed_lsn' as "notedLsn", note ->> 'position_topic' as "positionTopic",
       note ->> 'system_identifier' as "systemIdentifier",
       coalesce((select confirmed_flush_lsn > (note ->> 'confirmed_lsn')::pg_lsn
         from pg_replication_slots as server where server.slot_name = noted.slot_name), false) as "isSlotAhead"
     from (select slot_name, state, to_jsonb(slot) as note from relay.slot where slot_name = $1) as noted`,
    [slotName],
  )
  return rows[0]
}

async function readOrders(client: pg.Client, slotName: string): Promise<PlanFacts['orders']> {
  const { rows } = await client.query<PlanFacts['orders'][number]>(
    `select signal_id::text as "signalId", type from relay.signal
     where slot_name = $1 and state in ('requested', 'running') order by signal_id limit 100`,
    [slotName],
  )
  return rows
}

async function countParkedKeys(client: pg.Client, slotName: string): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    `select count(distinct (aggregatetype, aggregateid))::int as count from relay.parked_event
     where slot_name = $1 and state = 'parked'`,
    [slotName],
  )
  return rows[0]?.count ?? 0
}

async function readSizes(
  client: pg.Client,
  tables: readonly string[],
): Promise<readonly TableSize[]> {
  // Of a partitioned table those of its leaves, which alone have rows.
  const { rows } = await client.query<TableSize>(
    `select "table", root is not null as exists,
       (select case when bool_and(reltuples >= 0) then sum(reltuples) end
        from pg_class where oid = any(leaves))::float8 as "estimatedRows",
       coalesce((select sum(pg_relation_size(leaf)) from unnest(leaves) as leaf), 0)::float8 as "sizeBytes"
     from unnest($1::text[], $2::text[]) with ordinality as t(name, "table", place),
       lateral (select to_regclass(name)::oid as root) as found,
       lateral (select coalesce(
         nullif(array(select relid::oid from pg_partition_tree(root) where isleaf), '{}'),
         array[root]) as leaves) as part
     order by place`,
    [tables.map(quotedTable), tables],
  )
  return rows
}

async function readRotations(client: pg.Client): Promise<readonly TableRotation[]> {
  const nowMs = await serverNowMs(client)
  const rotations: TableRotation[] = []
  for (const cleaned of await readCleanedTables(client)) {
    if (cleaned.method !== 'partitions') continue
    const partitions = await readPartitions(client, cleaned.table)
    const { create, retire } = planRotation(partitions, cleaned, nowMs)
    rotations.push({ table: cleaned.table, create, retire: retire.map(({ name }) => name) })
  }
  return rotations
}
