import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BackoffPolicy, backoffDelayMs, errorMessage, invariant } from '@fairlead/base'
import type { StoredRanges } from '@fairlead/projection'
import { type Transaction, sql } from 'kysely'
import type { Database } from './database.ts'
import { isHeld } from './held-locks.ts'
import { ViewsHeld, bridgeViews, bridgedViews, settleViews } from './bridge-views.ts'
import {
  type FirstSeen,
  StillBehind,
  effectsPending,
  handedOver,
  refuseFarBehind,
  stopAbreast,
} from './swap-offsets.ts'
import { expectOpen } from './jobs.ts'
import { placesOf } from './version-places.ts'
import { type Version, VersionError, isRunning, lockVersion, readVersion } from './versions.ts'
import { planShowing } from './views.ts'
import { waitLimit } from './wait-limit.ts'

/** Readers of the views queue behind the swap for no longer than this; then it steps back. */
const LOCK_TIMEOUT_MS = 500
/** For batches that are under way, which may be large while a version is behind: no reader waits yet. */
const BATCHES_TIMEOUT_MS = 5_000
/** For views of tenants that read two versions, once one of them is live: they are right meanwhile. */
const SETTLE_TIMEOUT_MIN_MS = 5_000
/** A reader that holds its view for minutes is let through between two attempts. */
const LOCK_BACKOFF: BackoffPolicy = { baseMs: 100, maxMs: 2_000 }

export type PromoteOptions = SwapOptions & {
  readonly name: string
  readonly version: number
  /** Job that it is done for, after which nothing else may have been shown: else it was for another situation. */
  readonly jobId?: bigint
}

export type SwapOptions = {
  /** Records that readers may be taken back by. */
  readonly lagRecordsMax: number
  /** Shows the version although events are missing in it: those of its parked keys. */
  readonly acceptParked: boolean
  /** Shows it although the live version, which is behind, may never have the effects that are its own. */
  readonly acceptLostEffects: boolean
  /** When to give up, once an attempt has failed. */
  readonly timeoutMs: number
}

export type Promoted = {
  readonly live: number
  /** Null when the version was live already, and no other before it. */
  readonly previous: number | null
  /** Records whose side effects the previous version has once it gets there. */
  readonly effectsPending: number
  /** Views of tenants that others held for so long that they read the former version as well, in vain. */
  readonly viewsHeld: number
  /** Of the transaction that swapped. */
  readonly durationMs: number
  readonly attempts: number
}

/**
 * Lets views show another version, in one transaction, which waits for batches under
 * way, and for the version to catch up with the live one, before it takes views from their readers.
 * It steps back where it has to wait for long, and comes again after a pause. The version that was live
 * keeps following the log and may be promoted again.
 *
 * An attempt waits up to 8 s: 5 s for all batches, 2 s to catch up, 500 ms for all views. Views of tenants may be
 * any number: they are let to read both versions before, some at a time, and the one that is live after it, so that
 * the transaction needs none of them but those whose columns change.
 *
 * @throws {VersionError} for a version that cannot be shown: unknown, not built, retired, with parked
 *   keys, or over which something in a schema of views stands; LAGS_BEHIND when it is far behind, or did not
 *   catch up in `timeoutMs`; EFFECTS_PENDING when the live version is far behind, and did not move in
 *   `timeoutMs`; SUPERSEDED behind a swap that is later than the job; LOCKED when others held batches or views for all of it, and when the version is live, but its
 *   views could not be looked after; the message says so.
 */
export async function promote(db: Database, options: PromoteOptions): Promise<Promoted> {
  const deadlineMs = performance.now() + options.timeoutMs
  // Views that are ready stay so where not all are in time: another promotion goes on with the rest.
  await bridge(db, options, deadlineMs)
  const swapped = await swapInTime(db, options, deadlineMs).catch(async (error: unknown) => {
    // A view that is left reads what it read before; why there was no swap says more than why it is left.
    await settle(db, options.name, deadlineMs).catch(() => {})
    throw error
  })
  try {
    return { ...swapped, viewsHeld: await settle(db, options.name, deadlineMs) }
  } catch (error) {
    throw unsettled(options, error)
  }
}

/** Who rolled back, and was told of a failure alone, would roll back once more, to the version that is to go. */
function unsettled({ name, version }: PromoteOptions, error: unknown): VersionError {
  return new VersionError(
    'LOCKED',
    `${name} v${version} is live, but not all views could be made to read it alone: ${errorMessage(error)}. They show it; promote v${version} once more`,
  )
}

/** What an attempt would refuse at once is refused before any view is touched. */
async function bridge(db: Database, options: PromoteOptions, deadlineMs: number): Promise<void> {
  const versions = await db.transaction().execute(async (trx) => {
    const target = await readVersion(trx, options)
    const { liveVersion } = target
    if (liveVersion === target.version || liveVersion === null) return null
    refuseUnbuilt(target)
    await refuseSuperseded(trx, options)
    if (!options.acceptParked) await refuseParked(trx, target)
    const live = await readVersion(trx, { name: options.name, version: liveVersion })
    await refuseFarBehind(trx, { ...options, live, target })
    return { live, target }
  })
  if (versions === null) return
  try {
    await bridgeViews(db, versions, deadlineMs)
  } catch (error) {
    if (error instanceof ViewsHeld) throw locked(options, error.message)
    throw error
  }
}

