import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BackoffPolicy, backoffDelayMs, invariant } from '@fairlead/base'
import { postgresErrorCode } from '@fairlead/postgres'
import { EffectRanges, type StoredRanges } from '@fairlead/projection'
import { type Transaction, sql } from 'kysely'
import { type TopicPartition, placeOf } from '../log/event-log.ts'
import type { Database } from './database.ts'
import { type Version, VersionError, isRunning, lockVersion, readVersion } from './versions.ts'
import { type LimitWait, showTables } from './views.ts'

/** Readers of the views queue behind the swap for no longer than this; then it steps back. */
const LOCK_TIMEOUT_MS = 500
/** For batches that are under way, which may be large while a version is behind: no reader waits yet. */
const BATCHES_TIMEOUT_MS = 5_000
const LOCK_NOT_AVAILABLE = '55P03'
const DEADLOCK_DETECTED = '40P01'
/** A reader that holds its view for minutes is let through between two attempts. */
const LOCK_BACKOFF: BackoffPolicy = { baseMs: 100, maxMs: 2_000 }

export type PromoteOptions = {
  readonly name: string
  readonly version: number
  /** Records that the live version may be ahead. */
  readonly lagRecordsMax: number
  /** Shows the version although events are missing in it: those of its parked keys. */
  readonly acceptParked: boolean
  /** How long to try to get the locks. */
  readonly timeoutMs: number
}

export type Promoted = {
  readonly live: number
  /** Null when the version was live already, and no other before it. */
  readonly previous: number | null
  /** Of the transaction that swapped. */
  readonly durationMs: number
  readonly attempts: number
}

/**
 * Lets the views in `public` show another version, in one transaction that gives up after 500 ms in
 * which it cannot have the locks of the views, or 5 s for those of batches under way, and comes back
 * after a pause. The version that was live keeps
 * following the log and may be promoted again.
 *
 * @throws {VersionError} for a version that cannot be shown: unknown, not built, retired, more than
 *   `lagRecordsMax` behind, or with parked keys; LOCKED when readers held the views for all of
 *   `timeoutMs`.
 */
export async function promote(db: Database, options: PromoteOptions): Promise<Promoted> {
  const deadlineMs = performance.now() + options.timeoutMs
  for (let attempts = 1; ; attempts += 1) {
    const startedMs = performance.now()
    try {
      const previous = await db.transaction().execute((trx) => swap(trx, options))
      const durationMs = performance.now() - startedMs
      return { live: options.version, previous, durationMs, attempts }
    } catch (error) {
      const code = postgresErrorCode(error)
      if (code !== LOCK_NOT_AVAILABLE && code !== DEADLOCK_DETECTED) throw error
    }
    if (performance.now() >= deadlineMs) {
      throw new VersionError(
        'LOCKED',
        `other transactions held ${options.name} for ${options.timeoutMs} ms, in ${attempts} attempts: look for long ones in pg_stat_activity, and promote again`,
      )
    }
    await sleep(backoffDelayMs(attempts, LOCK_BACKOFF, { int: (bound) => randomInt(bound) }))
  }
}

/** Shows the version that was live before this one. */
export async function rollback(
  db: Database,
  { name, ...options }: Omit<PromoteOptions, 'version'>,
): Promise<Promoted> {
  const previous = await previousVersion(db, name)
  return promote(db, { ...options, name, version: previous })
}

async function previousVersion(db: Database, name: string): Promise<number> {
  const { rows } = await sql<{ previous_version: number | null }>`
    select previous_version from evt.projection where name = ${name}`.execute(db)
  const [row] = rows
  if (row === undefined) {
    throw new VersionError('UNKNOWN_PROJECTION', `there is no projection ${name}`)
  }
  if (row.previous_version !== null) return row.previous_version
  throw new VersionError('NO_EARLIER_VERSION', `${name} has had no other version before this one`)
}

/** Returns the version that was live. */
async function swap(trx: Transaction<unknown>, options: PromoteOptions): Promise<number | null> {
  await waitLimit(trx, BATCHES_TIMEOUT_MS)()
  const target = await lockVersion(trx, options)
  const { projectionId, liveVersion, schemaName } = target
  if (liveVersion === target.version) return target.previousVersion
  refuseUnbuilt(target)
  invariant(liveVersion !== null, 'the first version is live from its registration on')
  const live = await readVersion(trx, { name: options.name, version: liveVersion })
  // Batches of both versions that are under way commit first: then the two checkpoints hold still.
  const offsets = await lockCheckpoints(trx, { projectionId, live: live.version, target })
  refuseLag(offsets, { live, target, options })
  if (!options.acceptParked) await refuseParked(trx, target)
  await handOverEffects(trx, { live, target, offsets })
  await setLive(trx, target)
  // The views come last: their readers wait from here on.
  const limitWait = waitLimit(trx, LOCK_TIMEOUT_MS)
  await showTables(trx, schemaName, { schemaName: live.schemaName, limitWait })
  return live.version
}

