import { invariant } from '@fairlead/base'
import { type Letter, type LogRecord, nextTryDelayMs, parkedRetryOf } from '@fairlead/projection'
import { type Kysely, type RawBuilder, type Transaction, sql } from 'kysely'
import { RANDOM } from '../pause.ts'
import { holdFence } from './checkpoints.ts'
import { editedRecord } from './edited-record.ts'
import type { Database } from './database.ts'
import { type TopicOfProjection, isOfTopic } from './letter-owner.ts'
import { StaleKeysError } from './park-letters.ts'
import type { ProjectionPartition } from './registered-projection.ts'

/** What one transaction of a drain takes at most: it delays the events of all other keys. */
const KEYS_PER_DRAIN_MAX = 200
export const LETTERS_PER_DRAIN_MAX = 500
const BYTES_PER_DRAIN_MAX = 16_777_216
/** Of a second: a replay that has a rate is no burst at its beginning. */
const RATE_SHARE_PER_DRAIN = 1 / 4

/** A key whose letters are to be applied. */
export type QueuedKey = {
  readonly key: string
  readonly keyMd5: string
  /** As read; another one says that somebody has changed a letter since. */
  readonly revision: number
  /** Null: all. */
  readonly lettersLeft: number | null
  /** Tries of its head that nobody asked for, and that failed. */
  readonly timedTries: number
}

/** A letter as the record that it was, or was edited to. */
export type QueuedLetter = { readonly id: bigint; readonly key: string; readonly record: LogRecord }

export type LetterQueue = {
  /** Nobody asked for it: the keys are tried again by themselves. */
  readonly isTimed?: boolean
  /** The replay that the keys are of; undefined when nobody asked for one. */
  readonly request?: string
  /** Of that replay; null: as fast as it goes. */
  readonly lettersPerSecond?: number | null
  readonly keys: readonly QueuedKey[]
  /** Key by key, each in the order in which its letters are to be applied. */
  readonly letters: readonly QueuedLetter[]
  /** There are more letters of these keys. */
  readonly isCut: boolean
}

/**
 * The partitions of all projections in which letters are to be replayed, each found behind the one before: a replay
 * may be of any number of keys, and is looked for often.
 */
export async function listReplayPlaces(db: Kysely<unknown>): Promise<readonly string[]> {
  const place = sql`projection_id, version, topic, part`
  const { rows } = await sql<{ place: string }>`
    with recursive ordered as (
      (select ${place} from evt.parked_key where drain_requested_at is not null
        order by ${place} limit 1)
      union all
      select next.* from ordered o cross join lateral (
        select ${place} from evt.parked_key
        where drain_requested_at is not null
          and (${place}) > (o.projection_id, o.version, o.topic, o.part)
        order by ${place} limit 1) next
    )
    select concat_ws(' ', ${place}) as place from ordered`.execute(db)
  return rows.map((row) => row.place)
}

/** How the list of these names one. */
export function replayPlaceOf(of: ProjectionPartition): string {
  return `${of.projectionId} ${of.projection.version} ${of.topic} ${of.partition}`
}

/**
 * The oldest replay that is due in a partition, `lettersMax` letters of it at most, and of one with a rate no more
 * than that allows. `resting` are replays that have had all that their rate lets them have for now.
 */
export async function readDueLetters(
  db: Kysely<unknown>,
  partition: ProjectionPartition,
  { resting, lettersMax }: { readonly resting: readonly string[]; readonly lettersMax: number },
): Promise<LetterQueue> {
  const isDue = sql`${isOfTopic(partition)} and part = ${partition.partition}
    and drain_requested_at is not null`
  const { rows } = await sql<{ request: string; lettersPerSecond: number | null }>`
    select drain_request as request, drain_letters_per_second as "lettersPerSecond"
    from evt.parked_key where ${isDue} and drain_request <> all(${resting}::uuid[])
    order by drain_requested_at, key_md5 limit 1`.execute(db)
  const [oldest] = rows
  if (oldest === undefined) return { keys: [], letters: [], isCut: false }
  const { rows: keys } = await sql<QueuedKey>`
    select key, key_md5 as "keyMd5", revision,
      drain_letters_left as "lettersLeft", timed_tries as "timedTries"
    from evt.parked_key where ${isDue} and drain_request = ${oldest.request}
    order by key_md5 limit ${KEYS_PER_DRAIN_MAX}`.execute(db)
  const ofRate = Math.ceil((oldest.lettersPerSecond ?? Infinity) * RATE_SHARE_PER_DRAIN)
  return { ...oldest, ...(await readLettersOf(db, partition, keys, Math.min(ofRate, lettersMax))) }
}

/**
 * Parked keys of a partition that are due to be tried again, by the clock of the database, `lettersMax` letters of
 * them at most; and how long until the next one is due, null when none is going to be.
 */
