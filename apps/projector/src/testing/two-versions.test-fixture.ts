import type { Projection } from '@fairlead/projection'
import { sql } from 'kysely'
import { registerProjection } from '../store/register.ts'
import { createTables } from '../store/version-tables.ts'
import { type MigratedDatabase, migratedDatabase } from './migrated-database.test-fixture.ts'

/** Version 1 of a projection, live, and version 2 beside it, ready. No worker runs either. */
export type TwoVersions = MigratedDatabase & {
  /** Sets where a version stands, from partition 0 on. */
  readonly stand: (version: number, ...nextOffsets: readonly number[]) => Promise<void>
}

export async function openTwoVersions(first: Projection, second: Projection): Promise<TwoVersions> {
  const database = await migratedDatabase()
  const { db } = database
  const { projectionId } = await registerProjection(db, first)
  const registered = await registerProjection(db, second)
  await db.transaction().execute((trx) => createTables(trx, registered, { isBulk: false }))
  await sql`
    update evt.projection_version set state = 'ready' where version = ${second.version}`.execute(db)
  const stand = async (version: number, ...nextOffsets: readonly number[]): Promise<void> => {
    for (const [partition, nextOffset] of nextOffsets.entries()) {
      await sql`
        insert into evt.checkpoint (projection_id, version, topic, part, next_offset)
        values (${projectionId}, ${version}, ${first.sources[0]?.topic}, ${partition}, ${nextOffset})
        on conflict (projection_id, version, topic, part)
          do update set next_offset = excluded.next_offset`.execute(db)
    }
  }
  return { ...database, stand }
}
