import type { EventLog, TopicPartition } from '../log/event-log.ts'
import { readCheckpoints } from '../store/checkpoints.ts'
import { versionOf } from '../store/registered-projection.ts'
import { RebuildFailed } from './rebuild-failed.ts'
import type { RebuildOptions } from './rebuild-version.ts'

/**
 * Of a version that follows the log. `consequence` is what would come of it.
 *
 * @throws {RebuildFailed} when a partition has lost its beginning, unless that is accepted.
 */
export async function refuseMissingHistory(
  { log, session, registered, job }: RebuildOptions,
  consequence: string,
): Promise<void> {
  if (job.request.acceptMissingHistory === true) return
  const checkpoints = await readCheckpoints(session.db, versionOf(registered))
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
