import { type RawBuilder, sql } from 'kysely'
import type { ProjectionPartition } from './registered-projection.ts'

/** What parked keys and letters belong to, whatever partition they are in. */
export type TopicOfProjection = Omit<ProjectionPartition, 'partition'>

/** Projection, version and topic, as they are written into parked keys and letters. */
export function ownerColumns(partition: TopicOfProjection): RawBuilder<unknown> {
  const { projection, projectionId, topic } = partition
  return sql`${projectionId}::int, ${projection.version}::int, ${topic}::text`
}

/** Rows of parked keys or letters that belong to the version and topic. */
export function isOfTopic(partition: TopicOfProjection): RawBuilder<boolean> {
  const { projection, projectionId, topic } = partition
  return sql`projection_id = ${projectionId} and version = ${projection.version}
    and topic = ${topic}`
}
