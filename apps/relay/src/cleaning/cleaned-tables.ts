import { type Lsn, parseLsn } from '@fairlead/base'
import type { RangePartition, WalObservation } from '@fairlead/cdc'
import type pg from 'pg'
import { quotedTable } from '../source/source-options.ts'

/** A row of `relay.outbox_cleaning`. */
export type CleanedTable = {
  /** `schema.table`, without quotes. */
  readonly table: string
  readonly method: 'partitions' | 'delete'
  readonly timeColumn: string
  readonly intervalMs: number
  readonly retentionMs: number
}

export async function readCleanedTables(client: pg.ClientBase): Promise<readonly CleanedTable[]> {
  const { rows } = await client.query<CleanedTable>(
    `select table_name as "table", method, time_column as "timeColumn",
       (extract(epoch from every) * 1000)::float8 as "intervalMs",
       (extract(epoch from retention) * 1000)::float8 as "retentionMs"
     from relay.outbox_cleaning, regexp_match(table_name, '^([^.]+)[.](.+)$') as part
     where to_regclass(quote_ident(part[1]) || '.' || quote_ident(part[2])) is not null order by table_name`,
  )
  return rows
}

/** The clock that rows are stamped by. */
export async function serverNowMs(client: pg.ClientBase): Promise<number> {
  const { rows } = await client.query<{ now: number }>(
    'select (extract(epoch from clock_timestamp()) * 1000)::float8 as now',
  )
  return rows[0]?.now ?? Number.NaN
}

export type ListedPartition = RangePartition & {
  /** A detachment was interrupted: only its end is missing. */
  readonly isDetaching: boolean
}

/** Those with bounds of time; names are quoted. */
export async function readPartitions(
  client: pg.ClientBase,
  table: string,
): Promise<readonly ListedPartition[]> {
  const { rows } = await client.query<{
    name: string
    from_ms: number | null
    to_ms: number
    detaching: boolean
  }>(
    `with bound as (
       select c.oid, inhdetachpending as detaching, pg_get_expr(relpartbound, c.oid) as text
       from pg_inherits join pg_class as c on c.oid = inhrelid where inhparent = to_regclass($1))
     select quote_ident(nspname) || '.' || quote_ident(relname) as name, detaching,
       (extract(epoch from (regexp_match(text, $re$FROM \\('([^']+)'\\)$re$))[1]::timestamptz) * 1000)::float8 as from_ms,
       (extract(epoch from (regexp_match(text, $re$TO \\('([^']+)'\\)$re$))[1]::timestamptz) * 1000)::float8 as to_ms
     from bound join pg_class using (oid) join pg_namespace on pg_namespace.oid = relnamespace
     where text ~ $re$TO \\('[^']+'\\)$re$
     order by to_ms`,
    [quotedTable(table)],
  )
  return rows.map((row) => ({
    name: row.name,
    fromMs: row.from_ms ?? Number.NEGATIVE_INFINITY,
    toMs: row.to_ms,
    isDetaching: row.detaching,
  }))
}

/** A relay's slot that is gone counts as one that has confirmed nothing: its gap is filled from the table. */
export async function observeWal(client: pg.ClientBase): Promise<WalObservation> {
  const { rows } = await client.query<{
    oldest: string
    next: string
    wal: string
    confirmed: (string | null)[] | null
  }>(
    `select pg_snapshot_xmin(pg_current_snapshot())::text as oldest,
       pg_snapshot_xmax(pg_current_snapshot())::text as next,
       pg_current_wal_insert_lsn()::text as wal,
       (select array_agg(case when wal_status is distinct from 'lost' then confirmed_flush_lsn::text end)
        from (select slot_name from relay.slot where state <> 'snapshot' union
              select slot_name from pg_replication_slots
              where database = current_database() and slot_type = 'logical' and not temporary) as known
          left join pg_replication_slots using (slot_name)) as confirmed`,
  )
  const [row] = rows
  return {
    oldestXid: BigInt(row?.oldest ?? 0),
    nextXid: BigInt(row?.next ?? 0),
    walInsertLsn: parseLsn(row?.wal ?? '0/0'),
    confirmedLsns: (row?.confirmed ?? []).map(lsnOrNull),
  }
}

/**
 * Rows from here on are needed: parked events point to them instead of having a payload. Infinity when
 * there are none.
 */
export async function oldestNeededMs(client: pg.ClientBase, table: string): Promise<number> {
  const { rows } = await client.query<{ oldest: number | null }>(
    `select (extract(epoch from min(committed_at)) * 1000)::float8 as oldest from relay.parked_event
     where source_table = $1 and state = 'parked'
       and (payload_omitted or (record is null and source_row is null))`,
    [table],
  )
  const oldestMs = rows[0]?.oldest ?? null
  return oldestMs === null ? Number.POSITIVE_INFINITY : oldestMs - STAMPED_BEFORE_COMMIT_MS
}

/** A row is stamped when it is inserted: in a long transaction well before its commit. */
const STAMPED_BEFORE_COMMIT_MS = 86_400_000

function lsnOrNull(text: string | null): Lsn | null {
  return text === null ? null : parseLsn(text)
}
