import { OperationalError } from '@fairlead/base'
import { type Kysely, type Transaction, sql } from 'kysely'
import { type EventLog, type TopicPartition, partitionAt, placeOf } from '../log/event-log.ts'
import { recentGrowths } from '../store/partition-growth.ts'
import { type RegisteredProjection, isVersion } from '../store/registered-projection.ts'
import { RebuildFailed } from './rebuild-failed.ts'

/** Up to where a rebuild reads, as it was when the rebuild began. */
export type BuildTarget = {
  /** Of each partition, the first offset that is not read. */
  readonly ends: readonly (TopicPartition & { readonly end: number })[]
  /** By topic: which one the offsets are of. */
  readonly topicIds: Readonly<Record<string, string>>
}

/**
 * The ends of the log. Those of a version of a moment are no others: records are not in the order of their times, as
 * those of a transaction that was long open are behind later ones.
 *
 * @throws {OperationalError} while a topic is not there: a rebuild waits for it, as a live version does.
 */
export async function findTarget(
  log: EventLog,
  { projection }: RegisteredProjection,
): Promise<BuildTarget> {
  const ends: (TopicPartition & { readonly end: number })[] = []
  const topicIds: Record<string, string> = {}
  for (const { topic } of projection.sources) {
    topicIds[topic] = await existingTopicId(log, topic)
    const count = await log.partitionCount(topic)
    if (count === 0) throw topicAway(topic)
    for (let partition = 0; partition < count; partition += 1) {
      ends.push({ topic, partition, end: await log.endOffset(topic, partition) })
    }
  }
  return { ends, topicIds }
}

/**
 * Notes the target, with how many partitions each topic has, and had until lately: keys that move
 * behind the target are a task of the workers that will follow the log for the version.
 */
export async function storeTarget(
  trx: Transaction<unknown>,
  registered: RegisteredProjection,
  { ends, topicIds }: BuildTarget,
): Promise<void> {
  const offsets = Object.fromEntries(ends.map((at) => [placeOf(at), at.end]))
  const partitions: Record<string, object> = {}
  for (const [topic, { length }] of Map.groupBy(ends, ({ topic }) => topic)) {
    const seen = { partitionCount: length, nowMs: Date.now() }
    partitions[topic] = { partitionCount: length, before: await recentGrowths(trx, topic, seen) }
  }
  await sql`
    update evt.projection_version set target = ${JSON.stringify(offsets)},
      topic_ids = ${JSON.stringify(topicIds)}, partitions = ${JSON.stringify(partitions)}
    where ${isVersion(registered)}`.execute(trx)
}

/** Null before the first attempt has begun. */
export async function readTarget(
  db: Kysely<unknown>,
  registered: RegisteredProjection,
): Promise<BuildTarget | null> {
  const { rows } = await sql<{
    target: Readonly<Record<string, number>> | null
    topicIds: Readonly<Record<string, string>> | null
  }>`
    select target, topic_ids as "topicIds" from evt.projection_version
    where ${isVersion(registered)}`.execute(db)
  const { target, topicIds } = rows[0] ?? { target: null, topicIds: null }
  if (target === null || topicIds === null) return null
  const ends = Object.entries(target).map(([place, end]) => ({ ...partitionAt(place), end }))
  return { ends, topicIds }
}

/** @throws {RebuildFailed} when a topic is another one now. {OperationalError} while it is not there. */
export async function refuseOtherTopics(
  log: Pick<EventLog, 'topicId'>,
  topicIds: Iterable<readonly [topic: string, topicId: string]>,
): Promise<void> {
  for (const [topic, topicId] of topicIds) {
    if ((await existingTopicId(log, topic)) === topicId) continue
    throw new RebuildFailed(
      `${topic} was deleted and created anew: what was read of it before is not in it any more. Rebuild the version from what the topic has now`,
    )
  }
}

async function existingTopicId(log: Pick<EventLog, 'topicId'>, topic: string): Promise<string> {
  const topicId = await log.topicId(topic)
  if (topicId === undefined) throw topicAway(topic)
  return topicId
}

function topicAway(topic: string): OperationalError {
  return new OperationalError(`there is no topic ${topic}`, {
    code: 'UNKNOWN_TOPIC_OR_PARTITION',
    retryable: true,
  })
}
