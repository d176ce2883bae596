import { type Kysely, sql } from 'kysely'
import type { Database } from './database.ts'
import { storableTime } from './event-time.ts'
import type { RegisteredProjection } from './registered-projection.ts'

/** Each move of the horizon waits for the batches that are under way, and they for it. */
const HORIZON_STEP_MS = 60_000
/** Rows that one statement deletes. */
const DELETED_AT_ONCE = 10_000
/** Nothing is stored any more in partitions that are as old; see `Inbox`. */
const KEPT_DAYS = 5

/**
 * From now on, no event from before `beforeMs` is applied; then its id may go. Waits for the batches that
 * are under way, and those that come meanwhile wait behind it.
 */
export async function forgetIds(
  db: Database,
  { projection, projectionId }: RegisteredProjection,
  topic: string,
  beforeMs: number,
): Promise<void> {
  const { rows } = await sql<{ id: number }>`
    select id from evt.inbox_consumer
    where projection_id = ${projectionId} and version = ${projection.version} and topic = ${topic}
      and forgotten_before < ${storableTime(beforeMs - HORIZON_STEP_MS)}::timestamptz`.execute(db)
  const [consumer] = rows
  if (consumer === undefined) return
  await db.transaction().execute(async (trx) => {
    await sql`select pg_advisory_xact_lock(evt.inbox_lock(${consumer.id}::int))`.execute(trx)
    await sql`
      update evt.inbox_consumer
      set forgotten_before = greatest(forgotten_before, ${storableTime(beforeMs)}::timestamptz)
      where id = ${consumer.id}`.execute(trx)
  })
}

/**
 * Adds partitions of days to come, and removes what every version has forgotten. In one process at a
 * time, over a connection of its own, outside of a transaction.
 */
export async function keepInboxTables(connection: Kysely<unknown>): Promise<void> {
  const lock = sql`hashtextextended('evt.inbox.keeper', 0)`
  const { rows } = await sql<{ locked: boolean }>`
    select pg_try_advisory_lock(${lock}) as locked`.execute(connection)
  if (rows[0]?.locked !== true) return
  try {
    await sql`select evt.add_inbox_days()`.execute(connection)
    await deleteForgotten(connection)
    await dropForgottenDays(connection)
  } finally {
    await sql`select pg_advisory_unlock(${lock})`.execute(connection)
  }
}

/** Also those of versions that are retired. */
async function deleteForgotten(connection: Kysely<unknown>): Promise<void> {
  for (;;) {
    const { numAffectedRows } = await sql`
      delete from evt.inbox_untimed where ctid in (
        select u.ctid from evt.inbox_untimed u
        left join evt.inbox_consumer c on c.id = u.consumer_id
        where c.id is null or (u.event_time < c.forgotten_before
          and u.event_time < (select max(forgotten_before) from evt.inbox_consumer))
        limit ${DELETED_AT_ONCE})`.execute(connection)
    if ((numAffectedRows ?? 0n) < BigInt(DELETED_AT_ONCE)) return
  }
}

/**
 * No lock that this takes or waits for is in the way of an insert: a day is detached before it goes. A day
 * that a process has detached which then died is a table of its own, and is dropped with the others.
 */
async function dropForgottenDays(connection: Kysely<unknown>): Promise<void> {
  const { rows } = await sql<{ name: string; state: 'attached' | 'detaching' | 'detached' }>`
    select c.relname as name, case when i.inhrelid is null then 'detached'
      when i.inhdetachpending then 'detaching' else 'attached' end as state
    from pg_class c left join pg_inherits i on i.inhrelid = c.oid,
      lateral (select to_date(right(c.relname, 8), 'YYYYMMDD') as day) d
    where c.relnamespace = 'evt'::regnamespace and c.relkind = 'r' and c.relname ~ '^inbox_\\d{8}$'
      and d.day < (clock_timestamp() at time zone 'UTC')::date - ${KEPT_DAYS}::int
      and (i.inhrelid is null or (d.day + 1)::timestamp at time zone 'UTC'
        <= coalesce((select min(forgotten_before) from evt.inbox_consumer), 'infinity'))
    order by i.inhdetachpending desc nulls first, c.relname`.execute(connection)
  for (const { name, state } of rows) {
    const table = sql.id('evt', name)
    if (state !== 'detached') {
      const how = sql.raw(state === 'detaching' ? 'finalize' : 'concurrently')
      await sql`alter table evt.inbox detach partition ${table} ${how}`.execute(connection)
    }
    await sql`drop table ${table}`.execute(connection)
  }
}