/** How many views still read two versions. They show the live one, with the columns that they had. */
async function settle(db: Database, name: string, deadlineMs: number): Promise<number> {
  try {
    await settleViews(db, name, Math.max(deadlineMs, performance.now() + SETTLE_TIMEOUT_MIN_MS))
    return 0
  } catch (error) {
    if (error instanceof ViewsHeld) return error.leftCount
    throw error
  }
}

async function swapInTime(
  db: Database,
  options: PromoteOptions,
  deadlineMs: number,
): Promise<Omit<Promoted, 'viewsHeld'>> {
  const firstSeen: FirstSeen = new Map()
  for (let attempts = 1; ; attempts += 1) {
    const startedMs = performance.now()
    try {
      const swapped = await db.transaction().execute((trx) => swap(trx, options, firstSeen))
      const durationMs = Math.round((performance.now() - startedMs) * 10) / 10
      return { live: options.version, ...swapped, durationMs, attempts }
    } catch (error) {
      if (!isPassing(error)) throw error
      const leftMs = deadlineMs - performance.now()
      if (leftMs <= 0) throw gaveUp(error, options, attempts)
      const delayMs = backoffDelayMs(attempts, LOCK_BACKOFF, { int: (bound) => randomInt(bound) })
      await sleep(Math.min(delayMs, leftMs))
    }
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof StillBehind || isHeld(error)
}

function gaveUp(error: unknown, options: PromoteOptions, attempts: number): unknown {
  if (error instanceof StillBehind) return error
  return locked(options, `other transactions held ${options.name} in ${attempts} attempts`)
}

function locked({ timeoutMs }: PromoteOptions, what: string): VersionError {
  return new VersionError(
    'LOCKED',
    `${what}, for ${timeoutMs} ms: look for long transactions in pg_stat_activity, and promote again`,
  )
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
  throw new VersionError(
    'NO_EARLIER_VERSION',
    `${name} has no version to go back to: none was live before this one, or it is retired`,
  )
}

/** What the swap has left. */
type Swapped = Pick<Promoted, 'previous' | 'effectsPending'>

async function swap(
  trx: Transaction<unknown>,
  options: PromoteOptions,
  firstSeen: FirstSeen,
): Promise<Swapped> {
  const limitBatches = waitLimit(trx, BATCHES_TIMEOUT_MS)
  await limitBatches()
  const target = await lockVersion(trx, options)
  const { liveVersion } = target
  if (liveVersion === target.version) {
    return { previous: target.previousVersion, effectsPending: 0 }
  }
  refuseUnbuilt(target)
  await refuseSuperseded(trx, options)
  invariant(liveVersion !== null, 'the first version is live from its registration on')
  if (!options.acceptParked) await refuseParked(trx, target)
  const live = await readVersion(trx, { name: options.name, version: liveVersion })
  const offsets = await stopAbreast(trx, { ...options, live, target, firstSeen }, limitBatches)
  // What was parked while the version caught up counts, too.
  if (!options.acceptParked) await refuseParked(trx, target)
  const effects = handedOver(offsets, { live, target })
  await setState(trx, live, { state: 'standby', effects: effects.live })
  await setState(trx, target, { state: 'live', effects: effects.target })
  await setLive(trx, target)
  const places = await placesOf(trx, { live, target })
  const show = await planShowing(trx, places, await bridgedViews(trx, { live, target }, places))
  // The views come last: their readers wait from here on.
  await show(waitLimit(trx, LOCK_TIMEOUT_MS))
  return { previous: live.version, effectsPending: effectsPending(offsets, live) }
}

/** @throws {VersionError} THROW_AWAY, RETIRED, NOT_BUILT */
export function refuseUnbuilt({ name, version, state, reason }: Version): void {
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

/**
 * A job whose process died behind its swap is taken up by the next one, maybe after somebody took the swap back; and
 * what it has verified may have been filled anew.
 */
async function refuseSuperseded(
  trx: Transaction<unknown>,
  { name, version, jobId }: PromoteOptions,
): Promise<void> {
  if (jobId === undefined) return
  await expectOpen(trx, jobId)
  const { rows } = await sql<{ at: Date }>`
    select p.promoted_at as at from evt.projection p
    join evt.projection_job j on j.projection_id = p.id
    where p.name = ${name} and j.id = ${jobId} and p.promoted_at > j.requested_at`.execute(trx)
  const [later] = rows
  if (later === undefined) return
  throw new VersionError(
    'SUPERSEDED',
    `${name} was promoted or rolled back at ${later.at.toISOString()}, since this was asked: v${version} is not shown; ask again if it is to be`,
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
    `${target.name} v${target.version} has ${count} parked keys, whose events its rows lack: replay or discard them (fairlead dlq causes ${target.name} --version ${target.version}), or accept that (acceptParked, --accept-parked)`,
  )
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
