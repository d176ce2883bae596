import type pg from 'pg'
import type { Signal } from '../signals/signals.ts'
import { readSlotHealth } from './slot-health.ts'

const MODE_KEY = 'snapshot.mode'
const MODE = 'when_needed'
/** Relays that see the loss at the same time order one replay. */
const ADVISORY_LOCK = "hashtextextended('fairlead relay recovery ' || $1, 0)"

export type RecoveryOutcome =
  | { readonly kind: 'ordered' }
  /** Another relay, or an operator, has ordered it. */
  | { readonly kind: 'under-way' }
  /** There is nothing to make good, as far as the database tells. */
  | { readonly kind: 'needless' }
  /** What was ordered before has failed: an operator has to look at it. */
  | { readonly kind: 'refused'; readonly reason: string }

/** By `snapshot.mode=when_needed`, and by nobody at the moment of the loss. */
export function isOrderedWhenNeeded({ data }: Pick<Signal, 'data'>): boolean {
  return data[MODE_KEY] === MODE
}

/**
 * `snapshot.mode=when_needed`: orders for a slot that is gone, lost or was moved what an operator would,
 * `replay-table`. One that has failed is not ordered again: what made it fail is there still.
 */
export async function orderWhenNeeded(
  client: pg.Client,
  slotName: string,
): Promise<RecoveryOutcome> {
  await client.query('begin')
  try {
    const outcome = await order(client, slotName)
    await client.query('commit')
    return outcome
  } catch (error) {
    await client.query('rollback')
    throw error
  }
}

async function order(client: pg.Client, slotName: string): Promise<RecoveryOutcome> {
  await client.query(`select pg_advisory_xact_lock(${ADVISORY_LOCK})`, [slotName])
  const { rows } = await client.query<Pick<Signal, 'data'> & { state: string; reason: string }>(
    `select data, state, coalesce(reason, '') as reason from relay.signal
     where slot_name = $1 and type = 'replay-table' order by signal_id desc limit 1`,
    [slotName],
  )
  const [last] = rows
  if (last?.state === 'requested' || last?.state === 'running') return { kind: 'under-way' }
  const slot = await readSlotHealth(client, slotName)
  if (slot?.isWell === true) return { kind: 'needless' }
  if (last?.state === 'failed' && isOrderedWhenNeeded(last)) {
    return { kind: 'refused', reason: last.reason }
  }
  await client.query(
    `insert into relay.signal (slot_name, type, data)
     select $1, 'replay-table', $2::jsonb || case when exists (select from relay.slot
         where slot_name = $1 and published_until is not null)
       then '{}' else '{"since": "beginning"}' end::jsonb`,
    [slotName, { [MODE_KEY]: MODE }],
  )
  return { kind: 'ordered' }
}