export async function readDueTries(
  db: Kysely<unknown>,
  partition: ProjectionPartition,
  lettersMax: number,
): Promise<{ readonly queue: LetterQueue; readonly nextInMs: number | null }> {
  const { rows } = await sql<QueuedKey & { readonly dueInMs: number }>`
    select key, key_md5 as "keyMd5", revision, null as "lettersLeft",
      timed_tries as "timedTries",
      extract(epoch from next_try_at - statement_timestamp())::float8 * 1000 as "dueInMs"
    from evt.parked_key where ${isOfTopic(partition)} and part = ${partition.partition}
      and next_try_at is not null and drain_requested_at is null
    order by next_try_at limit ${KEYS_PER_DRAIN_MAX}`.execute(db)
  const keys = rows.filter(({ dueInMs }) => dueInMs <= 0)
  const queue = { isTimed: true, ...(await readLettersOf(db, partition, keys, lettersMax)) }
  return { queue, nextInMs: rows[keys.length]?.dueInMs ?? null }
}

/**
 * Counts a try of a key that changed nothing and blames no letter, and says when the next one is. Nothing
 * happens when the key has changed since it was read.
 *
 * @throws {FencedError} when another worker has taken the partition over.
 */
export async function putOffTry(
  db: Database,
  partition: ProjectionPartition,
  { key, fence }: { readonly key: QueuedKey; readonly fence: bigint },
): Promise<void> {
  const timedTries = key.timedTries + 1
  const policy = parkedRetryOf(partition.projection)
  const delayMs = nextTryDelayMs(policy, { mayPass: true, timedTries }, RANDOM)
  await db.transaction().execute(async (trx) => {
    await holdFence(trx, partition, fence)
    await sql`
      update evt.parked_key set attempts = attempts + 1, timed_tries = ${timedTries}::int,
        next_try_at = clock_timestamp() + ${delayMs}::float8 * interval '1 ms'
      where ${isOfTopic(partition)} and part = ${partition.partition}
        and key_md5 = ${key.keyMd5} and revision = ${key.revision}
        and timed_tries = ${key.timedTries} and drain_requested_at is null`.execute(trx)
  })
}

/** Keys of a partition that has no tries any more: lists are not to tell of one that nobody makes. */
export async function forgetTries(
  db: Kysely<unknown>,
  partition: ProjectionPartition,
): Promise<void> {
  await sql`
    update evt.parked_key set next_try_at = null
    where ${isOfTopic(partition)} and part = ${partition.partition}
      and next_try_at is not null`.execute(db)
}

/** Parked keys as they would be replayed whole: the oldest ones, as many as one drain takes. */
export async function readParkedKeys(
  db: Kysely<unknown>,
  partition: TopicOfProjection,
  condition: RawBuilder<boolean>,
): Promise<{ readonly keys: readonly QueuedKey[]; readonly isCut: boolean }> {
  const { rows } = await sql<QueuedKey>`
    select key, key_md5 as "keyMd5", revision, null as "lettersLeft",
      timed_tries as "timedTries"
    from evt.parked_key k where ${isOfTopic(partition)} and ${condition}
    order by parked_at, key_md5 limit ${KEYS_PER_DRAIN_MAX + 1}`.execute(db)
  return { keys: rows.slice(0, KEYS_PER_DRAIN_MAX), isCut: rows.length > KEYS_PER_DRAIN_MAX }
}

/**
 * The letters of keys, in the order in which they were set aside. It is the one of their events, whatever
 * partitions the key went through: each waited there until those before it were applied, or set aside.
 */
export async function readLettersOf(
  db: Kysely<unknown>,
  partition: TopicOfProjection,
  keys: readonly QueuedKey[],
  lettersMax: number = LETTERS_PER_DRAIN_MAX,
): Promise<LetterQueue> {
  if (keys.length === 0) return { keys, letters: [], isCut: false }
  const { rows: sizes } = await sql<{ id: bigint; key: string; bytes: number }>`
    select l.id, l.key, l.bytes
    from unnest(${keys.map(({ keyMd5 }) => keyMd5)}::text[],
        ${keys.map(({ lettersLeft }) => lettersLeft ?? lettersMax + 1)}::int[])
      with ordinality as k (key_md5, letters_left, position)
    cross join lateral (
      select id, key, coalesce(octet_length(value), 0)
          + coalesce(octet_length(edited_value), 0) + octet_length(headers::text) as bytes
      from evt.dead_letter
      where ${isOfTopic(partition)} and md5(key) = k.key_md5
      order by id limit k.letters_left
    ) l
    order by k.position, l.id limit ${lettersMax + 1}`.execute(db)

  let bytes = 0
  const taken = sizes.slice(0, lettersMax).filter((letter, index) => {
    bytes += letter.bytes
    return index === 0 || bytes <= BYTES_PER_DRAIN_MAX
  })
  const isCut = taken.length < sizes.length
  const lastKey = keys.findIndex(({ key }) => key === taken.at(-1)?.key)
  const letters = await readRecords(
    db,
    taken.map(({ id }) => id),
  )
  return { keys: isCut ? keys.slice(0, lastKey + 1) : keys, letters, isCut }
}

