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

  /** Whether an earlier event of this aggregate is parked, or this one was before a restart. */
  isBlocked(event: EventIdentity): boolean {
    if (this.#blockedFrom.size === 0) return false
    const from = this.#blockedFrom.get(keyOf(event.aggregateType, event.aggregateId))
    return from !== undefined && comparePositions(event.position, from) >= 0
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

  /** Stores the events, in order; those that are stored already stay as they are. */
  async insert(events: readonly ParkedEvent[]): Promise<void> {
    let small: ParkedEvent[] = []
    for (const parked of events) {
      if ((parked.payload?.length ?? 0) <= SMALL_PAYLOAD_BYTES_MAX) {
        small.push(parked)
      } else {
        await this.#insertSmall(small)
        small = []
        await this.#client.query(INSERT_ONE, [this.#slotName, ...valuesOf(parked)])
      }
    }
    await this.#insertSmall(small)
  }

  async #insertSmall(events: readonly ParkedEvent[]): Promise<void> {
    if (events.length === 0) return
    const rows = events.map(valuesOf)
    const columns = COLUMN_TYPES.map((_, index) => rows.map((row) => row[index]))
    await this.#client.query(INSERT_MANY, [this.#slotName, ...columns])
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

/** In an array a payload travels in hex; a larger one alone, as it is, so that memory is not doubled. */
const SMALL_PAYLOAD_BYTES_MAX = 65_536
/** Of what `valuesOf` gives. */
const COLUMN_TYPES = [
  'pg_lsn',
  'integer',
  'text',
  'text',
  'text',
  'text',
  'text',
  'text',
  'text',
  'bytea',
  'text',
  'timestamptz',
]

function valuesOf({ event, kind, reasonCode, reason, payload, headersText }: ParkedEvent) {
  return [
    formatLsn(event.position.commitLsn),
    event.position.commitIndex,
    kind,
    reasonCode,
    reason,
    event.eventId,
    event.aggregateType,
    event.aggregateId,
    event.type,
    payload === null ? null : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength),
    headersText,
    new Date(event.commitTimestampMs),
  ]
}

const INSERT = `
  insert into relay.parked_event (slot_name, commit_lsn, commit_index, kind, reason_code, reason,
    event_id, aggregatetype, aggregateid, type, payload, headers, committed_at)`
const UNLESS_STORED = 'on conflict (slot_name, commit_lsn, commit_index) do nothing'
const parameters = (suffix: string) =>
  COLUMN_TYPES.map((type, index) => `$${index + 2}::${type}${suffix}`).join(', ')
const INSERT_ONE = `${INSERT} values ($1, ${parameters('')}) ${UNLESS_STORED}`
const INSERT_MANY = `${INSERT} select $1, event.* from unnest(${parameters('[]')}) as event ${UNLESS_STORED}`

/** No text of Postgres contains a zero character. */
function keyOf(aggregateType: string | null, aggregateId: string | null): string {
  return `${aggregateType}\0${aggregateId}`
}
