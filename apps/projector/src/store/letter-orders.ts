import { randomUUID } from 'node:crypto'
import { OperationalError } from '@fairlead/base'
import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { Database } from './database.ts'
import { type GoneLetter, settleGone } from './gone-letters.ts'

/** So many replays of a key are told of its end, the last ones. */
const JOINED_MAX = 8

/** Who does something to letters, and why. */
export type Actor = { readonly actor: string; readonly reason: string }

/** Letters of one version of a projection. */
export type LetterSelection =
  /** One letter. */
  | { readonly by: 'id'; readonly id: bigint }
  /** All letters of one key. */
  | { readonly by: 'key'; readonly key: string }
  /** All letters of one tenant. */
  | { readonly by: 'tenant'; readonly tenant: string }
  /** Those that failed for one cause. */
  | { readonly by: 'fingerprint'; readonly fingerprint: string }
  | { readonly by: 'errorClass'; readonly errorClass: string }
  | { readonly by: 'all' }

/** One version of a projection, by its ids. */
export type VersionIds = { readonly projectionId: number; readonly version: number }

/** Nothing was done; `code` says why. */
export class LetterOrderError extends OperationalError {
  override readonly name = 'LetterOrderError'
  declare readonly code: LetterOrderCode

  constructor(code: LetterOrderCode, message: string) {
    super(message, { code, retryable: false })
  }
}

type LetterOrderCode = 'NOT_FOUND' | 'NOT_THE_HEAD' | 'EDIT_REFUSED' | 'NOT_EDITED'

/** Whether there is one of this name, whoever runs it. */
export async function isProjection(db: Kysely<unknown>, name: string): Promise<boolean> {
  const { rows } = await sql`select from evt.projection where name = ${name}`.execute(db)
  return rows.length > 0
}

/**
 * The version of a projection; without `version` the live one, as with `live`.
 *
 * @throws {LetterOrderError} NOT_FOUND
 */
export async function findVersion(
  db: Kysely<unknown>,
  projection: string,
  version: number | 'live' | undefined,
): Promise<VersionIds> {
  const number = version === 'live' ? null : (version ?? null)
  const { rows } = await sql<VersionIds>`
    select v.projection_id as "projectionId", v.version from evt.projection p
    join evt.projection_version v on v.projection_id = p.id
    where p.name = ${projection} and v.version = coalesce(${number}::int, p.live_version)`.execute(
    db,
  )
  const [found] = rows
  if (found !== undefined) return found
  const which = number === null ? 'that is live' : `v${number}`
  throw new LetterOrderError('NOT_FOUND', `there is no projection ${projection} ${which}`)
}

/**
 * Asks the owners of the partitions to apply letters again, key by key and each key in its order. One
 * letter is applied alone, and only when it is the first of its key; where a replay of the whole key is under
 * way, that one goes on.
 *
 * @throws {LetterOrderError} NOT_FOUND, NOT_THE_HEAD
 */
export async function requestReplay(
  db: Database,
  version: VersionIds,
  selection: LetterSelection,
  options: Actor & { readonly lettersPerSecond?: number | undefined },
): Promise<{ readonly request: string; readonly keys: number }> {
  const request = randomUUID()
  const isOne = selection.by === 'id'
  return db.transaction().execute(async (trx) => {
    // A drain may be about to take a letter out: which one is the head is told behind it.
    await lockKeysOf(trx, version, selection)
    if (isOne) await refuseFollower(trx, version, selection.id)
    const selected = await keysOf(trx, version, selection)
    // Somebody has asked for all of the key.
    const staysWhole = isOne
      ? sql`drain_requested_at is not null and drain_letters_left is null`
      : sql`false`
    const { numAffectedRows } = await sql`
      update evt.parked_key k set drain_request = ${request},
        drain_joined = case when drain_requested_at is null then '{}'
          else (drain_joined || drain_request)[greatest(1, cardinality(drain_joined) + 2 - ${JOINED_MAX}):] end,
        drain_requested_at = clock_timestamp(), drain_actor = ${options.actor},
        drain_reason = ${options.reason},
        drain_letters_left = case when ${staysWhole} then null else ${isOne ? 1 : null}::int end,
        drain_letters_per_second = case when ${staysWhole} then drain_letters_per_second
          else ${options.lettersPerSecond ?? null}::int end
      where ${isOfVersion(version)} and ${selected}`.execute(trx)
    const keys = Number(numAffectedRows ?? 0n)
    if (keys === 0) throw nothingSelected(selection)
    await sql`insert into evt.replay_request (id, projection_id, version)
      values (${request}, ${version.projectionId}, ${version.version})`.execute(trx)
    return { request, keys }
  })
}

