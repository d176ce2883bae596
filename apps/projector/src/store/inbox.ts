import { createHash } from 'node:crypto'
import { OperationalError } from '@fairlead/base'
import { postgresErrorCode } from '@fairlead/postgres'
import { type PreparedRecord, idTimeMs, messageIdOf, unitOf } from '@fairlead/projection'
import { type Kysely, sql } from 'kysely'
import { projectionLabel } from '../projection-label.ts'
import { storableTime } from './event-time.ts'
import { type RegisteredProjection, isVersion } from './registered-projection.ts'
import { VersionError } from './versions.ts'

const DAY_MS = 86_400_000
/**
 * An id whose time is less than this ago goes into the partition of its day, of which there are three
 * on either side of today.
 */
const TIMED_AGE_MAX_MS = 2 * DAY_MS
/** Clocks of processes may differ by what is between the two: older ids are looked for in both tables. */
const LOOKED_FOR_ONCE_AGE_MAX_MS = DAY_MS
/** An id from beyond would have no partition: no clock of a producer is that wrong. */
const AHEAD_MAX_MS = 2 * DAY_MS
const NO_PARTITION_FOUND = '23514'

type TableName = 'inbox' | 'inbox_untimed'

/** A record by the id of its event. */
type Message = {
  readonly prepared: PreparedRecord
  /** What the id is stored as. */
  readonly uuid: string
  readonly timeMs: number
  readonly table: TableName
  /** Where the id could be, too. */
  readonly otherTable: TableName | null
}

/** What is to be done of some records. */
export type Sorted = {
  /** In their order; those of events that are too old to be judged have become undecodable. */
  readonly records: readonly PreparedRecord[]
  /** Records whose event was in another record before; they are left out. */
  readonly repeatedCount: number
}

/** Nobody knows whether the event was applied before: its id may have been forgotten since. */
class ForgottenError extends Error {
  override readonly name = 'ForgottenError'

  constructor() {
    super(
      'the event is older than the ids that are kept: nobody knows whether it was applied before',
    )
  }
}

/** Its id would be forgotten long after those around it. */
class FutureIdError extends Error {
  override readonly name = 'FutureIdError'

  constructor() {
    super('the time that the id of the event begins with is days ahead of the clock')
  }
}

/**
 * The ids of the events that one version has had from one topic, for sources that may send an event again,
 * in a record without a position.
 *
 * With an id is stored which record it was in first. That is a fact about the log: whether a record
 * repeats another one does not change when the record is read again, by a worker or by a rebuild.
 */
export class Inbox {
  readonly #consumerId: number
  readonly #nowMs: () => number

  private constructor(consumerId: number, nowMs: () => number) {
    this.#consumerId = consumerId
    this.#nowMs = nowMs
  }

  /** @throws {VersionError} RETIRED */
  static async open(
    db: Kysely<unknown>,
    { projection, projectionId }: RegisteredProjection,
    topic: string,
    nowMs: () => number = Date.now,
  ): Promise<Inbox> {
    await sql`select evt.add_inbox_days()`.execute(db)
    await sql`
      insert into evt.inbox_consumer (projection_id, version, topic)
      select projection_id, version, ${topic} from evt.projection_version
      where projection_id = ${projectionId} and version = ${projection.version}
        and state <> 'retired'
      for share
      on conflict do nothing`.execute(db)
    const { rows } = await sql<{ id: number }>`
      select id from evt.inbox_consumer where projection_id = ${projectionId}
        and version = ${projection.version} and topic = ${topic}`.execute(db)
    const [row] = rows
    if (row !== undefined) return new Inbox(row.id, nowMs)
    throw new VersionError('RETIRED', `${projectionLabel(projection)} is retired`)
  }

