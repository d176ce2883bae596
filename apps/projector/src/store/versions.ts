import { OperationalError } from '@fairlead/base'
import { EffectRanges, type Projection, type StoredRanges } from '@fairlead/projection'
import { type Kysely, type Transaction, sql } from 'kysely'
import type { RegisteredProjection } from './registered-projection.ts'

/** See `evt.projection_version.state` in `sql/migrations`. */
export type VersionState =
  | 'building'
  | 'catching_up'
  | 'ready'
  | 'live'
  | 'standby'
  | 'failed'
  | 'retired'

/** States in which partition workers apply the log. */
export const RUNNING_STATES = ['catching_up', 'ready', 'live', 'standby'] as const

export function isRunning(state: VersionState): boolean {
  return RUNNING_STATES.some((running) => running === state)
}

/** What shows a moment is left as it was filled. */
export function followsLog({ version, state }: Pick<Version, 'version' | 'state'>): boolean {
  return version > 0 && isRunning(state)
}

type VersionErrorCode =
  | 'UNKNOWN_PROJECTION'
  | 'UNKNOWN_VERSION'
  | 'NO_EARLIER_VERSION'
  | 'NOT_BUILT'
  | 'NOT_BUILDING'
  | 'RETIRED'
  | 'LIVE'
  | 'LAGS_BEHIND'
  | 'EFFECTS_PENDING'
  | 'SUPERSEDED'
  | 'PARKED_KEYS'
  | 'DEPENDENT'
  | 'LOCKED'
  | 'BUSY'
  | 'THROW_AWAY'
  | 'NOT_A_FOLD'
  | 'BAD_MOMENT'
  | 'BAD_ORDER'

/** Time helps, as a rule. */
const RETRYABLE: ReadonlySet<VersionErrorCode> = new Set([
  'LAGS_BEHIND',
  'EFFECTS_PENDING',
  'LOCKED',
])

/** What was asked for cannot be done with the version as it is. The message says what can. */
export class VersionError extends OperationalError {
  override readonly name = 'VersionError'
  declare readonly code: VersionErrorCode

  constructor(code: VersionErrorCode, message: string) {
    super(message, { code, retryable: RETRYABLE.has(code) })
  }
}

export type Version = {
  readonly projectionId: number
  readonly name: string
  readonly version: number
  readonly state: VersionState
  /** Null when nobody has run the version since its kind is noted. */
  readonly kind: Projection['kind'] | null
  readonly schemaName: string
  readonly reason: string | null
  readonly target: Readonly<Record<string, number>> | null
  readonly effects: StoredRanges | null
  readonly pausedBy: string | null
  readonly liveVersion: number | null
  readonly previousVersion: number | null
}

const COLUMNS = sql`v.projection_id as "projectionId", p.name, v.version, v.state, v.kind,
  v.schema_name as "schemaName", v.reason, v.target, v.effects,
  case when v.paused_at is not null then coalesce(v.paused_by, '') end as "pausedBy",
  p.live_version as "liveVersion", p.previous_version as "previousVersion"`

/** Only handlers in SQL have side effects; a version of which that is not known may have some. */
export function hasEffects({ kind }: Pick<Version, 'kind'>): boolean {
  return kind === 'sql' || kind === null
}

/** Versions of a projection, oldest first. @throws {VersionError} UNKNOWN_PROJECTION */
export async function readVersions(db: Kysely<unknown>, name: string): Promise<readonly Version[]> {
  const { rows } = await sql<Version>`
    select ${COLUMNS} from evt.projection p join evt.projection_version v on v.projection_id = p.id
    where p.name = ${name} order by v.version`.execute(db)
  if (rows.length > 0) return rows
  throw new VersionError(
    'UNKNOWN_PROJECTION',
    `there is no projection ${name}: GET /projections lists those there are`,
  )
}