/**
 * The key's order is what parking is for: nothing overtakes the letter at its head.
 *
 * @throws {LetterOrderError} NOT_THE_HEAD
 */
export async function refuseFollower(
  db: Kysely<unknown>,
  version: VersionIds,
  id: bigint,
): Promise<void> {
  const { rows } = await sql<{ id: bigint; key: string }>`
    select l.id, l.key from evt.parked_key k
    cross join lateral (
      select * from evt.dead_letter l where ${IS_OF_KEY} order by l.id limit 1) l
    where ${isOfVersion(version)} and ${await keysOf(db, version, { by: 'id', id })}`.execute(db)
  const [head] = rows
  if (head === undefined || head.id === id) return
  throw new LetterOrderError(
    'NOT_THE_HEAD',
    `letter ${id} waits behind letter ${head.id} of its key: replay or discard that one first, or replay the whole key`,
  )
}

/**
 * Gives letters up, with a note of each. A key that has none left is released; letters behind a
 * discarded one wait for a replay, or for the key's next try.
 *
 * @throws {LetterOrderError} NOT_FOUND
 */
export async function discardLetters(
  db: Database,
  version: VersionIds,
  selection: LetterSelection,
  { actor, reason }: Actor,
): Promise<{ readonly discarded: number }> {
  const request = randomUUID()
  return db.transaction().execute(async (trx) => {
    await lockKeysOf(trx, version, selection)
    const { rows: gone } = await sql<GoneLetter>`
      with gone as (
        delete from evt.dead_letter l
        where (l.projection_id, l.version) = (${version.projectionId}::int, ${version.version}::int)
          and ${lettersOf(selection)} returning *
      ), noted as (
        insert into evt.dead_letter_log
          (actor, reason, action, projection_id, version, request, letter)
        select ${actor}, ${reason}, 'discard', projection_id, version, ${request}::uuid, to_jsonb(gone)
        from gone
      )
      select id, topic, md5(key) as "keyMd5" from gone`.execute(trx)
    if (gone.length === 0) throw nothingSelected(selection)
    await settleGone(trx, version, gone)
    await forgetTriesOfHeads(trx, version, [...new Set(gone.map(({ keyMd5 }) => keyMd5))])
    return { discarded: gone.length }
  })
}

/**
 * Against everybody who changes their letters: what is read behind it holds until the transaction ends. All of
 * them lock keys before letters, and keys in the order of their digests.
 */
async function lockKeysOf(
  trx: Kysely<unknown>,
  version: VersionIds,
  selection: LetterSelection,
): Promise<void> {
  await sql`select from evt.parked_key k
    where ${isOfVersion(version)} and ${await keysOf(trx, version, selection)}
    order by key_md5, topic for update`.execute(trx)
}

/**
 * Tries are those of the letter at the head. One that waited behind a discarded one has not been tried: it has
 * all tries before it, the first of them once there was time to discard it as well.
 */
async function forgetTriesOfHeads(
  trx: Kysely<unknown>,
  version: VersionIds,
  keyMd5s: readonly string[],
): Promise<void> {
  await sql`
    update evt.parked_key k set timed_tries = 0,
      next_try_at = coalesce(next_try_at, clock_timestamp() + interval '1 minute')
    where ${isOfVersion(version)} and key_md5 = any(${keyMd5s}::text[]) and timed_tries > 0
      and 'blocked' = (select l.kind from evt.dead_letter l where ${IS_OF_KEY}
        order by l.id limit 1)`.execute(trx)
}

/**
 * Has `value` applied in the place of what the letter holds; null takes an edit back. The original
 * stays as it is.
 *
 * @throws {LetterOrderError} NOT_FOUND; NOT_EDITED where there is no edit to take back
 */
