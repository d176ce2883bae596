import { type Kysely, type RawBuilder, sql } from 'kysely'
import { IS_OF_KEY } from './letter-orders.ts'

export type LetterFilter = {
  readonly projection?: string | undefined
  /** `live`: of each projection the version that readers see. */
  readonly version?: number | 'live' | undefined
  readonly kind?: 'failed' | 'blocked' | undefined
  readonly key?: string | undefined
  readonly tenant?: string | undefined
  readonly fingerprint?: string | undefined
  readonly errorClass?: string | undefined
  readonly limit: number
  /** Letters after this id only: the last one of the page before. */
  readonly afterId: bigint
}

export type ListedLetter = {
  readonly id: bigint
  readonly projection: string
  readonly version: number
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly key: string
  /** Empty without tenants. */
  readonly tenant: string
  readonly eventType: string | null
  readonly messageId: string | null
  readonly schemaId: number | null
  readonly traceparent: string | null
  readonly kind: 'failed' | 'blocked'
  /** The letter at the head of its key, which it waits for; null for that one. */
  readonly blockedBy: bigint | null
  readonly stage: string | null
  readonly errorClass: string | null
  readonly errorCode: string | null
  readonly errorMessage: string | null
  readonly fingerprint: string | null
  readonly attempts: number
  /** When its key is tried again by itself; null where nobody does, and behind the letter that is. */
  readonly nextTryAt: Date | null
  readonly isEdited: boolean
  readonly eventTime: Date
  readonly firstAt: Date
  readonly lastAt: Date
}

const LISTED = sql`l.id, p.name as projection, l.version, l.topic, l.part as "partition",
  l.log_offset as "offset", l.key, l.tenant, l.event_type as "eventType", l.message_id as "messageId",
  l.schema_id as "schemaId", l.traceparent, l.kind,
  case l.kind when 'blocked' then nullif((select min(head.id) from evt.dead_letter head
    where (head.projection_id, head.version, head.topic, md5(head.key))
      = (l.projection_id, l.version, l.topic, md5(l.key))), l.id) end as "blockedBy", l.stage, l.error_class as "errorClass",
  l.error_code as "errorCode", l.error_message as "errorMessage", l.fingerprint, l.attempts,
  case l.kind when 'failed' then (select k.next_try_at from evt.parked_key k
    where (k.projection_id, k.version, k.topic, k.key_md5)
      = (l.projection_id, l.version, l.topic, md5(l.key))) end as "nextTryAt",
  l.edited_value is not null as "isEdited", l.event_time as "eventTime", l.first_at as "firstAt",
  l.last_at as "lastAt"`

const LETTERS = sql`evt.dead_letter l join evt.projection p on p.id = l.projection_id`

/** Letters in the order in which they were set aside. */
export async function listLetters(
  db: Kysely<unknown>,
  filter: LetterFilter,
): Promise<readonly ListedLetter[]> {
  const { rows } = await sql<ListedLetter>`
    select ${LISTED} from ${LETTERS} where l.id > ${filter.afterId} and ${matches(filter)}
    order by l.id limit ${filter.limit}`.execute(db)
  return rows
}

function matches(filter: Omit<LetterFilter, 'limit' | 'afterId'>): RawBuilder<boolean> {
  const { projection, version, kind, key, tenant, fingerprint, errorClass } = filter
  const conditions = [
    projection === undefined ? [] : [sql`p.name = ${projection}`],
    version === undefined ? [] : [sql`l.version = ${versionOf(version)}`],
    kind === undefined ? [] : [sql`l.kind = ${kind}`],
    key === undefined ? [] : [sql`l.key = ${key} and md5(l.key) = md5(${key})`],
    tenant === undefined ? [] : [sql`l.tenant = ${tenant}`],
    fingerprint === undefined ? [] : [sql`l.fingerprint = ${fingerprint} and l.kind = 'failed'`],
    errorClass === undefined ? [] : [sql`l.error_class = ${errorClass}`],
  ].flat()
  return conditions.length === 0 ? sql`true` : sql`${sql.join(conditions, sql` and `)}`
}

