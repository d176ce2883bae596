import type { EventLog, TopicPartition } from '../log/event-log.ts'
import { readCheckpoints } from '../store/checkpoints.ts'
import { versionOf } from '../store/registered-projection.ts'
import { refuseOtherTopics } from './build-target.ts'
import { RebuildFailed } from './rebuild-failed.ts'
import type { RebuildOptions } from './rebuild-version.ts'

/**
 * Whether the log is still the one that a version follows. `consequence` is what would come of a
 * beginning that is missing.
 *
 * @throws {RebuildFailed} when a topic was created anew, or a partition has lost its beginning, unless
 *   that is accepted.
 */
export async function refuseOtherHistory(
  { log, session, registered, job }: RebuildOptions,
  consequence: string,
): Promise<void> {
  const checkpoints = await readCheckpoints(session.db, versionOf(registered))
  const topicIds = checkpoints.flatMap(({ topic, topicId }) =>
    topicId === null ? [] : [[topic, topicId] as const],
  )
  await refuseOtherTopics(log, new Map(topicIds))
  if (job.request.acceptMissingHistory === true) return
  for (const at of checkpoints) await refuseLateBeginning(log, at, consequence)
}

/** @throws {RebuildFailed} when the partition has lost its beginning. */
export async function refuseLateBeginning(
  log: Pick<EventLog, 'earliestOffset'>,
  { topic, partition }: TopicPartition,
  consequence: string,
): Promise<void> {
  const earliest = await log.earliestOffset(topic, partition)
  if (earliest === 0) return
  throw new RebuildFailed(
    `${topic}-${partition} begins at offset ${earliest}: the events before it were removed by its retention, and ${consequence}`,
  )
}
