import type pg from 'pg'

/** Whether a slot can be read without a gap, as far as it is known. */
export type SlotHealth = {
  readonly isActive: boolean
  /** A relay has made it, its WAL is there, and it stands no further than what was confirmed. */
  readonly isWell: boolean
}

/** Undefined when there is no such slot. */
export async function readSlotHealth(
  client: pg.ClientBase,
  slotName: string,
): Promise<SlotHealth | undefined> {
  const { rows } = await client.query<SlotHealth>(
    `select active as "isActive",
       server.wal_status is distinct from 'lost' and coalesce(slot.state = 'created', false)
         and not coalesce(confirmed_flush_lsn > slot.confirmed_lsn, false) as "isWell"
     from pg_replication_slots as server left join relay.slot as slot using (slot_name)
     where slot_name = $1`,
    [slotName],
  )
  return rows[0]
}
