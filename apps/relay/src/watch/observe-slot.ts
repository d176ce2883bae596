import type pg from 'pg'

/** What a slot looks like on the server. */
export type SlotObservation = {
  readonly lagBytes: number
  readonly retainedBytes: number
  /** Null when max_slot_wal_keep_size does not bound it. */
  readonly safeWalBytes: number | null
  readonly isActive: boolean
  /** Of `pg_replication_slots`: reserved, extended, unreserved or lost. */
  readonly walStatus: string
}

/** Undefined when it is gone, or the server is a standby. */
export async function observeSlot(
  client: pg.Client,
  slotName: string,
): Promise<SlotObservation | undefined> {
  const { rows } = await client.query<{
    lag: string | null
    retained: string | null
    safe: string | null
    active: boolean
    wal_status: string | null
  }>(
    `select (pg_current_wal_lsn() - confirmed_flush_lsn)::text as lag,
       (pg_current_wal_lsn() - restart_lsn)::text as retained,
       safe_wal_size::text as safe, active, wal_status
     from pg_replication_slots where slot_name = $1 and not pg_is_in_recovery()`,
    [slotName],
  )
  const [slot] = rows
  if (slot === undefined) return undefined
  return {
    lagBytes: Number(slot.lag ?? 0),
    retainedBytes: Number(slot.retained ?? 0),
    safeWalBytes: slot.safe === null ? null : Number(slot.safe),
    isActive: slot.active,
    walStatus: slot.wal_status ?? 'lost',
  }
}