type LetterRow = {
  readonly id: bigint
  readonly key: string
  readonly topic: string
  readonly part: number
  readonly log_offset: bigint
  readonly event_time: Date
  readonly key_bytes: Buffer | null
  readonly value: Buffer | null
  readonly edited_value: Buffer | null
  readonly headers: readonly (readonly [string, string | null])[]
}

async function readRecords(
  db: Kysely<unknown>,
  ids: readonly bigint[],
): Promise<readonly QueuedLetter[]> {
  const { rows } = await sql<LetterRow>`
    select id, l.key, topic, part, log_offset, event_time, key_bytes,
      value, edited_value, headers
    from unnest(${ids}::bigint[]) with ordinality as wanted (id, position)
    join evt.dead_letter l using (id) order by position`.execute(db)
  return rows.map((row) => ({ id: row.id, key: row.key, record: recordOf(row) }))
}

function recordOf(row: LetterRow): LogRecord {
  const record: LogRecord = {
    topic: row.topic,
    partition: row.part,
    offset: Number(row.log_offset),
    timestampMs: row.event_time.getTime(),
    key: row.key_bytes,
    value: row.value,
    headers: row.headers.map(([name, value]) => [
      name,
      value === null ? null : Buffer.from(value, 'base64'),
    ]),
  }
  return row.edited_value === null ? record : editedRecord(record, row.edited_value)
}

/**
 * Locks the keys against everybody who changes their letters.
 *
 * @throws {StaleKeysError} when somebody has since they were read, or has asked for a replay of one, or for
 *   another one.
 */
export async function lockKeys(
  trx: Transaction<unknown>,
  partition: ProjectionPartition,
  { keys, request }: Pick<LetterQueue, 'keys' | 'request'>,
): Promise<void> {
  const { rows } = await sql<{ key: string; revision: number; request: string | null }>`
    select key, revision,
      case when drain_requested_at is not null then drain_request end as request
    from evt.parked_key
    where ${isOfTopic(partition)} and part = ${partition.partition}
      and key_md5 = any(${keys.map(({ keyMd5 }) => keyMd5)}::text[])
    order by key_md5 for update`.execute(trx)
  const revisions = new Map(rows.map(({ key, revision }) => [key, revision]))
  if (keys.some(({ key, revision }) => revisions.get(key) !== revision)) {
    throw new StaleKeysError('the letters of a key were changed')
  }
  if (rows.some((key) => key.request !== (request ?? null))) {
    throw new StaleKeysError('somebody has asked for a replay of a key')
  }
}

/** What became of the letters of one key. */
export type KeyOutcome = {
  readonly key: QueuedKey
  readonly appliedCount: number
  /** The letter that failed again: it stays, and those behind it. */
  readonly failed: { readonly id: bigint; readonly letter: Letter } | undefined
}

/** What became of the letters of a queue. */
type Settled = {
  readonly isTimed: boolean
  readonly appliedIds: readonly bigint[]
  readonly outcomes: readonly KeyOutcome[]
}

/**
 * Takes applied letters out of the queue, with a note of who asked for it, if anybody did, and unparks the keys that
 * have none left: the key's next event is live again once the transaction commits. Answers these keys.
 */
export async function settleLetters(
  trx: Transaction<unknown>,
  partition: ProjectionPartition,
  settled: Settled,
): Promise<ReadonlySet<string>> {
  const { appliedIds, outcomes, isTimed } = settled
  if (appliedIds.length > 0) {
    await sql`
      with applied as (delete from evt.dead_letter where id = any(${appliedIds}::bigint[]) returning *)
      insert into evt.dead_letter_log
        (projection_id, version, actor, reason, action, request, letter)
      select l.projection_id, l.version, ${isTimed ? TIMED_NOTE : REPLAY_NOTE}, to_jsonb(l)
      from applied l join evt.parked_key k on (k.projection_id, k.version, k.topic, k.key_md5)
        = (l.projection_id, l.version, l.topic, md5(l.key))
      where k.key_md5 = any(${outcomes.map(({ key }) => key.keyMd5)}::text[])
      order by l.id`.execute(trx)
  }
  for (const { failed } of outcomes) if (failed !== undefined) await noteFailure(trx, failed)
  await settleKeys(trx, partition, settled)
  return unparkEmpty(trx, partition, outcomes)
}