export async function editLetter(
  db: Database,
  edit: Actor & { readonly id: bigint; readonly value: Uint8Array | null },
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await sql`
      update evt.parked_key k set revision = revision + 1
      where exists (select from evt.dead_letter l where ${IS_OF_KEY} and l.id = ${edit.id})`.execute(
      trx,
    )
    // Behind that: a drain that held the key has taken what it applied out by now.
    const { numAffectedRows: notedCount } = await sql`
      with edited as (
        update evt.dead_letter set edited_value = ${edit.value} where id = ${edit.id}
          and (edited_value is not null or ${edit.value}::bytea is not null) returning *
      )
      insert into evt.dead_letter_log (actor, reason, action, projection_id, version, letter)
      select ${edit.actor}, ${edit.reason}, 'edit', projection_id, version, to_jsonb(edited)
      from edited`.execute(trx)
    if (notedCount !== 1n) throw await notEdited(trx, edit.id)
  })
}

async function notEdited(trx: Kysely<unknown>, id: bigint): Promise<LetterOrderError> {
  const { rows } = await sql`select from evt.dead_letter where id = ${id}`.execute(trx)
  if (rows.length === 0) return nothingSelected({ by: 'id', id })
  return new LetterOrderError(
    'NOT_EDITED',
    `letter ${id} has no edit to take back: it is applied as it was written`,
  )
}

/** Whether `evt.dead_letter l` is one of `evt.parked_key k`. */
export const IS_OF_KEY: RawBuilder<boolean> = sql`(l.projection_id, l.version, l.topic, md5(l.key))
  = (k.projection_id, k.version, k.topic, k.key_md5)`

function isOfVersion({ projectionId, version }: VersionIds): RawBuilder<boolean> {
  return sql`k.projection_id = ${projectionId} and k.version = ${version}`
}

/**
 * Of `evt.parked_key k`: the keys of a version that a selection means.
 *
 * Keys are looked up in an array, not in a join: thousands of letters are written within a second, and
 * a planner that has not counted them yet compares every key with every letter.
 */
export async function keysOf(
  db: Kysely<unknown>,
  { projectionId, version }: VersionIds,
  selection: LetterSelection,
): Promise<RawBuilder<boolean>> {
  switch (selection.by) {
    case 'all':
      return sql`true`
    case 'key':
      return sql`k.key_md5 = md5(${selection.key}) and k.key = ${selection.key}`
    case 'tenant':
      return sql`k.tenant = ${selection.tenant}`
    case 'id':
    case 'fingerprint':
    case 'errorClass': {
      const { rows } = await sql<{ topic: string; key_md5: string }>`
        select distinct l.topic, md5(l.key) as key_md5 from evt.dead_letter l
        where l.projection_id = ${projectionId} and l.version = ${version}
          and ${lettersOf(selection)}`.execute(db)
      return sql`k.topic || ' ' || k.key_md5
        = any(${rows.map(({ topic, key_md5 }) => `${topic} ${key_md5}`)}::text[])`
    }
  }
}

/** Of `evt.dead_letter l`: the letters themselves. */
function lettersOf(selection: LetterSelection): RawBuilder<boolean> {
  switch (selection.by) {
    case 'all':
      return sql`true`
    case 'key':
      return sql`md5(l.key) = md5(${selection.key}) and l.key = ${selection.key}`
    case 'tenant':
      return sql`l.tenant = ${selection.tenant}`
    case 'id':
      return sql`l.id = ${selection.id}`
    case 'fingerprint':
      return sql`l.fingerprint = ${selection.fingerprint} and l.kind = 'failed'`
    case 'errorClass':
      return sql`l.error_class = ${selection.errorClass} and l.kind = 'failed'`
  }
}

/** The error of a selection that nothing matches. */
export function nothingSelected(selection: LetterSelection): LetterOrderError {
  const texts = {
    id: (value: unknown) => `there is no letter ${String(value)}`,
    key: (value: unknown) => `key "${String(value)}" is not parked`,
    tenant: (value: unknown) => `nothing of tenant "${String(value)}" is parked`,
    fingerprint: (value: unknown) => `no letter has the fingerprint ${String(value)}`,
    errorClass: (value: unknown) => `no letter failed with ${String(value)}`,
    all: () => 'nothing is parked',
  }
  const value = selection.by === 'all' ? undefined : Object.values(selection)[1]
  return new LetterOrderError('NOT_FOUND', texts[selection.by](value))
}