function versionOf(version: number | 'live'): RawBuilder<number> {
  return version === 'live' ? sql`p.live_version` : sql`${version}`
}

/** One letter with everything that is kept of it. */
export type WholeLetter = ListedLetter & {
  readonly projectionId: number
  readonly codeHash: Buffer
  readonly errorStack: string | null
  readonly keyBytes: Buffer | null
  readonly value: Buffer | null
  readonly editedValue: Buffer | null
  readonly headers: readonly (readonly [string, string | null])[]
}

const WHOLE = sql`${LISTED}, l.projection_id as "projectionId", v.code_hash as "codeHash",
  l.error_stack as "errorStack", l.key_bytes as "keyBytes", l.value,
  l.edited_value as "editedValue", l.headers`

const WHOLE_LETTERS = sql`${LETTERS}
  join evt.projection_version v on v.projection_id = l.projection_id and v.version = l.version`

export async function findLetter(
  db: Kysely<unknown>,
  id: bigint,
): Promise<WholeLetter | undefined> {
  const { rows } = await sql<WholeLetter>`
    select ${WHOLE} from ${WHOLE_LETTERS} where l.id = ${id}`.execute(db)
  return rows[0]
}

/** Whole letters in the order in which they were set aside: as many as fit, and one in any case. */
export async function listWholeLetters(
  db: Kysely<unknown>,
  filter: LetterFilter & { readonly bytesMax: number },
): Promise<readonly WholeLetter[]> {
  const { rows } = await sql<WholeLetter>`
    with sized as (
      select l.id, coalesce(octet_length(l.value), 0) + coalesce(octet_length(l.edited_value), 0)
        + coalesce(octet_length(l.key_bytes), 0) + coalesce(octet_length(l.error_stack), 0)
        + octet_length(l.headers::text) as size_bytes
      from ${LETTERS} where l.id > ${filter.afterId} and ${matches(filter)}
      order by l.id limit ${filter.limit}
    ), page as (
      select id, sum(size_bytes) over (order by id) as end_bytes, row_number() over (order by id)
      from sized
    )
    select ${WHOLE} from ${WHOLE_LETTERS}
    where l.id in (select id from page where end_bytes <= ${filter.bytesMax} or row_number = 1)
    order by l.id`.execute(db)
  return rows
}

type ListedKey = {
  readonly projection: string
  readonly version: number
  readonly topic: string
  /** Where the key was seen last. */
  readonly partition: number
  readonly key: string
  /** Empty without tenants. */
  readonly tenant: string
  readonly letters: number
  readonly parkedAt: Date
  /** Replays and tries that failed. */
  readonly attempts: number
  /** Those of them, of the letter at its head, that nobody asked for. */
  readonly timedTries: number
  /** When it is tried again by itself; null: not before somebody asks for it. */
  readonly nextTryAt: Date | null
  readonly isDraining: boolean
  /** The letter that is applied first. */
  readonly headId: bigint | null
  readonly headKind: 'failed' | 'blocked' | null
  readonly errorClass: string | null
  readonly errorMessage: string | null
  readonly fingerprint: string | null
}

export type KeyFilter = {
  readonly projection?: string | undefined
  /** `live`: of each projection the version that readers see. */
  readonly version?: number | 'live' | undefined
  readonly tenant?: string | undefined
  readonly fingerprint?: string | undefined
  readonly errorClass?: string | undefined
  /** Parked for at least so long. */
  readonly olderThanMs?: number | undefined
  readonly limit: number
  /** Keys behind this place only: `next` of the page before. */
  readonly after?: string | undefined
}

export type KeyPage = {
  readonly keys: readonly ListedKey[]
  /** Where the next page begins; null when this one is the last. */
  readonly next: string | null
}