  /**
   * Stores the ids of records, which are in log order, and leaves those out that repeat an event. In
   * the transaction that applies the rest.
   */
  async sortOut(db: Kysely<unknown>, records: readonly PreparedRecord[]): Promise<Sorted> {
    const forgottenBeforeMs = await this.#holdHorizon(db)
    const messages = new Map<PreparedRecord, Message>()
    const firsts = new Map<string, Message>()
    const refused = new Map<PreparedRecord, PreparedRecord>()
    for (const prepared of records) {
      const id = messageIdOf(prepared.record)
      // Its place is the only name that it has; it cannot be applied.
      if (id === null) continue
      const message = this.#messageOf(prepared, id)
      const problem = this.#problemOf(message, forgottenBeforeMs)
      if (problem !== null) refused.set(prepared, asUndecodable(prepared, problem))
      else {
        messages.set(prepared, message)
        if (!firsts.has(message.uuid)) firsts.set(message.uuid, message)
      }
    }
    const known = await this.#store(db, [...firsts.values()])
    const isRepeated = (prepared: PreparedRecord): boolean => {
      const message = messages.get(prepared)
      if (message === undefined) return false
      const first = known.get(message.uuid) ?? placeOf(firsts.get(message.uuid)?.prepared)
      return first !== placeOf(prepared)
    }
    const kept = records.filter((prepared) => !isRepeated(prepared))
    return {
      records: kept.map((prepared) => refused.get(prepared) ?? prepared),
      repeatedCount: records.length - kept.length,
    }
  }

  /** Until the transaction ends, no id is forgotten that is not by now. */
  async #holdHorizon(db: Kysely<unknown>): Promise<number> {
    const { rows } = await sql<{ ms: number | null }>`
      select extract(epoch from evt.hold_inbox_horizon(${this.#consumerId}))::float8 * 1000
        as ms`.execute(db)
    // The version was retired meanwhile; its checkpoints are gone, too, so that nothing commits.
    return rows[0]?.ms ?? Number.NEGATIVE_INFINITY
  }

  #messageOf(prepared: PreparedRecord, id: string): Message {
    const ownTimeMs = idTimeMs(id)
    const ageMs = ownTimeMs === null ? Number.POSITIVE_INFINITY : this.#nowMs() - ownTimeMs
    const table = ageMs < TIMED_AGE_MAX_MS ? 'inbox' : 'inbox_untimed'
    const mayBeInBoth = ownTimeMs !== null && ageMs >= LOOKED_FOR_ONCE_AGE_MAX_MS
    const otherTable = table === 'inbox' ? 'inbox_untimed' : 'inbox'
    return {
      prepared,
      table,
      otherTable: mayBeInBoth ? otherTable : null,
      uuid: uuidOf(prepared, id),
      timeMs: ownTimeMs ?? prepared.record.timestampMs,
    }
  }

  #problemOf({ timeMs, table }: Message, forgottenBeforeMs: number): Error | null {
    if (timeMs < forgottenBeforeMs) {
      return new ForgottenError()
    }
    if (table === 'inbox' && timeMs - this.#nowMs() > AHEAD_MAX_MS) {
      return new FutureIdError()
    }
    return null
  }

  /** Where the ids were first that were known, or have become known meanwhile. */
  async #store(
    db: Kysely<unknown>,
    messages: readonly Message[],
  ): Promise<ReadonlyMap<string, string>> {
    const known = new Map<string, string>()
    for (const table of ['inbox', 'inbox_untimed'] as const) {
      const mayBeThere = messages.filter(({ otherTable }) => otherTable === table)
      for (const [uuid, place] of await this.#find(db, table, mayBeThere)) known.set(uuid, place)
    }
    for (const table of ['inbox', 'inbox_untimed'] as const) {
      const news = messages.filter((each) => each.table === table && !known.has(each.uuid))
      const stored = await this.#insert(db, table, news)
      const rest = news.filter(({ uuid }) => !stored.has(uuid))
      for (const [uuid, place] of await this.#find(db, table, rest)) known.set(uuid, place)
    }
    return known
  }

  async #find(
    db: Kysely<unknown>,
    table: TableName,
    messages: readonly Message[],
  ): Promise<ReadonlyMap<string, string>> {
    if (messages.length === 0) return new Map()
    const { rows } = await sql<{ uuid: string; place: string }>`
      select message_id as uuid, part || '@' || log_offset as place from ${sql.id('evt', table)}
      where consumer_id = ${this.#consumerId}
        and message_id = any(${messages.map(({ uuid }) => uuid)}::uuid[])`.execute(db)
    return new Map(rows.map(({ uuid, place }) => [uuid, place]))
  }

  /** In the order of the ids: two partitions that store the same ones do not wait for each other. */
  async #insert(
    db: Kysely<unknown>,
    table: TableName,
    messages: readonly Message[],
  ): Promise<ReadonlySet<string>> {
    if (messages.length === 0) return new Set()
    const time = table === 'inbox_untimed'
    const { rows } = await sql<{ uuid: string }>`
      insert into ${sql.id('evt', table)}
        (consumer_id, message_id, part, log_offset ${sql.raw(time ? ', event_time' : '')})
      select ${this.#consumerId}::int, id, part, log_offset ${sql.raw(time ? ', at' : '')}
      from unnest(${messages.map(({ uuid }) => uuid)}::uuid[],
        ${messages.map(({ prepared }) => prepared.record.partition)}::int[],
        ${messages.map(({ prepared }) => prepared.record.offset)}::bigint[],
        ${messages.map(({ timeMs }) => storableTime(timeMs))}::timestamptz[])
        as message (id, part, log_offset, at)
      order by id
      on conflict (consumer_id, message_id) do nothing
      returning message_id as uuid`
      .execute(db)
      .catch((error: unknown) => {
        throw postgresErrorCode(error) === NO_PARTITION_FOUND ? noDay(error) : error
      })
    return new Set(rows.map(({ uuid }) => uuid))
  }
}

