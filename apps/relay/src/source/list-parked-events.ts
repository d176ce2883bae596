import type pg from 'pg'

/** For people: without the payload, which may be large and private. */
export type ParkedEventSummary = {
  readonly commitLsn: string
  readonly commitIndex: number
  readonly kind: 'failed' | 'blocked'
  readonly reasonCode: string
  readonly reason: string
  readonly eventId: string | null
  readonly aggregateType: string | null
  readonly aggregateId: string | null
  readonly type: string | null
  readonly parkedAt: Date
}

const LISTED_MAX = 100

/** The latest parked events of a slot, newest first. */
export async function listParkedEvents(
  pool: pg.Pool,
  slotName: string,
): Promise<readonly ParkedEventSummary[]> {
  const { rows } = await pool.query<ParkedEventSummary>(
    `select commit_lsn::text as "commitLsn", commit_index as "commitIndex", kind,
       reason_code as "reasonCode", reason, event_id as "eventId",
       aggregatetype as "aggregateType", aggregateid as "aggregateId", type,
       parked_at as "parkedAt"
     from relay.parked_event where slot_name = $1 order by parked_id desc limit $2`,
    [slotName, LISTED_MAX],
  )
  return rows
}