/**
 * The place of a parked key in the order of lists: when it was parked, in microseconds, its hash,
 * projection, version, which is below 0 for a throw-away one, and topic. No row has to be there any
 * more for a page to begin behind it.
 */
export const KEY_PLACE_PATTERN: string = String.raw`^\d{1,18}\.[0-9a-f]{32}\.\d{1,10}\.-?\d{1,10}\.[\w.-]+$`

const KEY_PLACE = sql`(extract(epoch from k.parked_at) * 1000000)::bigint, k.key_md5, k.projection_id, k.version, k.topic`

/** Parked keys, the oldest first, each with the letter that it waits for. */
export async function listParkedKeys(db: Kysely<unknown>, filter: KeyFilter): Promise<KeyPage> {
  const { projection, version, tenant, fingerprint, errorClass, olderThanMs, after } = filter
  const conditions = [
    projection === undefined ? [] : [sql`p.name = ${projection}`],
    version === undefined ? [] : [sql`k.version = ${versionOf(version)}`],
    tenant === undefined ? [] : [sql`k.tenant = ${tenant}`],
    fingerprint === undefined ? [] : [sql`head.fingerprint = ${fingerprint}`],
    errorClass === undefined ? [] : [sql`head.error_class = ${errorClass}`],
    olderThanMs === undefined
      ? []
      : [sql`k.parked_at <= clock_timestamp() - ${olderThanMs}::float8 * interval '1 ms'`],
    after === undefined ? [] : [isBehind(after)],
  ].flat()
  // One more than asked for tells whether there is another page.
  const { rows } = await sql<ListedKey & { readonly place: string }>`
    select p.name as projection, k.version, k.topic, k.part as "partition", k.key, k.tenant,
      (select count(*)::int from evt.dead_letter l where ${IS_OF_KEY}) as letters,
      k.parked_at as "parkedAt", k.attempts, k.timed_tries as "timedTries",
      k.next_try_at as "nextTryAt", k.drain_requested_at is not null as "isDraining",
      head.id as "headId", head.kind as "headKind", head.error_class as "errorClass",
      head.error_message as "errorMessage", head.fingerprint,
      concat_ws('.', ${KEY_PLACE}) as place
    from evt.parked_key k join evt.projection p on p.id = k.projection_id
    left join lateral (
      select * from evt.dead_letter l where ${IS_OF_KEY} order by l.id limit 1
    ) head on true
    where ${conditions.length === 0 ? sql`true` : sql.join(conditions, sql` and `)}
    order by ${KEY_PLACE} limit ${filter.limit + 1}`.execute(db)
  const shown = rows.slice(0, filter.limit)
  return {
    keys: shown.map(withoutPlace),
    next: rows.length > shown.length ? (shown.at(-1)?.place ?? null) : null,
  }
}

function withoutPlace(row: ListedKey & { readonly place: string }): ListedKey {
  const { place: _place, ...key } = row
  return key
}

function isBehind(place: string): RawBuilder<boolean> {
  const [parkedAtMicros, keyMd5, projectionId, version, ...topic] = place.split('.')
  return sql`(${KEY_PLACE}) > (${parkedAtMicros}::bigint, ${keyMd5}::text, ${projectionId}::bigint,
    ${version}::bigint, ${topic.join('.')}::text)`
}

export type ListedCause = {
  readonly projection: string
  readonly version: number
  readonly fingerprint: string
  readonly stage: string
  readonly errorClass: string
  readonly errorCode: string
  /** Of the latest letter. */
  readonly errorMessage: string
  readonly keys: number
  readonly firstAt: Date
  readonly lastAt: Date
}

