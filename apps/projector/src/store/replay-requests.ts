import { type RawBuilder, sql } from 'kysely'
import type { Database } from './database.ts'
import { LetterOrderError } from './letter-orders.ts'

/** A replay that somebody asked for, and how far it is. */
export type ReplayRequest = {
  readonly request: string
  readonly at: Date
  readonly projection: string
  readonly version: number
  /** Null unless an operator paused the version: then nothing of the replay is carried out. */
  readonly pausedBy: string | null
  /** Keys whose letters are still to be applied. */
  readonly pendingKeys: number
  /** Keys whose letter failed again. */
  readonly failedKeys: number
  /** Letters applied so far; those that a later replay of the key applied are that one's. */
  readonly replayed: number
}

/** @throws {LetterOrderError} NOT_FOUND */
export async function replayRequest(db: Database, request: string): Promise<ReplayRequest> {
  const [found] = await select(db, { where: sql`id = ${request}::uuid`, limit: 1 })
  if (found !== undefined) return found
  throw noSuchReplay(request)
}

/** The newest first. @throws {LetterOrderError} NOT_FOUND, where there is no `after` */
export async function listReplayRequests(
  db: Database,
  filter: {
    readonly projection?: string | undefined
    /** `live`: of each projection the version that readers see. */
    readonly version?: number | 'live' | undefined
    readonly limit: number
    /** Those behind this request: the last one of the page before. */
    readonly after?: string | undefined
  },
): Promise<readonly ReplayRequest[]> {
  const { projection, version, limit, after } = filter
  if (after !== undefined) await refuseUnknown(db, after)
  const where = sql<boolean>`${projection === undefined ? sql`true` : isOfProjection(projection)}
    and ${version === undefined ? sql`true` : isOfVersion(version)}
    and ${after === undefined ? sql`true` : isBehind(after)}`
  return select(db, { where, limit })
}

async function refuseUnknown(db: Database, request: string): Promise<void> {
  const { rows } = await sql`select from evt.replay_request where id = ${request}::uuid`.execute(db)
  if (rows.length === 0) throw noSuchReplay(request)
}

function noSuchReplay(request: string): LetterOrderError {
  return new LetterOrderError('NOT_FOUND', `there is no replay ${request}`)
}

function isOfProjection(name: string): RawBuilder<boolean> {
  return sql`projection_id = (select p.id from evt.projection p where p.name = ${name})`
}

function isOfVersion(version: number | 'live'): RawBuilder<boolean> {
  return version === 'live'
    ? sql`version = (select p.live_version from evt.projection p where p.id = projection_id)`
    : sql`version = ${version}`
}

function isBehind(request: string): RawBuilder<boolean> {
  return sql`(at, id)
    < (select last.at, last.id from evt.replay_request last where last.id = ${request}::uuid)`
}

/** Requests are kept for good: the keys of those of the page are counted, of no others. */
async function select(
  db: Database,
  { where, limit }: { readonly where: RawBuilder<boolean>; readonly limit: number },
): Promise<readonly ReplayRequest[]> {
  const { rows } = await sql<ReplayRequest>`
    select r.id as request, r.at, p.name as projection, r.version,
      case when v.paused_at is not null then coalesce(v.paused_by, '') end as "pausedBy",
      keys.pending as "pendingKeys", r.failed_keys as "failedKeys",
      (select count(*)::int from evt.dead_letter_log a where a.request = r.id) as replayed
    from (
      select * from evt.replay_request where ${where} order by at desc, id desc limit ${limit}
    ) r
    join evt.projection p on p.id = r.projection_id
    left join evt.projection_version v on (v.projection_id, v.version) = (r.projection_id, r.version)
    cross join lateral (
      select count(*) filter (where drain_requested_at is not null)::int as pending
      from evt.parked_key k
      -- A replay that another one took a key over from is under way while that one is.
      where k.drain_request = r.id or (k.drain_joined <> '{}' and k.drain_joined @> array[r.id])
    ) keys
    order by r.at desc, r.id desc`.execute(db)
  return rows
}
