import { type Kysely, sql } from 'kysely'
import type { Database } from './database.ts'
import type { ProjectionPartition } from './registered-projection.ts'
import { RUNNING_STATES } from './versions.ts'

/** A topic that had fewer partitions, and when a projector first saw more. */
export type Growth = { readonly partitionCount: number; readonly seenAtMs: number }

type StoredTopic = {
  readonly partitionCount: number
  readonly before: readonly Growth[]
}

/** A producer hears of new partitions within `metadata.max.age.ms`, 5 min as a rule; twice that. */
export const SETTLED_AFTER_MS = 600_000

/** Numbers of partitions that are kept: a topic does not grow often. */
const GROWTHS_MAX = 16

/**
 * Notes how many partitions the topic has, and answers how many it had before while the version
 * followed it. Keys of then may be in other partitions now.
 */
export async function notePartitionCount(
  db: Database,
  { projection, projectionId, topic }: ProjectionPartition,
  seen: { readonly partitionCount: number; readonly nowMs: number },
): Promise<readonly Growth[]> {
  const isVersion = sql`projection_id = ${projectionId} and version = ${projection.version}`
  const noted = await storedTopic(db, isVersion, topic)
  if (noted !== undefined && noted.partitionCount >= seen.partitionCount) return noted.before
  return db.transaction().execute(async (trx) => {
    await sql`select from evt.projection_version
      where ${isVersion} for no key update`.execute(trx)
    const stored = await storedTopic(trx, isVersion, topic)
    if (stored !== undefined && stored.partitionCount >= seen.partitionCount) return stored.before
    const before =
      stored === undefined
        ? []
        : [...stored.before, { partitionCount: stored.partitionCount, seenAtMs: seen.nowMs }]
    const next = { partitionCount: seen.partitionCount, before: before.slice(-GROWTHS_MAX) }
    await sql`
      update evt.projection_version
      set partitions = jsonb_set(partitions, array[${topic}::text], ${JSON.stringify(next)}::jsonb)
      where ${isVersion}`.execute(trx)
    return next.before
  })
}

/**
 * How many partitions the topic had until lately, for a version that begins behind all that there is:
 * as far as versions of any projection have noted, or have not yet noted that there are more by now.
 */
export async function recentGrowths(
  db: Kysely<unknown>,
  topic: string,
  seen: { readonly partitionCount: number; readonly nowMs: number },
): Promise<readonly Growth[]> {
  const { rows } = await sql<{ stored: StoredTopic }>`
    select partitions -> ${topic}::text as stored from evt.projection_version
    where partitions ? ${topic}::text and state in (${sql.join(RUNNING_STATES)})`.execute(db)
  const seenAtMs = new Map<number, number>()
  const note = (growth: Growth): void => {
    const { partitionCount } = growth
    if (partitionCount >= seen.partitionCount) return
    if (seen.nowMs - growth.seenAtMs >= SETTLED_AFTER_MS) return
    seenAtMs.set(partitionCount, Math.max(growth.seenAtMs, seenAtMs.get(partitionCount) ?? 0))
  }
  for (const { stored } of rows) {
    for (const growth of stored.before) note(growth)
    note({ partitionCount: stored.partitionCount, seenAtMs: seen.nowMs })
  }
  return [...seenAtMs]
    .map(([partitionCount, atMs]) => ({ partitionCount, seenAtMs: atMs }))
    .sort((a, b) => a.partitionCount - b.partitionCount)
    .slice(-GROWTHS_MAX)
}

async function storedTopic(
  db: Kysely<unknown>,
  isVersion: ReturnType<typeof sql>,
  topic: string,
): Promise<StoredTopic | undefined> {
  const { rows } = await sql<{ stored: StoredTopic | null }>`
    select partitions -> ${topic}::text as stored from evt.projection_version
    where ${isVersion}`.execute(db)
  return rows[0]?.stored ?? undefined
}
