import type pg from 'pg'

/** For people: without the payload, which may be large and private. */
export type ParkedEventSummary = {
  readonly parkedId: string
  readonly state: 'parked' | 'replayed' | 'discarded'
  readonly commitLsn: string
  readonly commitIndex: number
  readonly kind: 'failed' | 'blocked'
  readonly reasonCode: string
  readonly reason: string
  readonly eventId: string | null
  readonly aggregateType: string | null
  readonly aggregateId: string | null
  readonly type: string | null
  readonly topic: string | null
  readonly sourceTable: string | null
  readonly payloadOmitted: boolean
  readonly committedAt: Date
  readonly parkedAt: Date
  readonly settledAt: Date | null
}

export type ParkedEventDetail = ParkedEventSummary & {
  readonly headers: string | null
  /** Null: there is none, or it is not kept. */
  readonly payloadBase64: string | null
}

export type ParkedFilter = {
  readonly state: ParkedEventSummary['state']
  readonly kind?: 'failed' | 'blocked'
  readonly aggregateType?: string
  readonly aggregateId?: string
  readonly limit: number
  /** The `parkedId` of the last one of the page before. */
  readonly before?: string
}

const SUMMARY = `parked_id::text as "parkedId", state, commit_lsn::text as "commitLsn",
  commit_index as "commitIndex", kind, reason_code as "reasonCode", reason, event_id as "eventId",
  aggregatetype as "aggregateType", aggregateid as "aggregateId", type, record->>'topic' as topic,
  source_table as "sourceTable", payload_omitted as "payloadOmitted",
  committed_at as "committedAt", parked_at as "parkedAt", settled_at as "settledAt"`

/** The events of a slot that were set aside, newest first. */
export async function listParkedEvents(
  pool: pg.Pool,
  slotName: string,
  filter: ParkedFilter,
): Promise<readonly ParkedEventSummary[]> {
  const { rows } = await pool.query<ParkedEventSummary>(
    `select ${SUMMARY} from relay.parked_event
     where slot_name = $1 and state = $2 and ($3::text is null or kind = $3)
       and ($4::text is null or aggregatetype = $4) and ($5::text is null or aggregateid = $5)
       and ($6::bigint is null or parked_id < $6)
     order by parked_event.parked_id desc limit $7`,
    [
      slotName,
      filter.state,
      filter.kind ?? null,
      filter.aggregateType ?? null,
      filter.aggregateId ?? null,
      filter.before ?? null,
      filter.limit,
    ],
  )
  return rows
}

/** Undefined when there is no such event. */
export async function showParkedEvent(
  pool: pg.Pool,
  slotName: string,
  parkedId: string,
): Promise<ParkedEventDetail | undefined> {
  const { rows } = await pool.query<ParkedEventDetail>(
    `select ${SUMMARY}, headers, encode(payload, 'base64') as "payloadBase64"
     from relay.parked_event where slot_name = $1 and parked_id = $2`,
    [slotName, parkedId],
  )
  return rows[0]
}
