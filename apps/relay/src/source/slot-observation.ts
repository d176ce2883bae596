import type pg from 'pg'
import type { SlotObservation } from '../metrics.ts'

/** The slot as the server sees it; undefined when it is gone, or the server is a standby. */
export async function observeSlot(
  client: pg.Client,
  slotName: string,
): Promise<SlotObservation | undefined> {
  const { rows } = await client.query<{
    lag: string | null
    retained: string | null
    safe: string | null
    active: boolean
  }>(
    `select (pg_current_wal_lsn() - confirmed_flush_lsn)::text as lag,
       (pg_current_wal_lsn() - restart_lsn)::text as retained,
       safe_wal_size::text as safe, active
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
  }
}
