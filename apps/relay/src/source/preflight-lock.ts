import type pg from 'pg'
import { SessionFailure } from '../session-failure.ts'

const PREFLIGHT_LOCK = "hashtextextended('fairlead relay preflight ' || $1, 0)"

/**
 * One relay at a time looks at the publication and the slot, or reads the tables in the place of a slot.
 * Held until it is given back, or the connection ends.
 *
 * @throws {SessionFailure} `slot-in-use` at once when another one has it: that may take minutes.
 */
export async function takePreflightLock(client: pg.Client, slotName: string): Promise<void> {
  const { rows } = await client.query<{ isTaken: boolean }>(
    `select pg_try_advisory_lock(${PREFLIGHT_LOCK}) as "isTaken"`,
    [slotName],
  )
  if (rows[0]?.isTaken === true) return
  const reason = `another relay prepares slot ${slotName}, or reads the tables`
  throw new SessionFailure({ kind: 'slot-in-use', reason })
}

export async function giveBackPreflightLock(client: pg.Client, slotName: string): Promise<void> {
  await client.query(`select pg_advisory_unlock(${PREFLIGHT_LOCK})`, [slotName])
}

/** Whether a session would find the slot in use: somebody reads it, or has the lock. */
export async function isInUse(client: pg.Client, slotName: string): Promise<boolean> {
  // A lock that is held for a transaction is given back with this statement.
  const { rows } = await client.query<{ isInUse: boolean }>(
    `select not pg_try_advisory_xact_lock(${PREFLIGHT_LOCK})
       or exists (select from pg_replication_slots where slot_name = $1 and active) as "isInUse"`,
    [slotName],
  )
  return rows[0]?.isInUse === true
}
