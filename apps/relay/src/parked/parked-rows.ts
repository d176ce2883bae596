import { parseLsn } from '@fairlead/base'
import type { EventIdentity, EventPosition, TransactionOrder } from '@fairlead/cdc'
import type pg from 'pg'
import type { StoredRecord, StoredRow } from './stored-event.ts'

/** Events that are replayed together, in order: those of an aggregate, or one that has none. */
export type ParkedGroup =
  | { readonly aggregateType: string; readonly aggregateId: string }
  | { readonly parkedId: string }

export type ParkedRow = {
  readonly parkedId: string
  readonly identity: EventIdentity
  readonly payload: Uint8Array | null
  readonly isPayloadOmitted: boolean
  readonly record: StoredRecord | null
  readonly sourceRow: StoredRow | null
  readonly sourceTable: string | null
  /** Its place in its transaction, of an event without a record. */
  readonly order: TransactionOrder | null
}

/** Where the replay of an event was about to be written. */
export type ReplayTarget = {
  readonly topic: string
  readonly partition: number
  /** End of the log before that. */
  readonly offset: number
}

/** More are replayed by another signal. */
const GROUPS_MAX = 20_000
/** Settled rows are remembered for at least this long, and as long as Postgres may send them again. */
const SETTLED_RETENTION = '7 days'
const WITHOUT_CONTENT =
  'payload = null, record = null, source_row = null, transaction_order = null, replay_from = null'

/** The rows of `relay.parked_event` of one slot, as replay and discard need them. */
export class ParkedRows {
  readonly #client: pg.Client
  readonly #slotName: string

  constructor(client: pg.Client, slotName: string) {
    this.#client = client
    this.#slotName = slotName
  }

  async groups(): Promise<readonly ParkedGroup[]> {
    const { rows } = await this.#client.query<{
      id: string
      type: string | null
      key: string | null
    }>(
      `select min(parked_id)::text as id, aggregatetype as type, aggregateid as key
       from relay.parked_event where slot_name = $1 and state = 'parked'
       group by aggregatetype, aggregateid,
         case when aggregatetype is null or aggregateid is null then parked_id end
       order by min(parked_id) limit $2`,
      [this.#slotName, GROUPS_MAX],
    )
    return rows.map(({ id, type, key }) => groupOf(id, type, key))
  }

  /** The group of a row; undefined when no such row is parked. */
  async groupOf(parkedId: string): Promise<ParkedGroup | undefined> {
    const { rows } = await this.#client.query<{ type: string | null; key: string | null }>(
      `select aggregatetype as type, aggregateid as key from relay.parked_event
       where slot_name = $1 and parked_id = $2 and state = 'parked'`,
      [this.#slotName, parkedId],
    )
    const [row] = rows
    return row === undefined ? undefined : groupOf(parkedId, row.type, row.key)
  }

  /** The next rows of a group in the order of the log: at least one, if there is one. */
  async next(
    group: ParkedGroup,
    limits: { readonly recordsMax: number; readonly bytesMax: number },
  ): Promise<readonly ParkedRow[]> {
    const { rows } = await this.#client.query<RawRow>(
      `select * from (
         select parked_id::text, commit_lsn::text, commit_index, committed_at, event_id,
           aggregatetype, aggregateid, type, headers, payload, payload_omitted, record, source_row,
           source_table, transaction_order,
           sum(coalesce(length(payload), 0) + coalesce(octet_length(record::text), 0)
             + coalesce(octet_length(source_row::text), 0)) over place as bytes, row_number() over place as number
         from relay.parked_event where ${whereGroup(group)} and state = 'parked'
         window place as (order by commit_lsn, commit_index)
         order by parked_event.commit_lsn, commit_index limit $4) as event
       where bytes <= $5 or number = 1`,
      [...this.#parametersOf(group), limits.recordsMax, limits.bytesMax],
    )
    return rows.map(parkedRow)
  }

