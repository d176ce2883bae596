import { formatLsn, parseLsn } from '@fairlead/base'
import {
  type EventIdentity,
  type EventPosition,
  type TransactionOrder,
  comparePositions,
  formatPosition,
  identityOf,
} from '@fairlead/cdc'
import { classifyPostgresError } from '@fairlead/postgres'
import type pg from 'pg'
import type { EventOrigin, StoredRecord, StoredRow } from '../parked/stored-event.ts'
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
  /** As it was routed; null when it could not be. */
  readonly record: StoredRecord | null
  /** Its place in its transaction, of an event without a record. */
  readonly order?: TransactionOrder | undefined
  readonly origin: EventOrigin
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
  /** Events that were replayed or discarded, and that Postgres may send again. */
  readonly #settled = new Set<string>()
  /** The event that was asked for last. */
  #reached: EventPosition | undefined

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
       where slot_name = $1 and state = 'parked'
         and aggregatetype is not null and aggregateid is not null
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
    await parked.#loadSettled()
    return parked
  }

  /** Postgres never sends what ended before the position that its slot has kept. */
  async #loadSettled(): Promise<void> {
    const { rows } = await this.#client.query<{ commit_lsn: string; commit_index: number }>(
      `select commit_lsn::text, commit_index from relay.parked_event
       join pg_replication_slots using (slot_name)
       where slot_name = $1 and state <> 'parked' and commit_lsn >= restart_lsn`,
      [this.#slotName],
    )
    for (const { commit_lsn, commit_index } of rows) {
      this.settle({ commitLsn: parseLsn(commit_lsn), commitIndex: commit_index })
    }
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

  /** Whether the event was replayed or discarded before it was sent again. Asked in the order of the log. */
  isSettled(position: EventPosition): boolean {
    this.#reached = position
    return this.#settled.size > 0 && this.#settled.has(formatPosition(position))
  }

  /** The event is replayed or discarded. What the log has brought already it brings no second time. */
  settle(position: EventPosition): void {
    if (this.#reached !== undefined && comparePositions(position, this.#reached) <= 0) return
    this.#settled.add(formatPosition(position))
  }

  /** No event of the aggregate is parked any more. */
  unblock(aggregateType: string, aggregateId: string): void {
    this.#blockedFrom.delete(keyOf(aggregateType, aggregateId))
  }

  /**
   * Stores the events, in order; those that are stored already stay as they are. What this database does
   * not take, as characters that its encoding lacks, is stored without: one event must not hold up all.
   */
  async insert(events: readonly ParkedEvent[]): Promise<void> {
    try {
      await this.#insertAll(events)
    } catch (error) {
      if (classifyPostgresError(error) !== 'data') throw error
      for (const event of events) await this.#insertAlone(event)
    }
  }

  async #insertAlone(parked: ParkedEvent): Promise<void> {
    try {
      await this.#insertOne(parked)
    } catch (error) {
      if (classifyPostgresError(error) !== 'data') throw error
      await this.#insertOne(plainParked(parked))
    }
  }

  async #insertAll(events: readonly ParkedEvent[]): Promise<void> {
    let small: ParkedEvent[] = []
    for (const parked of events) {
      if ((parked.payload?.length ?? 0) <= SMALL_PAYLOAD_BYTES_MAX) {
        small.push(parked)
      } else {
        await this.#insertSmall(small)
        small = []
        await this.#insertOne(parked)
      }
    }
    await this.#insertSmall(small)
  }

  async #insertOne(parked: ParkedEvent): Promise<void> {
    await this.#client.query(INSERT_ONE, [this.#slotName, ...valuesOf(parked)])
  }

  async #insertSmall(events: readonly ParkedEvent[]): Promise<void> {
    if (events.length === 0) return
    const rows = events.map(valuesOf)
    const columns = COLUMNS.map((_, index) => rows.map((row) => row[index]))
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
/** A larger payload is found again in its table: the entry points there. */
const PAYLOAD_BYTES_MAX = 1_048_576
const COLUMNS = [
  ['commit_lsn', 'pg_lsn'],
  ['commit_index', 'integer'],
  ['kind', 'text'],
  ['reason_code', 'text'],
  ['reason', 'text'],
  ['event_id', 'text'],
  ['aggregatetype', 'text'],
  ['aggregateid', 'text'],
  ['type', 'text'],
  ['payload', 'bytea'],
  ['headers', 'text'],
  ['committed_at', 'timestamptz'],
  ['record', 'json'],
  ['source_row', 'json'],
  ['source_table', 'text'],
  ['payload_omitted', 'boolean'],
  ['transaction_order', 'json'],
] as const

/** In the order of COLUMNS. */
function valuesOf({ event, kind, reasonCode, reason, ...parked }: ParkedEvent) {
  const { payload, headersText, record, order, origin } = parked
  const isKept = record !== null || origin.row !== undefined
  const isLarge = (payload?.length ?? 0) > PAYLOAD_BYTES_MAX
  const isOmitted = (isLarge || !isKept) && event.eventId !== null
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
    payload === null || isOmitted
      ? null
      : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength),
    headersText,
    new Date(event.commitTimestampMs),
    record === null ? null : asciiJson(record),
    origin.row === undefined ? null : asciiJson(origin.row),
    origin.table,
    isOmitted,
    order === undefined ? null : asciiJson(order),
  ]
}

/** Whatever the encoding of the database: Postgres keeps the escapes of `json` as they are. */
function asciiJson(value: StoredRecord | StoredRow | TransactionOrder): string {
  return JSON.stringify(value).replaceAll(
    NOT_ASCII,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

const NOT_ASCII = /[^ -~]/g

/** With a question mark for every character that not every database can store. */
function plainParked(parked: ParkedEvent): ParkedEvent {
  const plain = (text: string | null) => text?.replaceAll(NOT_ASCII, '?') ?? null
  const { event, reason, origin } = parked
  return {
    ...parked,
    event: {
      ...identityOf(event),
      eventId: plain(event.eventId),
      aggregateType: plain(event.aggregateType),
      aggregateId: plain(event.aggregateId),
      type: plain(event.type),
    },
    reason: `${plain(reason)} (characters that the database cannot store are question marks here)`,
    headersText: plain(parked.headersText),
    origin: { ...origin, table: plain(origin.table) ?? '' },
  }
}

const INSERT = `insert into relay.parked_event
  (slot_name, ${COLUMNS.map(([name]) => name).join(', ')})`
const UNLESS_STORED = 'on conflict (slot_name, commit_lsn, commit_index) do nothing'
const parameters = (suffix: string) =>
  COLUMNS.map(([, type], index) => `$${index + 2}::${type}${suffix}`).join(', ')
const INSERT_ONE = `${INSERT} values ($1, ${parameters('')}) ${UNLESS_STORED}`
const INSERT_MANY = `${INSERT} select $1, event.* from unnest(${parameters('[]')}) as event ${UNLESS_STORED}`

/** No text of Postgres contains a zero character, and none of a message that is taken for a row. */
function keyOf(aggregateType: string | null, aggregateId: string | null): string {
  return `${aggregateType}\0${aggregateId}`
}
