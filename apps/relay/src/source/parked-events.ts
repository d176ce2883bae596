import { formatLsn, parseLsn } from '@fairlead/base'
import { type EventIdentity, type EventPosition, comparePositions } from '@fairlead/cdc'
import type pg from 'pg'
import { halt } from '../session-failure.ts'

/** An event to set aside. */
export type ParkedEvent = {
  readonly event: EventIdentity
  /** `blocked`: only because an earlier event of its aggregate is parked. */
  readonly kind: 'failed' | 'blocked'
  readonly reasonCode: string
  readonly reason: string
  readonly payload: Uint8Array | null
  readonly headersText: string | null
}

/**
 * The events of one slot that are set aside in the source database, and the aggregates that they
 * block: the later events of such an aggregate must not overtake.
 *
 * One relay writes: the one that holds the slot.
 */
export class ParkedEvents {
  readonly #client: pg.Client
  readonly #slotName: string
  readonly #keysMax: number
  /** Where each aggregate is blocked from. */
  readonly #blockedFrom = new Map<string, EventPosition>()

  private constructor(client: pg.Client, slotName: string, keysMax: number) {
    this.#client = client
    this.#slotName = slotName
    this.#keysMax = keysMax
  }

  /** @throws {SessionFailure} `halted` when there are more parked aggregates than `keysMax`. */
  static async load(
    client: pg.Client,
    options: { readonly slotName: string; readonly keysMax: number },
  ): Promise<ParkedEvents> {
    const parked = new ParkedEvents(client, options.slotName, options.keysMax)
    const { rows } = await client.query<{
      aggregatetype: string
      aggregateid: string
      commit_lsn: string
      commit_index: number
    }>(
      `select distinct on (aggregatetype, aggregateid)
         aggregatetype, aggregateid, commit_lsn::text, commit_index
       from relay.parked_event
       where slot_name = $1 and aggregatetype is not null and aggregateid is not null
       order by aggregatetype, aggregateid, relay.parked_event.commit_lsn, commit_index
       limit $2`,
      [options.slotName, options.keysMax + 1],
    )
    for (const row of rows) {
      parked.#blockedFrom.set(keyOf(row.aggregatetype, row.aggregateid), {
        commitLsn: parseLsn(row.commit_lsn),
        commitIndex: row.commit_index,
      })
    }
    parked.#checkBound()
    return parked
  }

  get keyCount(): number {
    return this.#blockedFrom.size
  }

  /** Whether an earlier event of this aggregate is parked. */
  isBlocked(event: EventIdentity): boolean {
    if (this.#blockedFrom.size === 0) return false
    const from = this.#blockedFrom.get(keyOf(event.aggregateType, event.aggregateId))
    return from !== undefined && comparePositions(event.position, from) > 0
  }

  /** Blocks the events behind this one, from now on. It is parked by `insert`. */
  block(event: EventIdentity): void {
    if (event.aggregateType === null || event.aggregateId === null) return
    const key = keyOf(event.aggregateType, event.aggregateId)
    const from = this.#blockedFrom.get(key)
    if (from !== undefined && comparePositions(from, event.position) <= 0) return
    this.#blockedFrom.set(key, event.position)
    this.#checkBound()
  }

  /** Stores the events, all or none; those that are stored already stay as they are. */
  async insert(events: readonly ParkedEvent[]): Promise<void> {
    const column = <Value>(value: (parked: ParkedEvent) => Value): Value[] => events.map(value)
    await this.#client.query(INSERT, [
      this.#slotName,
      column(({ event }) => formatLsn(event.position.commitLsn)),
      column(({ event }) => event.position.commitIndex),
      column(({ kind }) => kind),
      column(({ reasonCode }) => reasonCode),
      column(({ reason }) => reason),
      column(({ event }) => event.eventId),
      column(({ event }) => event.aggregateType),
      column(({ event }) => event.aggregateId),
      column(({ event }) => event.type),
      column(({ payload }) => (payload === null ? null : Buffer.from(payload))),
      column(({ headersText }) => headersText),
      column(({ event }) => new Date(event.commitTimestampMs)),
    ])
  }

  /** @throws {SessionFailure} when the fault must lie elsewhere than in single events. */
  #checkBound(): void {
    if (this.#blockedFrom.size <= this.#keysMax) return
    throw halt(
      'TOO_MANY_PARKED_KEYS',
      `more than ${this.#keysMax} aggregates are parked (parked.keys.max): look for a common cause in relay.parked_event`,
    )
  }
}

const INSERT = `
  insert into relay.parked_event (slot_name, commit_lsn, commit_index, kind, reason_code, reason,
    event_id, aggregatetype, aggregateid, type, payload, headers, committed_at)
  select $1, event.* from unnest($2::pg_lsn[], $3::integer[], $4::text[], $5::text[], $6::text[],
    $7::text[], $8::text[], $9::text[], $10::text[], $11::bytea[], $12::text[], $13::timestamptz[])
    as event
  on conflict (slot_name, commit_lsn, commit_index) do nothing`

/** No text of Postgres contains a zero character. */
function keyOf(aggregateType: string | null, aggregateId: string | null): string {
  return `${aggregateType}\0${aggregateId}`
}