  async countOf(group: ParkedGroup): Promise<number> {
    const { rows } = await this.#client.query<{ count: number }>(
      `select count(*)::int from relay.parked_event where ${whereGroup(group)} and state = 'parked'`,
      this.#parametersOf(group),
    )
    return rows[0]?.count ?? 0
  }

  /** Stored before the replay is sent. */
  async noteTargets(targets: ReadonlyMap<string, ReplayTarget>): Promise<void> {
    await this.#client.query(
      `update relay.parked_event set replay_from = target
       from unnest($1::bigint[], $2::jsonb[]) as replay(id, target) where parked_id = id`,
      [[...targets.keys()], [...targets.values()].map((target) => JSON.stringify(target))],
    )
  }

  /** Of rows whose replay may have been written by a relay that died. */
  async notedTargets(): Promise<
    readonly {
      readonly parkedId: string
      readonly position: EventPosition
      readonly target: ReplayTarget
    }[]
  > {
    const { rows } = await this.#client.query<RawRow & { replay_from: ReplayTarget }>(
      `select parked_id::text, commit_lsn::text, commit_index, replay_from from relay.parked_event
       where slot_name = $1 and state = 'parked' and replay_from is not null`,
      [this.#slotName],
    )
    return rows.map((row) => ({
      parkedId: row.parked_id,
      position: positionOf(row),
      target: row.replay_from,
    }))
  }

  async forgetTargets(): Promise<void> {
    await this.#client.query(
      `update relay.parked_event set replay_from = null
       where slot_name = $1 and state = 'parked' and replay_from is not null`,
      [this.#slotName],
    )
  }

  async settle(parkedIds: readonly string[], state: 'replayed' | 'discarded'): Promise<void> {
    if (parkedIds.length === 0) return
    await this.#client.query(
      `update relay.parked_event
       set state = $2, settled_at = clock_timestamp(), ${WITHOUT_CONTENT} where parked_id = any($1)`,
      [parkedIds, state],
    )
  }

  /** Gives the positions of what was discarded. */
  async discard(
    group: ParkedGroup,
    parkedId: string | undefined,
  ): Promise<readonly EventPosition[]> {
    const { rows } = await this.#client.query<RawRow>(
      `update relay.parked_event
       set state = 'discarded', settled_at = clock_timestamp(), ${WITHOUT_CONTENT}
       where ${whereGroup(group)} and state = 'parked' and ($4::bigint is null or parked_id = $4)
       returning commit_lsn::text, commit_index`,
      [...this.#parametersOf(group), parkedId ?? null],
    )
    return rows.map(positionOf)
  }

  /** It failed again, for this reason. */
  async noteFailure(parkedId: string, reasonCode: string, reason: string): Promise<void> {
    await this.#client.query(
      `update relay.parked_event
       set kind = 'failed', reason_code = $2, reason = $3, replay_from = null where parked_id = $1`,
      [parkedId, reasonCode, reason],
    )
  }

  async deleteOldSettled(): Promise<void> {
    await this.#client.query(
      `delete from relay.parked_event using pg_replication_slots as slot
       where slot.slot_name = parked_event.slot_name and parked_event.slot_name = $1
         and state <> 'parked' and settled_at < clock_timestamp() - $2::interval
         and commit_lsn < restart_lsn`,
      [this.#slotName, SETTLED_RETENTION],
    )
  }

  #parametersOf(group: ParkedGroup): string[] {
    return 'parkedId' in group
      ? [this.#slotName, group.parkedId, '']
      : [this.#slotName, group.aggregateType, group.aggregateId]
  }
}

type RawRow = {
  parked_id: string
  commit_lsn: string
  commit_index: number
  committed_at: Date
  event_id: string | null
  aggregatetype: string | null
  aggregateid: string | null
  type: string | null
  headers: string | null
  payload: Buffer | null
  payload_omitted: boolean
  record: StoredRecord | null
  source_row: StoredRow | null
  source_table: string | null
  transaction_order: TransactionOrder | null
}

function groupOf(parkedId: string, type: string | null, key: string | null): ParkedGroup {
  return type === null || key === null ? { parkedId } : { aggregateType: type, aggregateId: key }
}

/** Of parameters 1 to 3. */
function whereGroup(group: ParkedGroup): string {
  return 'parkedId' in group
    ? `slot_name = $1 and parked_id = $2::bigint and $3::text = ''`
    : 'slot_name = $1 and aggregatetype = $2 and aggregateid = $3'
}

function positionOf(row: Pick<RawRow, 'commit_lsn' | 'commit_index'>): EventPosition {
  return { commitLsn: parseLsn(row.commit_lsn), commitIndex: row.commit_index }
}

function parkedRow(row: RawRow): ParkedRow {
  return {
    parkedId: row.parked_id,
    identity: {
      position: positionOf(row),
      commitTimestampMs: row.committed_at.getTime(),
      eventId: row.event_id,
      aggregateType: row.aggregatetype,
      aggregateId: row.aggregateid,
      type: row.type,
      headersText: row.headers,
    },
    payload: row.payload,
    isPayloadOmitted: row.payload_omitted,
    record: row.record,
    sourceRow: row.source_row,
    sourceTable: row.source_table,
    order: row.transaction_order,
  }
}
