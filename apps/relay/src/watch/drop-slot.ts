import type pg from 'pg'

/** A walsender that is told to end has released its slot after this many tries for sure, or never. */
const TRIES_MAX = 50
const TRY_INTERVAL_MS = 100

/**
 * Drops a slot that keeps back more of the log than it may. The reason stands in `relay.slot` first: from
 * then on no relay begins to read it. Whoever reads it now is cut off.
 */
export async function dropSlot(
  client: pg.Client,
  slotName: string,
  retainedBytes: number,
): Promise<void> {
  await client.query('update relay.slot set dropped_reason = $2 where slot_name = $1', [
    slotName,
    `it kept back ${retainedBytes} bytes of WAL, more than wal.budget.bytes, and wal.budget.policy is drop`,
  ])
  for (let attempt = 0; attempt < TRIES_MAX; attempt += 1) {
    const { rows } = await client.query<{ readers: number }>(
      `select count(pg_terminate_backend(active_pid))::int as readers from pg_replication_slots
       where slot_name = $1`,
      [slotName],
    )
    if (rows[0]?.readers === 0) {
      await client.query(
        'select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1',
        [slotName],
      )
      return
    }
    await new Promise((resolve) => setTimeout(resolve, TRY_INTERVAL_MS))
  }
  throw new Error(`slot ${slotName} is read by somebody who does not let go of it`)
}