/** Failures by their cause; the one that parks most keys first. */
export async function listCauses(
  db: Kysely<unknown>,
  filter: Pick<LetterFilter, 'projection' | 'version' | 'tenant' | 'limit'>,
): Promise<readonly ListedCause[]> {
  const { limit, ...of } = filter
  const { rows } = await sql<ListedCause>`
    select p.name as projection, l.version, l.fingerprint, min(l.stage) as stage,
      min(l.error_class) as "errorClass", min(l.error_code) as "errorCode",
      (array_agg(l.error_message order by l.id desc))[1] as "errorMessage",
      count(distinct l.key)::int as keys, min(l.first_at) as "firstAt", max(l.last_at) as "lastAt"
    from ${LETTERS}
    where ${matches({ ...of, kind: 'failed' })}
    group by p.name, l.version, l.fingerprint
    order by keys desc, l.fingerprint, p.name, l.version
    limit ${limit}`.execute(db)
  return rows
}

export type ListedAction = {
  readonly id: bigint
  readonly at: Date
  readonly actor: string
  readonly reason: string
  readonly action: 'replay' | 'retry' | 'discard' | 'edit' | 'take-back' | 'rebuild'
  readonly projection: string
  readonly version: number
  readonly key: string
  readonly letterId: string
}

/** The table has an edit of no value for the end of one. */
const ACTION = sql`case when a.action = 'edit' and a.letter->>'edited_value' is null
  then 'take-back' else a.action end`

/** What was done to letters, newest first. */
export async function listActions(
  db: Kysely<unknown>,
  filter: Pick<LetterFilter, 'projection' | 'version' | 'key' | 'limit'> & {
    /** Actions before this one: the last one of the page before. */
    readonly beforeId?: bigint | undefined
  },
): Promise<readonly ListedAction[]> {
  const { projection, version, key, beforeId } = filter
  const { rows } = await sql<ListedAction>`
    select a.id, a.at, a.actor, a.reason, ${ACTION} as action, p.name as projection, a.version,
      a.letter->>'key' as key, a.letter->>'id' as "letterId"
    from evt.dead_letter_log a join evt.projection p on p.id = a.projection_id
    where ${projection === undefined ? sql`true` : sql`p.name = ${projection}`}
      and ${version === undefined ? sql`true` : sql`a.version = ${versionOf(version)}`}
      and ${key === undefined ? sql`true` : sql`a.letter->>'key' = ${key}`}
      and ${beforeId === undefined ? sql`true` : sql`a.id < ${beforeId}`}
    order by a.id desc limit ${filter.limit}`.execute(db)
  return rows
}

export type LetterCount = {
  readonly projection: string
  readonly version: number
  readonly topic: string
  readonly kind: 'failed' | 'blocked'
  readonly errorClass: string | null
  readonly depth: number
  readonly oldestAgeSeconds: number
}

/** Letters by projection, kind and class of error. */
export async function countLetters(db: Kysely<unknown>): Promise<readonly LetterCount[]> {
  const { rows } = await sql<LetterCount>`
    select p.name as projection, l.version, l.topic, l.kind, l.error_class as "errorClass",
      count(*)::float8 as depth,
      extract(epoch from clock_timestamp() - min(l.first_at))::float8 as "oldestAgeSeconds"
    from ${LETTERS} group by p.name, l.version, l.topic, l.kind, l.error_class`.execute(db)
  return rows
}

export type ParkedKeyCount = {
  readonly projection: string
  readonly version: number
  readonly topic: string
  /** Where the keys were seen last. */
  readonly partition: number
  readonly keys: number
  /** Those that have a time of their next try. */
  readonly retryingKeys: number
}

export async function countParkedKeys(db: Kysely<unknown>): Promise<readonly ParkedKeyCount[]> {
  const { rows } = await sql<ParkedKeyCount>`
    select p.name as projection, k.version, k.topic, k.part as "partition", count(*)::int as keys,
      count(k.next_try_at)::int as "retryingKeys"
    from evt.parked_key k join evt.projection p on p.id = k.projection_id
    group by p.name, k.version, k.topic, k.part`.execute(db)
  return rows
}