/** The inboxes of all topics of a version. */
export class Inboxes {
  readonly #byTopic: ReadonlyMap<string, Inbox>

  private constructor(byTopic: ReadonlyMap<string, Inbox>) {
    this.#byTopic = byTopic
  }

  /** Undefined for a projection that has none. */
  static async open(
    db: Kysely<unknown>,
    registered: RegisteredProjection,
  ): Promise<Inboxes | undefined> {
    const { inbox, sources } = registered.projection
    if (inbox === undefined) return undefined
    const byTopic = new Map<string, Inbox>()
    for (const { topic } of sources) byTopic.set(topic, await Inbox.open(db, registered, topic))
    return new Inboxes(byTopic)
  }

  /** The records, in any order of their topics, that {@link Inbox.sortOut} keeps. */
  async withoutRepeats(
    db: Kysely<unknown>,
    records: readonly PreparedRecord[],
  ): Promise<readonly PreparedRecord[]> {
    const kept = new Map<string, PreparedRecord>()
    for (const [topic, ofTopic] of Map.groupBy(records, ({ record }) => record.topic)) {
      const sorted = await this.#byTopic.get(topic)?.sortOut(db, ofTopic)
      for (const prepared of sorted?.records ?? []) kept.set(logPlace(prepared), prepared)
    }
    return records.flatMap((prepared) => kept.get(logPlace(prepared)) ?? [])
  }
}

/** Of a version that is filled and will read no more: its ids keep no days of other versions. */
export async function closeInbox(
  trx: Kysely<unknown>,
  registered: RegisteredProjection,
): Promise<void> {
  await sql`
    update evt.inbox_consumer set forgotten_before = 'infinity'
    where ${isVersion(registered)}`.execute(trx)
}

/** For a version that begins at the beginning: its ids may be of a topic that had the name before. */
export async function forgetInbox(
  trx: Kysely<unknown>,
  registered: RegisteredProjection,
): Promise<void> {
  await sql`delete from evt.inbox_consumer where ${isVersion(registered)}`.execute(trx)
}

function logPlace({ record: { topic, partition, offset } }: PreparedRecord): string {
  return `${topic}/${partition}@${offset}`
}

/**
 * A UUID as it is, in lower case; of any other text, and of one of several tenants, a digest, in front
 * of which the time stays that the id begins with.
 */
function uuidOf({ tenant }: PreparedRecord, id: string): string {
  const plain = id.toLowerCase()
  if (tenant === '' && UUID.test(plain)) return plain
  const digest = createHash('sha256').update(unitOf(tenant, id)).digest('hex')
  const time = idTimeMs(id) === null ? '' : plain.replaceAll('-', '').slice(0, TIME_DIGITS)
  const digits = time + digest.slice(time.length)
  return [0, 8, 12, 16, 20]
    .map((start, index, starts) => digits.slice(start, starts[index + 1] ?? 32))
    .join('-')
}

/** Of 48 bits. */
const TIME_DIGITS = 12

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

function placeOf(prepared: PreparedRecord | undefined): string {
  return `${prepared?.record.partition}@${prepared?.record.offset}`
}

function asUndecodable(prepared: PreparedRecord, error: Error): PreparedRecord {
  const { record, key, tenant, eventType, source } = prepared
  return { record, key, tenant, eventType, source, content: { kind: 'undecodable', error } }
}

/** Days are added ahead of time; a database that has been without projectors gets them anew at once. */
function noDay(cause: unknown): OperationalError {
  return new OperationalError('evt.inbox has no partition for the day of an event', {
    code: 'NO_INBOX_DAY',
    retryable: true,
    cause,
  })
}
