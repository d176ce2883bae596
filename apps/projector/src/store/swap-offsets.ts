import { setTimeout as sleep } from 'node:timers/promises'
import { EffectRanges, type StoredRanges } from '@fairlead/projection'
import { type Transaction, sql } from 'kysely'
import { type TopicPartition, placeOf } from '../log/event-log.ts'
import { batchesLock } from './checkpoints.ts'
import { type Version, VersionError, hasEffects } from './versions.ts'
import type { LimitWait } from './wait-limit.ts'

/** What a version that runs makes up for while the other one stands still for it. */
const APART_RECORDS_MAX = 1_000
/** Batches of the live version wait meanwhile; its readers do not. */
const CATCH_UP_TIMEOUT_MS = 2_000
const CATCH_UP_POLL_MS = 5

type At = { readonly partition: number; readonly live: number; readonly target: number }

/** Where the two versions of a swap stand, by topic and partition. */
export type SwapOffsets = ReadonlyMap<string, At>

/** One of the two versions was too slow this time. It goes on, perhaps; the next attempt will show. */
export class StillBehind extends VersionError {}

/** Offsets of the live version when they were first seen, by topic and partition. */
export type FirstSeen = Map<string, number>

type Swap = {
  readonly live: Version
  readonly target: Version
  readonly lagRecordsMax: number
  readonly acceptLostEffects: boolean
  /** Of all attempts of a promotion, which adds to it. */
  readonly firstSeen: FirstSeen
}

/**
 * Stops both versions where readers of the one find nothing missing in the other: batches of the live
 * version that are under way commit, further ones wait, and the target goes on until it is within
 * `lagRecordsMax` of them. A read behind the swap then sees no less than one before it.
 *
 * @throws {VersionError} LAGS_BEHIND when the target is too far behind for that.
 * @throws {StillBehind} LAGS_BEHIND when the target did not come near in time; EFFECTS_PENDING when
 *   the live version is far behind, and has not moved since the first attempt.
 */
export async function stopAbreast(
  trx: Transaction<unknown>,
  swap: Swap,
  limitWait: LimitWait,
): Promise<SwapOffsets> {
  refuseApart(await readOffsets(trx, swap), swap)
  await lockCheckpoints(trx, swap.live, limitWait)
  await catchUp(trx, swap)
  await lockCheckpoints(trx, swap.target, limitWait)
  return readOffsets(trx, swap)
}

/** Before anything waits: neither version would make up for this while the other one stands still. */
function refuseApart(offsets: SwapOffsets, swap: Swap): void {
  refuseLag(offsets, swap)
  if (!swap.acceptLostEffects) refuseStanding(offsets, swap)
}

type Lagging = Pick<Swap, 'live' | 'target' | 'lagRecordsMax'>

/** @throws {VersionError} LAGS_BEHIND for a target that {@link stopAbreast} would refuse at once. */
export async function refuseFarBehind(trx: Transaction<unknown>, swap: Lagging): Promise<void> {
  refuseLag(await readOffsets(trx, swap), swap)
}

function refuseLag(offsets: SwapOffsets, swap: Lagging): void {
  const lag = lagOf(offsets)
  if (lag > Math.max(swap.lagRecordsMax, APART_RECORDS_MAX)) {
    throw new VersionError('LAGS_BEHIND', explainLag(swap, lag))
  }
}

/** Effects that are left to a version that nobody runs are lost. One that moves will come to them. */
function refuseStanding(offsets: SwapOffsets, { live, target, firstSeen }: Swap): void {
  const standing = new Map<string, At>()
  for (const [place, at] of offsets) {
    const seen = firstSeen.get(place) ?? at.live
    firstSeen.set(place, seen)
    standing.set(place, at.live > seen ? { ...at, live: Math.max(at.live, at.target) } : at)
  }
  const pending = effectsPending(standing, live)
  if (pending <= APART_RECORDS_MAX) return
  throw new StillBehind(
    'EFFECTS_PENDING',
    `${target.name} v${live.version}, which is live, stands still behind v${target.version}, and the side effects of ${pending} records are to be had by it alone: ${whyStill(live)} They are lost unless it gets there (acceptLostEffects)`,
  )
}

/**
 * Of the partitions that have one; no others get one meanwhile. Batches first, and then, for whoever else holds a
 * checkpoint: those that are free at once, as both versions stand still for each round trip of a promotion, and
 * the others one by one: `limitWait` limits the wait for one of them.
 */