async function noteFailure(
  trx: Transaction<unknown>,
  { id, letter: { cause } }: NonNullable<KeyOutcome['failed']>,
): Promise<void> {
  invariant(cause.kind === 'failed', 'a letter behind another one was not tried')
  await sql`
    update evt.dead_letter set kind = 'failed', stage = ${cause.stage},
      error_class = ${cause.errorClass}, error_code = ${cause.errorCode},
      error_message = ${cause.errorMessage}, error_stack = ${cause.errorStack},
      fingerprint = ${cause.fingerprint}, attempts = attempts + ${cause.attempts},
      last_at = clock_timestamp()
    where id = ${id}`.execute(trx)
}

/** Who has applied a letter, and why: what was asked for, or the key's time. */
const REPLAY_NOTE = sql`k.drain_actor, k.drain_reason, 'replay', k.drain_request`
const TIMED_NOTE = sql`'projector', 'try ' || k.timed_tries + 1, 'retry', null::uuid`

/**
 * A failure, or the last letter that was asked for, ends the replay of a key. A failure is also when it is
 * decided whether, and when, the key is tried again by itself.
 */
async function settleKeys(
  trx: Transaction<unknown>,
  partition: ProjectionPartition,
  { outcomes, isTimed }: Settled,
): Promise<void> {
  const tries = outcomes.map((outcome) => nextTry(partition, outcome, isTimed))
  const settle = sql`
    update evt.parked_key k set attempts = k.attempts + o.failures, timed_tries = o.timed_tries,
      next_try_at = case when o.failures = 0 then k.next_try_at
        else clock_timestamp() + o.delay_ms * interval '1 ms' end
      ${isTimed ? sql`` : REPLAY_ENDS}
    from unnest(${outcomes.map(({ key }) => key.keyMd5)}::text[],
      ${outcomes.map(({ appliedCount }) => appliedCount)}::int[],
      ${outcomes.map(({ failed }) => (failed === undefined ? 0 : 1))}::int[],
      ${tries.map(({ timedTries }) => timedTries)}::int[],
      ${tries.map(({ delayMs }) => delayMs)}::float8[])
      as o (key_md5, applied, failures, timed_tries, delay_ms)
    where ${isOfTopic(partition)} and k.key_md5 = o.key_md5
      and (o.failures > 0 or k.drain_letters_left is not null or k.timed_tries <> o.timed_tries)`
  await (isTimed
    ? settle
    : sql`
    with settled as (${settle} returning k.drain_request, k.drain_joined, o.failures),
    failed as (
      select id, count(*) as keys from settled, unnest(drain_joined || drain_request) as id
      where failures > 0 group by id)
    update evt.replay_request r set failed_keys = r.failed_keys + locked.keys
    from (select id, keys from evt.replay_request join failed using (id) order by id
      for update of replay_request) locked
    where r.id = locked.id`
  ).execute(trx)
}

const REPLAY_ENDS = sql`,
  drain_letters_left = nullif(k.drain_letters_left - o.applied, 0),
  drain_requested_at = case when o.failures > 0 or k.drain_letters_left <= o.applied
    then null else k.drain_requested_at end`

/** Behind a letter that was applied there is another one at the head, which has not been tried yet. */
function nextTry(
  { projection }: ProjectionPartition,
  { key, appliedCount, failed }: KeyOutcome,
  isTimed: boolean,
): { readonly timedTries: number; readonly delayMs: number | null } {
  const before = appliedCount > 0 ? 0 : key.timedTries
  if (failed === undefined) return { timedTries: before, delayMs: null }
  const { cause } = failed.letter
  const timedTries = isTimed && appliedCount === 0 ? before + 1 : before
  const mayPass = cause.kind === 'failed' && cause.mayPass
  const policy = parkedRetryOf(projection)
  return { timedTries, delayMs: nextTryDelayMs(policy, { mayPass, timedTries }, RANDOM) }
}

async function unparkEmpty(
  trx: Transaction<unknown>,
  partition: ProjectionPartition,
  outcomes: readonly KeyOutcome[],
): Promise<ReadonlySet<string>> {
  const keyMd5s = outcomes.map(({ key }) => key.keyMd5)
  // Arrays, not a join: see `keysOf`.
  const { rows: left } = await sql<{ key_md5: string }>`
    select distinct md5(key) as key_md5 from evt.dead_letter
    where ${isOfTopic(partition)} and md5(key) = any(${keyMd5s}::text[])`.execute(trx)
  const hasLetters = new Set(left.map(({ key_md5 }) => key_md5))
  const empty = keyMd5s.filter((keyMd5) => !hasLetters.has(keyMd5))
  if (empty.length === 0) return new Set()
  const { rows } = await sql<{ key: string }>`
    delete from evt.parked_key k
    where ${isOfTopic(partition)} and key_md5 = any(${empty}::text[])
    returning key`.execute(trx)
  return new Set(rows.map(({ key }) => key))
}
