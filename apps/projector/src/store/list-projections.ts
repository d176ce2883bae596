import { type Kysely, sql } from 'kysely'
import type { VersionState } from './versions.ts'

/** One partition of one version, as the database knows it. */
export type StoredPartition = {
  readonly name: string
  readonly version: number
  readonly state: VersionState
  readonly reason: string | null
  readonly pausedBy: string | null
  readonly topic: string | null
  readonly partition: number | null
  readonly nextOffset: bigint | null
  readonly fence: bigint | null
  readonly sourceLsn: string | null
  readonly eventTime: Date | null
  readonly updatedAt: Date | null
  readonly parkedKeys: bigint
  /** Ids tell what repeats. */
  readonly hasInbox: boolean
}

/**
 * Every version with every partition that has a checkpoint; one row for a version without any. Throw-away ones that
 * are retired are left out: their numbers are spent, and whoever makes one each day has many.
 */
export async function listStoredPartitions(
  db: Kysely<unknown>,
): Promise<readonly StoredPartition[]> {
  const { rows } = await sql<StoredPartition>`
    select p.name, v.version, v.state, v.reason,
      case when v.paused_at is not null then coalesce(v.paused_by, '') end as "pausedBy",
      c.topic, c.part as "partition",
      c.next_offset as "nextOffset", c.fence, c.source_lsn as "sourceLsn",
      c.event_time as "eventTime", c.updated_at as "updatedAt",
      (select count(*) from evt.parked_key k where k.projection_id = c.projection_id
        and k.version = c.version and k.topic = c.topic and k.part = c.part) as "parkedKeys",
      exists (select from evt.inbox_consumer i where i.projection_id = v.projection_id
        and i.version = v.version) as "hasInbox"
    from evt.projection p
    join evt.projection_version v on v.projection_id = p.id
    left join evt.checkpoint c on c.projection_id = v.projection_id and c.version = v.version
    where v.version > 0 or v.state <> 'retired'
    order by p.name, v.version, c.topic, c.part`.execute(db)
  return rows
}