export async function lockCheckpoints(
  trx: Transaction<unknown>,
  { projectionId, version }: Pick<Version, 'projectionId' | 'version'>,
  limitWait: LimitWait,
): Promise<void> {
  const ofVersion = sql`projection_id = ${projectionId} and version = ${version}`
  // A worker that takes over a partition without a checkpoint waits for it.
  await limitWait()
  await sql`select from evt.projection_version where ${ofVersion} for no key update`.execute(trx)
  await limitWait()
  await sql`select pg_advisory_xact_lock(${batchesLock({ projectionId, version })})`.execute(trx)
  const free = await sql<TopicPartition>`
    select topic, part as "partition" from evt.checkpoint
    where ${ofVersion} for update skip locked`.execute(trx)
  const all = await sql<TopicPartition>`
    select topic, part as "partition" from evt.checkpoint
    where ${ofVersion} order by topic, part`.execute(trx)
  const locked = new Set(free.rows.map(placeOf))
  for (const checkpoint of all.rows) {
    if (locked.has(placeOf(checkpoint))) continue
    await limitWait()
    await sql`
      select from evt.checkpoint where ${ofVersion}
        and topic = ${checkpoint.topic} and part = ${checkpoint.partition}::int for update`.execute(
      trx,
    )
  }
}

async function catchUp(trx: Transaction<unknown>, swap: Swap): Promise<void> {
  const deadlineMs = performance.now() + CATCH_UP_TIMEOUT_MS
  for (;;) {
    const lag = lagOf(await readOffsets(trx, swap))
    if (lag <= swap.lagRecordsMax) return
    if (performance.now() >= deadlineMs) {
      throw new StillBehind(
        'LAGS_BEHIND',
        `${explainLag(swap, lag)} (lagRecordsMax). Under load it needs more connections (database.connections.max) than there are partitions`,
      )
    }
    await sleep(CATCH_UP_POLL_MS)
  }
}

type CheckpointRow = TopicPartition & { readonly version: number; readonly next_offset: bigint }

async function readOffsets(
  trx: Transaction<unknown>,
  { live, target }: Pick<Swap, 'live' | 'target'>,
): Promise<SwapOffsets> {
  const { rows } = await sql<CheckpointRow>`
    select version, topic, part as "partition", next_offset from evt.checkpoint
    where projection_id = ${live.projectionId}
      and version in (${live.version}, ${target.version})`.execute(trx)
  const offsets = new Map<string, At>()
  for (const row of rows) {
    const { partition } = row
    const at = offsets.get(placeOf(row)) ?? { partition, live: 0, target: 0 }
    const nextOffset = Number(row.next_offset)
    const changed = row.version === live.version ? { live: nextOffset } : { target: nextOffset }
    offsets.set(placeOf(row), { ...at, ...changed })
  }
  return offsets
}

function lagOf(offsets: SwapOffsets): number {
  let lag = 0
  for (const at of offsets.values()) lag += Math.max(0, at.live - at.target)
  return lag
}

function explainLag({ live, target, lagRecordsMax }: Lagging, lag: number): string {
  return `${target.name} v${target.version} is ${lag} records behind version ${live.version}: ${whyStill(target)} ${lagRecordsMax} are allowed`
}

function whyStill({ pausedBy }: Version): string {
  return pausedBy === null ? 'does a projector run it?' : `it is paused by ${pausedBy}, resume it.`
}

/** From the greater of the two checkpoints on, side effects are the new version's. */
export function handedOver(
  offsets: SwapOffsets,
  { live, target }: Pick<Swap, 'live' | 'target'>,
): { readonly live: StoredRanges; readonly target: StoredRanges } {
  const opened = new EffectRanges({ stored: target.effects, isLive: false })
  return { live: closedEffects(offsets, live), target: opened.openedAt(greaterOf(offsets)) }
}

function closedEffects(offsets: SwapOffsets, live: Version): StoredRanges {
  return new EffectRanges({ stored: live.effects, isLive: true }).closedAt(greaterOf(offsets))
}

/** By partition: only handlers in SQL have effects, and they read one topic. */
function greaterOf(offsets: SwapOffsets): ReadonlyMap<number, number> {
  return new Map(
    [...offsets.values()].map((at) => [at.partition, Math.max(at.live, at.target)] as const),
  )
}

/** Records whose effects the live version still has before it, were it not to be live any more. */
export function effectsPending(offsets: SwapOffsets, live: Version): number {
  if (!hasEffects(live)) return 0
  const ranges = new EffectRanges({ stored: closedEffects(offsets, live), isLive: false })
  return ranges.pendingCount(
    new Map([...offsets.values()].map((at) => [at.partition, at.live] as const)),
  )
}