/** @throws {VersionError} UNKNOWN_PROJECTION, UNKNOWN_VERSION */
export async function readVersion(
  db: Kysely<unknown>,
  { name, version }: { readonly name: string; readonly version: number },
): Promise<Version> {
  const versions = await readVersions(db, name)
  const found = versions.find((each) => each.version === version)
  if (found !== undefined) return found
  const known = versions.map((each) => each.version).join(', ')
  throw new VersionError('UNKNOWN_VERSION', `there is no ${name} v${version}, only ${known}`)
}

/** Versions of projections but throw-away ones, which nothing follows the log for, and of which there may be many. */
export async function readVersionsById(
  db: Kysely<unknown>,
  projectionIds: readonly number[],
): Promise<readonly Version[]> {
  const { rows } = await sql<Version>`
    select ${COLUMNS} from evt.projection p join evt.projection_version v on v.projection_id = p.id
    where p.id = any(${projectionIds}::int[]) and v.version > 0`.execute(db)
  return rows
}

/** Those that follow the log. */
export async function runningOf(
  db: Kysely<unknown>,
  registered: readonly RegisteredProjection[],
): Promise<readonly RegisteredProjection[]> {
  const ids = new Set(registered.map(({ projectionId }) => projectionId))
  const versions = await readVersionsById(db, [...ids])
  return registered.filter(({ projectionId, projection }) =>
    versions.some(
      (each) =>
        each.projectionId === projectionId &&
        each.version === projection.version &&
        isRunning(each.state),
    ),
  )
}

/**
 * Keeps others from changing the version until the transaction ends, and says its state. The row of
 * the projection comes first in every transaction that takes both.
 */
export async function lockVersion(
  trx: Transaction<unknown>,
  { name, version }: { readonly name: string; readonly version: number },
): Promise<Version> {
  await sql`select from evt.projection where name = ${name} for update`.execute(trx)
  return readVersion(trx, { name, version })
}

/**
 * The offsets whose side effects are the version's; only handlers in SQL have any. Call with the lock of a checkpoint of the version
 * held, on which a swap of versions waits.
 */
export async function readEffectRanges(
  trx: Transaction<unknown>,
  { projection, projectionId }: RegisteredProjection,
): Promise<EffectRanges> {
  if (projection.kind !== 'sql') return EffectRanges.none
  const { rows } = await sql<{ isLive: boolean; effects: StoredRanges | null }>`
    select state = 'live' as "isLive", effects from evt.projection_version
    where projection_id = ${projectionId} and version = ${projection.version}`.execute(trx)
  const [row] = rows
  return row === undefined
    ? EffectRanges.none
    : new EffectRanges({ stored: row.effects, isLive: row.isLive })
}

/** @throws {VersionError} NOT_BUILT unless the version follows the log: what it has is filled anew, or gone. */
export async function expectRunning(
  trx: Transaction<unknown>,
  { projection, projectionId }: RegisteredProjection,
): Promise<void> {
  const { rows } = await sql<{ state: VersionState }>`
    select state from evt.projection_version
    where projection_id = ${projectionId} and version = ${projection.version}`.execute(trx)
  const state = rows[0]?.state ?? 'retired'
  if (isRunning(state)) return
  throw new VersionError(
    'NOT_BUILT',
    `${projection.name} v${projection.version} is ${state}: it has no rows to look at`,
  )
}

/** Stops or continues a version, or all of a projection that follow the log, in every process. */
export async function setPaused(
  db: Kysely<unknown>,
  target: { readonly name: string; readonly version?: number; readonly pausedBy: string | null },
): Promise<readonly number[]> {
  const versions = (await readVersions(db, target.name)).filter(
    ({ version, state }) =>
      followsLog({ version, state }) &&
      (target.version === undefined || target.version === version),
  )
  if (versions.length === 0) {
    throw new VersionError(
      'UNKNOWN_VERSION',
      `no version of ${target.name} that follows the log was asked for`,
    )
  }
  const numbers = versions.map(({ version }) => version)
  await sql`
    update evt.projection_version set
      paused_at = ${target.pausedBy === null ? null : sql`coalesce(paused_at, clock_timestamp())`},
      paused_by = ${target.pausedBy}
    where projection_id = ${versions[0]?.projectionId} and version = any(${numbers}::int[])`.execute(
    db,
  )
  return numbers
}
