import { type EventLog, type TopicPartition, placeOf } from './log/event-log.ts'
import { readCheckpoints } from './store/checkpoints.ts'
import type { Database } from './store/database.ts'

/** How far a version is behind the end of one partition. */
export type PartitionLag = TopicPartition & {
  /** Of the next record to apply; where it will begin while it has applied none. */
  readonly nextOffset: number
  readonly endOffset: number
  readonly lagRecords: number
  /** Of the last record that was applied. */
  readonly eventTimeMs: number | null
}

/** What is asked of the log to tell a lag. */
export type LagLog = Pick<EventLog, 'earliestOffset' | 'endOffset' | 'partitionCount'>

/**
 * Of every partition of `topics`, also of those that the version has not begun, and of every partition
 * that it has a checkpoint in. A topic that is not there has none.
 */
export async function readLags(
  { db, log }: { readonly db: Database; readonly log: LagLog },
  of: { readonly projectionId: number; readonly version: number },
  topics: readonly string[],
): Promise<readonly PartitionLag[]> {
  const checkpoints = await readCheckpoints(db, of)
  const held = new Map(checkpoints.map((at) => [placeOf(at), at]))
  const partitions = new Map<string, TopicPartition>(held)
  for (const topic of topics) {
    const count = await log.partitionCount(topic)
    for (let partition = 0; partition < count; partition += 1) {
      partitions.set(placeOf({ topic, partition }), { topic, partition })
    }
  }
  return Promise.all(
    [...partitions].map(async ([place, { topic, partition }]) => {
      const progress = held.get(place)?.progress
      const nextOffset = progress?.nextOffset ?? (await log.earliestOffset(topic, partition))
      const endOffset = await log.endOffset(topic, partition)
      const lagRecords = Math.max(0, endOffset - nextOffset)
      const eventTimeMs = progress?.eventTimeMs ?? null
      return { topic, partition, nextOffset, endOffset, lagRecords, eventTimeMs }
    }),
  )
}