/** All locks together may take as long as one: the readers of the first wait for the last. */
function waitLimit(trx: Transaction<unknown>, timeoutMs: number): LimitWait {
  const deadlineMs = performance.now() + timeoutMs
  return async () => {
    const leftMs = Math.max(1, Math.round(deadlineMs - performance.now()))
    await sql`set local lock_timeout = ${sql.lit(leftMs)}`.execute(trx)
  }
}

function refuseUnbuilt({ name, version, state, reason }: Version): void {
  if (version < 0) {
    throw new VersionError('THROW_AWAY', `${name} v${version} shows a moment; it is never live`)
  }
  if (isRunning(state)) return
  if (state === 'retired') {
    throw new VersionError('RETIRED', `${name} v${version} is retired: its tables are gone`)
  }
  const why = state === 'failed' ? `has failed: ${reason ?? ''}` : 'is still being built'
  throw new VersionError('NOT_BUILT', `${name} v${version} ${why}`)
}

type CheckpointRow = TopicPartition & { readonly version: number; readonly next_offset: bigint }

type At = { readonly partition: number; readonly live: number; readonly target: number }
/** By topic and partition. */
type Offsets = ReadonlyMap<string, At>

async function lockCheckpoints(
  trx: Transaction<unknown>,
  { projectionId, live, target }: { projectionId: number; live: number; target: Version },
): Promise<Offsets> {
  const { rows } = await sql<CheckpointRow>`
    select version, topic, part as "partition", next_offset from evt.checkpoint
    where projection_id = ${projectionId} and version in (${live}, ${target.version})
    order by version, topic, part for update`.execute(trx)
  const offsets = new Map<string, At>()
  for (const row of rows) {
    const { partition } = row
    const at = offsets.get(placeOf(row)) ?? { partition, live: 0, target: 0 }
    const nextOffset = Number(row.next_offset)
    const changed = row.version === live ? { live: nextOffset } : { target: nextOffset }
    offsets.set(placeOf(row), { ...at, ...changed })
  }
  return offsets
}

function refuseLag(
  offsets: Offsets,
  { live, target, options }: { live: Version; target: Version; options: PromoteOptions },
): void {
  let lag = 0
  for (const at of offsets.values()) lag += Math.max(0, at.live - at.target)
  if (lag <= options.lagRecordsMax) return
  throw new VersionError(
    'LAGS_BEHIND',
    `${target.name} v${target.version} is ${lag} records behind version ${live.version}: does a projector run it? ${options.lagRecordsMax} are allowed`,
  )
}

async function refuseParked(trx: Transaction<unknown>, target: Version): Promise<void> {
  const { rows } = await sql<{ count: bigint }>`
    select count(*) from evt.parked_key
    where projection_id = ${target.projectionId} and version = ${target.version}`.execute(trx)
  const count = rows[0]?.count ?? 0n
  if (count === 0n) return
  throw new VersionError(
    'PARKED_KEYS',
    `${target.name} v${target.version} has ${count} parked keys, whose events its rows lack: look at its dead letters, or accept them explicitly`,
  )
}

/** From the greater of the two checkpoints on, side effects are the new version's. */
async function handOverEffects(
  trx: Transaction<unknown>,
  { live, target, offsets }: { live: Version; target: Version; offsets: Offsets },
): Promise<void> {
  // Only handlers in SQL have effects, and they read one topic.
  const at = new Map(
    [...offsets.values()].map((each) => [each.partition, Math.max(each.live, each.target)]),
  )
  const closed = new EffectRanges({ stored: live.effects, isLive: true }).closedAt(at)
  const opened = new EffectRanges({ stored: target.effects, isLive: false }).openedAt(at)
  await setState(trx, live, { state: 'standby', effects: closed })
  await setState(trx, target, { state: 'live', effects: opened })
}

async function setState(
  trx: Transaction<unknown>,
  { projectionId, version }: Version,
  to: { readonly state: 'live' | 'standby'; readonly effects: StoredRanges },
): Promise<void> {
  await sql`
    update evt.projection_version set state = ${to.state}, effects = ${JSON.stringify(to.effects)}
    where projection_id = ${projectionId} and version = ${version}`.execute(trx)
}

async function setLive(trx: Transaction<unknown>, target: Version): Promise<void> {
  const { projectionId, version } = target
  await sql`
    update evt.projection set previous_version = live_version, live_version = ${version},
      promoted_at = clock_timestamp()
    where id = ${projectionId}`.execute(trx)
}
